"""What the server does by itself, or on behalf of several routes."""

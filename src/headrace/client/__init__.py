"""What speaks to a server: one transport, and one module for each kind of thing."""

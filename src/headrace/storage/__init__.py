"""Where the code of flows is kept."""

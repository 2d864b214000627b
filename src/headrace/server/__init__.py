"""The server: what it decides, so far. Nothing serves these rules yet."""

"""The server: it keeps what was registered, says who runs what, and never loads user code."""

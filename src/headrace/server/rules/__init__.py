"""The server's rules: pure functions of what is stored and what has come in."""

"""The routes: they read a message, call a service or a query, and answer."""

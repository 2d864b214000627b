"""The steps from each version of the tables to the next (see `headrace.server.db.migrate`)."""

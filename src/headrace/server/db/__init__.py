"""What the server keeps, and how it gets there: schema, migrations, queries, one writer."""

"""PostgreSQL: the embedded trial server, migrations, roles and connections."""

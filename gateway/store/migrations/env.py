"""Alembic environment: runs on the connection and with the roles that migrate.py hands over."""

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
connection.execute(text("CREATE SCHEMA IF NOT EXISTS casegate"))
# Two installers at once: the second waits, then finds nothing to do.
connection.execute(text("SELECT pg_advisory_xact_lock(7310201)"))
context.configure(connection=connection, target_metadata=None, version_table_schema="casegate")
with context.begin_transaction():
    context.run_migrations()

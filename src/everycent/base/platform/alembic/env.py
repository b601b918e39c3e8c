"""Alembic's entry: runs inside the transaction and on the connection that migrate.py hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=None,
    version_table="revision",
    version_table_schema="platform",
)
context.run_migrations()

"""Run by Alembic for each revision, inside the transaction that `kso_utils.store.migrations` opened."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], version_table=context.config.attributes["version_table"]
)
context.run_migrations()

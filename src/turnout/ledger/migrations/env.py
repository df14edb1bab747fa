"""What Alembic runs: the connection and its transaction come from `ledger.migrate`."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from turnout.ledger.tables import metadata

connection = context.config.attributes["connection"]
assert isinstance(connection, Connection), "migrations run through turnout.ledger.migrate"
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()

"""The tables, in SQLAlchemy Core: what Alembic migrates to and what reports read.

The serving process does not import this module (SQLAlchemy costs 0.4 s of CPU at import): it uses `statements`, whose
text a test holds equal to what these tables compile to. Times are integers, milliseconds since 1970 in UTC.
Retention: `retention` deletes by time, in chunks, from every table here but `meta`, which holds a row or two.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

requests = Table(
    "requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("received_ms", Integer, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("deployment", Text),
    Column("reason", Text, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("status", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("error_code", Text),
    Column("duration_ms", Integer, nullable=False),
    Column("ttft_ms", Integer),
    Column("catalogue_version", Text, nullable=False),
    Column("session", Text),
    Column("dropped", Text, nullable=False),
    Index(None, "received_ms"),
    Index(None, "key_id", "received_ms"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", Text, ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("deployment", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("started_ms", Integer, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("first_byte_ms", Integer),
    Column("status", Integer),
    Column("outcome", Text, nullable=False),
    Column("error_code", Text),
    Column("upstream_request_id", Text),
    Column("input_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("cache_write_tokens", Integer),
    Column("cache_write_1h_tokens", Integer),
    Column("output_tokens", Integer),
    Column("reasoning_tokens", Integer),
    Column("estimated", Boolean, nullable=False),
    Column("service_tier", Text),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("old_hash", LargeBinary),
    Column("old_until_ms", Integer),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("routes", Text),
    Column("rpm", Integer),
    Column("tpm", Integer),
    Column("concurrency", Integer),
    Column("created_ms", Integer, nullable=False),
    Column("expires_ms", Integer),
    Column("revoked_ms", Integer),
    Column("tags", Text, nullable=False),
    CheckConstraint("role IN ('user', 'admin')", name="role"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at_ms", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("prev_hash"),  # two entries can't follow the same one: the chain can't fork
    Index(None, "at_ms"),
    sqlite_autoincrement=True,
)

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

"""The record: requests, attempts, and the file's own identity."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

WHOLE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("received_ms", WHOLE, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("deployment", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("duration_ms", WHOLE, nullable=False),
        sa.Column("ttft_ms", WHOLE),
        sa.Column("catalogue_version", sa.Text, nullable=False),
        sa.Column("session", sa.Text),
        sa.Column("dropped", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
    )
    op.create_index("ix_requests_received_ms", "requests", ["received_ms"])
    op.create_index("ix_requests_key_id_received_ms", "requests", ["key_id", "received_ms"])
    op.create_table(
        "attempts",
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("deployment", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("started_ms", WHOLE, nullable=False),
        sa.Column("duration_ms", WHOLE, nullable=False),
        sa.Column("first_byte_ms", WHOLE),
        sa.Column("status", sa.Integer),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("upstream_request_id", sa.Text),
        sa.Column("input_tokens", WHOLE),
        sa.Column("cached_tokens", WHOLE),
        sa.Column("cache_write_tokens", WHOLE),
        sa.Column("cache_write_1h_tokens", WHOLE),
        sa.Column("output_tokens", WHOLE),
        sa.Column("reasoning_tokens", WHOLE),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("service_tier", sa.Text),
        sa.PrimaryKeyConstraint("request_id", "number", name="pk_attempts"),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_attempts_request_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("attempts")
    op.drop_table("requests")
    op.drop_table("meta")

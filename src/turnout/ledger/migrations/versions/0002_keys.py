"""Virtual keys, and the audit log of what was done to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

WHOLE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("old_hash", sa.LargeBinary),
        sa.Column("old_until_ms", WHOLE),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("routes", sa.Text),
        sa.Column("rpm", WHOLE),
        sa.Column("tpm", WHOLE),
        sa.Column("concurrency", sa.Integer),
        sa.Column("created_ms", WHOLE, nullable=False),
        sa.Column("expires_ms", WHOLE),
        sa.Column("revoked_ms", WHOLE),
        sa.Column("tags", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.CheckConstraint("role IN ('user', 'admin')", name=op.f("ck_keys_role")),
    )
    op.create_table(
        "audit",
        sa.Column("seq", WHOLE, nullable=False, primary_key=True, autoincrement=True),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("object", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("prev_hash", name="uq_audit_prev_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at_ms", "audit", ["at_ms"])


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_table("keys")

"""Money: holds, postings, their sums, budgets' accounts; and whom a request was made for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_WHOLE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TOKENS = (
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _whole(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, _WHOLE, nullable=nullable) for name in names]


def upgrade() -> None:
    for name in ("team", "end_user", "tags"):
        op.add_column("requests", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("keys", sa.Column("team", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "holds",
        *_text("request_id"),
        sa.Column("number", sa.Integer, nullable=False),
        *_text("owner"),
        *_whole("started_ms", "expires_ms"),
        *_whole("held_nano", "sunk_nano", nullable=True),
        *_text("accounts", "detail"),
        sa.PrimaryKeyConstraint("request_id", "number", name="pk_holds"),
        sa.CheckConstraint("held_nano >= 0", name=op.f("ck_holds_held")),
    )
    op.create_table(
        "postings",
        *_text("request_id"),
        sa.Column("number", sa.Integer, nullable=False),
        *_text("kind"),
        *_whole("posted_ms", "started_ms"),
        *_text("key_id", "team", "end_user", "tags", "route", "deployment", "provider", "model", "channel"),
        *_text("tier", "region"),
        *_whole(*_TOKENS),
        *_whole("held_nano", "cost_nano", nullable=True),
        *_text("price_row", "catalogue_version"),
        sa.Column("estimated", sa.Boolean, nullable=False),
        *_text("flags"),
        *_whole("neutral_tokens"),
        *_text("content", "accounts"),
        sa.PrimaryKeyConstraint("request_id", "number", "kind", name="pk_postings"),
        sa.CheckConstraint("kind IN ('settle', 'void', 'expire', 'correct')", name=op.f("ck_postings_kind")),
    )
    op.create_index("ix_postings_started_ms", "postings", ["started_ms"])
    op.create_index(
        "ix_postings_end_user", "postings", ["end_user", "started_ms", "kind", "estimated", "cost_nano", *_TOKENS]
    )
    dimensions = ("key_id", "team", "tags", "route", "deployment", "provider", "model")
    op.create_table(
        "spend",
        *_whole("hour_ms"),
        *_text(*dimensions),
        *_whole("calls", "unpriced", "estimated", *_TOKENS, "cost_nano", "estimated_nano"),
        sa.PrimaryKeyConstraint("hour_ms", *dimensions, name="pk_spend"),
    )
    op.create_table(
        "accounts",
        *_text("budget", "subject"),
        *_whole("opens_ms"),
        *_whole("closes_ms", "limit_nano", nullable=True),
        *_whole("held_nano", "spent_nano", "over_nano", "unpriced"),
        sa.PrimaryKeyConstraint("budget", "subject", "opens_ms", name="pk_accounts"),
        sa.CheckConstraint("held_nano >= 0", name=op.f("ck_accounts_held")),
        sa.CheckConstraint("over_nano >= 0", name=op.f("ck_accounts_over")),
        sa.CheckConstraint(
            "limit_nano IS NULL OR spent_nano + held_nano <= limit_nano + over_nano", name=op.f("ck_accounts_limit")
        ),
    )
    op.create_index("ix_accounts_closes_ms", "accounts", ["closes_ms"])
    op.create_table(
        "corrections",
        *_text("id"),
        *_whole("at_ms"),
        *_text("budget", "subject"),
        *_whole("opens_ms", "amount_nano"),
        *_text("reason", "actor"),
        sa.PrimaryKeyConstraint("id", name="pk_corrections"),
    )
    op.create_index("ix_corrections_at_ms", "corrections", ["at_ms"])
    op.create_table(
        "feedback",
        *_text("request_id", "name"),
        *_whole("at_ms"),
        *_text("key_id"),
        *_whole("value_micro"),
        sa.PrimaryKeyConstraint("request_id", "name", name="pk_feedback"),
    )
    op.create_index("ix_feedback_at_ms", "feedback", ["at_ms"])
    op.create_table(
        "instances",
        *_text("id"),
        *_whole("started_ms", "seen_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
    )


def downgrade() -> None:
    for table in ("instances", "feedback", "corrections", "accounts", "spend", "postings", "holds"):
        op.drop_table(table)
    op.drop_column("keys", "team")
    for name in ("team", "end_user", "tags"):
        op.drop_column("requests", name)

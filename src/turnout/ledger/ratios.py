"""What the books teach about tokenizers, for reports: the provider's input tokens beside the neutral counter's.

The same sums as `ratios_live`, over any period and all of its calls. The serving process does not import this module.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, literal, not_, select

from turnout.catalogue.ratios import Learned
from turnout.ledger.ratios_live import LEAST_PROMPT, LEAST_RATIO, MEDIA_FLAG, MOST_RATIO, learned_of
from turnout.ledger.rows import to_ms
from turnout.ledger.tables import postings


def learned(connection: Connection, since: datetime, until: datetime) -> list[Learned]:
    """Sums per model and content of the calls that began from `since` to before `until`."""
    row = postings.c
    squares = row.input_tokens * literal(1.0) * row.input_tokens / row.neutral_tokens
    query = (
        select(
            row.model,
            row.content,
            func.count(),
            func.sum(row.input_tokens),
            func.sum(row.neutral_tokens),
            func.sum(squares),
        )
        .where(
            row.started_ms >= to_ms(since),
            row.started_ms < to_ms(until),
            row.kind == "settle",
            not_(row.estimated),
            not_(row.flags.contains(MEDIA_FLAG)),
            row.neutral_tokens >= LEAST_PROMPT,
            row.input_tokens >= row.neutral_tokens * LEAST_RATIO,
            row.input_tokens <= row.neutral_tokens * MOST_RATIO,
        )
        .group_by(row.model, row.content)
        .order_by(row.model, row.content)
    )
    return [learned_of(*found) for found in connection.execute(query)]

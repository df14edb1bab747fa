"""What the books teach about tokenizers, for the serving process: the newest calls of each model and content.

Holds and counts are estimates before a call; the provider's own count comes after it, and stands in the posting beside
the neutral one. Reads a bounded number of rows, because it runs on the writer's connection, where calls wait. Does not
import SQLAlchemy; `ratios` is the same for reports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from turnout.catalogue.ratios import Learned, Ratios
from turnout.ledger.rows import to_ms
from turnout.ledger.writer import Writer

Execute: TypeAlias = Callable[[str, Sequence[object]], Iterable[Sequence[Any]]]
"""`ledger.store.Store.execute`."""

NEWEST = 20_000
"""Calls that are looked at."""
LEAST_PROMPT = 16
"""Neutral tokens; a shorter prompt is mostly the provider's own frame."""
LEAST_RATIO, MOST_RATIO = 0.1, 20
"""What is beyond has another reason than the tokenizer: content that the neutral counter did not see."""
MEDIA_FLAG = "media"
"""A posting whose flags contain this had images or documents in its prompt, whose tokens are no text's."""
MEMORY = timedelta(days=90)
"""Older calls teach nothing: a name may have been pointed at another model since."""

SELECT_RATIOS = (
    "SELECT model, content, count(*), sum(input_tokens), sum(neutral_tokens),"
    " sum(input_tokens * 1.0 * input_tokens / neutral_tokens) FROM"
    " (SELECT model, content, input_tokens, neutral_tokens, kind, estimated, flags FROM postings"
    " WHERE started_ms >= ? ORDER BY started_ms DESC LIMIT ?) AS newest"
    " WHERE kind = 'settle' AND NOT estimated AND flags NOT LIKE ? AND neutral_tokens >= ?"
    " AND input_tokens >= neutral_tokens * ? AND input_tokens <= neutral_tokens * ?"
    " GROUP BY model, content ORDER BY model, content"
)
"""Sums of those of the newest calls whose input the provider counted, per model and content. The limit is inside: else
a record of calls that teach nothing would be read to its end."""


def learned(execute: Execute, now: datetime) -> list[Learned]:
    """What the newest calls teach. Raises what the database raises."""
    since = to_ms(now - MEMORY)
    params = (since, NEWEST, f"%{MEDIA_FLAG}%", LEAST_PROMPT, LEAST_RATIO, MOST_RATIO)
    return [learned_of(*row) for row in execute(SELECT_RATIOS, params)]


def learned_of(model: str, content: str, calls: int, reported: int, neutral: int, squares: float) -> Learned:
    """From sums; `squares` is that of reported² / neutral, so that the spread is weighted as the ratio is."""
    ratio = int(reported) / int(neutral)
    return Learned(
        model=model,
        content=content,
        calls=int(calls),
        reported=int(reported),
        neutral=int(neutral),
        spread=math.sqrt(max(0.0, float(squares) / int(neutral) - ratio * ratio)),
    )


class LiveRatios:
    """The ratios in use. `current` is replaced as a whole, by the event loop's thread; anyone may read it."""

    def __init__(self) -> None:
        self.current = Ratios.of()
        self._values: dict[tuple[str, str], float] = {}
        """By model and content: a memo of `current`."""

    def tokens(self, neutral: int, *, model: str, content: str) -> int:
        """The model's tokens of a prompt of so many neutral tokens; for every request, so nothing but the number."""
        value = self._values.get((model, content))
        if value is None:
            value = self._values[model, content] = self.current.ratio(model, content).value
        return math.ceil(neutral * value)

    async def refresh(self, writer: Writer, now: datetime) -> int:
        """Learns again from the newest calls; returns how many. Raises StorageUnavailable, and keeps what it had."""
        cells = await writer.run(lambda store: learned(store.execute, now))
        self.current = Ratios.of(cells)
        self._values.clear()
        return sum(each.calls for each in cells)

"""What a provider's export says, whatever its format: one row for one line or one result of it.

A row states only what the export states. A count that an export does not split is given as its whole (`INPUT`), and
what is not there is absent, never 0. Knows no file format and nothing of the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import Enum

from turnout.core.errors import ConfigError
from turnout.core.money import Money


class Measure(Enum):
    """What both sides can count. The parts of the input do not overlap; `INPUT` is their sum."""

    INPUT = "input"
    """All input, cached reads and writes included. Only where an export does not split it."""
    UNCACHED = "uncached"
    CACHED = "cached"
    CACHE_WRITE = "cache_write"
    """Written for the provider's usual lifetime."""
    CACHE_WRITE_1H = "cache_write_1h"
    OUTPUT = "output"
    """All output, reasoning included."""
    REASONING = "reasoning"
    """The part of the output that was reasoning."""
    REQUESTS = "requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRow:
    """One line of an export."""

    place: str
    """Where it stands, such as `usage.csv:12` or `usage.json: data[0].results[3]`."""
    at: datetime
    """The first instant of what it sums up, aware."""
    until: datetime
    """The first instant after it. The same as `at`, or before it: the row is one call."""
    model: str | None = None
    """As the provider names it; None: the export does not say."""
    tier: str | None = None
    """`standard`, `batch`, `flex`, `priority`, `fast`, or the provider's own word; None: the export does not say."""
    counts: Mapping[Measure, int] = field(default_factory=dict[Measure, int])
    cost: Money | None = None
    """None: not stated, or in another currency."""
    cost_step: Money | None = None
    """What the provider rounded the cost to; None: it is exact."""
    item: str | None = None
    """A charge that is no model's tokens, such as a web search."""
    label: str = ""
    """The provider's name of the key, project or workspace."""

    def day(self, zone: tzinfo) -> date:
        """The day in a zone. Raises ConfigError where the row spans two of them."""
        start = self.at.astimezone(zone)
        last = max(self.at, self.until - timedelta(microseconds=1)).astimezone(zone)
        if start.date() != last.date():
            raise ConfigError(
                f"{self.place}: it sums up {_shown(self.at)} to {_shown(self.until)}, which is more than one day in"
                f" {zone}. Name the zone of the export with --zone, or export by the day or the hour."
            )
        return start.date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file that was read."""

    format: str
    channel: str | None
    """Whose price list the calls are on; None: the format does not say."""
    rows: tuple[ExportRow, ...]
    zone: str = "UTC"
    """Of the provider's days."""
    unread: tuple[str, ...] = ()
    """Columns or fields that no reader knows."""
    notes: tuple[str, ...] = ()
    """What a person should know of how it was read."""


def _shown(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")

"""Google's cost report for the Gemini API: a CSV from Billing > Reports, grouped by SKU and by day.

Google has no usage export for the Gemini API; the bill is what there is. Its page
(https://cloud.google.com/billing/docs/how-to/reports) names no columns; those read here are the ones that a public
reader of real files names, and so is the grammar of a SKU: `Generate content input token count gemini 3.7 flash text
batch`. What follows from that, and is told as a note:

- The model is words of that sentence, so its name is compared without dots and dashes.
- Thinking has no SKU of its own and is in the output. A SKU that is no count of tokens is a charge of its own.
- Days are those of California. The rows of subtotals at the end have no date and are left out.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from turnout.core.money import Money
from turnout.planning.exports.row import Export, ExportRow, Measure
from turnout.planning.exports.source import Cells, Seen, Source, csv_lines

CHANNEL = "google"
ZONE = "America/Los_Angeles"
_CENT = Money.of("0.01")
COLUMNS = frozenset(
    (
        "Date",
        "Service description",
        "Service ID",
        "SKU description",
        "SKU ID",
        "Usage amount",
        "Usage unit",
        "List cost ($)",
        "Negotiated savings ($)",
        "Savings programmes ($)",
        "Savings programs ($)",
        "Other savings ($)",
        "Unrounded subtotal ($)",
        "Subtotal ($)",
    )
)
_SKU = re.compile(
    r"generate_?\s?content (?P<kind>cached input|input|output|text output|text input) token count"
    r" (?:for )?(?P<model>gemini.+)",
    re.IGNORECASE,
)
_TIERS = ("batch", "flex", "priority")
_NOISE = frozenset("text image audio video input output short long caching".split())
"""Words of a SKU that are no part of the model's name."""


def read_report(source: Source) -> Export:
    """The CSV of the cost report."""
    seen, rows, zone = Seen(COLUMNS), list[ExportRow](), ZoneInfo(ZONE)
    for line in csv_lines(source, seen):
        if not line.text("Date"):
            continue
        at, until = line.day("Date", zone)
        model, tier, measure = _sku(line.required("SKU description"))
        exact = line.money("Unrounded subtotal ($)")
        counted = measure is not None and line.text("Usage unit").lower() in ("count", "tokens", "")
        rows.append(
            ExportRow(
                place=line.place,
                at=at,
                until=until,
                model=model,
                tier=tier,
                counts={measure: _tokens(line)} if counted and measure else {},
                cost=exact if exact is not None else line.money("Subtotal ($)"),
                cost_step=None if exact is not None else _CENT,
                item=None if model else line.text("SKU description"),
            )
        )
    note = "Google's bill names models in words and has no requests; its days are those of California."
    return Export(
        format="google-report", channel=CHANNEL, rows=tuple(rows), zone=ZONE, unread=tuple(seen.unread), notes=(note,)
    )


def _tokens(line: Cells) -> int:
    found = line.count("Usage amount")
    return found if found is not None else line.refuse("`Usage amount` is missing.")


def _sku(text: str) -> tuple[str | None, str | None, Measure | None]:
    """The model, the tier and the kind of token; a model of None where it is no count of tokens."""
    match = _SKU.fullmatch(text.strip())
    if match is None:
        return None, None, None
    words = match["model"].lower().split()
    tier = next((word for word in words if word in _TIERS), "standard")
    model = "-".join(word for word in words if word not in _NOISE and word not in _TIERS)
    kind = match["kind"].lower()
    if kind.startswith("cached") or "caching" in words:
        return model, tier, Measure.CACHED
    return model, tier, Measure.OUTPUT if kind.endswith("output") else Measure.UNCACHED

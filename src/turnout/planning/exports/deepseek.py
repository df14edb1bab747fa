"""DeepSeek's usage export: a zip archive with `amount-*.csv` (tokens) and `cost-*.csv`.

There is no reference page. The columns are those that public readers of real files name: older files have `utc_date`,
newer ones `start_time_iso` and `end_time_iso`. One line is one kind of token. Costs are in the account's currency, and
those in CNY are not compared. The masked key in `api_key` is not read.
"""

from __future__ import annotations

from datetime import datetime

from turnout.planning.exports.row import Export, ExportRow, Measure
from turnout.planning.exports.source import Cells, Seen, Source, csv_lines

CHANNEL = "deepseek"
_WHEN = "user_id utc_date start_time_iso end_time_iso model"
AMOUNT_COLUMNS = frozenset(f"{_WHEN} api_key_name api_key type price amount".split())
COST_COLUMNS = frozenset(f"{_WHEN} wallet_type cost currency".split())
_TYPES = {
    "input_cache_hit_tokens": Measure.CACHED,
    "input_cache_miss_tokens": Measure.UNCACHED,
    "input_tokens": Measure.INPUT,
    "output_tokens": Measure.OUTPUT,
    "request_count": Measure.REQUESTS,
}


def read_amount(source: Source) -> Export:
    """`amount-*.csv`. A kind that is not known is reported and not counted."""
    seen, rows, notes = Seen(AMOUNT_COLUMNS), list[ExportRow](), dict[str, None]()
    for line in csv_lines(source, seen):
        at, until = _when(line)
        kind = line.required("type")
        measure = _TYPES.get(kind)
        if measure is None:
            notes[f"{line.place}: lines of the type '{kind}' are not known here, and are left out."] = None
            continue
        row = ExportRow(
            place=line.place,
            at=at,
            until=until,
            model=line.required("model"),
            counts={measure: line.count("amount") or 0},
            label=line.text("api_key_name"),
        )
        rows.append(row)
    return _export("deepseek-amount", rows, seen, notes)


def read_cost(source: Source) -> Export:
    """`cost-*.csv`."""
    seen, rows, notes = Seen(COST_COLUMNS), list[ExportRow](), dict[str, None]()
    for line in csv_lines(source, seen):
        at, until = _when(line)
        currency, cost = line.required("currency").upper(), line.money("cost")
        if currency != "USD":
            notes[f"{source.name}: costs are in {currency}, and the ledger is in USD: they are not compared."] = None
        rows.append(
            ExportRow(
                place=line.place,
                at=at,
                until=until,
                model=line.required("model"),
                cost=cost if currency == "USD" else None,
            )
        )
    return _export("deepseek-cost", rows, seen, notes)


def _when(line: Cells) -> tuple[datetime, datetime]:
    if line.text("start_time_iso"):
        return line.instant("start_time_iso"), line.instant("end_time_iso")
    return line.day("utc_date")


def _export(name: str, rows: list[ExportRow], seen: Seen, notes: dict[str, None]) -> Export:
    return Export(format=name, channel=CHANNEL, rows=tuple(rows), unread=tuple(seen.unread), notes=tuple(notes))

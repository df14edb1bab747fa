"""Anthropic's usage and cost: the two answers of the Admin API, and the two CSV files of the console.

Usage: https://platform.claude.com/docs/en/api/admin/usage_report/retrieve_messages. Uncached input, cached reads and
writes stand apart, so nothing is subtracted. Cost: https://platform.claude.com/docs/en/api/admin/cost_report/retrieve;
`amount` is in cents, as text. Both were written after the documentation.

The console's files (https://support.anthropic.com/en/articles/9534590) have no reference page. Their columns are those
that public readers of real files name. The cost file rounds each line to a cent and names models as people do
(`Claude Opus 4.7`).
"""

from __future__ import annotations

from turnout.core.money import Money
from turnout.planning.exports.row import Export, ExportRow, Measure
from turnout.planning.exports.source import Cells, Seen, Source, csv_lines, json_page

CHANNEL = "anthropic"
_CENT = Money.of("0.01")
_WHERE = "workspace_id api_key_id context_window service_tier inference_geo speed account_id service_account_id"
USAGE_FIELDS = frozenset(
    f"uncached_input_tokens cache_creation cache_read_input_tokens output_tokens server_tool_use model {_WHERE}".split()
)
COST_FIELDS = frozenset(f"amount currency description cost_type token_type model {_WHERE}".split())
_CSV_WHERE = "workspace api_key usage_type context_window inference_geo speed api_key_id api_key_status workspace_id"
USAGE_COLUMNS = frozenset(
    "usage_date_utc model_version usage_input_tokens_no_cache usage_input_tokens_cache_write_5m web_search_count"
    f" usage_input_tokens_cache_write_1h usage_input_tokens_cache_read usage_output_tokens {_CSV_WHERE}".split()
)
COST_COLUMNS = frozenset(f"usage_date_utc model token_type cost_usd list_price_usd cost_type {_CSV_WHERE}".split())


def read_usage_json(source: Source) -> Export:
    """The answer of `/v1/organizations/usage_report/messages`."""
    seen, rows = Seen(USAGE_FIELDS), list[ExportRow]()
    page = json_page(source)
    for bucket in page.items("data"):
        for result in bucket.items("results"):
            seen.note(result.values)
            rows.append(_usage(bucket, result))
    return _export("anthropic-usage-json", rows, seen, _more(page))


def read_cost_json(source: Source) -> Export:
    """The answer of `/v1/organizations/cost_report`, by description or as totals."""
    seen, rows = Seen(COST_FIELDS), list[ExportRow]()
    page = json_page(source)
    for bucket in page.items("data"):
        for result in bucket.items("results"):
            seen.note(result.values)
            rows.append(_cost(bucket, result))
    return _export("anthropic-cost-json", rows, seen, _more(page))


def read_usage_csv(source: Source) -> Export:
    """The console's file of tokens."""
    seen, rows = Seen(USAGE_COLUMNS), list[ExportRow]()
    for line in csv_lines(source, seen):
        at, until = line.day("usage_date_utc")
        counts = {
            Measure.UNCACHED: line.count("usage_input_tokens_no_cache"),
            Measure.CACHED: line.count("usage_input_tokens_cache_read"),
            Measure.CACHE_WRITE: line.count("usage_input_tokens_cache_write_5m"),
            Measure.CACHE_WRITE_1H: line.count("usage_input_tokens_cache_write_1h"),
            Measure.OUTPUT: line.count("usage_output_tokens"),
        }
        rows.append(
            ExportRow(
                place=line.place,
                at=at,
                until=until,
                model=line.required("model_version"),
                tier=_tier(line.text("usage_type"), line.text("speed")),
                counts={measure: count for measure, count in counts.items() if count is not None},
                label=line.text("api_key", "workspace"),
            )
        )
    return _export("anthropic-usage-csv", rows, seen, ())


def read_cost_csv(source: Source) -> Export:
    """The console's file of costs, a line for each kind of token."""
    seen, rows = Seen(COST_COLUMNS), list[ExportRow]()
    for line in csv_lines(source, seen):
        at, until = line.day("usage_date_utc")
        tokens = line.text("cost_type") in ("", "token", "tokens")
        rows.append(
            ExportRow(
                place=line.place,
                at=at,
                until=until,
                model=line.required("model") if tokens else None,
                item=None if tokens else line.text("cost_type"),
                tier=_tier(line.text("usage_type"), line.text("speed")) if tokens else None,
                cost=line.money("cost_usd"),
                cost_step=_CENT,
                label=line.text("api_key", "workspace"),
            )
        )
    note = "The console rounds each line's cost to a cent; so much more or less is no difference."
    return _export("anthropic-cost-csv", rows, seen, (note,))


def _usage(bucket: Cells, result: Cells) -> ExportRow:
    written = result.inner("cache_creation")
    counts = {
        Measure.UNCACHED: result.count("uncached_input_tokens"),
        Measure.CACHED: result.count("cache_read_input_tokens"),
        Measure.CACHE_WRITE: written.count("ephemeral_5m_input_tokens"),
        Measure.CACHE_WRITE_1H: written.count("ephemeral_1h_input_tokens"),
        Measure.OUTPUT: result.count("output_tokens"),
    }
    return ExportRow(
        place=result.place,
        at=bucket.instant("starting_at"),
        until=bucket.instant("ending_at"),
        model=result.text("model") or None,
        tier=_tier(result.text("service_tier"), result.text("speed")),
        counts={measure: count for measure, count in counts.items() if count is not None},
        label=result.text("api_key_id", "workspace_id"),
    )


def _cost(bucket: Cells, result: Cells) -> ExportRow:
    cents = result.amount("amount")
    if cents is None:
        result.refuse("`amount` is missing.")
    other = result.text("cost_type") not in ("", "tokens")
    return ExportRow(
        place=result.place,
        at=bucket.instant("starting_at"),
        until=bucket.instant("ending_at"),
        model=result.text("model") or None,
        item=result.text("description", "cost_type") if other else None,
        tier=None if other else _tier(result.text("service_tier"), result.text("speed")),
        cost=Money.of(cents.scaleb(-2)) if result.text("currency").upper() in ("", "USD") else None,
        label=result.text("workspace_id"),
    )


def _tier(word: str, speed: str) -> str | None:
    """`message` is what the console calls a call that was no batch; `fast` is a speed, and a price of its own."""
    if speed.lower() == "fast":
        return "fast"
    word = word.lower()
    return {"": None, "message": "standard", "messages": "standard"}.get(word, word)


def _more(page: Cells) -> tuple[str, ...]:
    if page.values.get("has_more") is True:
        return (f"{page.place}: there are more pages (`has_more`), and days in them will look missing.",)
    return ()


def _export(name: str, rows: list[ExportRow], seen: Seen, notes: tuple[str, ...]) -> Export:
    return Export(format=name, channel=CHANNEL, rows=tuple(rows), unread=tuple(seen.unread), notes=notes)

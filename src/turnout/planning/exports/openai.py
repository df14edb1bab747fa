"""OpenAI's usage and costs: the two API answers, and the two CSV files of the dashboard.

Usage API: https://developers.openai.com/api/docs/api-reference/usage (`/v1/organization/usage/completions`); its fields
as in the types of the openai package 3.54. Input contains cached reads and cache writes. Costs API: the same page,
`/v1/organization/costs`. Both were written after the documentation.

The dashboard's `completions_usage_*.csv` and `cost_*.csv` have no reference page. Their columns are those that public
descriptions of real files show; the usage file has the API's own field names.
"""

from __future__ import annotations

from turnout.planning.exports.row import Export, ExportRow, Measure
from turnout.planning.exports.source import Cells, Seen, Source, csv_lines, json_page

CHANNEL = "openai"
_COUNTS = (
    "input_tokens output_tokens input_cached_tokens input_cache_write_tokens input_cache_write_30m_tokens"
    " input_cache_write_12h_tokens num_model_requests"
)
_PARTS = (
    "input_uncached_tokens input_text_tokens input_cached_text_tokens input_audio_tokens input_cached_audio_tokens"
    " input_image_tokens input_cached_image_tokens output_text_tokens output_audio_tokens output_image_tokens"
)
_GROUPS = (
    "object model batch service_tier api_key_id project_id user_id api_source api_key_name project_name user_email"
    " user_name organization_id organization_name start_time end_time start_time_iso end_time_iso"
)
USAGE_FIELDS = frozenset(f"{_COUNTS} {_PARTS} {_GROUPS}".split())
COST_FIELDS = frozenset(
    "object amount amount_value amount_currency quantity quantity_unit line_item api_key_id project_id user_id"
    " organization_id project_name organization_name user_email api_source start_time end_time start_time_iso"
    " end_time_iso".split()
)
_TIERS = {"default": "standard", "auto": "standard"}
_LINE_ITEMS = ("input", "cached input", "output", "cache write", "cache writes", "cached input write")
"""The kinds behind a model's name in a `line_item`; all else there is a charge for something other than tokens."""


def read_usage_json(source: Source) -> Export:
    """The answer of `/v1/organization/usage/completions`, one page or several put into one `data`."""
    seen, rows = Seen(USAGE_FIELDS), list[ExportRow]()
    page = json_page(source)
    for bucket in page.items("data"):
        for result in bucket.items("results"):
            seen.note(result.values)
            rows.append(_usage(bucket, result))
    return _export("openai-usage-json", rows, seen, _more(page))


def read_costs_json(source: Source) -> Export:
    """The answer of `/v1/organization/costs`, by line item or as totals."""
    seen, rows = Seen(COST_FIELDS), list[ExportRow]()
    page = json_page(source)
    for bucket in page.items("data"):
        for result in bucket.items("results"):
            seen.note(result.values)
            amount = result.inner("amount")
            rows.append(_cost(bucket, result, amount, "value", "currency"))
    return _export("openai-costs-json", rows, seen, _more(page))


def read_usage_csv(source: Source) -> Export:
    """The dashboard's `completions_usage_*.csv`. A bucket without usage is a line with no counts."""
    seen = Seen(USAGE_FIELDS)
    rows = [_usage(line, line) for line in csv_lines(source, seen) if line.text("input_tokens", "output_tokens")]
    return _export("openai-usage-csv", rows, seen, ())


def read_cost_csv(source: Source) -> Export:
    """The dashboard's `cost_*.csv`. A bucket without cost is a line with no amount."""
    seen = Seen(COST_FIELDS)
    lines = [line for line in csv_lines(source, seen) if line.text("amount_value")]
    rows = [_cost(line, line, line, "amount_value", "amount_currency") for line in lines]
    return _export("openai-cost-csv", rows, seen, ())


def _usage(bucket: Cells, result: Cells) -> ExportRow:
    whole, cached = result.count("input_tokens"), result.count("input_cached_tokens")
    written = result.count("input_cache_write_tokens")
    if whole is None:
        result.refuse("`input_tokens` is missing.")
    counts = {Measure.OUTPUT: result.count("output_tokens"), Measure.REQUESTS: result.count("num_model_requests")}
    if cached is None:
        counts[Measure.INPUT] = whole
    else:
        if cached + (written or 0) > whole:
            result.refuse("its cached and written tokens together are more than `input_tokens`.")
        counts |= {Measure.CACHED: cached, Measure.CACHE_WRITE: written or 0}
        counts[Measure.UNCACHED] = whole - cached - (written or 0)
    return ExportRow(
        place=result.place,
        at=bucket.instant("start_time"),
        until=bucket.instant("end_time"),
        model=result.text("model") or None,
        tier=_tier(result),
        counts={measure: count for measure, count in counts.items() if count is not None},
        label=result.text("api_key_id", "project_id"),
    )


def _tier(result: Cells) -> str | None:
    """Batch is a flag of its own beside the tier."""
    batch, tier = result.text("batch").lower(), result.text("service_tier").lower()
    if batch == "true":
        return "batch"
    if tier:
        return _TIERS.get(tier, tier)
    return None


def _cost(bucket: Cells, result: Cells, amount: Cells, value: str, currency: str) -> ExportRow:
    model, item = _line_item(result.text("line_item"))
    dollars = amount.text(currency).lower() in ("", "usd")
    cost = amount.money(value)
    if cost is None:
        amount.refuse(f"`{value}` is missing.")
    return ExportRow(
        place=result.place,
        at=bucket.instant("start_time"),
        until=bucket.instant("end_time"),
        model=model,
        item=item,
        cost=cost if dollars else None,
        label=result.text("api_key_id", "project_id"),
    )


def _line_item(text: str) -> tuple[str | None, str | None]:
    """A line item such as `gpt-5.5-2026-04-23, cached input` as a model; another one as an item."""
    if not text:
        return None, None
    model, comma, kind = text.rpartition(",")
    if comma and kind.strip().lower() in _LINE_ITEMS:
        return model.strip(), None
    return None, text


def _more(page: Cells) -> tuple[str, ...]:
    if page.values.get("has_more") is True:
        return (f"{page.place}: there are more pages (`has_more`), and days in them will look missing.",)
    return ()


def _export(name: str, rows: list[ExportRow], seen: Seen, notes: tuple[str, ...]) -> Export:
    return Export(format=name, channel=CHANNEL, rows=tuple(rows), unread=tuple(seen.unread), notes=notes)

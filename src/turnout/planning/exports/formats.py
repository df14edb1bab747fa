"""The formats that are known, how each is recognised, and on what its reader rests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, cast

from turnout.core.errors import ConfigError
from turnout.core.names import did_you_mean
from turnout.planning.exports import anthropic, deepseek, google, openai, openrouter
from turnout.planning.exports.generic import Mapped, read_generic
from turnout.planning.exports.row import Export, Measure
from turnout.planning.exports.source import Source

Basis = Literal["documentation", "public files"]
"""`documentation`: the provider's own pages. `public files`: columns that public readers of real files name."""
Shape = Callable[[Source], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One kind of file."""

    name: str
    basis: Basis
    fits: Shape
    read: Callable[[Source], Export]


def read_export(source: Source, name: str | None = None, mapping: Mapped | None = None) -> Export:
    """A file, by the format named or the one it looks like. Raises ConfigError."""
    if mapping is not None or name == "generic":
        return read_generic(source, mapping or Mapped())
    if name is not None:
        return _named(name).read(source)
    found = next((each for each in FORMATS if each.fits(source)), None)
    if found is not None:
        return found.read(source)
    header = set(source.header())
    if "day" in header and header & {measure.value for measure in Measure} | header & {"cost"}:
        return read_generic(source, Mapped())
    raise ConfigError(
        f"{source.name}: looks like none of the exports that are known: {', '.join(each.name for each in FORMATS)}."
        " Name one with --format, or say with --mapping which column is what."
    )


def format_names() -> list[str]:
    """Every name that `--format` takes."""
    return [*(each.name for each in FORMATS), "generic"]


def _named(name: str) -> Format:
    for each in FORMATS:
        if each.name == name:
            return each
    raise ConfigError(f"There is no format '{name}'. {did_you_mean(name, format_names())}".rstrip())


def _columns(*needed: str) -> Shape:
    """A CSV whose header has all of these."""
    return lambda source: set(needed) <= set(source.header())


def _buckets(*needed: str, marked: str | None = None) -> Shape:
    """A JSON page of buckets with results, one of which has all of these fields."""

    def fits(source: Source) -> bool:
        if not source.data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
            return False
        results = [result for bucket in _list(source.json(), "data") for result in _list(bucket, "results")]
        return any(set(needed) <= set(result) and marked in (None, result.get("object")) for result in results)

    return fits


def _rows(*needed: str) -> Shape:
    """A JSON page of rows, the first of which has all of these fields."""

    def fits(source: Source) -> bool:
        if not source.data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
            return False
        return any(set(needed) <= set(row) for row in _list(source.json(), "data")[:1])

    return fits


def _list(value: object, name: str) -> list[dict[str, object]]:
    inner = cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None
    each: Iterable[object] = cast("list[object]", inner) if isinstance(inner, list) else ()
    return [cast("dict[str, object]", item) for item in each if isinstance(item, dict)]


FORMATS = (
    Format(
        name="openai-usage-json",
        basis="documentation",
        fits=_buckets("input_tokens", "output_tokens", marked="organization.usage.completions.result"),
        read=openai.read_usage_json,
    ),
    Format(
        name="openai-costs-json",
        basis="documentation",
        fits=_buckets("amount", marked="organization.costs.result"),
        read=openai.read_costs_json,
    ),
    Format(
        name="openai-usage-csv",
        basis="public files",
        fits=_columns("start_time", "end_time", "input_tokens", "output_tokens", "num_model_requests"),
        read=openai.read_usage_csv,
    ),
    Format(
        name="openai-cost-csv",
        basis="public files",
        fits=_columns("start_time", "end_time", "amount_value", "line_item"),
        read=openai.read_cost_csv,
    ),
    Format(
        name="anthropic-usage-json",
        basis="documentation",
        fits=_buckets("uncached_input_tokens", "output_tokens"),
        read=anthropic.read_usage_json,
    ),
    Format(
        name="anthropic-cost-json",
        basis="documentation",
        fits=_buckets("amount", "currency"),
        read=anthropic.read_cost_json,
    ),
    Format(
        name="anthropic-usage-csv",
        basis="public files",
        fits=_columns("usage_date_utc", "model_version", "usage_input_tokens_no_cache"),
        read=anthropic.read_usage_csv,
    ),
    Format(
        name="anthropic-cost-csv",
        basis="public files",
        fits=_columns("usage_date_utc", "model", "token_type", "cost_usd"),
        read=anthropic.read_cost_csv,
    ),
    Format(
        name="deepseek-amount",
        basis="public files",
        fits=_columns("user_id", "model", "type", "amount"),
        read=deepseek.read_amount,
    ),
    Format(
        name="deepseek-cost",
        basis="public files",
        fits=_columns("user_id", "model", "wallet_type", "cost", "currency"),
        read=deepseek.read_cost,
    ),
    Format(
        name="openrouter-activity",
        basis="documentation",
        fits=_rows("date", "model", "endpoint_id", "prompt_tokens"),
        read=openrouter.read_activity,
    ),
    Format(
        name="openrouter-generations",
        basis="public files",
        fits=_columns("generation_id", "created_at", "model_permaslug"),
        read=openrouter.read_generations,
    ),
    Format(
        name="openrouter-daily",
        basis="public files",
        fits=_columns("Date", "Slug", "Usage", "Prompt Tokens"),
        read=openrouter.read_daily,
    ),
    Format(
        name="google-report",
        basis="public files",
        fits=_columns("Date", "SKU description", "Usage amount"),
        read=google.read_report,
    ),
)

"""OpenRouter's activity: the API's answer, and the CSV files of the Activity page.

API: https://openrouter.ai/docs/api/api-reference/analytics/get-user-activity (`/api/v1/activity`), written after the
documentation. Its prompt tokens are not split into cached ones and others, and `usage` is what was paid in credits, not
what a key of your own cost elsewhere (`byok_usage_inference`).

The page's export (https://openrouter.ai/docs/cookbook/administration/activity-export) names no columns. Those read here
are the ones that public readers of real files name: one line for each generation, or one for each day and model.
"""

from __future__ import annotations

from datetime import timedelta

from turnout.planning.exports.row import Export, ExportRow, Measure
from turnout.planning.exports.source import Cells, Seen, Source, csv_lines, json_page

CHANNEL = "openrouter"
ACTIVITY_FIELDS = frozenset(
    "date model model_permaslug endpoint_id provider_name usage byok_usage_inference requests prompt_tokens"
    " completion_tokens reasoning_tokens".split()
)
GENERATION_COLUMNS = frozenset(
    "generation_id created_at cost_total cost_web_search cost_cache cost_file_processing byok_usage_inference"
    " tokens_prompt tokens_completion tokens_reasoning tokens_cached model_permaslug provider_name variant cancelled"
    " streamed user finish_reason_raw finish_reason_normalized generation_time_ms time_to_first_token_ms"
    " api_key_disabled api_key_name app_name".split()
)
DAILY_COLUMNS = frozenset(
    ("Date", "Slug", "Usage", "BYOK Usage", "Requests", "Prompt Tokens", "Completion Tokens", "Reasoning Tokens")
)


def read_activity(source: Source) -> Export:
    """The answer of `/api/v1/activity`."""
    seen, rows = Seen(ACTIVITY_FIELDS), list[ExportRow]()
    for item in json_page(source).items("data"):
        seen.note(item.values)
        names = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "requests", "usage")
        rows.append(_daily(item, "date", item.required("model"), names))
    return _export("openrouter-activity", rows, seen)


def read_daily(source: Source) -> Export:
    """The page's file with a line for each day and model."""
    seen, rows = Seen(DAILY_COLUMNS), list[ExportRow]()
    names = ("Prompt Tokens", "Completion Tokens", "Reasoning Tokens", "Requests", "Usage")
    for line in csv_lines(source, seen):
        rows.append(_daily(line, "Date", line.required("Slug"), names))
    return _export("openrouter-daily", rows, seen)


def read_generations(source: Source) -> Export:
    """The page's file with a line for each generation. Times are in UTC."""
    seen, rows = Seen(GENERATION_COLUMNS), list[ExportRow]()
    for line in csv_lines(source, seen):
        at = line.instant("created_at")
        prompt, cached = line.count("tokens_prompt"), line.count("tokens_cached")
        counts: dict[Measure, int | None] = {Measure.OUTPUT: line.count("tokens_completion"), Measure.REQUESTS: 1}
        counts[Measure.REASONING] = line.count("tokens_reasoning")
        if prompt is not None and cached is not None:
            if cached > prompt:
                line.refuse("`tokens_cached` is more than `tokens_prompt`.")
            counts |= {Measure.CACHED: cached, Measure.UNCACHED: prompt - cached}
        else:
            counts[Measure.INPUT] = prompt
        variant = line.text("variant")
        model = line.required("model_permaslug")
        rows.append(
            ExportRow(
                place=line.place,
                at=at,
                until=at + timedelta(milliseconds=1),
                model=f"{model}:{variant}" if variant not in ("", "standard") else model,
                counts={measure: count for measure, count in counts.items() if count is not None},
                cost=line.money("cost_total"),
                label=line.text("api_key_name"),
            )
        )
    return _export("openrouter-generations", rows, seen)


def _daily(cells: Cells, date: str, model: str, names: tuple[str, str, str, str, str]) -> ExportRow:
    prompt, completion, reasoning, requests, usage = names
    at, until = cells.day(date)
    counts = {
        Measure.INPUT: cells.count(prompt),
        Measure.OUTPUT: cells.count(completion),
        Measure.REASONING: cells.count(reasoning),
        Measure.REQUESTS: cells.count(requests),
    }
    return ExportRow(
        place=cells.place,
        at=at,
        until=until,
        model=model,
        counts={measure: count for measure, count in counts.items() if count is not None},
        cost=cells.money(usage),
    )


def _export(name: str, rows: list[ExportRow], seen: Seen) -> Export:
    return Export(format=name, channel=CHANNEL, rows=tuple(rows), unread=tuple(seen.unread))

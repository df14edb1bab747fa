"""Every format that a provider's export may have, read into rows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import provider_files as files
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.errors import ConfigError
from turnout.core.money import Money
from turnout.planning.exports.formats import FORMATS, format_names, read_export
from turnout.planning.exports.generic import Mapped, read_mapping
from turnout.planning.exports.row import Export, ExportRow, Measure
from turnout.planning.exports.source import Source, open_sources

COUNTED = dict[str, int]


def read(data: bytes, name: str = "file", form: str | None = None) -> Export:
    return read_export(Source(name, data), form)


def told(row: ExportRow) -> tuple[str, str | None, str | None, COUNTED, str | None]:
    """Day, model, tier, counts, cost."""
    counts = {measure.value: count for measure, count in row.counts.items()}
    cost = None if row.cost is None else str(row.cost)
    return row.at.date().isoformat(), row.model, row.tier, counts, cost


GOLDEN = {
    "openai-usage-json": [
        (
            "2026-11-08",
            "gpt-5.5-2026-04-23",
            "standard",
            {"output": 500, "requests": 5, "cached": 800, "cache_write": 100, "uncached": 600},
            None,
        ),
        (
            "2026-11-08",
            "gpt-5.5-2026-04-23",
            "batch",
            {"output": 10, "requests": 1, "cached": 0, "cache_write": 0, "uncached": 90},
            None,
        ),
    ],
    "openai-costs-json": [
        ("2026-11-08", "gpt-5.5-2026-04-23", None, {}, "$0.0034000000000000002"),
        ("2026-11-08", "gpt-5.5-2026-04-23", None, {}, "$0.015"),
        ("2026-11-08", None, None, {}, "$0.02"),
    ],
    "openai-usage-csv": [
        (
            "2026-11-08",
            "gpt-5.5-2026-04-23",
            "standard",
            {"output": 1419, "requests": 3, "cached": 1280, "cache_write": 0, "uncached": 5882},
            None,
        )
    ],
    "openai-cost-csv": [("2026-11-08", "gpt-5.5-2026-04-23", None, {}, "$0.0184")],
    "anthropic-usage-json": [
        (
            "2026-11-08",
            "claude-sonnet-4-20250514",
            "standard",
            {"uncached": 1500, "cached": 200, "cache_write": 500, "cache_write_1h": 1000, "output": 500},
            None,
        )
    ],
    "anthropic-cost-json": [
        ("2026-11-08", "claude-sonnet-4-20250514", "standard", {}, "$1.2378912"),
        ("2026-11-08", None, None, {}, "$0.1"),
    ],
    "anthropic-usage-csv": [
        (
            "2026-11-08",
            "claude-opus-4-7",
            "standard",
            {"uncached": 46981, "cached": 100, "cache_write": 15969, "cache_write_1h": 7, "output": 16932},
            None,
        ),
        (
            "2026-11-08",
            "claude-opus-4-7",
            "fast",
            {"uncached": 10, "cached": 0, "cache_write": 0, "cache_write_1h": 0, "output": 20},
            None,
        ),
        (
            "2026-11-09",
            "claude-haiku-4-5-20251001",
            "batch",
            {"uncached": 622, "cached": 0, "cache_write": 0, "cache_write_1h": 0, "output": 423},
            None,
        ),
    ],
    "anthropic-cost-csv": [
        ("2026-11-08", "Claude Opus 4.7", "standard", {}, "$0.05"),
        ("2026-11-08", "Claude Opus 4.7", "standard", {}, "$0.02"),
        ("2026-11-08", None, None, {}, "$0.1"),
    ],
    "deepseek-amount": [
        ("2026-11-08", "deepseek-v4-pro", None, {"requests": 3}, None),
        ("2026-11-08", "deepseek-v4-pro", None, {"output": 200}, None),
        ("2026-11-08", "deepseek-v4-pro", None, {"cached": 1000}, None),
        ("2026-11-08", "deepseek-v4-pro", None, {"uncached": 500}, None),
    ],
    "deepseek-cost": [
        ("2026-11-08", "deepseek-v4-pro", None, {}, "$0.001496"),
        ("2026-11-08", "deepseek-v4-pro", None, {}, None),
    ],
    "openrouter-activity": [
        ("2026-11-08", "openai/gpt-4.1", None, {"input": 50, "output": 125, "reasoning": 25, "requests": 5}, "$0.015")
    ],
    "openrouter-generations": [
        (
            "2026-11-08",
            "openai/gpt-oss-120b",
            None,
            {"output": 137, "requests": 1, "reasoning": 12, "cached": 9000, "uncached": 1389},
            "$0.0123",
        ),
        (
            "2026-11-08",
            "openai/gpt-oss-120b:free",
            None,
            {"output": 1, "requests": 1, "reasoning": 0, "cached": 0, "uncached": 10},
            "$0",
        ),
    ],
    "openrouter-daily": [
        (
            "2026-11-08",
            "anthropic/claude-opus-4.7",
            None,
            {"input": 70965665, "output": 3009973, "reasoning": 0, "requests": 4115},
            "$430.07",
        )
    ],
    "google-report": [
        ("2026-11-08", "gemini-3.1-flash-lite", "standard", {"uncached": 100_000}, "$0.075"),
        ("2026-11-08", "gemini-3.1-flash-lite", "batch", {"output": 2000}, "$0.375"),
        ("2026-11-08", "gemini-3.1-flash-lite", "standard", {"cached": 50}, "$0.005"),
        ("2026-11-08", None, None, {}, "$0.105"),
    ],
}


@pytest.mark.parametrize("name", files.FILES)
def test_an_export_is_recognised_and_read(name: str) -> None:
    """Each by its own shape, with every count in its class, exact amounts, and nothing unread."""
    export = read(files.FILES[name])

    assert export.format == name
    assert [told(row) for row in export.rows] == GOLDEN[name]
    assert export.unread == ()


def test_every_format_has_a_file_in_these_tests() -> None:
    """No reader is without one."""
    assert [each.name for each in FORMATS] == list(files.FILES)
    assert format_names() == [*files.FILES, "generic"]


@pytest.mark.parametrize("name", files.FILES)
def test_only_one_format_fits_a_file(name: str) -> None:
    """The order in which the formats are tried does not matter."""
    source = Source("file", files.FILES[name])

    assert [each.name for each in FORMATS if each.fits(source)] == [name]


def test_buckets_without_usage_are_no_rows() -> None:
    """OpenAI writes a line for every bucket, and most are empty."""
    assert len(read(files.OPENAI_USAGE_CSV).rows) == 1
    assert len(read(files.OPENAI_COST_CSV).rows) == 1


def test_a_page_of_several_is_told() -> None:
    """What is on the next page would look missing."""
    assert read(files.OPENAI_USAGE_JSON, "usage.json").notes == (
        "usage.json: there are more pages (`has_more`), and days in them will look missing.",
    )


def test_an_archive_is_opened(tmp_path: Path) -> None:
    """DeepSeek's two files, named after the archive."""
    path = tmp_path / "usage.zip"
    path.write_bytes(files.deepseek_zip())
    exports = [read_export(source) for source in open_sources(path)]

    assert [export.format for export in exports] == ["deepseek-amount", "deepseek-cost"]
    assert exports[0].rows[0].place == f"{path}/usage_data_2026_11/amount-2026-11.csv:2"


def test_hours_of_another_zone_are_instants() -> None:
    """DeepSeek's newer files have hours of China; 08:00 there is midnight in UTC."""
    row = read(files.DEEPSEEK_AMOUNT_HOURS).rows[0]

    assert row.at == datetime(2026, 11, 8, tzinfo=UTC)
    assert row.day(UTC) == date(2026, 11, 8)


def test_amounts_in_yuan_are_not_compared() -> None:
    """The ledger is in dollars, and no rate is made up."""
    export = read(files.DEEPSEEK_COST, "cost.csv")

    assert export.rows[1].cost is None
    assert export.notes == ("cost.csv: costs are in CNY, and the ledger is in USD: they are not compared.",)


def test_google_s_days_are_those_of_california() -> None:
    """Eight hours behind UTC in winter."""
    row = read(files.GOOGLE_REPORT).rows[0]

    assert row.at.astimezone(UTC) == datetime(2026, 11, 8, 8, tzinfo=UTC)


def test_a_charge_for_something_else_is_an_item() -> None:
    """A search has a price and no model."""
    items = {name: [row.item for row in read(files.FILES[name]).rows if row.item] for name in files.FILES}

    assert {name: found for name, found in items.items() if found} == {
        "openai-costs-json": ["web search tool calls"],
        "anthropic-cost-json": ["Web Search Usage"],
        "anthropic-cost-csv": ["web_search"],
        "google-report": ["Grounding with Google Search"],
    }


def test_a_cost_that_was_rounded_says_so() -> None:
    """To a cent, in the console's file; OpenAI's amounts are exact."""
    assert {row.cost_step for row in read(files.ANTHROPIC_COST_CSV).rows} == {Money.of("0.01")}
    assert {row.cost_step for row in read(files.OPENAI_COSTS_JSON).rows} == {None}


def test_columns_that_nobody_knows_are_reported() -> None:
    """They may be a new class of tokens, so they are not dropped in silence."""
    data = files.OPENROUTER_DAILY.replace(b"Reasoning Tokens\n", b"Reasoning Tokens,Video Tokens\n")
    data = data.replace(b'"0"\n', b'"0","7"\n')
    json_data = files.ANTHROPIC_USAGE_JSON.replace(b'"output_tokens"', b'"video_tokens": 3, "output_tokens"')

    assert read(data).unread == ("Video Tokens",)
    assert read(json_data).unread == ("video_tokens",)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            files.OPENROUTER_DAILY.replace(b'"4115"', b'"41.5"'),
            "a.csv:2: `Requests` is '41.5', which is no whole number.",
        ),
        (files.OPENROUTER_DAILY.replace(b'"4115"', b'"-1"'), "a.csv:2: `Requests` is '-1', which is no whole number."),
        (files.OPENROUTER_DAILY.replace(b"2026-11-08 00:00:00", b"yesterday"), "a.csv:2: `Date` is 'yesterday'"),
        (files.OPENROUTER_DAILY.replace(b',"0"\n', b"\n"), "a.csv:2: has 7 columns, and the header has 8."),
        (files.OPENROUTER_DAILY.replace(b"430.07", b"many"), "a.csv:2: `Usage` is no amount: many."),
        (files.OPENROUTER_DAILY.replace(b"430.07", b"NaN"), "a.csv:2: `Usage` is no amount: NaN."),
        (
            files.OPENROUTER_GENERATIONS.replace(b",9000,", b",99999,"),
            "a.csv:2: `tokens_cached` is more than `tokens_prompt`.",
        ),
        (
            files.ANTHROPIC_USAGE_JSON.replace(b": 1500", b': "x"'),
            "a.csv: data[0].results[0]: `uncached_input_tokens` is 'x', which is no whole number.",
        ),
        (
            files.OPENAI_USAGE_JSON.replace(b": 800", b": 1600"),
            "a.csv: data[0].results[0]: its cached and written tokens together are more than `input_tokens`.",
        ),
        (files.OPENROUTER_DAILY.replace(b"70965665", b"9" * 30), "a.csv:2: `Prompt Tokens` is 999"),
        (b"\xff\xfe", "a.csv: is no text in UTF-8."),
        (b"a,b\n1,2\n", "a.csv: looks like none of the exports that are known: openai-usage-json"),
        (b"", "a.csv: looks like none of the exports"),
    ],
)
def test_what_can_t_be_read_is_refused_with_its_place(data: bytes, said: str) -> None:
    """File and line, or the place in the JSON."""
    with pytest.raises(ConfigError) as refused:
        read(data, "a.csv")

    assert refused.value.message.startswith(said)


def test_broken_json_is_refused_with_its_line() -> None:
    """When the format was named; otherwise it looks like nothing known."""
    with pytest.raises(ConfigError, match=r"^u\.json:3: Expecting"):
        read(b'{\n"data": [\n}', "u.json", "openai-usage-json")


def test_an_archive_that_is_damaged_or_empty_is_refused(tmp_path: Path) -> None:
    """With its name."""
    path = tmp_path / "u.zip"
    path.write_bytes(files.deepseek_zip()[:60])
    with pytest.raises(ConfigError, match="is a zip archive that can't be read"):
        open_sources(path)


def test_a_row_of_more_than_a_day_has_no_day() -> None:
    """A month's sum can't be put on one of its days, nor can a UTC day on one of Tokyo's."""
    row = ExportRow(place="a:1", at=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 12, 1, tzinfo=UTC))
    with pytest.raises(ConfigError, match="a:1: it sums up 2026-11-01T00:00Z to 2026-12-01T00:00Z, which is more than"):
        row.day(UTC)


MAPPING = """
channel = "mistral"
zone = "Europe/Paris"
unit = "thousands"
items = "usage.rows"
ignore = ["note"]
[columns]
day = "Day"
model = "Model"
uncached = "In"
output = "Out"
cost = "USD"
"""


def test_any_file_is_read_by_a_mapping(tmp_path: Path) -> None:
    """Columns, unit, zone and the place of the list are said in TOML."""
    path = tmp_path / "map.toml"
    path.write_text(MAPPING)
    data = (
        b'{"usage": {"rows": [{"Day": "2026-11-08", "Model": "mistral-large", "In": 1.5, "Out": "0.002", "USD": "0.5",'
        b' "note": "x", "more": 1}]}}'
    )
    export = read_export(Source("m.json", data), mapping=read_mapping(path))

    assert told(export.rows[0]) == ("2026-11-08", "mistral-large", None, {"uncached": 1500, "output": 2}, "$0.5")
    assert export.rows[0].at.astimezone(UTC) == datetime(2026, 11, 7, 23, tzinfo=UTC)
    assert (export.channel, export.zone, export.unread) == ("mistral", "Europe/Paris", ("more",))


def test_a_mapping_with_a_mistake_is_refused_with_its_key(tmp_path: Path) -> None:
    """Unknown columns, units and zones."""
    path = tmp_path / "map.toml"
    path.write_text('unit = "dozens"\nzone = "Mars/Base"\n[columns]\nprompt = "In"\n')
    with pytest.raises(ConfigError) as refused:
        read_mapping(path)

    assert "unit: must be one of 'tokens', 'thousands', 'millions'" in refused.value.message
    assert "zone: " in refused.value.message
    assert "columns.prompt: unknown key." in refused.value.message


def test_a_fraction_of_a_token_is_refused() -> None:
    """0.0005 thousands are half a token: the unit is wrong."""
    with pytest.raises(ConfigError, match="which is no whole number of tokens"):
        read_export(Source("a.csv", b"day,model,output\n2026-11-08,m,0.0005\n"), mapping=Mapped(digits=3))


@given(st.lists(st.tuples(st.sampled_from(list(Measure)), st.integers(0, 10**15)), max_size=5))
def test_our_own_columns_need_no_mapping(counted: list[tuple[Measure, int]]) -> None:
    """Every count comes back as it was written."""
    counts = dict(counted)
    header = ["day", "model", "cost", *(measure.value for measure in counts)]
    line = ["2026-11-08", "m", "0.1", *map(str, counts.values())]
    rows = read(f"{','.join(header)}\n{','.join(line)}\n".encode()).rows

    assert [dict(row.counts) for row in rows] == [counts]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_file_makes_a_reader_fail_in_another_way(data: bytes) -> None:
    """Whatever it holds: rows, or one sentence."""
    for form in (None, *format_names()):
        try:
            read(data, "x", form)
        except ConfigError as refused:
            assert refused.message.startswith("x")

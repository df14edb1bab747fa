"""The maintainers' comparison of the shipped prices with public tables, on small tables of their shapes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from dev.prices.__main__ import main
from dev.prices.compare import compare, only_there
from dev.prices.genai_table import genai_prices
from dev.prices.litellm_table import litellm
from dev.prices.metergraph_table import metergraph
from dev.prices.model_prices_table import model_prices
from dev.prices.quote import Question, Source

from turnout.catalogue.calendar_file import load_calendars
from turnout.catalogue.prices import parse_prices
from turnout.catalogue.tariff import PriceBook, Tier

PEAK, WEEKEND, HOLIDAY = "2026-11-23T02:00Z", "2026-11-21T02:00Z", "2026-10-01T02:00Z"
LITELLM = {
    "gpt-5.5": {
        "litellm_provider": "openai",
        "mode": "chat",
        "input_cost_per_token": 5e-06,
        "input_cost_per_token_above_272k_tokens": 1e-05,
        "input_cost_per_token_batches": 2.5e-06,
        "cache_read_input_token_cost": 5e-07,
        "output_cost_per_token": 3e-05,
        "output_cost_per_token_above_272k_tokens": 4.5e-05,
        "cache_read_input_token_cost_above_272k_tokens": 1e-06,
    },
    "gpt-new": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06},
    "claude-opus-5": {
        "litellm_provider": "anthropic",
        "mode": "chat",
        "input_cost_per_token": 5e-06,
        "provider_specific_entry": {"fast": 2.0},
    },
    "deepseek/deepseek-v4-pro": {
        "litellm_provider": "deepseek",
        "mode": "chat",
        "input_cost_per_token": 1.32e-06,
        "cache_creation_input_token_cost": 0.0,
        "off_peak_pricing": {
            "input_cost_per_token": 6.6e-07,
            "windows": [
                {"hours_utc": ["00:00-01:00", "04:00-06:00", "10:00-00:00"], "weekdays": [1, 2, 3, 4, 5]},
                {"hours_utc": "00:00-00:00", "weekdays": [6, 7]},
            ],
        },
    },
}
GENAI = """
providers: list[Provider] = [
    Provider(id='openai', models=[
        ModelInfo(
            id='gpt-5.5',
            match=ClauseOr(or_=[ClauseEquals(equals='gpt-5.5'), ClauseRegex(regex='^gpt-5\\\\.5-\\\\d{4}$')]),
            prices=ModelPrice(
                input_mtok=TieredPrices(base=Decimal('5'), tiers=[Tier(start=272000, price=Decimal('10'))]),
                output_mtok=TieredPrices(base=Decimal('30'), tiers=[Tier(start=272000, price=Decimal('45'))]),
            ),
            price_variants=[
                PriceVariant(when={'processing': 'batch'},
                             prices=ModelPrice(input_mtok=TieredPrices(
                                 base=Decimal('2.5'), tiers=[Tier(start=272000, price=Decimal('5'))])),
                             constraint=StartDateConstraint(start_date=datetime.date(2026, 10, 14))),
            ],
        ),
        ModelInfo(id='gpt-new', match=ClauseStartsWith(starts_with='gpt-new'), prices=ModelPrice()),
    ]),
    Provider(id='deepseek', models=[
        ModelInfo(
            id='deepseek-v4-pro',
            prices=[
                ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('0.435'))),
                ConditionalPrice(constraint=StartDateConstraint(start_date=datetime.date(2026, 8, 17)),
                                 prices=ModelPrice(input_mtok=Decimal('0.66'))),
                ConditionalPrice(constraint=TimeOfDateConstraint(start_time=datetime.time(1, 0, tzinfo=datetime.UTC),
                                                                 end_time=datetime.time(4, 0, tzinfo=datetime.UTC)),
                                 prices=ModelPrice(input_mtok=Decimal('1.32'))),
            ],
        ),
    ]),
]
"""
METERGRAPH = """
models:
  - aliases:
      - {provider: openai, alias: gpt-5.5, channel: openai-api}
      - {provider: litellm, alias: gpt-other, channel: openai-api}
    prices:
      - channel: openai-api
        effective_from: "2026-04-24"
        input_per_mtok: 5
        batch_input_per_mtok: 2.5
        output_per_mtok: 30.0
        rules:
          long_context: {threshold: 272000, input_multiplier: 2, output_multiplier: 1.5}
  - aliases:
      - {provider: deepseek, alias: deepseek-v4-pro, channel: deepseek-api}
    prices:
      - channel: deepseek-api
        effective_from: "2026-04-24"
        effective_to: "2026-09-10T04:00:00+00:00"
        input_per_mtok: 0.435
      - channel: deepseek-api
        effective_from: "2026-09-10T04:00:00+00:00"
        input_per_mtok: 1.32
        rules:
          off_peak_discount: {multiplier: 0.5, peak_hours_utc: [[1, 4], [6, 10]], peak_weekdays_only: true}
"""
RATES = {"input": 0.66, "valid_from": "2026-08-16T16:00:00Z"}
MODEL_PRICES = {
    "prices": {
        "openai": {
            "gpt-5.5": {
                "standard": [
                    {
                        "start": None,
                        "rates": {
                            "input": 5.0,
                            "output": 30.0,
                            "valid_from": "2026-04-24T00:00:00Z",
                            "tiers": [{"above": 272000, "input": 10.0, "output": 45}],
                        },
                    }
                ],
                "fast": [{"start": None, "rates": {"input": 12.5, "valid_from": "2026-04-24T00:00:00Z"}}],
            }
        },
        "anthropic": {
            "claude-opus-5": {
                "standard": [
                    {
                        "start": None,
                        "rates": {
                            "input": 5,
                            "cache_write_1h_multiple": 2.0,
                            "valid_from": "2026-04-24T00:00:00Z",
                        },
                    }
                ]
            }
        },
        "deepseek": {"deepseek-v4-pro": {"standard": [{"start": None, "rates": RATES}]}},
    },
    "schedules": {
        "holidays": {"cn": {"dates": ["2026-10-01"], "utc_offset_hours": 8}},
        "schedule": [
            {
                "provider": "deepseek",
                "holidays": "cn",
                "weekdays_only": True,
                "peak_hours_utc": [["01:00", "04:00"], ["06:00", "10:00"]],
                "peak_multiplier": 2.0,
                "valid_from": "2026-08-16T16:00:00Z",
            }
        ],
    },
    "status": {},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The four tables as their wheels hold them."""
    for name, text in (
        ("litellm/model_prices_and_context_window_backup.json", json.dumps(LITELLM)),
        ("genai_prices/data.py", GENAI),
        ("metergraph_core/data/prices.yaml", METERGRAPH),
        ("model_prices/snapshot.json", json.dumps(MODEL_PRICES)),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def sources(folder: Path) -> list[Source]:
    """In the order of the columns below."""
    return [read(folder) for read in (litellm, genai_prices, metergraph, model_prices)]


def _inputs(sources: Sequence[Source], model: str, at: str, tier: Tier = Tier.STANDARD, size: int = 1) -> list[str]:
    channel = {"g": "openai", "c": "anthropic", "d": "deepseek"}[model[0]]
    question = Question(channel=channel, model=model, tier=tier, size=size, at=datetime.fromisoformat(at))
    answers = [{kind.value: price for kind, price in source.ask(question).items()} for source in sources]
    return [f"{each['input']:.4f}".rstrip("0").rstrip(".") if "input" in each else "-" for each in answers]


@pytest.mark.parametrize(
    ("model", "at", "tier", "size", "expected"),
    [
        ("gpt-5.5", PEAK, Tier.STANDARD, 272_000, ["5", "5", "5", "5"]),
        ("gpt-5.5", PEAK, Tier.STANDARD, 272_001, ["10", "10", "10", "10"]),
        ("gpt-5.5", PEAK, Tier.BATCH, 1, ["2.5", "2.5", "2.5", "-"]),
        ("gpt-5.5", PEAK, Tier.BATCH, 272_001, ["-", "5", "5", "-"]),
        ("gpt-5.5", HOLIDAY, Tier.BATCH, 1, ["2.5", "-", "2.5", "-"]),
        ("gpt-5.5", PEAK, Tier.PRIORITY, 1, ["-", "-", "-", "12.5"]),
        ("gpt-5.5-2026", PEAK, Tier.STANDARD, 1, ["-", "5", "-", "-"]),
        ("gpt-newest", PEAK, Tier.STANDARD, 1, ["-", "-", "-", "-"]),
        ("claude-opus-5", PEAK, Tier.FAST, 1, ["10", "-", "-", "-"]),
        ("deepseek-v4-pro", PEAK, Tier.STANDARD, 1, ["1.32", "1.32", "1.32", "1.32"]),
        ("deepseek-v4-pro", "2026-11-23T04:00Z", Tier.STANDARD, 1, ["0.66", "0.66", "0.66", "0.66"]),
        ("deepseek-v4-pro", WEEKEND, Tier.STANDARD, 1, ["0.66", "1.32", "0.66", "0.66"]),
        ("deepseek-v4-pro", HOLIDAY, Tier.STANDARD, 1, ["1.32", "1.32", "1.32", "0.66"]),
        ("deepseek-v4-pro", "2026-07-01T00:00Z", Tier.STANDARD, 1, ["0.66", "0.435", "0.435", "-"]),
    ],
)
def test_a_table_is_read_as_its_own_package_reads_it(
    sources: list[Source], model: str, at: str, tier: Tier, size: int, expected: list[str]
) -> None:
    """Bands, tiers, dates and hours, of litellm, genai-prices, metergraph and model-prices."""
    assert _inputs(sources, model, at, tier, size) == expected


def _book(row: str) -> PriceBook:
    head = 'source = "https://example.com"\nverified = "2026-11-22"'
    text = f'[openai]\n{head}\nrows = [ {{ model = "gpt-5.5", from = "2026-01-01", {row} }} ]'
    return parse_prices(text.encode(), load_calendars(), "p.toml")


def test_a_difference_is_found_in_every_table_that_has_one(sources: list[Source]) -> None:
    """Class by class; a table that our note names is known to differ."""
    book = _book('up_to = 272_000, input = "5", cached = "0.6", output = "31", note = "litellm says less"')
    (found,) = compare(book, sources, datetime.fromisoformat(PEAK))

    assert found.verdict == "disagree"
    assert [(each.source, each.kind, each.noted) for each in found.differences] == [
        ("litellm", "cached", True),
        ("litellm", "output", True),
        ("genai-prices", "output", False),
        ("metergraph", "output", False),
        ("model-prices", "output", False),
    ]


def test_a_step_that_our_row_does_not_have_is_found(sources: list[Source]) -> None:
    """A band without an end is asked for far above its beginning too."""
    (found,) = compare(_book('input = "5", output = "30"'), sources, datetime.fromisoformat(PEAK))

    assert {(each.source, each.size, str(each.theirs)) for each in found.differences if each.kind == "input"} == {
        (name, 1_000_000, "1E+1") for name in ("litellm", "genai-prices", "metergraph", "model-prices")
    }


def test_agreement_and_what_only_the_tables_have(sources: list[Source]) -> None:
    """A name that only one table has is not counted: it may be a mistake."""
    book = _book('up_to = 272_000, input = "5", output = "30"')
    (found,) = compare(book, sources, datetime.fromisoformat(PEAK))

    assert (found.verdict, found.agreed) == ("agree", ("litellm", "genai-prices", "metergraph", "model-prices"))
    assert list(only_there(book, sources)) == [("openai", "gpt-new", ("litellm", "genai-prices"))]


def test_a_silent_disagreement_ends_with_1(folder: Path) -> None:
    """With the shipped prices: they agree with these tables at the peak; a litellm that differs is named."""
    good = CliRunner().invoke(main, [str(folder), "--at", PEAK])
    table = folder / "litellm/model_prices_and_context_window_backup.json"
    table.write_text(table.read_text().replace("5e-07", "6e-07"))
    bad = CliRunner().invoke(main, [str(folder), "--at", PEAK])

    assert good.exit_code == 0, good.output
    assert bad.exit_code == 1
    assert "openai/gpt-5.5@2026-05-12T22:41Z cached at 1 tokens: 0.5 here, 0.6 in litellm (NOT NOTED)" in bad.output

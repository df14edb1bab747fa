"""The price file: what is refused at load, and what the shipped one is like."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from turnout.catalogue.calendar_file import load_calendars
from turnout.catalogue.presets import load_models, load_presets
from turnout.catalogue.price_rows import LEAST, MOST
from turnout.catalogue.prices import OWN_MACHINES, load_prices, parse_prices
from turnout.catalogue.tariff import Cost, PriceBook, PriceKey, PriceRow, Tier, UnknownPrice, price
from turnout.catalogue.usage_classes import TokenClass, billable
from turnout.core.errors import ConfigError
from turnout.core.money import Money

CALENDARS = load_calendars()
HEAD = 'source = "https://example.com/pricing"\nverified = "2026-11-22"\n'
ROW = 'model = "m", from = "2026-01-01", input = "1", output = "2"'


def _book(*rows: str, head: str = HEAD) -> PriceBook:
    listed = ",\n".join(f"{{ {row} }}" for row in rows)
    return parse_prices(f"[shop]\n{head}rows = [\n{listed}\n]\n".encode(), CALENDARS, "p.toml")


def _rows(book: PriceBook) -> list[PriceRow]:
    return list({row.id: row for rows in book.rows.values() for row in rows}.values())


@pytest.mark.parametrize(
    ("row", "key", "said"),
    [
        (ROW.replace('"1"', '"0.000001"'), "input", "lie between $0.0005/M and $2000/M"),
        (ROW.replace('"1"', '"5000000"'), "input", "lie between $0.0005/M and $2000/M"),
        (ROW.replace('"1"', '"0"'), "input", "lie between"),
        (ROW.replace('"1"', '"-1"'), "input", "not negative"),
        (ROW.replace('"1"', '"NaN"'), "input", "finite"),
        (ROW.replace('"1"', '"one"'), "input", "decimal number"),
        (ROW.replace('"1"', "1.5"), "input", "must be text"),
        (ROW + ', cached = "3"', "cached", "dearer than input"),
        (ROW + ', currency = "CNY"', "currency", "must be one of 'USD'"),
        (ROW + ', inside = "deepseek_peek"', "inside", "Did you mean 'deepseek_peak'"),
        (ROW + ', inside = "deepseek_peak", outside = "alibaba_busy"', "outside", "one of them"),
        (ROW + ', to = "2025-01-01"', "to", "after `from`"),
        (ROW + ", above = 5, up_to = 5", "up_to", "more than `above`"),
        (ROW.replace("2026-01-01", "2026-01-01T00:00"), "from", "minute in UTC"),
        (ROW.replace("2026-01-01", "2026-01-01T00:00:30Z"), "from", "minute in UTC"),
        (ROW + ', tiers = { turbo = "2" }', "tiers", "'turbo' is none of"),
        (ROW + ', tiers = { batch = "50" }', "tiers", "no multiplier"),
        (ROW + ', regions = { us = "x" }', "regions", "no multiplier"),
        (ROW + ', per_request = "5"', "per_request", "at most $1"),
        (ROW + ', cache_wirte = "1"', "cache_wirte", "Did you mean 'cache_write'"),
        (ROW.replace('input = "1", ', ""), "", "needs `input`"),
    ],
)
def test_a_row_that_can_t_be_right_is_refused(row: str, key: str, said: str) -> None:
    """With the file, the row and the key."""
    with pytest.raises(ConfigError) as caught:
        _book(ROW.replace('"m"', '"good"'), row)

    assert caught.value.message.startswith(f"p.toml: shop.rows[1]{'.' + key if key else ''}: ")
    assert said in caught.value.message


@pytest.mark.parametrize("missing", ["source", "verified"])
def test_prices_without_a_source_and_a_day_are_refused(missing: str) -> None:
    """Nobody could check them."""
    head = "\n".join(line for line in HEAD.splitlines() if not line.startswith(missing)) + "\n"
    with pytest.raises(ConfigError, match=f"needs `{missing}`"):
        _book(ROW, head=head)


@pytest.mark.parametrize(
    "other",
    [
        ROW,
        ROW.replace("2026-01-01", "2026-06-01"),
        ROW + ", above = 100",
        ROW + ', inside = "deepseek_peak"',
        ROW.replace('"m"', '"x"') + ', aliases = ["m"]',
        ROW.replace('"m"', '"m", tier = "batch"') + ', regions = { us = "1.1" }' + ', to = "2027-01-01"',
    ],
)
def test_two_rows_for_the_same_request_are_refused(other: str) -> None:
    """At the later row, with the ids of both."""
    first = ROW + ', tiers = { batch = "0.5" }'
    with pytest.raises(ConfigError, match=r"p\.toml: shop\.rows\[1\]: the row .* overlaps shop/m@2026-01-01"):
        _book(first, other)


def test_two_rows_inside_the_same_hours_are_refused() -> None:
    """Only inside and outside of one schedule exclude each other; two schedules are not known to."""
    for other in ('inside = "deepseek_peak"', 'outside = "alibaba_busy"'):
        with pytest.raises(ConfigError, match="overlaps"):
            _book(ROW + ', inside = "deepseek_peak"', ROW.replace('"1"', '"1.5"') + ", " + other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ROW + ', to = "2026-06-01"', ROW.replace("2026-01-01", "2026-06-01")),
        (ROW + ", up_to = 100", ROW + ", above = 100"),
        (ROW + ', inside = "deepseek_peak"', ROW + ', outside = "deepseek_peak"'),
        (ROW, ROW + ', region = "eu"'),
        (ROW, ROW + ', tier = "flex"'),
    ],
)
def test_rows_that_only_touch_are_taken(one: str, other: str) -> None:
    """Intervals are half-open, and opposite hours do not meet."""
    assert len(_rows(_book(one, other))) == 2


def test_multipliers_make_rows_of_their_own() -> None:
    """One for each tier in each region, with exact prices."""
    book = _book(ROW + ', tiers = { batch = "0.5" }, regions = { us = "1.1" }')

    assert {row.id: str(row.prices[TokenClass.INPUT].usd) for row in _rows(book)} == {
        "shop/m@2026-01-01T00:00Z": "1",
        "shop/m@2026-01-01T00:00Z;us": "1.1",
        "shop/m@2026-01-01T00:00Z;batch": "0.5",
        "shop/m@2026-01-01T00:00Z;batch;us": "0.55",
    }


def test_a_fee_for_each_request_is_added() -> None:
    """To the parts, in the total; reasoning has its own price where one is stated."""
    book = _book(ROW + ', per_request = "0.005", reasoning = "3"')
    usage = billable(input_tokens=1_000_000, output_tokens=2_000_000, reasoning_tokens=1_000_000)
    cost = price(book, usage + usage, PriceKey(model="m", channel="shop"), datetime(2026, 2, 1, tzinfo=UTC))

    assert isinstance(cost, Cost)
    assert cost.fee == Money.of("0.01")
    assert cost.total == Money.of("12.01")


def test_the_shipped_prices_have_an_id_each_and_a_sane_price() -> None:
    """And the source is an address."""
    rows = [row for row in _rows(load_prices(CALENDARS)) if row is not OWN_MACHINES]

    assert len(rows) > 400
    for row in rows:
        assert row.source.startswith("https://"), row.id
        assert row.effective_from < datetime(2027, 6, 1, tzinfo=UTC)
        for each in row.prices.values():
            assert LEAST <= each <= MOST or each.usd == 0, row.id
    ids = [row.id for book_rows in load_prices(CALENDARS).rows.values() for row in book_rows if not row.aliases]
    assert len(ids) == len(set(ids))


def test_the_shipped_prices_are_of_models_that_the_presets_know() -> None:
    """A name with a typing mistake would never be found. History and other sellers are told apart."""
    known = {(facts.provider, facts.name) for facts in load_models()}
    history = {
        ("deepseek", "deepseek-chat"),
        ("deepseek", "deepseek-reasoner"),
        ("anthropic", "claude-3-7-sonnet-20250219"),
        ("anthropic", "claude-3-7-sonnet-latest"),
    }
    presets = load_presets()
    priced = {name for name in load_prices(CALENDARS).rows if name[0] in presets}

    assert priced - history <= known


def test_most_models_of_the_vendors_are_priced_now() -> None:
    """Of every model without a price, the sources disagreed or were silent."""
    book, now = load_prices(CALENDARS), datetime(2026, 11, 22, 12, tzinfo=UTC)
    vendors = ("openai", "anthropic", "deepseek", "xai")
    missing = {
        f"{facts.provider}/{facts.name}"
        for facts in load_models()
        if facts.provider in vendors
        and isinstance(book.in_force(PriceKey(model=facts.name, channel=facts.provider), now), UnknownPrice)
    }

    assert missing == set()
    assert Tier.PRIORITY in {row.key.tier for row in _rows(book)}

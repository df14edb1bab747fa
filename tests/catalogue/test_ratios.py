"""Ratios between tokenizers: what is known before any call, what calls teach, and what a move costs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.catalogue.calendar_file import read_data
from turnout.catalogue.prices import load_prices
from turnout.catalogue.ratios import CLASSES, LEAST_CALLS, RATIOS_FILE, Learned, Ratios, load_priors, parse_priors
from turnout.catalogue.tariff import Cost, PriceKey, price
from turnout.catalogue.tokenizers import load_tokenizers
from turnout.catalogue.usage_classes import billable
from turnout.core.clock import SystemClock
from turnout.core.errors import ConfigError
from turnout.wire.content import CONTENT_CLASSES

PRIORS = Ratios.of()


def _cell(calls: int, ratio: float, *, model: str = "gpt-5.5", content: str = "code", spread: float = 0.1) -> Learned:
    """`calls` of 1,000 neutral tokens each."""
    return Learned(
        model=model,
        content=content,
        calls=calls,
        reported=round(calls * 1000 * ratio),
        neutral=calls * 1000,
        spread=spread,
    )


def test_every_tokenizer_has_a_prior_for_every_class() -> None:
    """And one stands for those that are not known."""
    assert set(load_priors()) == {each.id for each in load_tokenizers()} | {"unknown"}
    assert CLASSES == CONTENT_CLASSES
    for row in load_priors().values():
        assert set(row) == set(CLASSES)
        assert all(each.low <= each.value <= each.high for each in row.values())


@pytest.mark.parametrize("content", CLASSES)
def test_the_new_claude_tokenizer_raises_the_sum_by_up_to_35_percent(content: str) -> None:
    """At the same price for a token, the same text costs more: the vendor says 1 to 1.35 times the tokens."""
    book, now, before = load_prices(), SystemClock().now(), 10_000_000
    moved = PRIORS.convert(before, from_model="claude-opus-4-6", to_model="claude-opus-4-7", content=content)
    sums = [
        price(book, billable(input_tokens=tokens, output_tokens=0), PriceKey(model=model, channel="anthropic"), now)
        for model, tokens in (("claude-opus-4-6", before), ("claude-opus-4-7", moved.tokens))
    ]
    old, new = sums
    assert isinstance(old, Cost) and isinstance(new, Cost)

    assert 1.05 < new.total.usd / old.total.usd <= 1.35
    assert moved.low < moved.tokens < moved.high


def test_the_same_tokenizer_moves_nothing() -> None:
    """Two models with one vocabulary make the same tokens, whatever was learned of either."""
    taught = Ratios.of([_cell(1000, 1.4)])

    assert taught.convert(1234, from_model="gpt-5.5", to_model="gpt-4o", content="code")[:3] == (1234, 1234, 1234)
    assert PRIORS.convert(7, from_model="grok-4.7", to_model="grok-4.7", content="cjk").tokens == 7


def test_two_unknown_tokenizers_are_not_the_same_one() -> None:
    """The middle is the same, and the bounds say that it is a guess."""
    moved = PRIORS.convert(1000, from_model="grok-4.7", to_model="gpt-6-sol", content="prose")

    assert moved.tokens == 1000
    assert moved.low < 900 and moved.high > 1100


@given(
    tokens=st.integers(0, 10**9),
    content=st.sampled_from(CLASSES),
    models=st.lists(
        st.sampled_from(["gpt-5.5", "claude-opus-4-7", "deepseek-v4-pro", "grok-4.7"]), min_size=2, max_size=2
    ),
)
def test_there_and_back_is_where_it_began(tokens: int, content: str, models: list[str]) -> None:
    """A conversion and its opposite, but for rounding; and the bounds hold the middle."""
    here, there = models
    moved = PRIORS.convert(tokens, from_model=here, to_model=there, content=content)
    back = PRIORS.convert(moved.tokens, from_model=there, to_model=here, content=content)

    assert moved.low <= moved.tokens <= moved.high
    assert math.isclose(back.tokens, tokens, abs_tol=2, rel_tol=1e-6)


def test_many_calls_win_over_the_prior_and_few_do_not() -> None:
    """The more were made, the nearer the ratio is to what they say."""
    prior = PRIORS.ratio("gpt-5.5", "code").value
    learned = [Ratios.of([_cell(calls, 2.0)]).ratio("gpt-5.5", "code").value for calls in (1, 8, 40, 400, 100_000)]

    assert learned[0] == prior
    assert prior < learned[1] < learned[2] < learned[3] < learned[4]
    assert learned[4] == pytest.approx(2.0, rel=0.01)


def test_what_one_class_teaches_moves_the_others_of_the_model() -> None:
    """A provider's frame, or a prior that is off, shows in all classes; other models are left alone."""
    taught = Ratios.of([_cell(400, 1.5)])

    assert taught.ratio("gpt-5.5", "prose").value > PRIORS.ratio("gpt-5.5", "prose").value * 1.3
    assert "moved by 400 calls" in taught.ratio("gpt-5.5", "prose").source
    assert taught.ratio("gpt-5.5", "code").source == "learned from 400 calls"
    assert taught.ratio("deepseek-v4-pro", "code") == PRIORS.ratio("deepseek-v4-pro", "code")


def test_calls_narrow_the_bounds() -> None:
    """Those of a team whose texts are alike end nearer to the middle than those of all texts."""
    taught = Ratios.of([_cell(10_000, 1.0, spread=0.05)]).ratio("gpt-5.5", "code")

    assert PRIORS.ratio("gpt-5.5", "code").low < taught.low < 0.95
    assert 1.05 < taught.high < PRIORS.ratio("gpt-5.5", "code").high


@pytest.mark.parametrize(
    "cell",
    [
        _cell(LEAST_CALLS - 1, 9.0),
        Learned(model="gpt-5.5", content="code", calls=500, reported=900, neutral=100),
        Learned(model="gpt-5.5", content="code", calls=500, reported=900, neutral=0),
    ],
)
def test_too_little_teaches_nothing(cell: Learned) -> None:
    """Few calls, or calls of a few words."""
    assert Ratios.of([cell]).ratio("gpt-5.5", "code") == PRIORS.ratio("gpt-5.5", "code")


def test_content_without_a_class_may_be_any() -> None:
    """A posting of before there were classes: wider than prose, and not unknown."""
    some, prose = PRIORS.ratio("gpt-5.5", ""), PRIORS.ratio("gpt-5.5", "prose")

    assert some.low <= prose.low and some.high > prose.high


def test_an_estimate_is_rounded_up() -> None:
    """A hold that is too low is worse than one too high."""
    assert PRIORS.estimate(1, model="claude-opus-4-7", content="prose")[:3] == (2, 2, 2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ratio = 0.944", "ratio = 94.4", "must lie between 0.1 and 10.0"),
        ("ratio = 0.944", "ratio = 0.5", "must lie from `low` to `high`"),
        ("ratio = 0.944, ", "", "must be given"),
        ("[unknown]", "[nobody]", "unknown"),
        ("\nprose = { ratio = 0.944", "\nprosa = { ratio = 0.944", "prosa"),
    ],
)
def test_defective_data_is_refused(old: str, new: str, said: str) -> None:
    """With file and key."""
    text = read_data(RATIOS_FILE).decode()
    assert old in text
    with pytest.raises(ConfigError) as caught:
        parse_priors(text.replace(old, new, 1).encode(), "r.toml")

    assert said in str(caught.value)


def test_the_documented_table_is_the_data() -> None:
    """Every ratio with its bounds, as they are shipped."""
    page = (Path(__file__).parent.parent.parent / "docs/tokens.md").read_text()
    for tokenizer, row in load_priors().items():
        cells = [f"{each.value:.2f} ({each.low:.2f}–{each.high:.2f})" for each in row.values()]
        assert f"| {'not known' if tokenizer == 'unknown' else tokenizer} | {' | '.join(cells)} |" in page

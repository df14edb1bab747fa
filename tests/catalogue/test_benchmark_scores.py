"""Scores in public benchmarks: each with who measured it and where, and none in place of another."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from turnout.catalogue.benchmarks import Benchmark, benchmarks_of, load_benchmarks, parse_benchmarks
from turnout.core.errors import ConfigError

HEAD = '[[sources]]\nby = "House"\nsource = "https://example.com/scores"\nmeasured = "2026-05-01"\nverified = "2026-11-22"\n'


def _parse(*rows: str, head: str = HEAD) -> tuple[Benchmark, ...]:
    return parse_benchmarks(f"{head}scores = [{', '.join(rows)}]\n".encode(), "benchmarks.toml")


def test_every_shipped_score_can_be_checked() -> None:
    """Who measured it, the page that publishes it, where it was read, both days; no address twice."""
    scores = load_benchmarks()

    assert len(scores) > 50
    for each in scores:
        assert each.by and each.read_in, each
        assert each.source.startswith("https://"), each
        assert datetime.date(2025, 1, 1) <= each.measured <= each.verified <= datetime.date(2027, 12, 31), each


def test_scores_that_differ_stand_beside_each_other() -> None:
    """Three answers to one question, from two people: none is dropped, none is an average."""
    found = {
        (each.by, each.score)
        for each in benchmarks_of("claude-opus-4-7")
        if each.benchmark == "SWE-bench" and each.version in ("", "Verified")
    }

    assert {("Anthropic", Decimal("87.6")), ("OpenHands", Decimal("74.2")), ("OpenHands", Decimal("75.8"))} <= found


def test_a_model_is_found_however_its_name_is_written() -> None:
    """Behind a gateway's slash, in capitals, with a point in the version."""
    assert benchmarks_of("anthropic/claude-opus-4.7") == benchmarks_of("claude-opus-4-7") != ()
    assert benchmarks_of("zai-org/GLM-5.2") == benchmarks_of("glm-5.2") != ()
    assert benchmarks_of("claude-opus-4-7-20260416") == ()


def test_what_was_not_told_is_not_known() -> None:
    """No error, no runs, no version; the source is where it was read."""
    (score,) = _parse('{ model = "m", benchmark = "B", score = "12.50" }')

    assert (score.score, score.unit, score.error, score.runs) == (Decimal("12.50"), "percent", None, None)
    assert str(score.score) == "12.50", "as it was written, digits and all"
    assert (score.version, score.how, score.own) == ("", "", False)
    assert score.read_in == score.source


def test_a_row_may_have_its_own_page_and_day() -> None:
    """Where one publisher has a page for each model."""
    own = 'measured = "2026-06-01", source = "https://example.com/m", read_in = "a copy"'
    (score,) = _parse(f'{{ model = "m", benchmark = "B", score = "1", {own} }}')

    assert score.measured == datetime.date(2026, 6, 1)
    assert (score.source, score.read_in) == ("https://example.com/m", "a copy")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ('{ model = "m", benchmark = "B" }', "needs `score`"),
        ('{ model = "m", benchmark = "B", score = 12.5 }', "score"),
        ('{ model = "m", benchmark = "B", score = "many" }', "'many' is no number"),
        ('{ model = "m", benchmark = "B", score = "NaN" }', "'NaN' is no number"),
        ('{ model = "m", benchmark = "B", score = "120" }', "120 is no percentage"),
        ('{ model = "org/m", benchmark = "B", score = "1" }', "without a provider"),
        ('{ model = "M", benchmark = "B", score = "1" }', "small letters"),
        ('{ model = "m", score = "1" }', "benchmark"),
        ('{ model = "m", benchmark = "B", score = "1", points = 3 }', "points"),
        ('{ model = "m", benchmark = "B", score = "1", unit = "stars" }', "unit"),
        ('{ model = "m", benchmark = "B", score = "1", runs = 0 }', "runs"),
        ('{ model = "m", benchmark = "B", score = "1", source = "http://example.com" }', "https://"),
    ],
)
def test_a_defect_is_named_with_its_file(row: str, complaint: str) -> None:
    """Strictly: an unknown key is refused too."""
    with pytest.raises(ConfigError) as caught:
        _parse(row)

    assert complaint in caught.value.message
    assert "benchmarks.toml" in caught.value.message


def test_the_same_score_twice_is_refused() -> None:
    """The same model, benchmark, way, measurer and day: one of them is a slip."""
    with pytest.raises(ConfigError, match="given twice"):
        _parse('{ model = "m", benchmark = "B", score = "1" }', '{ model = "m", benchmark = "B", score = "2" }')


def test_a_rating_may_exceed_a_hundred() -> None:
    """Codeforces gives points."""
    (score,) = _parse('{ model = "m", benchmark = "Codeforces", score = "3206", unit = "rating" }')

    assert score.score == 3206

"""Differences between an export and the ledger: each is found, named and weighed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planning.ledger_file import DAY, ROW, empty_ledger, entry, filled
from turnout.catalogue.prices import load_prices
from turnout.core.errors import ConfigError
from turnout.core.money import Money
from turnout.ledger.datadir import DATABASE
from turnout.ledger.posting import Posting
from turnout.ledger.queries import reading
from turnout.planning.exports.formats import read_export
from turnout.planning.exports.row import Export, Measure
from turnout.planning.exports.source import Source
from turnout.planning.reconcile import Terms, reconcile
from turnout.planning.reconcile_ledger import Part, Side, read_parts
from turnout.planning.reconcile_names import matched, related, stem
from turnout.planning.reconcile_result import Cause, Reconciliation
from turnout.planning.reconcile_sides import comparable, read_once

BOOK = load_prices()
HEADER = "day,model,tier,uncached,cached,cache_write,cache_write_1h,output,requests,cost"
GPT = "2026-11-08,gpt-5.5,standard,1000,200,0,0,300,2,0.0141"
"""What `TWO` add up to."""
TWO = (
    entry(1, uncached=400, cached=200, output=100, nano=5_100_000),
    entry(20, uncached=600, output=200, nano=9_000_000),
)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_ledger(tmp_path_factory.mktemp("reconcile") / "data")


def export(*lines: str, header: str = HEADER) -> Export:
    return read_export(Source("e.csv", "\n".join((header, *lines, "")).encode()), "generic")


def parts_of(empty: Path, directory: Path, postings: Sequence[Posting], **side: object) -> list[Part]:
    wanted = {"since": date(2026, 11, 8), "until": date(2026, 11, 9), "zone": UTC, "channel": "openai"} | side
    with reading(filled(empty, directory, postings) / DATABASE) as connection:
        return list(read_parts(connection, Side(**wanted)))  # type: ignore[arg-type]


class World:
    """A ledger and an export."""

    def __init__(self, empty: Path, directory: Path) -> None:
        self.empty = empty
        self.directory = directory

    def compare(self, postings: Sequence[Posting], *exports: Export, tolerance: str = "0") -> Reconciliation:
        rows = [row for each in exports for row in each.rows]
        parts = parts_of(self.empty, self.directory, postings)
        names, _ = matched((row.model for row in rows if row.model), (part.model for part in parts), BOOK, {})
        terms = Terms(book=BOOK, zone=UTC, channel="openai", tolerance=Decimal(tolerance))
        return reconcile(rows, parts, names, terms)


@pytest.fixture
def world(empty: Path, tmp_path: Path) -> World:
    return World(empty, tmp_path / "data")


def told(found: Reconciliation) -> list[tuple[int, str, object, object, Cause, str | None]]:
    """Day of the month, what, theirs, ours, cause, money: by day and what."""
    lines = [
        (
            each.key.day.day,
            each.what,
            str(each.theirs) if isinstance(each.theirs, Money) else each.theirs,
            str(each.ours) if isinstance(each.ours, Money) else each.ours,
            each.cause,
            None if each.money is None else str(each.money),
        )
        for each in found.differences
    ]
    return sorted(lines, key=lambda line: (line[0], line[1], str(line[2])))


def test_the_same_is_no_difference(world: World) -> None:
    """To the token and to the billionth of a dollar."""
    found = world.compare(TWO, export(GPT))

    assert found.differences == ()
    assert found.compared == 7
    assert [(each.what, each.theirs, each.ours) for each in found.totals if each.what in ("output", "cost")] == [
        ("output", 300, 300),
        ("cost", Money.of("0.0141"), Money.of("0.0141")),
    ]


def test_one_changed_count_is_found_named_and_weighed(world: World) -> None:
    """Ten more tokens of output at $30 a million, and the cost that follows from them."""
    found = world.compare(TWO, export(GPT.replace(",300,", ",310,").replace("0.0141", "0.0144")))

    assert told(found) == [
        (8, "cost", "$0.0144", "$0.0141", Cause.COUNT, "$0.0003"),
        (8, "output", 310, 300, Cause.COUNT, "$0.0003"),
    ]
    assert found.unexplained == 2
    assert found.differences[0].place == "e.csv:2"


def test_another_price_at_the_same_counts_names_our_row(world: World) -> None:
    """So that somebody can look at it."""
    found = world.compare(TWO, export(GPT.replace("0.0141", "0.0282")))

    assert told(found) == [(8, "cost", "$0.0282", "$0.0141", Cause.PRICE, "$0.0141")]
    assert found.differences[0].detail == "We priced by openai/gpt-5.5@2026-05-12T22:41Z (2)."


def test_a_price_that_hides_behind_a_count_is_named(world: World) -> None:
    """Ten tokens explain $0.0003 of a difference of $1."""
    found = world.compare(TWO, export(GPT.replace(",300,", ",310,").replace("0.0141", "1.0141")))
    cost = next(each for each in found.differences if each.what == "cost")

    assert cost.cause is Cause.PRICE
    assert cost.detail.startswith("$0.0003 of it follows from the counts.")


def test_what_one_side_lacks_is_missing_there(world: World) -> None:
    """A model that only they have, a tier that only we have."""
    batch = entry(2, tier="batch", output=50, nano=750_000, row=f"{ROW};batch")
    postings = (*TWO, batch)
    found = world.compare(postings, export(GPT, "2026-11-08,o3,standard,10,0,0,0,0,1,0.00002"))

    assert told(found) == [
        (8, "cost", "$0.00002", None, Cause.MISSING_HERE, "$0.00002"),
        (8, "cost", None, "$0.00075", Cause.MISSING_THERE, "-$0.00075"),
        (8, "output", None, 50, Cause.MISSING_THERE, "-$0.00075"),
        (8, "requests", 1, None, Cause.MISSING_HERE, None),
        (8, "requests", None, 1, Cause.MISSING_THERE, None),
        (8, "uncached", 10, None, Cause.MISSING_HERE, "$0.00002"),
    ]


def test_a_call_at_midnight_that_they_count_tomorrow_is_a_day_boundary(world: World) -> None:
    """The neighbours cancel, so nobody needs to look."""
    late = entry(23.99, output=10, nano=300_000)
    found = world.compare((*TWO, late), export(GPT, "2026-11-09,gpt-5.5,standard,0,0,0,0,10,1,0.0003"))

    assert {(each.what, each.cause) for each in found.differences} == {
        ("output", Cause.DAY),
        ("requests", Cause.DAY),
        ("cost", Cause.DAY),
    }
    assert found.unexplained == 0
    assert found.differences[0].detail.endswith("differs by as much the other way.")


def test_an_estimate_that_could_be_theirs_explains_it(world: World) -> None:
    """Ours said 100 and may be off by as much; what lies beyond is not explained."""
    guessed = (*TWO, entry(3, output=100, nano=3_000_000, estimated=True))
    near = world.compare(guessed, export(GPT.replace(",300,2,0.0141", ",350,3,0.0156")))

    assert told(near) == [
        (8, "cost", "$0.0156", "$0.0171", Cause.ESTIMATE, "-$0.0015"),
        (8, "output", 350, 400, Cause.ESTIMATE, "-$0.0015"),
    ]
    assert near.differences[0].estimated == 1 and near.differences[0].entries == 3


def test_an_estimate_does_not_explain_everything(world: World) -> None:
    """A thousand tokens more than an estimate of 100 are somebody else's."""
    guessed = (*TWO, entry(3, output=100, nano=3_000_000, estimated=True))
    far = world.compare(guessed, export(GPT.replace(",300,2,0.0141", ",1400,3,0.0471")))

    assert {each.cause for each in far.differences} == {Cause.COUNT}


def test_a_call_under_another_name_of_the_model_is_explained(world: World) -> None:
    """We asked for both names, they bill one."""
    postings = (entry(1, output=100, nano=0), entry(2, model="gpt-5.5-2026-04-23", output=7, nano=0))
    found = world.compare(postings, export("2026-11-08,gpt-5.5-2026-04-23,107,2", header="day,model,output,requests"))

    assert {each.cause for each in found.differences} == {Cause.ALIAS}
    assert found.unexplained == 0


def test_entries_without_a_price_are_named(world: World) -> None:
    """They are not 0 dollars."""
    found = world.compare((*TWO, entry(4, nano=None)), export(GPT.replace(",2,0.0141", ",3,0.0142")))

    assert told(found) == [(8, "cost", "$0.0142", "$0.0141", Cause.UNPRICED, "$0.0001")]
    assert found.differences[0].detail == "1 of our entries have no price."


def test_voids_are_no_calls_and_corrections_are_no_second_ones(world: World) -> None:
    """Nothing was billed for a void; an expired call that answered after all is one call."""
    expired = entry(1, kind="expire", uncached=400, cached=200, nano=2_100_000, estimated=True)
    correct = entry(1, kind="correct", output=100, nano=3_000_000)
    void = entry(5, kind="void")

    assert world.compare((expired, correct, void, TWO[1]), export(GPT)).differences == ()


def test_costs_without_counts_can_t_blame_the_price(world: World) -> None:
    """Only the cost was exported."""
    found = world.compare(TWO, export("2026-11-08,gpt-5.5,1", header="day,model,cost"))

    assert [each.cause for each in found.differences] == [Cause.BILLED]


def test_a_total_of_the_day_is_compared_with_the_day(world: World) -> None:
    """The coarser side decides; the counts beside it stay as fine as they are."""
    both = (*TWO, entry(3, model="o3", output=1, nano=100))
    counts = export("2026-11-08,gpt-5.5,300", "2026-11-08,o3,1", header="day,model,output")
    bill = export("2026-11-08,0.0141001", header="day,cost")

    assert world.compare(both, counts, bill).differences == ()


@pytest.mark.parametrize(("told_cost", "differs"), [("0.01", False), ("0.02", False), ("0.03", True)])
def test_a_rounded_cost_may_be_off_by_half_its_last_digit(world: World, told_cost: str, differs: bool) -> None:
    """Of each line: ours is 1.41 cents, and two lines that are rounded to a cent may be off by one together."""
    header = "usage_date_utc,model,token_type,cost_usd"
    lines = f"2026-11-08,gpt-5.5,output,{told_cost}\n2026-11-08,gpt-5.5,input_no_cache,0.00\n"
    found = world.compare(TWO, read_export(Source("c.csv", f"{header}\n{lines}".encode())))

    assert [each.cause for each in found.differences] == [Cause.BILLED] * differs


def test_other_charges_are_listed_and_not_compared(world: World) -> None:
    """A search is on the bill and not in the ledger."""
    data = (
        b"usage_date_utc,model,token_type,cost_usd,cost_type\n"
        b"2026-11-08,gpt-5.5,output,0.01,token\n2026-11-08,Search,,0.10,web_search\n"
    )
    found = world.compare(TWO, read_export(Source("c.csv", data)))

    assert told(found) == [(8, "web_search", "$0.1", None, Cause.OTHER, "$0.1")]
    assert found.unexplained == 0


def test_a_tolerance_hides_what_is_small_and_counts_it(world: World) -> None:
    """1 % of theirs; a larger difference stays."""
    line = GPT.replace(",300,", ",302,").replace("0.0141", "0.0161")
    found = world.compare(TWO, export(line), tolerance="0.01")

    assert [each.what for each in found.differences] == ["cost"]
    assert found.within == 1


def test_the_largest_in_money_comes_first(world: World) -> None:
    """Not the largest in tokens: 100 cached ones are worth less than 10 of output."""
    found = world.compare(TWO, export(GPT.replace(",200,", ",300,").replace(",300,2", ",310,2")))

    assert [each.what for each in found.differences][:2] == ["output", "cached"]


def test_days_are_those_of_the_provider(empty: Path, tmp_path: Path) -> None:
    """23:30 UTC is tomorrow in Tokyo."""
    postings = (entry(14.9, output=1), entry(15, output=2), entry(39, output=4))
    parts = parts_of(empty, tmp_path / "data", postings, zone=ZoneInfo("Asia/Tokyo"))

    assert [(part.day.day, part.counts[Measure.OUTPUT]) for part in parts] == [(8, 1), (9, 2)]


@pytest.mark.parametrize(
    ("side", "seen"),
    [
        ({"channel": "openai"}, 7),
        ({"channel": "openai", "provider": "openai-eu"}, 4),
        ({"channel": None}, 15),
        ({"channel": "anthropic"}, 8),
    ],
)
def test_only_the_provider_s_own_entries_are_compared(
    empty: Path, tmp_path: Path, side: dict[str, str | None], seen: int
) -> None:
    """By its price list, or by the operator's name of the account."""
    eu = entry(output=4, provider="openai-eu")
    eu = replace(eu, call=replace(eu.call, channel="openai"))
    postings = (entry(output=3), eu, entry(output=8, provider="anthropic"))
    parts = parts_of(empty, tmp_path / "data", postings, **side)

    assert sum(part.counts[Measure.OUTPUT] for part in parts) == seen


def test_the_same_export_given_twice_is_refused() -> None:
    """It would be counted twice."""
    with pytest.raises(ConfigError, match=r"e\.csv:2 and e\.csv:2 state the same: give each export once\."):
        read_once([export(GPT), export(GPT)])


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ({Measure.UNCACHED, Measure.CACHED}, {Measure.UNCACHED: 1101, Measure.CACHED: 10}),
        ({Measure.INPUT}, {Measure.INPUT: 1111}),
        (
            {Measure.UNCACHED, Measure.CACHED, Measure.CACHE_WRITE},
            {Measure.UNCACHED: 1, Measure.CACHED: 10, Measure.CACHE_WRITE: 1100},
        ),
    ],
)
def test_a_part_that_they_do_not_state_is_counted_in_its_whole(
    used: set[Measure], expected: dict[Measure, int]
) -> None:
    """Where there are no cache writes in an export, they are in its input."""
    ours = {
        Measure.UNCACHED: 1,
        Measure.CACHED: 10,
        Measure.CACHE_WRITE: 100,
        Measure.CACHE_WRITE_1H: 1000,
    }

    assert comparable(ours, frozenset(used)) == expected


@pytest.mark.parametrize(
    ("theirs", "ours", "taken"),
    [
        ("gpt-5.5-2026-04-23", ["gpt-5.5", "o3"], "gpt-5.5"),
        ("Claude Opus 4.7", ["claude-opus-4-7", "claude-opus-4-6"], "claude-opus-4-7"),
        ("claude-haiku-4-5-20251001", ["claude-haiku-4-5"], "claude-haiku-4-5"),
        ("anthropic/claude-4.7-opus-20260416", ["anthropic/claude-opus-4.7"], "anthropic/claude-opus-4.7"),
        ("gemini-3.1-flash-lite", ["gemini-3.1-flash-lite"], "gemini-3.1-flash-lite"),
        ("deepseek-flash", ["deepseek-v4-flash"], "deepseek-v4-flash"),
        ("gpt-5.5", ["gpt-5.5-2026-04-23"], "gpt-5.5-2026-04-23"),
        ("claude-opus-7-4", ["claude-opus-4-7"], "claude-opus-7-4"),
        ("gpt-5.5-2026-04-23", ["gpt-5.5", "gpt 5.5"], "gpt-5.5-2026-04-23"),
        ("x", ["y"], "x"),
    ],
)
def test_a_name_of_theirs_is_one_of_ours(theirs: str, ours: list[str], taken: str) -> None:
    """By its words, by the price table; not where two would fit."""
    names, notes = matched([theirs], ours, BOOK, {})

    assert names == {theirs: taken}
    assert len(notes) == (taken != theirs)


def test_a_name_that_a_person_gave_wins() -> None:
    """Over one that is the same."""
    assert matched(["a"], ["a", "b"], BOOK, {"a": "b"})[0] == {"a": "b"}
    assert related("gpt-5.5", "gpt-5.5-2026-04-23", BOOK) and not related("gpt-5.5", "gpt-5.4", BOOK)
    assert stem("Claude Opus 4.7") == stem("claude-opus-4-7") != stem("claude-opus-7-4")


COUNTS = st.integers(0, 10**9)
ENTRIES = st.builds(
    entry,
    st.integers(0, 47).map(float),
    model=st.sampled_from(("gpt-5.5", "gpt-5.4", "o3")),
    tier=st.sampled_from(("standard", "batch")),
    uncached=COUNTS,
    cached=COUNTS,
    written=COUNTS,
    written_1h=COUNTS,
    output=COUNTS,
    nano=st.integers(0, 10**12),
    estimated=st.booleans(),
)


def written(parts: Sequence[Part]) -> list[dict[str, str]]:
    """The ledger in our own columns."""
    lines = []
    for part in parts:
        counts = {measure.value: str(count) for measure, count in part.counts.items()}
        cost = str(Decimal(part.cost_nano).scaleb(-9))
        lines.append({"day": part.day.isoformat(), "model": part.model, "tier": part.tier, "cost": cost} | counts)
    return lines


def as_export(lines: Sequence[dict[str, str]]) -> Export:
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    return read_export(Source("own.csv", out.getvalue().encode()))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ENTRIES, min_size=1, max_size=12), st.data())
def test_a_ledger_agrees_with_itself_and_with_nothing_that_was_changed(
    empty: Path, tmp_path_factory: pytest.TempPathFactory, postings: list[Posting], data: st.DataObject
) -> None:
    """Exported in our own columns there is no difference; one number changed is found, and nothing else is."""
    parts = parts_of(empty, tmp_path_factory.mktemp("own") / "data", postings)
    lines = written(parts)
    terms = Terms(book=BOOK, zone=UTC, channel="openai")
    names = {part.model: part.model for part in parts}

    assert reconcile(as_export(lines).rows, parts, names, terms).differences == ()

    line = data.draw(st.integers(0, len(lines) - 1))
    what = data.draw(st.sampled_from([measure.value for measure in parts[0].counts] + ["cost"]))
    more = data.draw(st.integers(1, 10**9))
    lines[line][what] = str(Decimal(lines[line][what]) + more)
    found = reconcile(as_export(lines).rows, parts, names, terms).differences

    assert [(each.key.day.isoformat(), each.key.model, each.key.tier, each.what, each.by) for each in found] == [
        (lines[line]["day"], lines[line]["model"], lines[line]["tier"], what, more)
    ]


def test_the_day_is_the_one_the_helpers_say() -> None:
    """The entries of these tests start on the day of the exports."""
    assert DAY.date().isoformat() == GPT[:10] and (DAY + timedelta(days=1)).date().day == 9

"""Reports of spend against plain additions of the same postings, on each kind of database."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_postings import START, posting_lists, store_rows
from ledger_records import record

from turnout.core.money import Money
from turnout.ledger import outcomes, statements
from turnout.ledger.bookkeeping import book
from turnout.ledger.feedback import Feedback, give
from turnout.ledger.posting import AccountRef, Call, Hold, Posting
from turnout.ledger.queries import reading
from turnout.ledger.report_period import Period, read_period
from turnout.ledger.rows import request_row
from turnout.ledger.several import execute_rows
from turnout.ledger.spending import NAMES, Question, spending
from turnout.ledger.sqlite_store import SqliteStore
from turnout.ledger.verify import verify

ZONES = (UTC, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"))


def _oracle(posting: Posting, by: tuple[str, ...], zone) -> list[tuple[str, ...]]:
    """The groups that a posting counts in."""
    call, local = posting.call, posting.call.started_at.astimezone(zone)
    hour = call.started_at.replace(minute=0, second=0, microsecond=0)
    told = {
        "hour": f"{hour:%Y-%m-%dT%H:%MZ}" if zone is UTC else hour.astimezone(zone).isoformat(timespec="minutes"),
        "day": local.date().isoformat(),
        "week": (local.date() - timedelta(days=local.weekday())).isoformat(),
        "month": f"{local:%Y-%m}",
        "route": call.route,
        "model": call.model,
        "provider": call.provider,
        "deployment": call.deployment,
        "key": call.key_id,
        "team": call.team,
        "user": call.end_user,
        "price_row": posting.price_row,
    }
    keys: list[tuple[str, ...]] = [()]
    for each in by:
        values = (call.tags or ("",)) if each == "tag" else (told[each],)
        keys = [(*key, value) for key in keys for value in values]
    return keys


def _figures(posting: Posting) -> dict[str, int]:
    cost = posting.cost_nano or 0
    return {
        "calls": posting.kind != "void",
        "unpriced": posting.cost_nano is None,
        "estimated": posting.estimated,
        "cost_nano": cost,
        "estimated_nano": cost if posting.estimated else 0,
    } | {name: getattr(posting, name) for name in NAMES if name.endswith("_tokens")}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    postings=posting_lists(),
    by=st.lists(
        st.sampled_from(("hour", "day", "week", "month", "route", "model", "key", "team", "tag", "user", "price_row")),
        max_size=3,
        unique=True,
    ).map(tuple),
    zone=st.sampled_from(ZONES),
    start=st.integers(0, 10 * 24 * 4).map(lambda quarter: START + timedelta(minutes=15 * quarter)),
    hours=st.integers(1, 40 * 24),
    where=st.sampled_from(({}, {"tag": ("x",)}, {"model": ("gpt-5.5",), "team": ("a", "")}, {"user": ("b",)})),
)
def test_every_sum_is_what_adding_up_by_hand_gives(migrated, tmp_path_factory, postings, by, zone, start, hours, where):
    """Whatever it is grouped by and wherever its hours are cut: the lines and the total, to the nanodollar."""
    file = tmp_path_factory.mktemp("sums") / "turnout.db"
    file.write_bytes((migrated / "turnout.db").read_bytes())
    with closing(sqlite3.connect(file)) as connection:
        store_rows(connection, postings, chunk=5)
    end = start + timedelta(hours=hours)
    asked = Question(period=Period(start=start, end=end, before=start, zone=zone), by=by, where=where)
    with reading(file) as connection:
        told = spending(connection, asked)
        assert verify(connection) == []
    expected: dict[tuple[str, ...], Counter[str]] = {}
    total: Counter[str] = Counter()
    for each in postings:
        if not start <= each.call.started_at < end:
            continue
        groups = {name: {key[0] for key in _oracle(each, (name,), zone)} for name in where}
        if any(groups[name].isdisjoint(values) for name, values in where.items()):
            continue
        total.update(_figures(each))
        for key in _oracle(each, by, zone):
            if "tag" in where and "tag" in by and key[by.index("tag")] not in where["tag"]:
                continue
            expected.setdefault(key, Counter()).update(_figures(each))

    assert {name: getattr(told.total, name) for name in NAMES} == {name: total[name] for name in NAMES}
    assert {key: {name: getattr(sums, name) for name in NAMES} for key, sums in told.lines.items()} == {
        key: {name: sums[name] for name in NAMES} for key, sums in expected.items() if by
    }


def test_the_sums_answer_whole_hours_and_the_postings_the_rest():
    """A zone that is half an hour off has midnights inside of hours; a total over whole hours does not care."""
    month = {zone: read_period("2026-11", "2026-12", zone, START) for zone in ZONES}

    assert [Question(period=month[zone], by=("day",)).from_sums for zone in ZONES] == [True, True, False]
    whole = Period(start=START, end=START + timedelta(hours=5), before=START, zone=ZONES[2])
    assert Question(period=whole, by=("model",)).from_sums and not Question(period=whole, by=("day",)).from_sums
    assert not Question(period=whole, by=("user",)).from_sums
    cut = Period(start=START, end=START + timedelta(minutes=90), before=START)
    assert not Question(period=cut).from_sums


NOW = datetime(2026, 11, 18, 9, 20, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("since", "until", "zone", "start", "end", "before"),
    [
        ("month", None, UTC, "2026-11-01T00:00", "2026-11-18T10:00", "2026-10-01T00:00"),
        ("week", None, UTC, "2026-11-16T00:00", "2026-11-18T10:00", "2026-11-09T00:00"),
        ("day", None, UTC, "2026-11-18T00:00", "2026-11-18T10:00", "2026-11-17T00:00"),
        ("year", None, UTC, "2026-01-01T00:00", "2026-11-18T10:00", "2025-01-01T00:00"),
        ("7d", None, UTC, "2026-11-12T00:00", "2026-11-18T10:00", "2026-11-05T00:00"),
        ("24h", None, UTC, "2026-11-17T10:00", "2026-11-18T10:00", "2026-11-16T10:00"),
        ("2026-10", "2026-11", UTC, "2026-10-01T00:00", "2026-11-01T00:00", "2026-09-01T00:00"),
        ("2026-11-03", "2026-11-05", UTC, "2026-11-03T00:00", "2026-11-05T00:00", "2026-11-01T00:00"),
        ("2026-11-03T04:30Z", "2026-11-03T05:00Z", UTC, "2026-11-03T04:30", "2026-11-03T05:00", "2026-11-03T04:00"),
        ("2026-11", None, ZONES[1], "2026-11-01T04:00", "2026-11-18T10:00", "2026-10-01T04:00"),
        ("2026-11-02", "2026-11-03", ZONES[1], "2026-11-02T05:00", "2026-11-03T05:00", "2026-11-01T05:00"),
    ],
)
def test_a_period_is_what_people_mean_by_it(since, until, zone, start, end, before):
    """Days are the zone's, what runs now ends with this hour, and the one before it began a unit earlier."""
    period = read_period(since, until, zone, NOW)

    assert [f"{each.astimezone(UTC):%Y-%m-%dT%H:%M}" for each in (period.start, period.end, period.before)] == [
        start,
        end,
        before,
    ]


@pytest.mark.parametrize("since", ["yesterday", "0d", "2026-13", "2027-01-01", "99999d"])
def test_what_is_no_period_is_refused_with_a_sentence(since):
    """Also one that would end before it begins."""
    with pytest.raises(ValueError):
        read_period(since, None, UTC, NOW)


def test_a_running_month_is_compared_with_as_much_of_the_last_one():
    """And a long one with no more than there was: February against January ends in January."""
    half = read_period("month", None, UTC, NOW).previous()
    march = read_period("2026-03", "2026-04", UTC, NOW).previous()

    assert half is not None and f"{half.end:%m-%d %H}" == "10-18 10"
    assert march is not None and f"{march.start:%m-%d} {march.end:%m-%d}" == "02-01 03-01"


def test_an_unknown_price_is_not_zero(place):
    """Not in a sum, not in an average, and a group of nothing else has no cost at all."""
    priced, unpriced = (_settled(f"req_{number}", 1, cost=cost) for number, cost in ((1, 30), (2, None)))
    with closing(sqlite3.connect(place.database)) as connection:
        store_rows(connection, [priced, unpriced])
    day = Period(start=START, end=START + timedelta(days=1), before=START)
    with reading(place.database) as connection:
        total = spending(connection, Question(period=day)).total
        row = spending(connection, Question(period=day, by=("price_row",))).lines

    assert (total.calls, total.unpriced, total.cost, total.cost_per_call) == (2, 1, Money.of("3e-8"), Money.of("3e-8"))
    assert (row[("",)].cost, row[("",)].cost_per_call, row[("row",)].cost) == (None, None, Money.of("3e-8"))


# ---- feedback ------------------------------------------------------------------------------


def _call(request_id: str, number: int, *, deployment: str = "p/a", at: datetime = START) -> Call:
    return Call(
        request_id=request_id,
        number=number,
        key_id="key1",
        tags=("x", "y"),
        route="smart",
        deployment=deployment,
        provider="p",
        model=deployment[2:],
        channel="p",
        started_at=at,
    )


def _settled(request_id: str, number: int, *, cost: int | None, deployment: str = "p/a") -> Posting:
    return Posting(
        call=_call(request_id, number, deployment=deployment),
        kind="settle",
        posted_at=START,
        held_nano=cost,
        cost_nano=cost,
        input_tokens=10,
        output_tokens=5,
        price_row="" if cost is None else "row",
    )


def _write(store, postings: list[Posting], answered: dict[str, str]) -> None:
    """Through the books, with the records of their requests."""
    store.begin()
    for request_id, deployment in answered.items():
        one = record()
        row = list(request_row(one))
        row[0], row[2], row[6] = request_id, "key1", deployment
        execute_rows(store, statements.INSERT_REQUEST, [row])
    holds = [Hold(call=each.call, expires_at=START, amount_nano=each.held_nano, sunk_nano=0) for each in postings]
    assert book(store, "me", [], holds) == [()] * len(holds)
    book(store, "me", postings, [])
    store.commit()


def _say(store, request_id: str, **values: int) -> None:
    store.begin()
    give(store, Feedback(request_id=request_id, key_id="key1", at=START, values=values))
    store.commit()


def test_feedback_counts_where_the_answer_came_from_and_costs_where_they_arose(a_record):
    """On each database: a request that fell back, one without feedback, one that was not accepted."""
    store = a_record.open()
    postings = [
        _settled("req_1", 1, cost=400),
        _settled("req_1", 2, cost=1_000, deployment="p/b"),
        _settled("req_2", 1, cost=200),
        _settled("req_3", 1, cost=5_000),
        _settled("req_4", 1, cost=600),
    ]
    _write(store, postings, {"req_1": "p/b", "req_2": "p/a", "req_3": "p/a", "req_4": "p/a"})
    _say(store, "req_1", accepted=1_000_000, tickets=1_500_000)
    _say(store, "req_2", accepted=1_000_000)
    _say(store, "req_2", accepted=0)  # on second thoughts
    _say(store, "req_4", accepted=1_000_000)
    store.close()
    asked = Question(period=Period(start=START, end=START + timedelta(hours=1), before=START), by=("model",))
    with reading(a_record.location) as connection:
        accepted = outcomes.worth(connection, asked, "accepted")
        tickets = outcomes.worth(connection, asked, "tickets").total
        by_tag = outcomes.worth(connection, Question(period=asked.period, by=("tag",)), "accepted")
        assert outcomes.names(connection) == ["accepted", "tickets"]
        assert spending(connection, asked).total.cost_nano == 7_200
        assert verify(connection) == []
        users = spending(connection, Question(period=asked.period, by=("user", "day", "hour")))
        assert users.total.calls == 5

    a, b = accepted.lines[("a",)], accepted.lines[("b",)]
    assert (a.rated, a.good, a.cost_nano) == (2, 1, 400 + 200 + 600)
    assert (b.rated, b.good, b.cost_nano, b.cost_per_unit) == (1, 1, 1_000, Money.of("0.000001"))
    assert (accepted.total.rated, accepted.total.good, accepted.total.cost_per_unit) == (3, 2, Money.of("0.0000011"))
    assert (tickets.rated, tickets.units_micro, tickets.cost_per_unit) == (1, 1_500_000, Money.of("9.33e-7"))
    assert {key: line.rated for key, line in by_tag.lines.items()} == {("x",): 3, ("y",): 3}


@pytest.mark.parametrize(
    ("good", "rated", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_is_wilson_s(good, rated, low, high):
    """The last one is the example of R. G. Newcombe, Statistics in Medicine 17 (1998), table I."""
    found = outcomes.wilson(good, rated)

    assert found is not None
    assert (round(found[0], 4), round(found[1], 4)) == (low, high)
    assert outcomes.wilson(0, 0) is None


# ---- verify --------------------------------------------------------------------------------

DAY = AccountRef("daily", "key1", 1_793_491_200_000, None, 1_000_000)
DAMAGES = {
    "UPDATE spend SET cost_nano = cost_nano + 1": "cost_nano is $0.000000301, and its rows make $0.0000003",
    "UPDATE spend SET calls = 7": "calls is 7, and its rows make 1",
    "DELETE FROM spend": "calls is 0, and its rows make 1",
    "UPDATE accounts SET spent_nano = spent_nano + 5": "account daily of key1",
    "UPDATE accounts SET held_nano = 0": "held_nano is $0, and its rows make $0.0000002",
    "DELETE FROM accounts": "spent_nano is $0, and its rows make $0.0000003",
    "INSERT INTO corrections VALUES ('c', 1, 'daily', 'key1', 1793491200000, -100, 'because', 'admin')": "spent_nano",
    "INSERT INTO postings SELECT request_id, number, 'void', posted_ms, started_ms, key_id, team, end_user, tags, route,"
    " deployment, provider, model, channel, tier, region, 0, 0, 0, 0, 0, 0, 0, 0, '', '', estimated, '', 0, '', ''"
    " FROM postings": "The number of ends of attempt 1 of req_1 is 2, and its rows make 1",
    "INSERT INTO holds SELECT request_id, number, 'me', 1, 1, 0, 0, '', '' FROM postings": "open holds of attempt 1 of",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_to_the_books_is_found(place, damage):
    """By its own sentence, and by nothing where there is no damage."""
    raw = sqlite3.connect(place.database, isolation_level=None)
    store = SqliteStore(raw)
    first, second = (_call(f"req_{number}", 1) for number in (1, 2))
    store.begin()
    for call, amount in ((first, 400), (second, 200)):
        (granted,) = book(
            store, "me", [], [Hold(call=call, expires_at=START, amount_nano=amount, sunk_nano=0, accounts=(DAY,))]
        )
        assert isinstance(granted, tuple) and granted
    ended = Posting(
        call=first, kind="settle", posted_at=START, held_nano=400, cost_nano=300, input_tokens=1, accounts=(DAY,)
    )
    book(store, "me", [ended], [])
    store.commit()
    with reading(place.database) as connection:
        assert verify(connection) == []
    raw.execute("PRAGMA ignore_check_constraints=ON")
    raw.execute(damage)
    raw.close()
    with reading(place.database) as connection:
        told = [str(each) for each in verify(connection)]

    assert any(DAMAGES[damage] in each for each in told), told


def test_what_may_have_been_deleted_for_its_age_is_no_difference(place):
    """Sums from before the kept days are left out; those after it are not."""
    with closing(sqlite3.connect(place.database)) as connection:
        store_rows(connection, [_settled("req_1", 1, cost=30)])
        connection.execute("UPDATE spend SET cost_nano = 1")
        connection.commit()
    with reading(Path(place.database)) as connection:
        assert verify(connection, START + timedelta(days=1)) == []
        assert len(verify(connection, START - timedelta(days=30))) == 1


def test_a_busy_writer_makes_no_difference(place):
    """The books are verified over and over while holds are made and ended."""
    done = threading.Event()

    def work() -> None:
        store = SqliteStore(sqlite3.connect(place.database, isolation_level=None, timeout=10))
        for number in range(100_000):
            if done.is_set():
                break
            call = _call(f"req_{number}", 1)
            hold = Hold(call=call, expires_at=START, amount_nano=9, sunk_nano=0, accounts=(DAY,))
            end = Posting(call=call, kind="settle", posted_at=START, held_nano=9, cost_nano=7, accounts=(DAY,))
            for ends, holds in (((), (hold,)), ((end,), ())):
                store.begin()
                book(store, "me", ends, holds)
                store.commit()
        store.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with reading(place.database) as connection:
            counts = []
            while len(counts) < 40:
                assert verify(connection) == []
                counts.append(spending(connection, Question(period=_first_day())).total.calls)
    finally:
        done.set()
        thread.join()

    assert counts[-1] > counts[0]


def _first_day() -> Period:
    return Period(start=START, end=START + timedelta(days=1), before=START)

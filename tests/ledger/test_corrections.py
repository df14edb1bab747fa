"""Corrections of what a budget has spent: all or nothing, with a reason, on every kind of database."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from ledger_places import Record
from sqlalchemy import bindparam, insert, or_, select
from sqlalchemy.dialects import sqlite

from turnout.core.errors import InvalidField, NotFound
from turnout.core.money import Money
from turnout.core.settings_model import BudgetSettings
from turnout.ledger import audit, statements, tables
from turnout.ledger.bookkeeping import book
from turnout.ledger.budget_lines import BudgetLine, budget_lines
from turnout.ledger.budgets import Budgets, Who
from turnout.ledger.corrections import Corrected, Correction, Corrector, correction_from_json, correction_to_json
from turnout.ledger.posting import Call, Hold, Posting, Refused
from turnout.ledger.store import Store
from turnout.ledger.verify import verify

NOW = datetime(2026, 11, 22, 4, 39, tzinfo=UTC)
RULES = Budgets.of(
    [
        BudgetSettings(name="all", limit=Money.of(5)),
        BudgetSettings(name="team", limit=Money.of(3), soft=Money.of(2), per="team", match=("search", "sales")),
        BudgetSettings(name="user", soft=Money.of(1), per="user", window="day"),
    ]
)
ALICE = Who(key_id="k1", key_name="app", team="search", end_user="alice")
SECOND = timedelta(seconds=1)


@pytest.fixture
def store(a_record: Record) -> Iterator[Store]:
    with contextlib.closing(a_record.open()) as store:
        yield store


@contextlib.contextmanager
def transaction(store: Store) -> Iterator[None]:
    store.begin()
    try:
        yield
    except BaseException:
        store.rollback()
        raise
    store.commit()


def correct(store: Store, name: str, **wanted: str) -> Corrected:
    corrector = Corrector(budgets=RULES, now=NOW, random_bytes=os.urandom, actor="k_admin")
    with transaction(store):
        return corrector.correct(store, name, correction_from_json({"reason": "a mistyped price", **wanted}))


def hold(number: int, amount: str, who: Who = ALICE) -> Hold:
    call = Call(
        request_id=f"req_{number}", number=1, key_id=who.key_id, team=who.team, end_user=who.end_user, route="r",
        deployment="d", provider="p", model="m", channel="c", started_at=NOW,
    )  # fmt: skip
    nano = Money.of(amount).nanodollars()
    return Hold(
        call=call, expires_at=NOW + SECOND, amount_nano=nano, sunk_nano=0, accounts=RULES.accounts_for(who, NOW)
    )


def reserve(store: Store, number: int, amount: str) -> bool:
    """Whether there was room."""
    with transaction(store):
        (answer,) = book(store, "me", [], [hold(number, amount)])
    return not isinstance(answer, Refused)


def settle(store: Store, number: int, held: str, cost: str) -> None:
    made = hold(number, held)
    posting = Posting(
        call=made.call, kind="settle", posted_at=NOW, held_nano=made.amount_nano,
        cost_nano=Money.of(cost).nanodollars(), accounts=made.accounts,
    )  # fmt: skip
    with transaction(store):
        book(store, "me", [posting], [])


def line(store: Store, budget: str, subject: str = "") -> BudgetLine:
    with transaction(store):
        found = [each for each in budget_lines(store, RULES, NOW) if each.rule.name == budget]
    return next(each for each in found if each.subject == subject)


def test_a_mistyped_price_no_longer_locks_a_team_out(store: Store, a_record: Record) -> None:
    """Spent by mistake, refused, corrected, admitted: and the sums hold, and the audit chain does."""
    assert reserve(store, 1, "2.9")
    settle(store, 1, "2.9", "2.9")
    assert not reserve(store, 2, "0.2")

    done = correct(store, "team", subject="search", to="0.29")

    assert (done.before_nano, done.line.spent_nano, done.line.percent) == (2_900_000_000, 290_000_000, 9)
    assert reserve(store, 2, "0.2")
    assert line(store, "all").spent_nano == 2_900_000_000  # each budget for itself
    kept = a_record.rows("SELECT id, budget, subject, amount_nano, reason, actor FROM corrections")
    assert [tuple(row) for row in kept] == [(done.id, "team", "search", -2_610_000_000, "a mistyped price", "k_admin")]
    entries = a_record.rows("SELECT actor, action, object, detail FROM audit")
    assert [tuple(row)[:3] for row in entries] == [("k_admin", "budget.correct", "team")]
    assert '"after":"0.29","before":"2.9"' in str(tuple(entries[0])[3])
    with transaction(store):
        assert audit.verify(store) is None


def test_what_is_over_the_limit_follows_the_correction(store: Store) -> None:
    """The table's own check holds all the way: up over the limit, with money held, and down again."""
    assert reserve(store, 1, "1")

    up = correct(store, "all", by="5.5")
    down = correct(store, "all", by="-2")

    assert (up.line.over_nano, up.line.left_nano) == (1_500_000_000, 0)
    assert (down.line.over_nano, down.line.left_nano, down.line.held_nano) == (0, 500_000_000, 1_000_000_000)
    assert not reserve(store, 2, "0.51")
    settle(store, 1, "1", "0.25")
    assert line(store, "all").spent_nano == 3_750_000_000


def test_a_named_subject_can_be_charged_before_it_spends(store: Store) -> None:
    done = correct(store, "team", subject="sales", by="2.999999999")

    assert (done.line.spent_nano, done.line.left_nano) == (2_999_999_999, 1)


def test_the_subject_may_be_left_out_where_there_is_one_only(store: Store) -> None:
    assert reserve(store, 1, "1")

    assert correct(store, "user", by="1").line.subject == "k1/alice"


@pytest.mark.parametrize(
    ("name", "wanted", "kind", "said"),
    [
        ("teams", {"by": "1"}, NotFound, "There is no budget 'teams' in the configuration. Did you mean 'team'?"),
        ("x", {"by": "1"}, NotFound, "There are: all, team, user."),
        ("team", {"by": "1"}, NotFound, "The budget 'team' is per team: name one of its subjects. There are: sales, se"),
        ("team", {"by": "1", "subject": "serch"}, NotFound, "no account of 'serch' in its present window. Did you mean"),
        ("user", {"by": "1"}, NotFound, "Nothing was spent under the budget 'user' in its present window"),
        ("all", {"by": "-0.000000001"}, InvalidField, "$0 was spent, and less than nothing can't be."),
        ("all", {"to": "0"}, InvalidField, "$0 is what was spent; nothing to correct."),
        ("all", {"to": "-1"}, InvalidField, "less than nothing can't be. To give more room, raise the limit."),
    ],
)  # fmt: skip
def test_what_can_t_be_corrected_changes_nothing(
    store: Store, a_record: Record, name: str, wanted: dict[str, str], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as raised:
        correct(store, name, **wanted)

    assert said in str(raised.value)
    assert [a_record.count(table) for table in ("accounts", "corrections", "audit")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"reason": "r"}, "`by`, a difference, or `to`"),
        ({"reason": "r", "by": "1", "to": "2"}, "one of the two"),
        ({"by": "1"}, "`reason` has 1 to 500 characters"),
        ({"by": "1", "reason": "  "}, "`reason` has 1 to 500 characters"),
        ({"by": "1", "reason": "r" * 501}, "`reason` has 1 to 500 characters"),
        ({"by": 1.5, "reason": "r"}, "`by` is a string; amounts too, so that they stay exact."),
        ({"by": "$5", "reason": "r"}, "`by` is an amount in US dollars such as 12.00 or -5.00, not '$5'."),
        ({"by": "1e3", "reason": "r"}, "is an amount in US dollars"),
        ({"by": "10000000.01", "reason": "r"}, "`by` is more than 10000000 US dollars."),
        ({"by": "-10000001", "reason": "r"}, "`by` is more than 10000000 US dollars."),
        ({"amount": "1", "reason": "r"}, "A correction has no field `amount`."),
    ],
)
def test_a_wrong_body_is_refused(body: dict[str, str | float], said: str) -> None:
    with pytest.raises(InvalidField) as raised:
        correction_from_json(body)

    assert said in raised.value.message


def test_a_correction_goes_through_json_unchanged() -> None:
    wanted = Correction(subject="search", by=Money.of("-0.000000001"), reason="why")

    assert correction_from_json(correction_to_json(wanted)) == wanted


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_calls_and_corrections_keeps_the_sums(place: object, seed: int) -> None:
    """What an account has spent is the sum of its postings and corrections; `verify` finds no difference."""
    from turnout.ledger.datadir import DataDir
    from turnout.ledger.location import Location
    from turnout.ledger.queries import reading

    assert isinstance(place, DataDir)
    dice, record = random.Random(seed), Record(Location(directory=place.path))
    expected = 0
    with contextlib.closing(record.open()) as store:
        for number in range(40):
            if dice.random() < 0.5:
                cents = dice.randrange(1, 300)
                with contextlib.suppress(InvalidField):
                    by = f"{dice.choice('+-')}{cents / 100:.2f}"
                    correct(store, "team", subject="search", by=by)
                    expected += Money.of(by).nanodollars()
            elif reserve(store, number, "0.50"):
                cost = f"0.{dice.randrange(100):02}"
                settle(store, number, "0.50", cost)
                expected += Money.of(cost).nanodollars()
        assert line(store, "team", "search").spent_nano == expected
    with reading(Location(directory=place.path)) as connection:
        assert verify(connection) == []


def test_lines_are_of_the_open_window_and_of_rules_that_are(store: Store) -> None:
    """An account of yesterday, and one of a rule that is gone, are not listed; named subjects are, though unused."""
    old = Budgets.of([*(BudgetSettings(name=name, limit=Money.of(9), window="total") for name in ("gone", "user"))])
    accounts = (*old.accounts_for(ALICE, NOW), *RULES.accounts_for(ALICE, NOW - timedelta(days=1)))
    with transaction(store):
        book(
            store,
            "me",
            [],
            [Hold(call=hold(1, "1").call, expires_at=NOW, amount_nano=1, sunk_nano=0, accounts=accounts)],
        )
        lines = budget_lines(store, RULES, NOW)

    assert [(each.rule.name, each.subject, each.held_nano) for each in lines] == [
        ("all", "", 1),
        ("team", "sales", 0),
        ("team", "search", 1),
    ]


def test_the_statements_are_what_the_tables_compile_to() -> None:
    def text_of(statement: object) -> str:
        return " ".join(str(statement.compile(dialect=sqlite.dialect())).split())  # type: ignore[attr-defined]

    a = tables.accounts.c
    columns = (a.budget, a.subject, a.opens_ms, a.held_nano, a.spent_nano, a.over_nano, a.unpriced)
    open_now = select(*columns).where(or_(a.closes_ms > bindparam("at"), a.closes_ms.is_(None)))
    assert text_of(open_now.order_by(a.budget, a.subject)) == statements.SELECT_OPEN_ACCOUNTS
    assert text_of(insert(tables.corrections)) == statements.INSERT_CORRECTION

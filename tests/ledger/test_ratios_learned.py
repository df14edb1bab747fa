"""What the books teach about tokenizers, on every database, in the serving process and in reports."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from ledger_postings import START

from turnout.catalogue.ratios import Learned
from turnout.ledger import ratios, ratios_live, statements
from turnout.ledger.posting import Call, Posting
from turnout.ledger.posting_rows import posting_row
from turnout.ledger.queries import reading

NOW = START + timedelta(days=30)
CALL = Call(
    request_id="",
    number=1,
    key_id="k",
    route="r",
    deployment="d",
    provider="p",
    model="m",
    channel="p",
    started_at=START,
)
_numbers = count()


def _posting(reported: int, neutral: int, **changes: object) -> Posting:
    call = replace(
        CALL, request_id=f"req_{next(_numbers)}", model=changes.pop("model", "m"), started_at=changes.pop("at", START)
    )
    posting = Posting(
        call=call,
        kind="settle",
        posted_at=START,
        held_nano=None,
        cost_nano=1,
        input_tokens=reported,
        neutral_tokens=neutral,
        content="prose",
    )
    return replace(posting, **changes)


GOOD = [_posting(120, 100), _posting(260, 200), _posting(300, 300)]
IGNORED = [
    _posting(900, 100, kind="void"),
    _posting(900, 100, kind="expire"),
    _posting(900, 100, estimated=True),
    _posting(900, 100, flags=("no_price", "media")),
    _posting(900, 15),
    _posting(9, 100),
    _posting(2001, 100),
    _posting(900, 100, at=NOW - timedelta(days=91)),
]
OTHERS = [_posting(50, 25, content="code"), _posting(60, 30, model="n", flags=("no_price",))]
TAUGHT = [
    Learned(model="m", content="code", calls=1, reported=50, neutral=25, spread=0.0),
    Learned(model="m", content="prose", calls=3, reported=680, neutral=600, spread=0.1),
    Learned(model="n", content="prose", calls=1, reported=60, neutral=30, spread=0.0),
]


def _spread() -> float:
    """Of GOOD, the plain way: the mean square distance from the ratio, a call weighing as its prompt is long."""
    ratio = 680 / 600
    squares = sum(each.neutral_tokens * (each.input_tokens / each.neutral_tokens - ratio) ** 2 for each in GOOD)
    return math.sqrt(squares / 600)


def _same(found: list[Learned]) -> bool:
    wanted = [replace(each, spread=0.0) for each in TAUGHT]
    return [replace(each, spread=0.0) for each in found] == wanted and found[1].spread == pytest.approx(_spread())


@pytest.fixture
def taught(a_record) -> Iterator[object]:
    """A record with those postings, and its store."""
    store = a_record.open()
    store.begin()
    for each in [*GOOD, *IGNORED, *OTHERS]:
        store.execute(statements.INSERT_POSTING, posting_row(each))
    store.commit()
    yield store
    store.close()


def test_only_what_the_provider_counted_of_texts_teaches(taught) -> None:
    """Sums of each model and class; estimates, media, ends without a bill and nonsense stay out."""
    assert _same(ratios_live.learned(taught.execute, NOW))


def test_a_report_says_the_same(taught, a_record) -> None:
    """Through SQLAlchemy, over the period that it asks for."""
    with reading(a_record.location) as connection:
        assert _same(ratios.learned(connection, NOW - ratios_live.MEMORY, NOW))
        assert ratios.learned(connection, NOW, NOW + timedelta(days=1)) == []


def test_only_the_newest_are_read(taught, monkeypatch) -> None:
    """The serving process looks at a bounded number of calls."""
    newer = _posting(500, 100, at=START + timedelta(days=1))
    taught.begin()
    taught.execute(statements.INSERT_POSTING, posting_row(newer))
    taught.commit()
    monkeypatch.setattr(ratios_live, "NEWEST", 1)

    assert [each.reported for each in ratios_live.learned(taught.execute, NOW)] == [500]


def test_calls_that_teach_nothing_are_not_read_past(taught, monkeypatch) -> None:
    """They count among the newest: else the writer's thread would read a record of them to its end."""
    taught.begin()
    for minute in range(3):
        blind = _posting(500, 100, at=START + timedelta(days=1, minutes=minute), flags=("media",))
        taught.execute(statements.INSERT_POSTING, posting_row(blind))
    taught.commit()
    monkeypatch.setattr(ratios_live, "NEWEST", 3)

    assert ratios_live.learned(taught.execute, NOW) == []

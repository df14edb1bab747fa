"""The calls that re-pricing reads, alike on each kind of database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ledger_places import Record

from planning.recorded_traffic import MONDAY, call, ended_late, given_up
from turnout.ledger import statements
from turnout.ledger.posting_rows import posting_row
from turnout.ledger.queries import reading
from turnout.ledger.rows import to_ms
from turnout.ledger.several import execute_rows
from turnout.planning.recorded_calls import DIMENSIONS, RecordedCall, count_calls, count_void, recorded_calls

_GROUPS = {"route": "chat", "key": "key1", "model": "gpt-5.5", "tag": "a,b", "day": to_ms(MONDAY) // 86_400_000}


@pytest.mark.parametrize("by", DIMENSIONS)
def test_calls_are_read_in_chunks_with_whole_numbers(a_record: Record, by) -> None:
    """Two postings of a call that was given up are one call; amounts and counts are integers on PostgreSQL too."""
    lost, late = given_up(9, MONDAY, 5_000_000), given_up(10, MONDAY, 7_000_000)
    answered = [call(number, MONDAY + timedelta(minutes=number), tags=("a", "b")) for number in range(5)]
    store = a_record.open()
    store.begin()
    execute_rows(
        store, statements.INSERT_POSTING, [posting_row(each) for each in (*answered, lost, late, ended_late(late))]
    )
    store.commit()
    store.close()
    reach = to_ms(MONDAY), to_ms(MONDAY + timedelta(minutes=4))
    with reading(a_record.location) as connection:
        chunks = [list(chunk) for chunk in recorded_calls(connection, *reach, by, chunk=3)]
        counted, void = count_calls(connection, *reach), count_void(connection, *reach)
    found = [RecordedCall(*each) for chunk in chunks for each in chunk]

    assert [len(chunk) for chunk in chunks] == [3, 1, 2]
    assert [each.started_ms for each in found[:4]] == [to_ms(MONDAY + timedelta(minutes=minute)) for minute in range(4)]
    assert found[0].group == _GROUPS.get(by, "openai")
    assert sorted((each.cost_nano, each.output_tokens, bool(each.estimated)) for each in found[4:]) == [
        (5_000_000, 0, True),
        (20_000_000, 500, False),
    ]
    assert {type(value) for each in found[4:] for value in (each.cost_nano, *each[-6:])} == {int}
    assert (counted, void) == (7, 0)

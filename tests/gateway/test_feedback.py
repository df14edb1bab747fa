"""The body of feedback: exact in millionths, or refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.errors import InvalidField
from turnout.gateway.feedback import MOST_UNITS, feedback_of

AT = datetime(2026, 11, 20, tzinfo=UTC)


def read(text: str):
    return feedback_of(orjson.loads(text), "key1", AT)


@given(st.integers(0, MOST_UNITS * 10**6))
def test_every_number_of_millionths_arrives_as_it_was_written(micro: int):
    """Through a JSON reader that makes floats of fractions."""
    written = format(Decimal(micro).scaleb(-6), "f")

    assert read(f'{{"request_id": "req_1", "units": {{"tickets": {written}}}}}').values == {"tickets": micro}


def test_accepted_is_one_or_nothing():
    """Beside units of the team's own."""
    found = read('{"request_id": "req_1", "accepted": false, "units": {"tickets": 1.5, "minutes": 2}}')

    assert found.values == {"accepted": 0, "tickets": 1_500_000, "minutes": 2_000_000}
    assert read('{"request_id": "req_1", "accepted": true, "units": null}').values == {"accepted": 1_000_000}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"accepted": true}', "'request_id' is required"),
        ('{"request_id": "req_1"}', "Say what the answer was worth"),
        ('{"request_id": "req_1", "accepted": null, "units": {}}', "Say what the answer was worth"),
        ('{"request_id": "req_1", "accepted": 1}', "must be a boolean"),
        ('{"request_id": "req_1", "accepted": true, "score": 1}', "no field 'score'"),
        ('{"request_id": "", "accepted": true}', "1 to 64 characters"),
        ('{"request_id": 7, "accepted": true}', "must be a string"),
        ('{"request_id": "req_1", "units": {"accepted": 1}}', "can't name a unit"),
        ('{"request_id": "req_1", "units": {"Tickets!": 1}}', "can't name a unit"),
        ('{"request_id": "req_1", "units": {"tickets": true}}', "must be a number"),
        ('{"request_id": "req_1", "units": {"tickets": "1.5"}}', "must be a number"),
        ('{"request_id": "req_1", "units": {"tickets": -1}}', "between 0 and"),
        ('{"request_id": "req_1", "units": {"tickets": 1e300}}', "between 0 and"),
        ('{"request_id": "req_1", "units": {"tickets": 18446744073709551615}}', "between 0 and"),
        ('{"request_id": "req_1", "units": {"tickets": 0.0000001}}', "at most six decimals"),
        ('{"request_id": "req_1", "units": {"tickets": 0.30000000000000004}}', "at most six decimals"),
        ('{"request_id": "req_1", "units": [1]}', "must be an object"),
    ],
)
def test_what_is_no_feedback_is_refused_by_name(body, said):
    """Each with what would be right."""
    with pytest.raises(InvalidField) as caught:
        read(body)

    assert said in caught.value.message


def test_a_request_takes_so_many_units_and_no_more():
    """16 in one body."""
    units = {f"unit{number}": 1 for number in range(17)}
    with pytest.raises(InvalidField, match="at most 16"):
        feedback_of({"request_id": "req_1", "units": {**units}}, "key1", AT)

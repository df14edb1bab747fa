"""The body of `POST /v1/feedback`: which request, and what it was worth.

Units are kept as whole millionths. JSON readers make floats of numbers with a fraction, so a number is taken by its
shortest decimal text (`repr`), which is what was written wherever that has at most 15 digits; the bounds here see to
that. A number that needs more than six decimals is refused rather than rounded.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from turnout.core.errors import InvalidField
from turnout.core.json import Json, JsonObject
from turnout.ledger.feedback import MOST_NAMES, Feedback
from turnout.wire import fields

MOST_UNITS = 10**9 - 1
"""With six decimals this has 15 digits, which a float still tells apart."""
_ACCEPTED = "accepted"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_FIELDS = {"request_id", "accepted", "units"}


def feedback_of(body: JsonObject, key_id: str, at: datetime) -> Feedback:
    """What the body says. Raises InvalidField."""
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        raise InvalidField(f"Feedback has no field '{unknown[0][:64]}', only: {', '.join(sorted(_FIELDS))}.")
    request_id = fields.text(body, "request_id")
    if not 1 <= len(request_id) <= 64:
        raise InvalidField("'request_id' has 1 to 64 characters, such as an answer's x-request-id.", param="request_id")
    values = _units(fields.optional_object(body, "units") or {})
    accepted = fields.optional_flag(body, "accepted")
    if accepted is not None:
        values[_ACCEPTED] = 1_000_000 if accepted else 0
    if not values:
        raise InvalidField("Say what the answer was worth: 'accepted', or at least one of 'units'.", param="accepted")
    return Feedback(request_id=request_id, key_id=key_id, at=at, values=values)


def _units(units: JsonObject) -> dict[str, int]:
    if len(units) > MOST_NAMES:
        raise InvalidField(f"'units' takes at most {MOST_NAMES} names.", param="units")
    return {name: _micro(name, value) for name, value in units.items()}


def _micro(name: str, value: Json) -> int:
    if not _NAME.fullmatch(name) or name == _ACCEPTED:
        raise InvalidField(
            f"'{name[:64]}' can't name a unit: it takes up to 32 of a-z, 0-9 and _, beginning with a letter, and not"
            f" '{_ACCEPTED}', which is a field of its own.",
            param="units",
        )
    where = f"units.{name}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        fields.refuse(where, "a number", value)
    if not 0 <= value <= MOST_UNITS:
        raise InvalidField(f"'{where}' must be between 0 and {MOST_UNITS}.", param=where)
    micro = Decimal(repr(value)).scaleb(6)
    if micro != micro.to_integral_value():
        raise InvalidField(f"'{where}' may have at most six decimals.", param=where)
    return int(micro)

"""An error event inside a stream means what the same error status would have meant."""

import pytest

from turnout.core.errors import Fault
from turnout.gateway.relay import in_band_error
from turnout.wire.neutral import Failed


@pytest.mark.parametrize(
    ("said", "shown", "fault"),
    [
        (400, 400, Fault.CALLER),
        (413, 413, Fault.CALLER),
        (422, 422, Fault.CALLER),
        (401, 502, Fault.UPSTREAM),
        (403, 502, Fault.UPSTREAM),
        (404, 502, Fault.UPSTREAM),
        (418, 502, Fault.UPSTREAM),
        (429, 429, Fault.UPSTREAM),
        (500, 502, Fault.UPSTREAM),
        (503, 503, Fault.UPSTREAM),
        (529, 503, Fault.UPSTREAM),
    ],
)
def test_the_callers_faults_are_told_as_such_and_the_providers_as_gateway_errors(said, shown, fault):
    """No 401 for a key that is ours, and no circuit opened by a request that no deployment could serve."""
    error = in_band_error(Failed("no", "some_code", said))

    assert (error.status, error.fault) == (shown, fault)

"""JSON bodies."""

from __future__ import annotations

import time

import pytest

from turnout.core.errors import InvalidJson
from turnout.wire.body import MAX_DEPTH, dump, load_object


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"{", "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":1} x', "not valid JSON"),
        (b'{"a":"\xff\xfe"}', "not valid JSON"),
        (b'{"a":"\\ud800"}', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"12", "must be a JSON object"),
    ],
)
def test_refused(data: bytes, said: str) -> None:
    """What is no JSON object is refused with the reason."""
    with pytest.raises(InvalidJson) as raised:
        load_object(data)
    assert said in raised.value.message
    assert raised.value.status == 400


def test_the_position_is_told() -> None:
    """The message leads to the place of the mistake."""
    with pytest.raises(InvalidJson, match=r"line 2 column"):
        load_object(b'{"a": 1,\n "b" 2}')


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("closed", [True, False])
def test_very_deep_json_is_refused_fast(opening: bytes, closed: bool) -> None:
    """A hundred thousand levels cost no stack and hardly any time."""
    depth = 100_000
    closing = (b"]" if opening == b"[" else b"}") * depth if closed else b""
    begin = time.perf_counter()
    with pytest.raises(InvalidJson):
        load_object(b'{"x":' + opening * depth + b"1" + closing + b"}")

    assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize(("levels", "taken"), [(MAX_DEPTH - 1, True), (MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_the_depth_limit_is_exact(levels: int, taken: bool) -> None:
    """The limit counts the outermost object as one level."""
    data = b'{"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b',"y":[[],[]]}'
    if taken:
        assert load_object(data)
        return
    with pytest.raises(InvalidJson, match="nested"):
        load_object(data)


def test_wide_json_is_not_deep() -> None:
    """Many brackets side by side, or in a text, are no depth."""
    assert len(load_object(b'{"x":[' + b"[]," * 5000 + b'[]],"s":"' + b"[{" * 500 + b'"}')) == 2


def test_dump_is_compact() -> None:
    """Bodies are written without blanks and without escapes of what JSON need not escape."""
    assert dump({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()

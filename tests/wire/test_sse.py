"""The parser of server-sent events."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.errors import UpstreamBroken
from turnout.wire.sse import MAX_EVENT_BYTES, SseEvent, SseParser, encode


def parse(pieces: Sequence[bytes], limit: int = MAX_EVENT_BYTES) -> list[SseEvent] | str:
    """All events, or `too long`."""
    parser = SseParser(limit)
    events: list[SseEvent] = []
    try:
        for piece in pieces:
            events.extend(parser.feed(piece))
        events.extend(parser.close())
    except UpstreamBroken:
        return "too long"
    return events


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"data:a\n\n", [(b"", b"a")]),
        (b"data:  a\n\n", [(b"", b" a")]),
        (b"data\n\n", [(b"", b"")]),
        (b"event: x\ndata: a\n\n", [(b"x", b"a")]),
        (b"data: a\nevent: x\n\n", [(b"x", b"a")]),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b"data: a\r\ndata: b\r\n\r\n", [(b"", b"a\nb")]),
        (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
        (b"data: a\n\r\ndata: b\r\n\n", [(b"", b"a"), (b"", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"data: \xef\xbb\xbfa\n\n", [(b"", b"\xef\xbb\xbfa")]),
        (b": hi\n\n", [(b":", b"")]),
        (b": hi\ndata: a\n\n", [(b"", b"a")]),
        (b"id: 1\nretry: 5\n\n", []),
        (b"event: only\n\n", []),
        (b"unknown: 1\ndata: a\n\n", [(b"", b"a")]),
        ("data: a\u2028b\u2029c\u0085d\x0b\x0c\n\n".encode(), [(b"", "a\u2028b\u2029c\u0085d\x0b\x0c".encode())]),
        (b"\n\n\n\ndata: a\n\n\n\n\n", [(b"", b"a")]),
        (b"data: a", [(b"", b"a")]),
        (b"data: a\n", [(b"", b"a")]),
        (b"data: a\r", [(b"", b"a")]),
        (b"", []),
        (b"\xef\xbb", []),
    ],
)
def test_events(data: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    """Each shape of the standard gives its events, cut at any byte and byte by byte."""
    events = [SseEvent(*each) for each in expected]

    assert parse([data]) == events
    assert parse([data[i : i + 1] for i in range(len(data))]) == events
    for cut in range(len(data)):
        assert parse([data[:cut], data[cut:]]) == events, f"cut at byte {cut}"


def test_encoded_events_are_read_back() -> None:
    """What the encoder writes the parser reads."""
    assert parse([encode(b"{}", b"ping") + encode(b"[1]")]) == [SseEvent(b"ping", b"{}"), SseEvent(b"", b"[1]")]


_LINE = st.sampled_from(
    [b"data: x", b"data:", b"data: {}", b": c", b"event: e", b"id", b"", b"", b"\xef\xbb\xbf", "data: \u2028é".encode()]
)
_END = st.sampled_from([b"\n", b"\r", b"\r\n"])


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A stream, and the same cut at random places."""
    data = b"".join(draw(_LINE) + draw(_END) for _ in range(draw(st.integers(0, 12))))
    data = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + data
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    edges = [0, *cuts, len(data)]
    return data, [data[a:b] for a, b in itertools.pairwise(edges)]


@given(cut_streams(), st.sampled_from([6, 7, 8, 9, 15, 16, 17, 1000]))
def test_cuts_change_nothing(stream: tuple[bytes, list[bytes]], limit: int) -> None:
    """Events and the verdict on length are the same wherever the bytes are cut."""
    data, pieces = stream

    assert parse(pieces, limit) == parse([data], limit)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_survived(data: bytes, cut: int) -> None:
    """Noise gives events or nothing, the same when cut."""
    assert parse([data[:cut], data[cut:]]) == parse([data])


@pytest.mark.parametrize(("extra", "fits"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b""])
@pytest.mark.parametrize("size", [1 << 30, 65536, 1 << 18])
def test_the_limit_is_exact(extra: int, fits: bool, end: bytes, size: int) -> None:
    """An event of exactly the limit passes, one byte more does not, however it arrives."""
    event = b"data: " + b"x" * (MAX_EVENT_BYTES - 6 + extra)
    data = event + end
    found = parse([data[i : i + size] for i in range(0, len(data), size)])

    assert (found != "too long") is fits


def test_the_limit_is_exact_at_the_line_end() -> None:
    """An event that fits is not refused for the line end that arrived with it."""
    event = b"data: " + b"x" * (MAX_EVENT_BYTES - 6)

    assert parse([event + b"\n", b"\n"]) == [SseEvent(b"", event[6:])]
    assert parse([event + b"\r", b"\n\r\n"]) == [SseEvent(b"", event[6:])]


def test_good_events_before_one_too_long_are_given() -> None:
    """The bytes of a good event are not lost because a bad one came in the same read."""
    parser = SseParser(16)

    assert parser.feed(b"data: a\n\ndata: " + b"x" * 20) == [SseEvent(b"", b"a")]
    with pytest.raises(UpstreamBroken):
        parser.feed(b"y")


def test_no_end_holds_no_more_than_the_limit() -> None:
    """A stream without line ends is refused at the limit, not collected."""
    parser = SseParser()
    with pytest.raises(UpstreamBroken):
        for _ in range(100):
            parser.feed(b"x" * 65536)

"""The structured log: one line per event, with request ids, without content or secrets.

Times are the clock's; the lines go to standard error, where a container's runtime takes them.
"""

from __future__ import annotations

import contextlib
from typing import Literal, TextIO

import orjson

from turnout.core.clock import Clock

Level = Literal["debug", "info", "warning", "error"]
_RANK: dict[Level, int] = {"debug": 0, "info": 1, "warning": 2, "error": 3}

Value = str | int | float | bool | None


class Journal:
    """Writes events at or above a level."""

    def __init__(self, clock: Clock, stream: TextIO, *, level: Level = "info", as_json: bool = False) -> None:
        self._clock = clock
        self._stream = stream
        self._rank = _RANK[level]
        self._as_json = as_json

    def debug(self, event: str, **facts: Value) -> None:
        """For whoever looks into a problem."""
        self._write("debug", event, facts)

    def info(self, event: str, **facts: Value) -> None:
        """Something an operator may want to know."""
        self._write("info", event, facts)

    def warning(self, event: str, **facts: Value) -> None:
        """Something went wrong and was dealt with."""
        self._write("warning", event, facts)

    def error(self, event: str, **facts: Value) -> None:
        """Something needs a person."""
        self._write("error", event, facts)

    def _write(self, level: Level, event: str, facts: dict[str, Value]) -> None:
        if _RANK[level] < self._rank:
            return
        at = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._as_json:
            line = orjson.dumps({"time": at, "level": level, "event": event, **facts}).decode()
        else:
            told = " ".join(f"{name}={_plain(value)}" for name, value in facts.items() if value is not None)
            line = f"{at} {level:<7} {event} {told}".rstrip()
        # A full disk behind the log, or a reader that has gone, must cost no request its record.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()


def _plain(value: Value) -> str:
    text = str(value)
    return (
        orjson.dumps(text).decode()
        if not text or not text.isprintable() or any(letter in text for letter in ' "=')
        else text
    )

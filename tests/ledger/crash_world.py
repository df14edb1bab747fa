"""Load with a bill of its own, and what must be true of the books whatever happened to the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from harness import KEY, deployment, provider
from turnout.double import Answer, Double, Received, Reply, Send, Tokens, Wait, openai
from turnout.ledger.location import Location
from turnout.ledger.queries import reading
from turnout.ledger.verify import verify

INPUT_NANO, OUTPUT_NANO = 1_000, 2_000
"""What a token costs: 1 and 2 USD per million."""
MONEY = """
[prices.up]
rows = [ { model = "*", from = "2026-01-01", input = "1", output = "2" } ]
[budgets.all]
limit = "1000"
[budgets.keys]
limit = "500"
window = "day"
per = "key"
[budgets.routes]
soft = "100"
window = "hour"
per = "route"
"""


def config_of(double: Double, extra: str = "") -> str:
    """One model behind budgets that have room for everything."""
    text = 'providers_from_environment = false\n[log]\nlevel = "warning"\n[server]\nkeepalive_seconds = 60\n'
    text += model_of(double) + '\n[local]\nenabled = false\n[[keys]]\nname = "test"\nsecret_env = "TEST_KEY"\n'
    return text + extra


def model_of(double: Double) -> str:
    text = provider("up", double.url + "/v1", extra='models = ["unused"]')
    return text + deployment("m", "up", "echo-1", 'endpoints = ["openai_chat"]\nmax_output = 100') + MONEY


def environ_of(home: Path, **more: str) -> dict[str, str]:
    return {"TURNOUT_HOME": str(home), "TEST_KEY": KEY, "UPSTREAM_KEY": "sk-upstream-0123456789", **more}


def tokens_of(user: str) -> Tokens:
    """What the call of a user costs: of each another amount."""
    number = int(user[1:])
    return Tokens(input=10 + number % 7, output=20 + number % 53)


class Bill:
    """The double's side: who called, and how often."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls: Counter[str] = Counter()
        self.seconds = seconds
        """How long an answer takes."""

    def __call__(self, request: Received) -> Reply:
        body = request.json
        user = self.user_of(request)
        self.calls[user] += 1
        answer = Answer(text="Some words of an answer.", tokens=tokens_of(user))
        if not body.get("stream"):
            whole = openai.chat(answer)
            return Reply(headers=whole.headers, body=whole.body, delay=self.seconds, tokens=whole.tokens)
        stream = openai.chat_stream(answer)
        steps: list[Send | Wait] = []
        for step in stream.body:
            assert isinstance(step, Send)
            steps += [step, Wait(max(0.001, self.seconds / len(stream.body)))]
        return Reply(headers=stream.headers, body=tuple(steps), framing="chunked", tokens=stream.tokens)

    def user_of(self, request: Received) -> str:
        """Callers say who they are in the prompt, which every dialect carries."""
        found = re.search(rb"i am (u[0-9]+)", request.body)
        assert found is not None, request.body
        return found[1].decode()


@dataclass
class Load:
    """Callers who come back until they were answered often enough, or the gateway is gone."""

    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    statuses: Counter[int] = field(default_factory=Counter)
    whole: set[str] = field(default_factory=set)
    """Users who got all of an answer."""
    refusals: list[bytes] = field(default_factory=list)
    slowest: float = 0.0
    padding: str = ""
    """Makes prompts longer."""

    def run(self, url: str, callers: int, times: int) -> None:
        asyncio.run(self._run(url, callers, times))

    async def _run(self, url: str, callers: int, times: int) -> None:
        await asyncio.gather(*(self._caller(url, times, stream=bool(each % 2)) for each in range(callers)))

    async def _caller(self, url: str, times: int, *, stream: bool) -> None:
        for _ in range(times):
            try:
                await self.ask(url, stream=stream)
            except OSError:
                return

    async def ask(self, url: str, *, stream: bool) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        user = f"u{next(self.numbers)}"
        said: dict[str, Any] = {"model": "m", "user": user, "stream": stream}
        body = json.dumps({**said, "messages": [{"role": "user", "content": f"i am {user}{self.padding}"}]}).encode()
        host, _, port = url.removeprefix("http://").partition(":")
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
            writer.write(head.encode() + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            data = await reader.read(-1)
        finally:
            writer.close()
        self.slowest = max(self.slowest, time.monotonic() - began)
        if not data:
            raise ConnectionResetError
        status = int(data[9:12])
        self.statuses[status] += 1
        if status != 200:
            self.refusals.append(data)
        elif b"[DONE]" in data if stream else data.endswith(b"}"):
            self.whole.add(user)
        return status, data


class Books:
    """The ledger of a test, read from outside. A log of every hold that was ever made is kept by a trigger."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._before: set[tuple[Any, ...]] = set()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with reading(self.location) as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def check(self, bill: Bill) -> None:
        """Nothing is held; every call that the double saw has one end; every end had a hold, and every hold has an
        end; sums are sums; what was there before is still there."""
        with reading(self.location) as connection:
            differences = verify(connection)
        assert differences == []
        assert self.rows("SELECT * FROM holds") == []
        assert self.rows("SELECT * FROM accounts WHERE held_nano <> 0") == []
        postings = self.rows(
            "SELECT request_id, number, kind, end_user, input_tokens, output_tokens, estimated, cost_nano FROM postings"
        )
        assert self._before <= set(postings), "a posting that was on disk has changed or gone"
        self._before = set(postings)
        ends = Counter((row[0], row[1]) for row in postings if row[2] != "correct")
        held = Counter((row[0], row[1]) for row in self.rows("SELECT request_id, number FROM hold_log"))
        assert ends == held, "a hold without its end, an end without its hold, or two"
        calls = Counter(str(row[3]) for row in postings if row[2] in ("settle", "expire"))
        assert not bill.calls - calls, "the provider saw a call that is not in the books"
        for row in postings:
            if row[2] == "settle" and not row[6]:
                tokens = tokens_of(row[3])
                cost = tokens.input * INPUT_NANO + tokens.output * OUTPUT_NANO
                assert row[4:8] == (tokens.input, tokens.output, False, cost), row
            elif row[2] == "expire":
                assert row[6] and row[7] > 0, row

    def kinds(self) -> Counter[str]:
        return Counter(str(row[0]) for row in self.rows("SELECT kind FROM postings"))


LOG_HOLDS_SQLITE = """
CREATE TABLE hold_log (request_id TEXT, number INTEGER);
CREATE TRIGGER log_holds AFTER INSERT ON holds
BEGIN INSERT INTO hold_log VALUES (NEW.request_id, NEW.number); END;
"""
LOG_HOLDS_POSTGRES = """
CREATE TABLE hold_log (request_id TEXT, number INTEGER);
CREATE FUNCTION log_hold() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO hold_log VALUES (NEW.request_id, NEW.number); RETURN NEW; END $$;
CREATE TRIGGER log_holds AFTER INSERT ON holds FOR EACH ROW EXECUTE FUNCTION log_hold();
"""


def log_holds(database: Path) -> None:
    """Begins the log of holds. Nobody else may have the file open."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(LOG_HOLDS_SQLITE)

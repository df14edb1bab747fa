"""Both ends of a gateway in a process of their own: the upstream that answers by the plan, and the callers."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection

import orjson
from bill_plan import PATHS, WORD_TOKENS, Planned, plan
from bill_plan import WORD as _WORD

from turnout.double import (
    Answer,
    Double,
    Received,
    Reply,
    Send,
    Tokens,
    Wait,
    anthropic,
    faults,
    gemini,
    openai,
    responses,
)

_MARK = re.compile(rb"#(\d{6})#")
WORD = _WORD.encode()
_SLOW = 0.05
_PACE = 0.06
"""Seconds between the pieces of an answer that its caller leaves."""
_WORKERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A line of the upstream's bill."""

    mark: int
    model: str
    place: int
    """Of this model's lines for this request, from 0."""
    tokens: Tokens
    """What was generated and charged: where the answer was cut or left, up to there."""
    whole: bool
    """The answer was written to its end."""
    doubt: bool
    """Nobody can tell what a provider charges: see `_truth`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What both ends saw."""

    charges: list[Charge]
    reached: list[tuple[int, str]]
    """Request and model of all that came, charged or not."""
    told: dict[int, tuple[int, str]]
    """Status and request id that each caller got; 0 and nothing for who left before."""
    heard: dict[int, int]
    """Words that those had read who left a stream."""


def serve_and_ask(pipe: Connection, seed: int, count: int) -> None:
    """Entry of the process: sends the upstream's port, receives the gateway's port and keys, says when all is
    asked, is told when the gateway is quiet, sends the Load."""
    asyncio.run(_main(pipe, plan(seed, count)))


async def _main(pipe: Connection, planned: list[Planned]) -> None:
    upstream = _Upstream(planned)
    async with Double(upstream.reply) as double:
        pipe.send(double.port)
        loop = asyncio.get_running_loop()
        port, keys = await loop.run_in_executor(None, pipe.recv)
        told, heard = await _ask_all(port, keys, planned)
        pipe.send("asked")
        await loop.run_in_executor(None, pipe.recv)  # the gateway has nothing under way any more
        await asyncio.sleep(0.1)
        pipe.send(Load(charges=upstream.charges(double), reached=upstream.reached, told=told, heard=heard))
        await loop.run_in_executor(None, pipe.recv)  # the gateway may close its connections first


# ---- the upstream


class _Upstream:
    def __init__(self, planned: list[Planned]) -> None:
        self._planned = planned
        self._came: Counter[int] = Counter()
        self._of_model: Counter[tuple[int, str]] = Counter()
        self._seen_connections: set[int] = set()
        self._replies: dict[int, tuple[Planned, str, int, Reply, bool]] = {}
        self.reached: list[tuple[int, str]] = []

    def reply(self, request: Received) -> Reply:
        """By the plan."""
        found = _MARK.search(request.body)
        assert found is not None, request.body
        one = self._planned[int(found[1])]
        turn, self._came[one.mark] = self._came[one.mark], self._came[one.mark] + 1
        fault = one.faults[min(turn, 2)]
        model = request.model
        place, self._of_model[one.mark, model] = self._of_model[one.mark, model], self._of_model[one.mark, model] + 1
        used_before = request.connection in self._seen_connections
        self._seen_connections.add(request.connection)
        good = in_dialect(request, one, usage=fault != "no_usage")
        reply = self._spoilt(one, fault, good, used_before)
        doubt = (
            fault in ("reset", "stale")
            or (fault == "cut" and not one.stream)
            or (one.leave is not None and not one.stream)
        )
        self._replies[request.number] = (one, model, place, reply, doubt)
        self.reached.append((one.mark, model))
        return reply

    def _spoilt(self, one: Planned, fault: str | None, good: Reply, used_before: bool) -> Reply:
        assert good.tokens is not None
        prompt = Tokens(input=good.tokens.input)
        if one.leave is not None:
            good = dataclasses.replace(good, delay=_SLOW if one.leave == "sent" or not one.stream else 0.0)
            return paced(good) if one.stream else good
        if fault in ("429", "500"):
            return faults.status(int(fault))
        if fault in ("reset", "stale"):
            ended = faults.reset_before_headers() if fault == "reset" else faults.close_before_headers()
            # A connection that was used before ends without having been listened to; a fresh one has heard the prompt.
            return dataclasses.replace(ended, tokens=None if used_before else prompt)
        if fault == "cut":
            if not one.stream:
                return dataclasses.replace(faults.half_a_body(good), tokens=good.tokens)
            return faults.cut_after(good, min(one.after + 4, len(good.body) - 2))
        return dataclasses.replace(good, delay=_SLOW) if fault == "slow" else good

    def charges(self, double: Double) -> list[Charge]:
        """The bill, with what was generated where an answer ended early."""
        found: list[Charge] = []
        for line in double.bill:
            one, model, place, reply, doubt = self._replies[line.number]
            whole = line.delivered
            tokens = line.tokens if whole or doubt else _truth(reply, line.steps, line.tokens)
            found.append(
                Charge(mark=one.mark, model=model, place=place, tokens=tokens, whole=whole, doubt=doubt and not whole)
            )
        return found


def _truth(reply: Reply, steps: int, tokens: Tokens) -> Tokens:
    """A provider stops when its caller leaves, and charges the prompt and the words that it had written."""
    written = [step.data for step in reply.body[:steps] if isinstance(step, Send)]
    if any(b'"totalTokenCount"' in each for each in written):  # it has told its counts already
        return tokens
    pieces = sum(each.count(WORD) == 1 and b'.done"' not in each for each in written)
    # Anthropic's stream begins with one token of output.
    least = any(b'"message_start"' in each for each in written)
    return dataclasses.replace(tokens, output=max(least, min(tokens.output, WORD_TOKENS * pieces)), reasoning=0)


def paced(reply: Reply) -> Reply:
    """With a pause before each piece."""
    steps = [each for step in reply.body for each in (Wait(_PACE), step)]
    return dataclasses.replace(reply, body=tuple(steps))


_OPENAI = {"standard": "default", "flex": "flex", "priority": "priority"}
_GOOGLE = {"standard": "ON_DEMAND", "flex": "ON_DEMAND_FLEX", "priority": "ON_DEMAND_PRIORITY"}


def in_dialect(request: Received, one: Planned, *, usage: bool) -> Reply:
    """The planned answer as the vendor of the request's path gives it."""
    path, stream = request.path, one.stream
    answer = dataclasses.replace(one.answer, model=request.model, id=f"{request.number:06d}")
    assert answer.tokens is not None
    tokens = answer.tokens
    if path.endswith("/messages"):
        answer = dataclasses.replace(
            answer, tier="standard", speed="fast" if one.tier == "priority" else "standard", geo=one.geo
        )
    elif "GenerateContent" in path or "generateContent" in path:
        tokens = dataclasses.replace(tokens, cache_write=0, cache_write_1h=0, input=tokens.input)
        answer = dataclasses.replace(answer, tier=_GOOGLE[one.tier], tokens=tokens)
    else:
        tokens = dataclasses.replace(tokens, cache_write_1h=0)
        answer = dataclasses.replace(answer, tier=_OPENAI[one.tier], tokens=tokens)
    if path.endswith("/embeddings"):
        reply = openai.embeddings(tokens=tokens.input, model=request.model)
        if not usage:
            body = orjson.loads(reply.content)
            del body["usage"]
            reply = dataclasses.replace(reply, body=(Send(orjson.dumps(body)),))
        return reply
    shown = answer if usage else dataclasses.replace(answer, tokens=None)
    return dataclasses.replace(_written(path, stream, shown), tokens=tokens)


def _written(path: str, stream: bool, answer: Answer) -> Reply:
    if path.endswith("/chat/completions"):
        return openai.chat_stream(answer) if stream else openai.chat(answer)
    if path.endswith("/completions"):
        return openai.completion_stream(answer) if stream else openai.completion(answer)
    if path.endswith("/responses"):
        return responses.responses_stream(answer) if stream else responses.responses(answer)
    if path.endswith("/messages"):
        return anthropic.messages_stream(answer) if stream else anthropic.messages(answer)
    return gemini.generate_stream(answer) if stream else gemini.generate(answer)


# ---- the callers

_AGAIN = (b'.done"', b'"response.completed"', b'"response.incomplete"')
"""Events of the Responses API that say again what was said."""


def body_of(one: Planned) -> bytes:
    """The request in its dialect."""
    body: dict[str, object] = {"model": one.route}
    if one.speech in ("chat", "messages"):
        body["messages"] = [{"role": "user", "content": one.prompt}]
    else:
        body["prompt" if one.speech == "completions" else "input"] = one.prompt
    if one.speech != "embeddings":
        body["stream"] = one.stream
        body["max_output_tokens" if one.speech == "responses" else "max_tokens"] = 1_000
    if one.speech == "messages":
        body["metadata"] = {"user_id": one.user}
    else:
        body["user"] = one.user
    if one.asks is not None:
        body["service_tier"] = one.asks
    return orjson.dumps(body)


async def _ask_all(
    port: int, keys: dict[str, str], planned: list[Planned]
) -> tuple[dict[int, tuple[int, str]], dict[int, int]]:
    told: dict[int, tuple[int, str]] = {}
    heard: dict[int, int] = {}
    waiting = iter(planned)

    async def worker() -> None:
        caller = Caller(port, heard)
        for one in waiting:
            try:
                told[one.mark] = await asyncio.wait_for(caller.ask(one, keys[one.key]), 60)
            except (OSError, asyncio.IncompleteReadError):
                told[one.mark] = (-1, "")
                caller.leave()
        caller.leave()

    await asyncio.gather(*(worker() for _ in range(_WORKERS)))
    return told, heard


class Caller:
    """One connection at a time, raw: a client library would take more time than the gateway."""

    def __init__(self, port: int, heard: dict[int, int]) -> None:
        self._port = port
        self._heard = heard
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def leave(self) -> None:
        """Closes at once."""
        if self._pair is not None:
            self._pair[1].transport.abort()
            self._pair = None

    async def ask(self, one: Planned, key: str) -> tuple[int, str]:
        """Status and request id, or 0 and nothing where the caller leaves before they came."""
        if self._pair is None:
            self._pair = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._pair
        body = body_of(one)
        head = (
            f"POST {PATHS[one.speech]} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\nx-turnout-session: s{one.mark}\r\n"
            + (f"x-turnout-tags: {one.tags}\r\n" if one.tags else "")
            + "\r\n"
        ).encode()
        if one.leave == "in_body":
            writer.write(head + body[: len(body) // 2])
            await asyncio.sleep(0.001)
            self.leave()
            return 0, ""
        writer.write(head + body)
        if one.leave == "sent":
            await asyncio.sleep(one.after * 0.005)
            self.leave()
            return 0, ""
        return await self._answer(reader, one)

    async def _answer(self, reader: asyncio.StreamReader, one: Planned) -> tuple[int, str]:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        status = int(lines[0].split()[1])
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        told = status, headers["x-request-id"]
        if "content-length" in headers:
            await reader.readexactly(int(headers["content-length"]))
            return told
        events = words = 0
        while size := int(await reader.readline(), 16):
            told_now = (await reader.readexactly(size + 2)).split(b"\n\n")
            words += sum(each.count(WORD) for each in told_now if not any(mark in each for mark in _AGAIN))
            events += 1
            if one.leave == "first_bytes" or (one.leave == "middle" and events >= one.after):
                self.leave()
                self._heard[one.mark] = words
                return told
        await reader.readline()
        return told

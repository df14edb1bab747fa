"""What Turnout's parts cost by themselves: CPU time in microseconds, without a network.

Prints one line for each part, or with --json all samples.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import orjson

from turnout.catalogue.model import Catalogue, Deployment, Provider, Route, RouteTarget
from turnout.core.health import HealthSnapshot
from turnout.core.ids import new_id
from turnout.core.json import JsonObject
from turnout.core.target import Dialect, Target
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DataDir, DirLock
from turnout.ledger.record import AttemptRecord, RequestRecord
from turnout.ledger.writer import Writer
from turnout.routing.decision import decide
from turnout.routing.features import Features
from turnout.wire.body import load_object
from turnout.wire.codec import Answering, Codec
from turnout.wire.codecs import CODECS
from turnout.wire.neutral import Ended, Event, Finished, PartDelta, PartStarted, PartStopped, Started, Usage
from turnout.wire.neutral import UsageReported as Reported
from turnout.wire.splice import splice_model

DELTAS = 500
BURST_BYTES = 16 * 1024
WORD = " lorem"
Samples = dict[str, list[float]]


def _body(dialect: Dialect, size: int) -> bytes:
    """A streamed request of about `size` bytes in 20 messages, the model last, as some clients write it."""
    text = ("lorem ipsum dolor sit amet " * (size // 27 // 20 + 1))[: max(size // 20 - 45, 8)]
    turns: list[JsonObject] = [{"role": "assistant" if number % 2 else "user", "content": text} for number in range(19)]
    body: JsonObject = {} if dialect is Dialect.OPENAI_EMBEDDINGS else {"max_tokens": 256, "stream": True}
    match dialect:
        case Dialect.OPENAI_RESPONSES:
            body["input"] = [*turns]
        case Dialect.OPENAI_COMPLETIONS:
            body["prompt"] = text * 20
        case Dialect.OPENAI_EMBEDDINGS:
            body["input"] = [text for _ in range(20)]
        case _:
            body["messages"] = [*turns]
    return orjson.dumps({**body, "model": "m1"})


def _events() -> list[Event]:
    usage = Usage(input_tokens=20, output_tokens=DELTAS)
    return [
        Started("msg_1", "m1", usage),
        PartStarted(0, "text"),
        *(PartDelta(0, WORD) for _ in range(DELTAS)),
        PartStopped(0),
        Reported(usage),
        Finished("end"),
        Ended(),
    ]


def _gemini_stream() -> list[bytes]:
    """Gemini is only spoken upstream, so its stream is written by hand."""
    shared = '"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":9,"totalTokenCount":29},"modelVersion":"m1"'
    chunk = '{"candidates":[{"content":{"parts":[{"text":"%s"}],"role":"model"}%s,"index":0}],%s,"responseId":"r"}'
    chunks = [chunk % (WORD, ',"finishReason":"STOP"' * (n == DELTAS - 1), shared) for n in range(DELTAS)]
    return [b"data: " + each.encode() + b"\r\n\r\n" for each in chunks]


def _streams(codec: Codec, answering: Answering) -> list[bytes]:
    """A stream of the dialect, event by event."""
    if codec.writer is None:
        return _gemini_stream()
    writer = codec.writer(answering)
    return [data for event in _events() if (data := writer.write(event))]


def _time(work: Callable[[], object], repeats: int, units: int, loops: int = 1) -> list[float]:
    """Microseconds of CPU time per unit, for each repeat; the first run warms up."""
    work()
    samples: list[float] = []
    for _ in range(repeats):
        begun = time.process_time_ns()
        for _ in range(loops):
            work()
        samples.append((time.process_time_ns() - begun) / 1e3 / units / loops)
    return samples


def _dialects(repeats: int, answering: Answering) -> Iterator[tuple[str, list[float]]]:
    for dialect, codec in CODECS.items():
        target = Target(model="m1", provider="mock", dialect=dialect)
        if codec.reader is not None:
            make, pieces = codec.reader, _streams(codec, answering)
            whole = b"".join(pieces)
            bursts = [whole[at : at + BURST_BYTES] for at in range(0, len(whole), BURST_BYTES)]

            def read(parts: Sequence[bytes]) -> None:
                reader = make(target)  # noqa: B023 (called before the loop goes on)
                given = sum(isinstance(event, PartDelta) for part in parts for event in reader.feed(part))
                assert given + sum(isinstance(event, PartDelta) for event in reader.close()) >= DELTAS

            yield f"read {dialect.value}, one chunk at a time, per delta", _time(lambda: read(pieces), repeats, DELTAS)  # noqa: B023
            yield f"read {dialect.value}, 16 KB at a time, per delta", _time(lambda: read(bursts), repeats, DELTAS)  # noqa: B023
        if codec.writer is not None:
            open_writer, events = codec.writer, _events()

            def write() -> None:
                writer = open_writer(answering)  # noqa: B023
                for event in events:  # noqa: B023
                    writer.write(event)

            yield f"write {dialect.value}, per delta", _time(write, repeats, DELTAS)


def _requests(repeats: int) -> Iterator[tuple[str, list[float]]]:
    for size, loops, title in ((1000, 200, "1 KB"), (400_000, 4, "400 KB")):
        for dialect, codec in CODECS.items():
            if codec.parse_request is None:
                continue
            parse, body = codec.parse_request, _body(dialect, size)
            loaded = load_object(body)
            yield f"parse_request {dialect.value}, {title}", _time(lambda: parse(loaded), repeats, 1, loops)  # noqa: B023
        chat = _body(Dialect.OPENAI_CHAT, size)
        yield f"JSON to objects, {title}", _time(lambda: load_object(chat), repeats, 1, loops)  # noqa: B023
        first = b'{"model":"m1",' + chat.removesuffix(b',"model":"m1"}')[1:] + b"}"
        yield f"splice the model, first in {title}", _time(lambda: splice_model(first, "m2"), repeats, 1, loops)  # noqa: B023
        yield f"splice the model, last in {title}", _time(lambda: splice_model(chat, "m2"), repeats, 1, loops)  # noqa: B023


def _decision(repeats: int) -> list[float]:
    """A route over five deployments, one of them too small for the request."""
    names = [f"d{number}" for number in range(5)]
    endpoints = {Dialect.OPENAI_CHAT: "http://127.0.0.1/v1/chat/completions"}
    provider = Provider(name="p", preset="custom", title="p", base_url="http://127.0.0.1", endpoints=endpoints)
    deployments = {
        name: Deployment(
            name=name, provider=provider, model="m", context=1000 if name == "d0" else 128_000, endpoints=endpoints
        )
        for name in names
    }
    route = Route(name="smart", targets=tuple(RouteTarget(name, 1) for name in names), strategy="fallback", sticky=True)
    catalogue = Catalogue(version="1", providers={"p": provider}, deployments=deployments, routes={"smart": route})
    features = Features(asked="smart", dialect=Dialect.OPENAI_CHAT, stream=True, input_tokens=2000, session="00")
    health = HealthSnapshot()
    return _time(lambda: decide(features, catalogue, health, bound="d3", draw=0.4, now=1.0), repeats, 1, 500)


def _record(now: datetime) -> RequestRecord:
    request_id = new_id("req", now, os.urandom)
    attempt = AttemptRecord(
        request_id=request_id,
        number=1,
        deployment="m1",
        provider="mock",
        model="m1",
        dialect="openai_chat",
        lane="bytes",
        started_at=now,
        duration_ms=12,
        first_byte_ms=3,
        status=200,
        outcome="ok",
        input_tokens=20,
        output_tokens=12,
    )
    return RequestRecord(
        id=request_id,
        received_at=now,
        key_id="bench",
        endpoint="/v1/chat/completions",
        asked="m1",
        route="m1",
        deployment="m1",
        reason="the only deployment",
        stream=False,
        status=200,
        outcome="ok",
        error_code=None,
        duration_ms=13,
        ttft_ms=4,
        catalogue_version="1",
        session="0123456789abcdef",
        attempts=(attempt,),
    )


async def _ledger(folder: Path, repeats: int, together: int) -> list[float]:
    """CPU time of both threads for each record, with `together` of them waiting at once."""
    directory = DataDir(folder / str(together))
    samples: list[float] = []
    with DirLock(directory):
        writer = Writer(open_database(directory, os.urandom))
        try:
            for _ in range(repeats):
                records = [_record(datetime.now(UTC)) for _ in range(256)]
                begun = time.process_time_ns()
                for at in range(0, len(records), together):
                    await asyncio.gather(*(writer.write(record) for record in records[at : at + together]))
                samples.append((time.process_time_ns() - begun) / 1e3 / len(records))
        finally:
            await writer.close()
    return samples


def measure(repeats: int) -> Samples:
    """All parts, by name."""
    parse = CODECS[Dialect.OPENAI_CHAT].parse_request
    assert parse is not None, "callers speak chat completions"
    request = parse(load_object(_body(Dialect.OPENAI_CHAT, 1000)))
    answering = Answering(request=request, model="m1", response_id="abc123", created=1_700_000_000)
    samples: Samples = {}
    samples.update(_dialects(repeats, answering))
    samples.update(_requests(repeats))
    samples["decide() over 5 deployments"] = _decision(repeats)
    with tempfile.TemporaryDirectory() as folder:
        for together in (1, 32):
            written = asyncio.run(_ledger(Path(folder), repeats, together))
            samples[f"write a record to disk, {together} at a time"] = written
    return samples


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--json", action="store_true", help="print all samples as JSON")
    options.add_argument("--quick", action="store_true", help="one sample of each")
    given = options.parse_args()
    samples = measure(1 if given.quick else 7)
    if given.json:
        print(json.dumps(samples))
        return
    for name, values in samples.items():
        print(f"{median(values):10.2f} µs  {name}")


if __name__ == "__main__":
    main()

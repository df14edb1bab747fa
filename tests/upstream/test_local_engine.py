"""The embedded model, loaded and asked for real through the ordinary transport."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from turnout.catalogue.model import Provider, Timeouts
from turnout.core.errors import ConfigError, UpstreamUnreachable
from turnout.core.target import Dialect
from turnout.upstream.http import HttpTransport
from turnout.upstream.local_engine import LocalEngine
from turnout.upstream.local_weights import Weights
from turnout.upstream.transport import UpstreamRequest, UpstreamResponse

SLOW = Timeouts(connect=5, first_byte=60, idle=60, total=120)
HI = [{"role": "user", "content": "Say hi."}]
STORY = [{"role": "user", "content": "Write a very long story."}]


class Asker:
    """A started engine and a transport that reaches it."""

    def __init__(self, engine: LocalEngine, transport: HttpTransport) -> None:
        self.engine = engine
        self._transport = transport

    async def send(
        self, path: str = "/v1/chat/completions", *, key: str | None = None, **body: object
    ) -> UpstreamResponse:
        key = self.engine.api_key.reveal() if key is None else key
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        content = orjson.dumps({"model": self.engine.model_name, "temperature": 0, **body})
        url = self.engine.base_url + path
        return await self._transport.send(UpstreamRequest(url=url, headers=headers, body=content, timeouts=SLOW))

    async def ask(self, path: str = "/v1/chat/completions", *, key: str | None = None, **body: object):
        response = await self.send(path, key=key, **body)
        answer = orjson.loads(await response.read(1 << 20))
        response.close()
        return response.status, answer


def with_engine(weights: Weights, act: Callable[[Asker], Awaitable[None]], context: int = 2048) -> None:
    """Runs `act` with a started engine, which is closed afterwards."""

    async def main() -> None:
        engine = LocalEngine(weights, context=context)
        await engine.start()
        base = engine.base_url
        local = Provider(
            name="local",
            preset="embedded",
            title="Embedded",
            base_url=base,
            endpoints={Dialect.OPENAI_CHAT: "{base}/v1/chat/completions"},
            self_hosted=True,
        )
        transport = HttpTransport([local])
        try:
            await act(Asker(engine, transport))
        finally:
            await transport.close()
            await engine.close()

    asyncio.run(asyncio.wait_for(main(), 120))


def test_it_answers_and_counts_tokens(smollm2: Weights) -> None:
    """A completion has text, a finish reason and a usage that adds up."""

    async def act(asker: Asker) -> None:
        status, answer = await asker.ask(messages=HI, max_tokens=8)

        assert status == 200
        assert answer["choices"][0]["message"]["content"].strip()
        assert answer["choices"][0]["finish_reason"] == "length"
        usage = answer["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (33, 8, 41)
        assert answer["model"] == "smollm2-135m-instruct"
        assert asker.engine.running
        assert not asker.engine.supports_tools

    with_engine(smollm2, act)


def test_it_streams_with_usage(smollm2: Weights) -> None:
    """The stream's pieces make the whole answer, the last chunk carries the usage, [DONE] ends it."""

    async def act(asker: Asker) -> None:
        _, whole = await asker.ask(messages=HI, max_tokens=8)
        options = {"include_usage": True}
        response = await asker.send(messages=HI, max_tokens=8, stream=True, stream_options=options)
        raw = b"".join([chunk async for chunk in response.chunks()])
        response.close()
        events = [line[6:] for line in raw.decode().splitlines() if line.startswith("data: ")]
        chunks = [orjson.loads(event) for event in events[:-1]]
        pieces = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]

        assert events[-1] == "[DONE]"
        assert "".join(pieces) == whole["choices"][0]["message"]["content"]
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["completion_tokens"] == 8

    with_engine(smollm2, act)


@pytest.mark.parametrize("prompt", [STORY, [{"role": "user", "content": "red " * 1500}]], ids=["writing", "reading"])
def test_an_abandoned_request_gives_way_to_the_next(smollm2: Weights, prompt: list[dict[str, str]]) -> None:
    """Closing the connection cancels the generation, or the reading of a long prompt, behind it."""

    async def act(asker: Asker) -> None:
        started = time.monotonic()
        _, small = await asker.ask(messages=HI, max_tokens=3)
        usual = time.monotonic() - started
        response = await asker.send(messages=prompt, max_tokens=1900, stream=True, ignore_eos=True)
        if prompt is STORY:
            await anext(aiter(response.chunks()))
        else:
            await asyncio.sleep(0.2)
        response.close()
        started = time.monotonic()
        _, again = await asker.ask(messages=HI, max_tokens=3)
        waited = time.monotonic() - started

        assert again["usage"]["completion_tokens"] == small["usage"]["completion_tokens"]
        # Run to its end the first would take 7 s or more on an idle core; scaled, for busy machines.
        assert waited < max(4.0, 10 * usual)

    with_engine(smollm2, act)


def test_a_prompt_beyond_the_context_is_refused_with_its_length(smollm2: Weights) -> None:
    """The error names the prompt's tokens and the context, and the engine goes on."""

    async def act(asker: Asker) -> None:
        status, answer = await asker.ask(messages=[{"role": "user", "content": "word " * 5000}])

        assert status == 400
        assert answer["error"]["type"] == "exceed_context_size_error"
        assert (answer["error"]["n_prompt_tokens"], answer["error"]["n_ctx"]) == (5031, 512)
        assert (await asker.ask(messages=HI, max_tokens=1))[0] == 200

    with_engine(smollm2, act, context=512)


def test_only_the_holder_of_the_key_is_served(smollm2: Weights) -> None:
    """Another process on the machine can't use the port without the random key."""

    async def act(asker: Asker) -> None:
        assert (await asker.ask(messages=HI, key="guess"))[0] == 401
        assert (await asker.ask("/v1/completions", prompt="a", key="guess"))[0] == 401

    with_engine(smollm2, act)


def test_prompt_tokens_can_be_counted_without_generating(smollm2: Weights) -> None:
    """The Anthropic and the OpenAI way of counting agree with the usage of a real call."""

    async def act(asker: Asker) -> None:
        _, usual = await asker.ask(messages=HI, max_tokens=1)
        _, openai = await asker.ask("/v1/chat/completions/input_tokens", messages=HI)
        _, anthropic = await asker.ask("/v1/messages/count_tokens", messages=HI)

        assert openai["input_tokens"] == anthropic["input_tokens"] == usual["usage"]["prompt_tokens"]

    with_engine(smollm2, act)


def test_structured_output_follows_its_schema(smollm2: Weights) -> None:
    """A grammar forces even the smallest model into the schema."""
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema | {"additionalProperties": False}}}

    async def act(asker: Asker) -> None:
        _, answer = await asker.ask(messages=HI, max_tokens=60, response_format=wanted)

        assert isinstance(orjson.loads(answer["choices"][0]["message"]["content"])["ok"], bool)

    with_engine(smollm2, act)


def test_more_requests_than_slots_wait_and_are_all_served(smollm2: Weights) -> None:
    """One slot serves twenty concurrent requests, one after the other."""

    async def act(asker: Asker) -> None:
        answers = await asyncio.gather(*(asker.ask(messages=HI, max_tokens=2) for _ in range(20)))

        assert [status for status, _ in answers] == [200] * 20

    with_engine(smollm2, act)


def test_the_context_is_what_the_model_was_trained_on_at_most(smollm2: Weights) -> None:
    """Asking for a million tokens gets 8,192."""

    async def act(asker: Asker) -> None:
        assert asker.engine.context == 8192

    with_engine(smollm2, act, context=1 << 20)


def test_loading_leaves_the_event_loop_running(smollm2: Weights) -> None:
    """While the model loads, other work on the loop goes on."""

    async def main() -> None:
        engine = LocalEngine(smollm2, context=512)
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(tick())
            await engine.start()
            ticking.cancel()
        await engine.close()

        assert ticks > 20

    asyncio.run(main())


def test_close_stops_a_running_generation_and_is_idempotent(smollm2: Weights) -> None:
    """After close the process is gone and the port closed, whatever it was doing."""

    async def act(asker: Asker) -> None:
        url, pid = asker.engine.base_url, asker.engine.pid
        response = await asker.send(messages=STORY, max_tokens=1900, stream=True, ignore_eos=True)
        await anext(aiter(response.chunks()))
        started = time.monotonic()
        await asker.engine.close()
        await asker.engine.close()

        assert time.monotonic() - started < 3
        assert not asker.engine.running
        assert pid is not None and not Path(f"/proc/{pid}").exists()
        response.close()
        asker.engine.base_url = url
        with pytest.raises(UpstreamUnreachable):
            await asker.send(messages=HI)

    with_engine(smollm2, act)


def test_a_child_that_was_killed_is_noticed(smollm2: Weights) -> None:
    """`running` tells that the process is gone."""

    async def act(asker: Asker) -> None:
        assert asker.engine.pid is not None
        os.kill(asker.engine.pid, signal.SIGKILL)
        for _ in range(100):
            await asyncio.sleep(0.02)
            if not asker.engine.running:
                return
        pytest.fail("still said to run")

    with_engine(smollm2, act)


ORPHAN = """
import asyncio, os, pathlib, signal, sys
from turnout.upstream.local_engine import LocalEngine
from turnout.upstream.local_weights import Weights
async def main():
    engine = LocalEngine(Weights(name="m", path=pathlib.Path(sys.argv[1])), context=512)
    await engine.start()
    print(engine.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def test_the_child_does_not_outlive_a_killed_gateway(smollm2: Weights) -> None:
    """A gateway ended by SIGKILL leaves no process behind."""
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(smollm2.path)], capture_output=True, text=True, timeout=60, check=False
    )
    child = Path(f"/proc/{int(done.stdout)}")
    deadline = time.monotonic() + 10
    while child.exists() and "State:\tZ" not in (child / "status").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)

    assert done.returncode == -signal.SIGKILL
    assert not child.exists() or "State:\tZ" in (child / "status").read_text()


def test_the_child_sees_no_provider_key(smollm2: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the native code holds no credentials of the gateway's."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")

    async def act(asker: Asker) -> None:
        process = Path(f"/proc/{asker.engine.pid}")

        assert b"sk-canary" not in (process / "environ").read_bytes()
        assert asker.engine.api_key.reveal().encode() not in (process / "cmdline").read_bytes()

    with_engine(smollm2, act)


def failure(weights: Weights, **options: float) -> str:
    """The message of a start that fails."""

    async def main() -> str:
        engine = LocalEngine(weights, **options)  # type: ignore[arg-type]
        with pytest.raises(ConfigError) as caught:
            await engine.start()
        assert not engine.running
        return caught.value.message

    return asyncio.run(main())


def test_a_truncated_file_is_refused_before_loading(smollm2: Weights, tmp_path: Path) -> None:
    """The error tells how much is missing."""
    path = tmp_path / "cut.gguf"
    with smollm2.path.open("rb") as file:
        path.write_bytes(file.read(20_000_000))

    assert "78,362,432 bytes are missing" in failure(Weights(name="cut", path=path))


def test_what_the_loader_says_reaches_the_operator(smollm2: Weights, tmp_path: Path) -> None:
    """A file that only the loader can find wrong is reported in the loader's words, with what to do."""
    data = smollm2.path.read_bytes()
    path = tmp_path / "strange.gguf"
    path.write_bytes(
        data.replace(b"\x05\x00\x00\x00\x00\x00\x00\x00llama", b"\x05\x00\x00\x00\x00\x00\x00\x00lxama", 1)
    )
    message = failure(Weights(name="strange", path=path))

    assert "lxama" in message
    assert "turnout local verify" in message


def test_a_load_that_takes_too_long_is_given_up(smollm2: Weights) -> None:
    """The error names the time it was given."""
    assert "not loaded within 0.01 s" in failure(smollm2, load_seconds=0.01)


def test_a_missing_runtime_says_how_to_install_it(smollm2: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without xllamacpp the message names the extra."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    assert "pip install 'turnout[local]'" in failure(smollm2)

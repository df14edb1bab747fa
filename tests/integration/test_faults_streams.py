"""Streams that end oddly and end well, streams that never end, and what their counts come to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from fault_world import (
    GOOD,
    OTHER,
    SPEECHES,
    WORDS,
    Speech,
    ask,
    body,
    good,
    quick,
    record_of,
    route,
    stream_error,
    target,
    terminators,
    text_of,
    upstream,
    world,
)

from harness import Gateway
from turnout.double import Answer, Double, Reply, Send, Tokens, ToolUse, Wait, faults, openai, responses

UNICODE = Answer(text="Hello é 漢字 🙂 \u2028 done.", tokens=Tokens(input=11, output=23))
LATE = b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" POISON"},"finish_reason":null}]}\n\n'


def _joined(reply: Reply) -> Reply:
    return dataclasses.replace(reply, body=(Send(reply.content),))


def _slow_words(reply: Reply, pause: float) -> Reply:
    """A pause after every event."""
    steps = []
    for step in reply.body:
        steps += [step, Wait(pause)]
    return dataclasses.replace(reply, body=tuple(steps))


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A way of ending that is good all the same."""

    name: str
    called: Speech
    reply: Callable[[], Reply]
    estimated: bool = False


def _good(name: Speech) -> Reply:
    return good(name, True)


ENDINGS: tuple[Ending, ...] = (
    Ending(name="plain-chat", called="chat", reply=lambda: _good("chat")),
    Ending(name="plain-messages", called="messages", reply=lambda: _good("messages")),
    Ending(name="plain-responses", called="responses", reply=lambda: _good("responses")),
    Ending(
        name="slow-close-chat",
        called="chat",
        reply=lambda: dataclasses.replace(_good("chat"), body=(*_good("chat").body, Wait(0.15))),
    ),
    Ending(name="S10-chat", called="chat", reply=lambda: openai.chat_stream(GOOD, usage=False), estimated=True),
    Ending(
        name="S10-responses",
        called="responses",
        reply=lambda: responses.responses_stream(Answer(text=WORDS, tokens=None)),
        estimated=True,
    ),
    Ending(name="S11-chat", called="chat", reply=lambda: faults.duplicate_done(_good("chat"))),
    Ending(name="S11-chat-one-write", called="chat", reply=lambda: _joined(faults.duplicate_done(_good("chat")))),
    Ending(name="S11-messages", called="messages", reply=lambda: _joined(faults.duplicate_done(_good("messages")))),
    Ending(name="S11-responses", called="responses", reply=lambda: _joined(faults.duplicate_done(_good("responses")))),
    Ending(name="F13-chat", called="chat", reply=lambda: _joined(faults.data_after_end(_good("chat"), LATE))),
    Ending(name="F12-chat", called="chat", reply=lambda: faults.without_last(_good("chat"))),
    Ending(name="F12-chat-one-write", called="chat", reply=lambda: _joined(faults.without_last(_good("chat")))),
    Ending(name="F12-messages", called="messages", reply=lambda: faults.without_last(_good("messages"))),
    Ending(
        name="F22-crlf-chat",
        called="chat",
        reply=lambda: faults.line_ends(faults.duplicate_done(_good("chat")), b"\r\n"),
    ),
    Ending(name="F22-cr-messages", called="messages", reply=lambda: faults.line_ends(_good("messages"), b"\r")),
    Ending(name="F22-comments-chat", called="chat", reply=lambda: faults.with_comments(_good("chat"))),
    Ending(name="F22-comments-responses", called="responses", reply=lambda: faults.with_comments(_good("responses"))),
)
ENDING_CASES = [(ending, caller) for ending in ENDINGS for caller in SPEECHES]
SPLITS = [(called, caller) for called in SPEECHES for caller in dict.fromkeys((called, OTHER[called]))]
USAGES: dict[str, object] = {
    "negative": {"prompt_tokens": -5, "completion_tokens": -7, "total_tokens": -12},
    "null": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
    "huge": {"prompt_tokens": 10**18, "completion_tokens": 10**18, "total_tokens": 2 * 10**18},
    "huger": {"prompt_tokens": 2**64 - 1, "completion_tokens": 2**63, "total_tokens": 1},
    "float": {"prompt_tokens": 3.7, "completion_tokens": 2.5, "total_tokens": 6.2},
    "text": {"prompt_tokens": "many", "completion_tokens": [], "total_tokens": {}},
    "nested": {"prompt_tokens": 4, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": -3}},
    "list": [1, 2, 3],
    "zero": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
}


def _config(double: Double) -> str:
    text = "[server]\nkeepalive_seconds = 60\n[breaker]\nfailures = 1000\n"
    for speech in SPEECHES:
        text += upstream(f"up-{speech}", speech, double.url)
    for ending in ENDINGS:
        text += target(ending.name, f"up-{ending.called}", ending.called, quick())
    for called in SPEECHES:
        text += target(f"whole-{called}", f"up-{called}", called, quick(10, 10, 20))
        text += target(f"split-{called}", f"up-{called}", called, quick(10, 10, 20))
    for name in USAGES:
        text += target(f"usage-{name}", "up-chat", "chat", quick())
    for name in ("endless", "slow", "route-slow", "drip", "tools", "tools-broken"):
        text += target(
            name, "up-chat", "chat", quick(first_byte=0.9, idle=0.9, total=9 if name.startswith("route") else 0.9)
        )
    return text + route("route-total", ["route-slow"], extra="total_timeout = 1")


TOOLS = (
    ToolUse(name="a", arguments='{"x": "one two three"}', id="call_a"),
    ToolUse(name="b", arguments='{"y": "four five six"}', id="call_b"),
)
SAME_ID = (ToolUse(name="a", arguments='{"x": ', id="call_a"), ToolUse(name="b", arguments='{"y": 1}', id="call_a"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all of them."""
    replies = {ending.name: (lambda _request, ending=ending: ending.reply()) for ending in ENDINGS}
    for called in SPEECHES:
        replies[f"whole-{called}"] = lambda _, called=called: good(called, True, UNICODE)
        replies[f"split-{called}"] = lambda _, called=called: faults.drip(good(called, True, UNICODE), 0.0002)
    for name, usage in USAGES.items():
        answer = Answer(text=WORDS, usage=usage)  # type: ignore[arg-type]
        replies[f"usage-{name}"] = lambda request, answer=answer: good("chat", bool(request.json.get("stream")), answer)
    replies["endless"] = lambda _: faults.endless(
        dataclasses.replace(_good("chat"), body=_good("chat").body[1:]), 0.002
    )
    replies["slow"] = replies["route-slow"] = lambda _: _slow_words(_good("chat"), 0.15)
    replies["drip"] = lambda request: faults.drip(good("chat", bool(request.json.get("stream"))), 0.01)
    replies["tools"] = lambda _: openai.chat_stream(Answer(text="", tools=TOOLS), interleave=True)
    replies["tools-broken"] = lambda _: openai.chat_stream(Answer(text="", tools=SAME_ID))
    with world(tmp_path_factory.mktemp("streams"), replies, _config) as (running, _):
        yield running


@pytest.mark.parametrize(("ending", "caller"), [pytest.param(e, c, id=f"{e.name}.{c}") for e, c in ENDING_CASES])
def test_a_good_stream_ends_with_exactly_one_terminator(gateway: Gateway, ending: Ending, caller: Speech) -> None:
    """Doubled, missing, late and commented terminal events all come out as one, and the record says ok."""
    told = ask(gateway, caller, body(caller, ending.name, True))
    request, attempts = record_of(gateway, told)

    assert told.status == 200 and stream_error(caller, told) is None
    assert text_of(caller, told, True) == WORDS
    assert terminators(caller, told) == 1
    if caller == "chat":
        assert told.events[-1]["type"] == "[DONE]"
    assert (request["outcome"], [each["outcome"] for each in attempts]) == ("ok", ["ok"])
    assert attempts[0]["estimated"] == ending.estimated
    assert attempts[0]["output_tokens"] == 23 or ending.estimated
    assert attempts[0]["output_tokens"] > 0 and attempts[0]["input_tokens"] > 0


@pytest.mark.parametrize(("called", "caller"), [pytest.param(*each, id=f"{each[0]}-to-{each[1]}") for each in SPLITS])
def test_where_the_upstreams_bytes_are_cut_makes_no_difference(
    gateway: Gateway, called: Speech, caller: Speech
) -> None:
    """A stream that arrives byte by byte gives the same bytes (own dialect) or the same events (another one)."""
    whole = ask(gateway, caller, body(caller, f"whole-{called}", True))
    split = ask(gateway, caller, body(caller, f"split-{called}", True))
    assert text_of(caller, whole, True) == UNICODE.text
    if called == caller:
        assert split.content == whole.content
    else:
        assert text_of(caller, split, True) == UNICODE.text
        assert _joined_deltas(split.events, split) == _joined_deltas(whole.events, whole)


def _joined_deltas(events: list[dict[str, object]], told) -> list[str]:
    """The events without what differs between two requests: ids, times and the route's name."""
    name = told.request_id.removeprefix("req_")
    return [
        str({k: v for k, v in event.items() if k != "created"})
        .replace(name, "ID")
        .replace("split-", "")
        .replace("whole-", "")
        for event in events
        if "created_at" not in str(event)
    ]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("caller", SPEECHES)
@pytest.mark.parametrize("name", USAGES)
def test_f28_odd_usage_never_breaks_an_answer_and_is_never_negative(
    gateway: Gateway, name: str, caller: Speech, stream: bool
) -> None:
    """Counts that can't be are not believed, and the answer reaches its caller all the same."""
    told = ask(gateway, caller, body(caller, f"usage-{name}", stream))
    request, attempts = record_of(gateway, told)
    assert told.status == 200 and text_of(caller, told, stream) == WORDS
    assert request["outcome"] == "ok"
    for column in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cache_write_tokens"):
        value = attempts[0][column]
        assert value is None or 0 <= value < 2**63
    if name == "zero":
        assert (attempts[0]["input_tokens"], attempts[0]["estimated"]) == (0, 0), "an explicit zero is not missing"
    if name in ("null", "text", "list"):
        assert attempts[0]["estimated"] == 1


@pytest.mark.parametrize("caller", SPEECHES)
def test_f24_an_endless_stream_is_stopped_by_the_total_deadline(gateway: Gateway, caller: Speech) -> None:
    """What came is passed on, then an error event ends the stream; the words seen are counted."""
    told = ask(gateway, caller, body(caller, "endless", True))
    request, attempts = record_of(gateway, told)
    assert stream_error(caller, told) and terminators(caller, told) == 0
    assert (request["outcome"], request["error_code"]) == ("truncated", "upstream_timeout")
    assert attempts[0]["estimated"] == 1 and attempts[0]["output_tokens"] > 20
    assert request["duration_ms"] < 3000


@pytest.mark.parametrize("model", ["slow", "route-total"])
@pytest.mark.parametrize("caller", SPEECHES)
def test_f8_a_drip_is_stopped_by_the_deployments_and_by_the_routes_total(
    gateway: Gateway, caller: Speech, model: str
) -> None:
    """A stream that is never idle for long and never ends is stopped, and told as an error of the upstream."""
    told = ask(gateway, caller, body(caller, model, True))
    request, attempts = record_of(gateway, told)
    assert stream_error(caller, told) and terminators(caller, told) == 0
    assert (request["outcome"], request["error_code"]) == ("truncated", "upstream_timeout")
    assert [(each["outcome"], each["error_code"]) for each in attempts] == [("truncated", "upstream_timeout")]
    assert attempts[0]["estimated"] == 1 and request["duration_ms"] < 2500


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("caller", SPEECHES)
def test_f8_a_byte_wise_drip_before_the_first_word_is_a_timeout(gateway: Gateway, caller: Speech, stream: bool) -> None:
    """Bytes that never make a word are an HTTP error at the deadline."""
    told = ask(gateway, caller, body(caller, "drip", stream))
    assert told.status == 504
    assert record_of(gateway, told)[0]["duration_ms"] < 2500


@pytest.mark.parametrize("model", ["tools", "tools-broken"])
@pytest.mark.parametrize("caller", SPEECHES)
def test_f30_parallel_tool_calls_keep_order_and_unique_ids(gateway: Gateway, caller: Speech, model: str) -> None:
    """Interleaved pieces go to their own calls; a provider that uses an id twice does not make two calls one."""
    told = ask(gateway, caller, body(caller, model, True))
    assert told.status == 200 and stream_error(caller, told) is None, told.content
    ids, arguments = _calls(caller, told.events)
    if model == "tools":
        assert ids == ["call_a", "call_b"]
        assert arguments == [tool.arguments for tool in TOOLS]
    elif caller != "chat":  # the byte lane passes on what the provider said
        assert len(ids) == 2 and len(set(ids)) == 2


def _calls(caller: Speech, events: list[dict[str, object]]) -> tuple[list[str], list[str]]:
    """Ids and argument texts of the tool calls, by their place."""
    ids: dict[object, str] = {}
    texts: dict[object, str] = {}
    for event in events:
        found: list[tuple[object, str | None, str]] = []
        match caller:
            case "chat":
                for choice in event.get("choices", []):  # type: ignore[union-attr]
                    for call in choice["delta"].get("tool_calls") or []:
                        found.append((call["index"], call.get("id"), call["function"].get("arguments", "")))
            case "messages":
                block = event.get("content_block") or {}
                delta = event.get("delta") or {}
                if block.get("type") == "tool_use":  # type: ignore[union-attr]
                    found.append((event["index"], block["id"], ""))  # type: ignore[index]
                elif delta.get("type") == "input_json_delta":  # type: ignore[union-attr]
                    found.append((event["index"], None, delta["partial_json"]))  # type: ignore[index]
            case _:
                item = event.get("item") or {}
                if event.get("type") == "response.output_item.added" and item.get("type") == "function_call":  # type: ignore[union-attr]
                    found.append((event["output_index"], item["call_id"], ""))  # type: ignore[index]
                elif event.get("type") == "response.function_call_arguments.delta":
                    found.append((event["output_index"], None, str(event["delta"])))
        for place, call_id, text in found:
            if call_id:
                ids.setdefault(place, call_id)
            texts[place] = texts.get(place, "") + text
    return [ids[place] for place in sorted(ids)], [texts[place] for place in sorted(ids)]  # type: ignore[type-var]

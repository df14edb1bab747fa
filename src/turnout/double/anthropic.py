"""Answers in Anthropic's Messages dialect.

Shapes: https://docs.anthropic.com/en/api/messages-streaming (anthropic 2.12 types).
"""

from __future__ import annotations

import dataclasses

import orjson

from turnout.core.json import Json, JsonObject
from turnout.double.answers import Answer, ToolUse, dumps, frame, pieces, words
from turnout.double.script import Reply, json, sse

_STOP = {"stop": "end_turn", "length": "max_tokens", "tools": "tool_use", "refusal": "refusal"}
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBkb3VibGU="


def messages(answer: Answer = Answer()) -> Reply:  # noqa: B008 an Answer is frozen
    """A message, whole."""
    body = _message(answer, [_public(block) for block in _blocks(answer)], _STOP[answer.ending])
    body["usage"] = _usage(answer)
    return dataclasses.replace(json(dumps(body)), tokens=answer.tokens)


def messages_stream(answer: Answer = Answer(), *, pings: int = 1) -> Reply:  # noqa: B008
    """A message as a stream of named events, with `pings` pings after the start."""
    start = _message(answer, [], None)
    start["usage"] = _start_usage(answer)
    frames = [_event({"type": "message_start", "message": start})]
    frames += [_event({"type": "ping"})] * pings
    for index, block in enumerate(_blocks(answer)):
        frames += _block_frames(index, block)
    delta: JsonObject = {"stop_reason": _STOP[answer.ending], "stop_sequence": None}
    frames.append(_event({"type": "message_delta", "delta": delta, "usage": _usage(answer)}))
    frames.append(_event({"type": "message_stop"}))
    return sse(frames, tokens=answer.tokens)


def count_tokens(tokens: int) -> Reply:
    """The answer of the token counting endpoint."""
    return json(dumps({"input_tokens": tokens}))


def error(status: int, message: str, *, kind: str = "api_error") -> Reply:
    """An error body with its status, as Anthropic writes it."""
    body: JsonObject = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_double"}
    return json(dumps(body), status=status)


def in_band_error(message: str = "Overloaded", kind: str = "overloaded_error") -> bytes:
    """The event that reports an error inside a stream."""
    return _event({"type": "error", "error": {"type": kind, "message": message}})


def _event(value: JsonObject) -> bytes:
    return frame(value, str(value["type"]))


def _message(answer: Answer, blocks: list[Json], stop: str | None) -> JsonObject:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": None,
    }


def _usage(answer: Answer) -> Json:
    if answer.usage is not None:
        return answer.usage
    tokens = answer.tokens
    if tokens is None:
        return {"output_tokens": 0}
    usage: JsonObject = {  # Anthropic's input excludes what was read from and written to the cache
        "input_tokens": tokens.input - tokens.cached - tokens.cache_write,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation_input_tokens": tokens.cache_write,
        "output_tokens": tokens.output,
    }
    if tokens.cache_write_1h:
        minutes, hour = tokens.cache_write - tokens.cache_write_1h, tokens.cache_write_1h
        usage["cache_creation"] = {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour}
    if tokens.reasoning:
        usage["output_tokens_details"] = {"thinking_tokens": tokens.reasoning}
    words = {"service_tier": answer.tier, "speed": answer.speed, "inference_geo": answer.geo}
    return usage | {name: word for name, word in words.items() if word is not None}


def _start_usage(answer: Answer) -> Json:
    usage = _usage(answer)
    if not isinstance(usage, dict):
        return usage
    return {name: value for name, value in usage.items() if name != "output_tokens_details"} | {"output_tokens": 1}


def _blocks(answer: Answer) -> list[JsonObject]:
    blocks: list[JsonObject] = []
    if answer.reasoning:
        blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": SIGNATURE})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text, "citations": None})
    blocks += [_tool(tool) for tool in answer.tools]
    return blocks


def _tool(tool: ToolUse) -> JsonObject:
    try:
        given: Json = orjson.loads(tool.arguments)
    except orjson.JSONDecodeError:  # whole messages can't carry broken arguments; streams can
        given = {}
    return {"type": "tool_use", "id": tool.id, "name": tool.name, "input": given, "_text": tool.arguments}


def _public(block: JsonObject) -> JsonObject:
    return {key: value for key, value in block.items() if key != "_text"}


def _block_frames(index: int, block: JsonObject) -> list[bytes]:
    opened: JsonObject
    deltas: list[JsonObject]
    if block["type"] == "thinking":
        opened = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": word} for word in words(str(block["thinking"]))]
        deltas.append({"type": "signature_delta", "signature": SIGNATURE})
    elif block["type"] == "text":
        opened = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": word} for word in words(str(block["text"]))]
    else:
        opened = {"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}
        texts = ["", *pieces(str(block["_text"]))]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in texts]
    return [
        _event({"type": "content_block_start", "index": index, "content_block": opened}),
        *(_event({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas),
        _event({"type": "content_block_stop", "index": index}),
    ]

"""Answers in OpenAI's Responses dialect.

Shapes: https://platform.openai.com/docs/api-reference/responses-streaming (openai-python 3.54 types).
"""

from __future__ import annotations

import dataclasses

from turnout.core.json import Json, JsonObject
from turnout.double.answers import CREATED, Answer, ToolUse, dumps, frame, pieces, words
from turnout.double.script import Reply, json, sse


def responses(answer: Answer = Answer()) -> Reply:  # noqa: B008 an Answer is frozen
    """A response, whole."""
    reply = json(dumps(_whole(answer, _status(answer), _items(answer))))
    return dataclasses.replace(reply, tokens=answer.tokens)


def responses_stream(answer: Answer = Answer()) -> Reply:  # noqa: B008
    """A response as a stream of typed events with their sequence numbers."""
    events: list[JsonObject] = [
        {"type": "response.created", "response": _whole(answer, "in_progress", [])},
        {"type": "response.in_progress", "response": _whole(answer, "in_progress", [])},
    ]
    items = _items(answer)
    for index, item in enumerate(items):
        events += _item_events(index, item)
    kind = "response.completed" if _status(answer) == "completed" else "response.incomplete"
    events.append({"type": kind, "response": _whole(answer, _status(answer), items)})
    frames: list[bytes] = []
    for number, event in enumerate(events):
        frames.append(frame({**event, "sequence_number": number}, str(event["type"])))
    return sse(frames, tokens=answer.tokens)


def _status(answer: Answer) -> str:
    return "incomplete" if answer.ending in ("length", "refusal") else "completed"


def _whole(answer: Answer, status: str, items: list[JsonObject]) -> JsonObject:
    reason = "max_output_tokens" if answer.ending == "length" else "content_filter"
    output: list[Json] = list(items)
    said: JsonObject = {} if answer.tier is None else {"service_tier": answer.tier}
    return {
        **said,
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None if status == "in_progress" else _usage(answer),
    }


def _usage(answer: Answer) -> Json:
    if answer.usage is not None:
        return answer.usage
    if (tokens := answer.tokens) is None:
        return None
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.cache_write},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }


def _items(answer: Answer) -> list[JsonObject]:
    items: list[JsonObject] = []
    if answer.reasoning:
        summary: list[Json] = [{"type": "summary_text", "text": answer.reasoning}]
        items.append({"id": f"rs_{answer.id}", "type": "reasoning", "summary": summary})
    if answer.text:
        content: list[Json] = [{"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}]
        message: JsonObject = {"type": "message", "role": "assistant", "status": "completed", "content": content}
        items.append({"id": f"msg_{answer.id}", **message})
    items += [_call(tool) for tool in answer.tools]
    return items


def _call(tool: ToolUse) -> JsonObject:
    return {
        "id": f"fc_{tool.id}",
        "type": "function_call",
        "status": "completed",
        "call_id": tool.id,
        "name": tool.name,
        "arguments": tool.arguments,
    }


def _item_events(index: int, item: JsonObject) -> list[JsonObject]:
    where: JsonObject = {"item_id": item["id"], "output_index": index}
    kind = item["type"]
    if kind == "reasoning":
        opened: JsonObject = {**item, "summary": []}
        inner = _summary_events(where, item)
    elif kind == "message":
        opened = {**item, "status": "in_progress", "content": []}
        inner = _text_events(where, item)
    else:
        opened = {**item, "status": "in_progress", "arguments": ""}
        inner = _argument_events(where, str(item["arguments"]))
    return [
        {"type": "response.output_item.added", "output_index": index, "item": opened},
        *inner,
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def _summary_events(where: JsonObject, item: JsonObject) -> list[JsonObject]:
    summary = item["summary"]
    assert isinstance(summary, list) and isinstance(summary[0], dict)
    part, at = summary[0], {**where, "summary_index": 0}
    text = str(part["text"])
    name = "response.reasoning_summary"
    return [
        {"type": f"{name}_part.added", **at, "part": {"type": "summary_text", "text": ""}},
        *({"type": f"{name}_text.delta", **at, "delta": word} for word in words(text)),
        {"type": f"{name}_text.done", **at, "text": text},
        {"type": f"{name}_part.done", **at, "part": part},
    ]


def _text_events(where: JsonObject, item: JsonObject) -> list[JsonObject]:
    content = item["content"]
    assert isinstance(content, list) and isinstance(content[0], dict)
    part, at = content[0], {**where, "content_index": 0}
    text = str(part["text"])
    return [
        {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
        *({"type": "response.output_text.delta", **at, "delta": word, "logprobs": []} for word in words(text)),
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
    ]


def _argument_events(where: JsonObject, arguments: str) -> list[JsonObject]:
    name = "response.function_call_arguments"
    return [
        *({"type": f"{name}.delta", **where, "delta": piece} for piece in pieces(arguments)),
        {"type": f"{name}.done", **where, "arguments": arguments},
    ]

"""OpenAI chat completions, the whole answer: body to neutral and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import orjson

from turnout.core.errors import UpstreamBroken
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Target
from turnout.wire.bridging import unwrap_custom
from turnout.wire.codec import Answering
from turnout.wire.neutral import Part, Response, StopReason, Text, Thinking, ToolCall
from turnout.wire.openai_chat.usage import parse_usage, render_usage

_STOP_REASONS: dict[str, StopReason] = {
    "stop": "end",
    "length": "max_tokens",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "model_length": "max_tokens",  # Mistral: docs.mistral.ai/api/endpoint/chat
    "sensitive": "content_filter",  # Z.ai: docs.z.ai/api-reference/llm/chat-completion
    "model_context_window_exceeded": "context_exceeded",
}
INTERRUPTED = frozenset({"insufficient_system_resource", "error", "abort", "network_error"})
"""Finish reasons of an answer that was not finished: DeepSeek's, OpenRouter's, vLLM's and SGLang's, Z.ai's."""
_FINISH: dict[StopReason, str] = {
    "end": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop",
    "tool_calls": "tool_calls",
    "refusal": "stop",
    "content_filter": "content_filter",
    "pause": "stop",
    "context_exceeded": "length",
}


def stop_reason(finish: str, *, tool_calls: bool) -> StopReason:
    """The neutral reason. Some servers finish a turn of tool calls with `stop`."""
    reason = _STOP_REASONS.get(finish, "end")
    return "tool_calls" if tool_calls and reason == "end" else reason


def finish_reason(reason: StopReason, *, refused: bool = False) -> str:
    """The word that chat clients know. `refused`: the answer holds a refusal, which says what a filter's mark would
    say; without one a refusal would look like an ordinary end."""
    if reason == "refusal" and not refused:
        return "content_filter"
    return _FINISH[reason]


def split_content(content: Sequence[Json]) -> tuple[str, str]:
    """(reasoning, words) of content that is an array: Mistral's reasoning models answer so.

    Source: docs.mistral.ai/capabilities/reasoning.
    """
    thought, words = "", ""
    for part in content:
        if not isinstance(part, dict):
            continue
        thinking, text = part.get("thinking"), part.get("text")
        if isinstance(thinking, list):
            thought += split_content(thinking)[1]
        elif isinstance(thinking, str):
            thought += thinking
        elif isinstance(text, str):
            words += text
    return thought, words


def parse_response(body: JsonObject, target: Target) -> Response:
    """The first choice. Raises UpstreamBroken where there is none, or no finish reason."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise UpstreamBroken(f"{target.provider} answered 200 with a body that holds no choice.")
    finish = choice.get("finish_reason")
    if not isinstance(finish, str) or not finish:
        raise UpstreamBroken(f"{target.provider} answered 200 without a finish reason.")
    if finish in INTERRUPTED:
        raise UpstreamBroken(f"{target.provider} interrupted its answer ('{finish}').")
    parts = _parts(message, target)
    usage = body.get("usage")
    created = body.get("created")
    return Response(
        id=str(body.get("id") or ""),
        model=str(body.get("model") or target.model),
        parts=parts,
        stop_reason=stop_reason(finish, tool_calls=any(isinstance(part, ToolCall) for part in parts)),
        usage=parse_usage(usage, target.quirks, tier=body.get("service_tier")) if isinstance(usage, dict) else None,
        created=created if isinstance(created, int) else None,
    )


def _parts(message: JsonMap, target: Target) -> tuple[Part, ...]:
    parts: list[Part] = []
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str) and reasoning:
        parts.append(Thinking(text=reasoning, origin=target.provider))
    content = message.get("content")
    if isinstance(content, list):
        thought, content = split_content(content)
        if thought:
            parts.append(Thinking(text=thought, origin=target.provider))
    if isinstance(content, str) and content:
        parts.append(Text(text=content))
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        parts.append(Text(text=refusal, refusal=True))
    calls = message.get("tool_calls")
    for i, call in enumerate(calls if isinstance(calls, list) else []):
        if isinstance(call, dict):
            parts.append(_call(call, i, target))
    return tuple(parts)


def _call(call: JsonMap, index: int, target: Target) -> ToolCall:
    call_id = str(call.get("id") or f"call_{index}")
    custom = call.get("custom")
    if isinstance(custom, dict):
        return ToolCall(
            id=call_id,
            name=str(custom.get("name") or ""),
            arguments=str(custom.get("input") or ""),
            custom=True,
            origin=target.provider,
        )
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        arguments = orjson.dumps(arguments).decode()
    return ToolCall(
        id=call_id, name=str(function.get("name") or ""), arguments=str(arguments or ""), origin=target.provider
    )


def response_id(upstream: str, answering: Answering, prefix: Literal["chatcmpl-", "cmpl-"] = "chatcmpl-") -> str:
    """The upstream's own id where it looks like one of this dialect, else one made of the request's."""
    return upstream if upstream.startswith(prefix) else prefix + answering.response_id


def render_response(response: Response, answering: Answering) -> JsonObject:
    """The whole body for a chat client."""
    message: JsonObject = {"role": "assistant", "content": None, "refusal": None}
    custom = answering.request.custom_tools()
    calls: list[Json] = []
    for part in response.parts:
        match part:
            case Text(refusal=True):
                message["refusal"] = str(message["refusal"] or "") + part.text
            case Text():
                message["content"] = str(message["content"] or "") + part.text
            case Thinking():
                if part.text:
                    message["reasoning_content"] = str(message.get("reasoning_content") or "") + part.text
            case ToolCall():
                calls.append(_render_call(part, custom))
            case _:
                pass
    if calls:
        message["tool_calls"] = calls
    elif message["content"] is None and message["refusal"] is None:
        message["content"] = ""
    finish = finish_reason(response.stop_reason, refused=message["refusal"] is not None)
    return {
        "id": response_id(response.id, answering),
        "object": "chat.completion",
        "created": response.created or answering.created,
        "model": answering.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": render_usage(response.usage),
    }


def _render_call(call: ToolCall, custom: frozenset[str]) -> JsonObject:
    if call.custom or call.name in custom:
        text = call.arguments if call.custom else unwrap_custom(call.arguments)
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": text}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}

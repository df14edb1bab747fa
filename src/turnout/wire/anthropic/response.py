"""Whole answers of the Messages dialect."""

from __future__ import annotations

import orjson

from turnout.core.errors import InvalidField, UpstreamBroken
from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect, Target
from turnout.wire.anthropic.blocks import opaque, parse_block
from turnout.wire.anthropic.errors import fault_of
from turnout.wire.anthropic.usage import parse_usage, render_usage
from turnout.wire.codec import Answering
from turnout.wire.neutral import Opaque, Part, Response, StopReason, Text, Thinking, ToolCall

_REASON: dict[str, StopReason] = {
    "end_turn": "end",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
    "content_filter": "content_filter",
    "model_context_window_exceeded": "context_exceeded",
}
_WORD: dict[StopReason, str] = {
    "end": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "pause": "pause_turn",
    "refusal": "refusal",
    "content_filter": "refusal",
    "context_exceeded": "model_context_window_exceeded",
}


def parse_reason(word: str) -> StopReason:
    """The neutral stop reason; a word that is not known is a plain end."""
    return _REASON.get(word, "end")


def render_reason(reason: StopReason, tools_called: bool) -> str:
    """Anthropic's stop reason. Whether tools were called decides between `end_turn` and `tool_use`: clients run tools
    only after `tool_use`, and some providers report a plain stop beside tool calls."""
    if reason in ("end", "tool_calls"):
        return "tool_use" if tools_called else "end_turn"
    return _WORD[reason]


def stop_details(word: str) -> Json:
    """`stop_details` for a stop reason."""
    return {"type": "refusal", "category": None, "explanation": None} if word == "refusal" else None


def parse_response(body: JsonObject, target: Target) -> Response:
    """Reads an answer. Raises UpstreamBroken where it is none."""
    if body.get("type") == "error" or "error" in body:
        fault = fault_of(body)
        raise UpstreamBroken(f"The provider answered 200 with an error: {fault.message}")
    content, reason = body.get("content"), body.get("stop_reason")
    if not isinstance(content, list) or not isinstance(reason, str):
        raise UpstreamBroken("The provider's answer is no message: it lacks content or a stop reason.")
    identity, model, sequence = body.get("id"), body.get("model"), body.get("stop_sequence")
    return Response(
        id=identity if isinstance(identity, str) else "",
        model=model if isinstance(model, str) else target.model,
        parts=tuple(_part(block, i, target.provider) for i, block in enumerate(content)),
        stop_reason=parse_reason(reason),
        stop_sequence=sequence if isinstance(sequence, str) else None,
        usage=parse_usage(body.get("usage")),
    )


def _part(block: Json, index: int, provider: str) -> Part:
    if not isinstance(block, dict):
        raise UpstreamBroken(f"The provider's answer is no message: content[{index}] is not an object.")
    if block.get("type") not in ("text", "thinking", "redacted_thinking", "tool_use"):
        return opaque(block)
    try:
        return parse_block(block, f"content[{index}].", provider)
    except InvalidField as error:
        raise UpstreamBroken(f"The provider's answer is no message: {error.message}") from None


def message_id(upstream_id: str, answering: Answering) -> str:
    """The upstream's id where it is one of this dialect, else one of ours."""
    return upstream_id if upstream_id.startswith("msg_") else f"msg_{answering.response_id}"


def render_response(response: Response, answering: Answering) -> JsonObject:
    """Writes an answer for the caller."""
    content: list[Json] = []
    for part in response.parts:
        block = _block(part, f"toolu_{answering.response_id}_{len(content)}")
        if block is not None:
            content.append(block)
    word = render_reason(response.stop_reason, any(isinstance(part, ToolCall) for part in response.parts))
    return {
        "id": message_id(response.id, answering),
        "type": "message",
        "role": "assistant",
        "model": answering.model,
        "content": content,
        "stop_reason": word,
        "stop_sequence": response.stop_sequence,
        "stop_details": stop_details(word),
        "usage": render_usage(response.usage),
    }


def _block(part: Part, spare_id: str) -> JsonObject | None:
    """A content block, or None for what this dialect can't show. Empty texts are left out, because sent back in a
    history they are refused."""
    match part:
        case Text():
            return text_block(part) if part.text else None
        case Thinking(text=text, signature=signature) if text or signature:
            return {"type": "thinking", "thinking": text, "signature": signature or ""}
        case Thinking(encrypted=str(data), item_id=None):
            return {"type": "redacted_thinking", "data": data}
        case ToolCall():
            return {
                "type": "tool_use",
                "id": part.id or spare_id,
                "name": part.name,
                "input": tool_input(part.arguments, part.custom),
            }
        case Opaque(dialect=Dialect.ANTHROPIC):
            return dict(part.raw)
        case _:
            return None


def text_block(part: Text) -> JsonObject:
    """A text block with those citations that are Anthropic's."""
    block: JsonObject = {"type": "text", "text": part.text}
    citations: list[Json] = [dict(note) for note in part.annotations if is_citation(note.get("type"))]
    if citations:
        block["citations"] = citations
    return block


def is_citation(kind: Json) -> bool:
    """Whether an annotation of this type is an Anthropic citation (`char_location`, `page_location` and so on)."""
    return isinstance(kind, str) and kind.endswith("_location")


def tool_input(arguments: str, custom: bool = False) -> JsonObject:
    """The `input` object of a call. Free text stands under `input`; JSON that is broken or no object is kept under
    `_raw`, so that the model sees what it wrote."""
    if custom:
        return {"input": arguments}
    if not arguments.strip():
        return {}
    try:
        value: Json = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {"_raw": arguments}
    return value if isinstance(value, dict) else {"_raw": arguments}

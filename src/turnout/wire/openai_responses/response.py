"""OpenAI Responses, the whole answer: body to neutral and back."""

from __future__ import annotations

from turnout.core.errors import UpstreamBroken
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Dialect, Target
from turnout.wire.bridging import unwrap_custom
from turnout.wire.codec import Answering
from turnout.wire.neutral import Opaque, Part, Response, Text, Thinking, ToolCall
from turnout.wire.openai_responses.errors import failed, rejected
from turnout.wire.openai_responses.items import citations, thinking
from turnout.wire.openai_responses.output import (
    OPAQUE_ITEMS,
    Ids,
    call_item,
    created_at,
    envelope,
    message_item,
    outcome_of,
    reasoning_item,
    stop_reason,
    text_part,
)
from turnout.wire.openai_responses.usage import parse_usage, render_usage


def parse_response(body: JsonObject, target: Target) -> Response:
    """Raises UpstreamRejected for a failed response, UpstreamBroken for an object that is no finished response."""
    status, output = body.get("status"), body.get("output")
    if status in ("failed", "cancelled") or (body.get("error") and status is None):
        raise rejected(failed(body.get("error")))
    if not isinstance(output, list) or status not in (None, "completed", "incomplete"):
        raise UpstreamBroken(f"{target.provider} answered 200 with a body that is no finished response.")
    parts = tuple(part for item in output if isinstance(item, dict) for part in parts_of(item, target.provider))
    return Response(
        id=str(body.get("id") or ""),
        model=str(body.get("model") or target.model),
        parts=parts,
        stop_reason=stop_reason(body, called=any(isinstance(part, ToolCall) for part in parts)),
        usage=parse_usage(body, target.quirks),
        created=created_at(body),
    )


def parts_of(item: JsonMap, origin: str | None) -> tuple[Part, ...]:
    """The neutral parts of one output item; none for reasoning that holds nothing."""
    kind = item.get("type")
    match kind:
        case "message":
            content = item.get("content")
            found = content if isinstance(content, list) else []
            return tuple(_content(part) for part in found if isinstance(part, dict))
        case "reasoning":
            return tuple(part for part in thinking(item, origin) if part.text or part.encrypted)
        case "function_call" | "custom_tool_call":
            custom = kind == "custom_tool_call"
            call = ToolCall(
                id=str(item.get("call_id") or item.get("id") or ""),
                name=str(item.get("name") or ""),
                arguments=str(item.get("input" if custom else "arguments") or ""),
                custom=custom,
                origin=origin,
            )
            return (call,)
        case _:
            return (Opaque(dialect=Dialect.OPENAI_RESPONSES, kind=str(kind or "unknown"), raw=item),)


def _content(part: JsonMap) -> Text:
    if part.get("type") == "refusal":
        return Text(text=str(part.get("refusal") or ""), refusal=True)
    return Text(text=str(part.get("text") or ""), annotations=citations(part))


def render_response(response: Response, answering: Answering) -> JsonObject:
    """The whole body for a Responses client."""
    refused = any(isinstance(part, Text) and part.refusal for part in response.parts)
    outcome = outcome_of(response.stop_reason, refused=refused)
    body = envelope(answering, response.id, response.created)
    body["status"] = outcome.status
    if outcome.reason is not None:
        body["incomplete_details"] = {"reason": outcome.reason}
    body["output"] = _output(response, answering)
    body["usage"] = render_usage(response.usage)
    return body


def _output(response: Response, answering: Answering) -> list[Json]:
    ids, custom = Ids(answering), answering.request.custom_tools()
    out: list[Json] = []
    said: list[Json] | None = None
    for part in response.parts:
        if isinstance(part, Text):
            if said is None:  # texts in a row are the content of one message
                said = []
                out.append(message_item(ids.next("msg"), said, "completed"))
            said.append(text_part(part))
            continue
        item = _item(part, ids, custom)
        if item is not None:
            said = None
            out.append(item)
    last = out[-1] if out else None
    if isinstance(last, dict) and "status" in last and response.stop_reason in ("max_tokens", "context_exceeded"):
        last["status"] = "incomplete"
    return out


def _item(part: Part, ids: Ids, custom_tools: frozenset[str]) -> JsonObject | None:
    match part:
        case Thinking():
            item_id = ids.reasoning(part.item_id)
            sealed = part.encrypted if part.item_id == item_id else None  # another dialect's is no use to the client
            return reasoning_item(item_id, part.text, sealed, "completed")
        case ToolCall():
            custom = part.custom or part.name in custom_tools
            text = unwrap_custom(part.arguments) if custom and not part.custom else part.arguments
            prefix = "ctc" if custom else "fc"
            return call_item(ids.next(prefix), part.id, part.name, text, "completed", custom=custom)
        case Opaque() if part.kind in OPAQUE_ITEMS:
            return dict(part.raw)
        case _:
            return None

"""OpenAI Responses, what an answer is made of: the response object around the output, and the output's items.

Source: openai-python 3.54 `types/responses/response.py` and `response_output_item.py`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Dialect
from turnout.wire.codec import Answering
from turnout.wire.neutral import HostedTool, Request, StopReason, Text, Tool
from turnout.wire.openai_responses.items import SYNTHETIC_REASONING

ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["in_progress", "completed", "incomplete", "failed"]


class Outcome(NamedTuple):
    """How a finished response is marked."""

    status: ResponseStatus
    reason: str | None = None
    """Of `incomplete_details`."""


_OUTCOMES: dict[StopReason, Outcome] = {
    "end": Outcome("completed"),
    "stop_sequence": Outcome("completed"),
    "tool_calls": Outcome("completed"),
    "max_tokens": Outcome("incomplete", "max_output_tokens"),
    "context_exceeded": Outcome("incomplete", "max_output_tokens"),
    "content_filter": Outcome("incomplete", "content_filter"),
    "pause": Outcome("incomplete", "max_messages"),
}


def outcome_of(reason: StopReason, *, refused: bool) -> Outcome:
    """`refused`: the answer holds a refusal, which says what a filter's mark would say."""
    if reason == "refusal":
        return Outcome("completed") if refused else Outcome("incomplete", "content_filter")
    return _OUTCOMES[reason]


def stop_reason(response: JsonMap, *, called: bool) -> StopReason:
    """Why a completed or incomplete response ended; `called`: it asks for a tool."""
    if response.get("status") != "incomplete":
        return "tool_calls" if called else "end"
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if reason == "content_filter":
        return "content_filter"
    return "pause" if reason in ("max_messages", "steered") else "max_tokens"


def created_at(response: JsonMap) -> int | None:
    """Seconds since 1970, where the response says; some servers write a fraction."""
    value = response.get("created_at")
    return int(value) if isinstance(value, int | float) and 0 <= value < 1 << 40 else None


def response_id(upstream: str, answering: Answering) -> str:
    """The upstream's own id where it is one of this dialect, else one made of the request's."""
    return upstream if upstream.startswith("resp_") else f"resp_{answering.response_id}"


class Ids:
    """Ids for the items of one response: unique, and the same each time."""

    __slots__ = ("_base", "_count")

    def __init__(self, answering: Answering) -> None:
        self._base = answering.response_id
        self._count = 0

    def next(self, prefix: str) -> str:
        """Such as `msg_...`."""
        self._count += 1
        return f"{prefix}_{self._base}{self._count:04x}"

    def reasoning(self, own: str | None) -> str:
        """`own` where it is an id of this dialect, else one that can be told from OpenAI's when it comes back."""
        return own if own is not None and own.startswith("rs_") else self.next(SYNTHETIC_REASONING)


# ---- items -------------------------------------------------------------------------------


def text_content(text: str, annotations: list[Json], *, refusal: bool) -> JsonObject:
    """A content part of a message."""
    if refusal:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "annotations": annotations, "logprobs": [], "text": text}


def text_part(part: Text) -> JsonObject:
    """The same, of a whole neutral part."""
    return text_content(part.text, [dict(each) for each in part.annotations], refusal=part.refusal)


def message_item(item_id: str, content: list[Json], status: ItemStatus) -> JsonObject:
    """A message of the assistant."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def reasoning_item(item_id: str, text: str, encrypted: str | None, status: ItemStatus) -> JsonObject:
    """Reasoning, whoever made it: clients look for it in the summary."""
    summary: list[Json] = [{"type": "summary_text", "text": text}] if text else []
    item: JsonObject = {"id": item_id, "type": "reasoning", "status": status, "summary": summary}
    if encrypted is not None:
        item["encrypted_content"] = encrypted
    return item


def call_item(item_id: str, call_id: str, name: str, text: str, status: ItemStatus, *, custom: bool) -> JsonObject:
    """A call of a function or of a custom tool."""
    kind, field = ("custom_tool_call", "input") if custom else ("function_call", "arguments")
    return {"id": item_id, "type": kind, "status": status, "call_id": call_id, "name": name, field: text}


OPAQUE_ITEMS = frozenset(
    "file_search_call web_search_call computer_call computer_call_output program program_output tool_search_call "
    "tool_search_output additional_tools compaction image_generation_call code_interpreter_call local_shell_call "
    "local_shell_call_output shell_call shell_call_output apply_patch_call apply_patch_call_output mcp_call "
    "mcp_list_tools mcp_approval_request mcp_approval_response".split()
)
"""Items that this dialect knows and that we only carry. Parts of other dialects are left out of an answer."""


# ---- the response object -----------------------------------------------------------------


def envelope(answering: Answering, upstream_id: str, created: int | None) -> JsonObject:
    """A response in progress, without output; it echoes the request as the API does."""
    request = answering.request
    return {
        "id": response_id(upstream_id, answering),
        "object": "response",
        "created_at": created or answering.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": _instructions(request),
        "max_output_tokens": request.max_tokens,
        "max_tool_calls": None,
        "model": answering.model,
        "output": [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "prompt_cache_key": request.cache_key,
        "reasoning": _reasoning(request),
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": request.temperature,
        "text": _text(request),
        "tool_choice": _tool_choice(request),
        "tools": [_tool(tool) for tool in request.tools if _echoed(tool)],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": request.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": request.user,
        "metadata": dict(request.metadata or {}),
    }


def _instructions(request: Request) -> str | None:
    first = request.messages[0] if request.messages else None
    if first is None or first.role != "system":
        return None
    return "".join(part.text for part in first.parts if isinstance(part, Text)) or None


def _reasoning(request: Request) -> JsonObject:
    reasoning = request.reasoning
    return {"effort": reasoning.effort if reasoning else None, "summary": reasoning.summary if reasoning else None}


def _text(request: Request) -> JsonObject:
    output = request.output
    form: JsonObject = {"type": output.kind if output else "text"}
    if output is not None and output.kind == "json_schema":
        form["name"], form["schema"], form["strict"] = output.name, dict(output.schema or {}), output.strict or False
        form["description"] = output.description
    return {"format": form, "verbosity": request.verbosity or "medium"}


def _tool_choice(request: Request) -> Json:
    choice = request.tool_choice
    if choice is None:
        return request.extra.get("tool_choice") or "auto"
    if choice.mode != "named":
        return choice.mode
    return {"type": "custom" if choice.name in request.custom_tools() else "function", "name": choice.name}


def _echoed(tool: Tool | HostedTool) -> bool:
    return isinstance(tool, Tool) or tool.dialect is Dialect.OPENAI_RESPONSES


def _tool(tool: Tool | HostedTool) -> JsonObject:
    if isinstance(tool, HostedTool):
        return dict(tool.raw)
    if tool.custom:
        form: JsonObject = dict(tool.format) if tool.format else {"type": "text"}
        return {"type": "custom", "name": tool.name, "description": tool.description, "format": form}
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters or {}),
        "strict": tool.strict is not False,
    }

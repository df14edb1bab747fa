"""What an upstream received, read by hand in its dialect, and whether its vendor's own types take it.

Written apart from Turnout's readers, so that both can't be wrong in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anthropic.types import message_create_params
from google.genai import types as gemini_types
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params
from pydantic import TypeAdapter

from turnout.double import Received


@dataclass(slots=True, kw_only=True)
class Seen:
    """A request as the upstream's model would understand it."""

    system: str = ""
    turns: list[tuple[str, str]] = field(default_factory=list)
    """Who said what, `user` or `assistant`; pictures, calls and results are apart."""
    pictures: list[str] = field(default_factory=list)
    """As data URLs or URLs."""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    """Id, name, arguments."""
    results: list[tuple[str, str]] = field(default_factory=list)
    tools: dict[str, Any] = field(default_factory=dict)
    """Parameters by name."""
    choice: Any = None
    max_tokens: int | None = None
    stop: list[str] = field(default_factory=list)
    schema: Any = None
    temperature: float | None = None
    thinks: Any = None
    """The dialect's own words for how much to think."""


def seen(request: Received) -> Seen:
    """Reads a request by its path; the vendor's own types must take its body."""
    body: Any = request.json
    for end, read, check in _DIALECTS:
        if end in request.path:
            check(body)
            return read(body)
    raise AssertionError(f"no dialect is served at {request.path}")


# ---- readers -----------------------------------------------------------------------------


def _texts(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


def _chat(body: Any) -> Seen:
    found = Seen(
        choice=body.get("tool_choice"),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=body.get("stop") or [],
        schema=((body.get("response_format") or {}).get("json_schema") or {}).get("schema"),
        temperature=body.get("temperature"),
        thinks=body.get("reasoning_effort"),
    )
    found.tools = {t["function"]["name"]: t["function"].get("parameters") for t in body.get("tools", ())}
    for message in body["messages"]:
        role, content = message["role"], message.get("content")
        if role in ("system", "developer"):
            found.system += _texts(content)
        elif role == "tool":
            found.results.append((message["tool_call_id"], _texts(content)))
        else:
            if text := _texts(content):
                found.turns.append((role, text))
            if isinstance(content, list):
                found.pictures += [p["image_url"]["url"] for p in content if p["type"] == "image_url"]
            for call in message.get("tool_calls") or ():
                found.calls.append((call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])))
    return found


def _responses(body: Any) -> Seen:
    found = Seen(
        system=body.get("instructions") or "",
        choice=body.get("tool_choice"),
        max_tokens=body.get("max_output_tokens"),
        schema=((body.get("text") or {}).get("format") or {}).get("schema"),
        temperature=body.get("temperature"),
        thinks=(body.get("reasoning") or {}).get("effort"),
    )
    found.tools = {t["name"]: t.get("parameters") for t in body.get("tools", ())}
    items = body["input"]
    for item in [{"role": "user", "content": items}] if isinstance(items, str) else items:
        kind = item.get("type", "message")
        if kind == "function_call":
            found.calls.append((item["call_id"], item["name"], json.loads(item["arguments"])))
        elif kind == "function_call_output":
            found.results.append((item["call_id"], _texts(item["output"])))
        elif kind == "message" and item["role"] in ("system", "developer"):
            found.system += _texts(item["content"])
        elif kind == "message":
            found.turns.append((item["role"], _texts(item["content"])))
            if isinstance(item["content"], list):
                found.pictures += [p["image_url"] for p in item["content"] if p["type"] == "input_image"]
    return found


def _anthropic(body: Any) -> Seen:
    config = body.get("output_config") or {}
    found = Seen(
        system=_texts(body.get("system")),
        choice=body.get("tool_choice"),
        max_tokens=body["max_tokens"],
        stop=body.get("stop_sequences") or [],
        schema=(config.get("format") or {}).get("schema"),
        temperature=body.get("temperature"),
        thinks=body.get("thinking"),
    )
    found.tools = {t["name"]: t["input_schema"] for t in body.get("tools", ())}
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if text := _texts([b for b in blocks if b["type"] == "text"]):
            found.turns.append((message["role"], text))
        for block in blocks:
            if block["type"] == "tool_use":
                found.calls.append((block["id"], block["name"], block["input"]))
            elif block["type"] == "tool_result":
                found.results.append((block["tool_use_id"], _texts(block["content"])))
            elif block["type"] == "image":
                source = block["source"]
                url = source.get("url") or f"data:{source['media_type']};base64,{source['data']}"
                found.pictures.append(url)
    return found


def _gemini(body: Any) -> Seen:
    config = body.get("generationConfig") or {}
    found = Seen(
        system=_texts((body.get("systemInstruction") or {}).get("parts")),
        choice=(body.get("toolConfig") or {}).get("functionCallingConfig"),
        max_tokens=config.get("maxOutputTokens"),
        stop=config.get("stopSequences") or [],
        schema=config.get("responseJsonSchema"),
        temperature=config.get("temperature"),
        thinks=config.get("thinkingConfig"),
    )
    for tool in body.get("tools", ()):
        found.tools |= {d["name"]: d.get("parametersJsonSchema") for d in tool["functionDeclarations"]}
    for content in body["contents"]:
        parts = content["parts"]
        if text := _texts([p for p in parts if "text" in p and not p.get("thought")]):
            found.turns.append(("assistant" if content["role"] == "model" else "user", text))
        for part in parts:
            if call := part.get("functionCall"):
                found.calls.append((call.get("id"), call["name"], call["args"]))
            if result := part.get("functionResponse"):
                found.results.append((result.get("id"), str(result["response"].get("output"))))
            if inline := part.get("inlineData"):
                found.pictures.append(f"data:{inline['mimeType']};base64,{inline['data']}")
            if file := part.get("fileData"):
                found.pictures.append(file["fileUri"])
    return found


# ---- the vendors' own types --------------------------------------------------------------

_PARAMS: Mapping[str, tuple[Any, ...]] = {
    "chat": (
        completion_create_params.CompletionCreateParamsBase,
        completion_create_params.CompletionCreateParamsStreaming,
    ),
    "responses": (
        response_create_params.ResponseCreateParamsBase,
        response_create_params.ResponseCreateParamsStreaming,
    ),
    "anthropic": (message_create_params.MessageCreateParamsBase, message_create_params.MessageCreateParamsStreaming),
}


_GONE = {"temperature", "top_p", "top_k"}
"""Taken by Anthropic's older models still; its client has no words for them any more."""


def _typed(name: str) -> Callable[[Any], None]:
    base, streaming = _PARAMS[name]
    adapter: TypeAdapter[Any] = TypeAdapter(base)
    known = set(streaming.__annotations__) | set(base.__annotations__) | (_GONE if name == "anthropic" else set())

    def check(body: Any) -> None:
        _drain(adapter.validate_python(body))
        assert body.keys() <= known, f"{body.keys() - known} are no fields of this dialect"

    return check


def _drain(value: Any) -> None:
    """Pydantic validates an Iterable when it is read, not before."""
    if isinstance(value, dict):
        for each in value.values():
            _drain(each)
    elif not isinstance(value, str | bytes | int | float | None):
        for each in value:
            _drain(each)


def _gemini_types(body: Any) -> None:
    rest = dict(body)
    for content in rest.pop("contents"):
        gemini_types.Content.model_validate(content)
    for tool in rest.pop("tools", ()):
        gemini_types.Tool.model_validate(tool)
    gemini_types.Content.model_validate(rest.pop("systemInstruction", {}))
    gemini_types.ToolConfig.model_validate(rest.pop("toolConfig", {}))
    gemini_types.GenerationConfig.model_validate(rest.pop("generationConfig", {}))
    assert rest.keys() <= {"serviceTier"}


_DIALECTS: tuple[tuple[str, Callable[[Any], Seen], Callable[[Any], None]], ...] = (
    ("/chat/completions", _chat, _typed("chat")),
    ("/responses", _responses, _typed("responses")),
    ("/messages", _anthropic, _typed("anthropic")),
    ("enerateContent", _gemini, _gemini_types),
)

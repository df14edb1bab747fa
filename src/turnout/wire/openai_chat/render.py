"""OpenAI chat completions, the request: neutral to body, for a target with its quirks."""

from __future__ import annotations

import dataclasses

import orjson

from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.attribution import BILLING_LINE
from turnout.wire.bridging import CUSTOM_INPUT_SCHEMA
from turnout.wire.codec import Vault
from turnout.wire.effort import wants_thinking
from turnout.wire.neutral import (
    HostedTool,
    Media,
    Message,
    Opaque,
    OutputFormat,
    Reasoning,
    Rendered,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from turnout.wire.openai_chat.reasoning import write_reasoning
from turnout.wire.parameters import HARMLESS, Unexpressed

_NEUTRAL_NAMES = {
    "max_completion_tokens": "max_tokens",
    "response_format": "output",
    "reasoning_effort": "reasoning",
    "thinking": "reasoning",
}
"""Names of `neutral.Request` for this dialect's, so that an error tells the caller's own name."""


def render_request(request: Request, target: Target, vault: Vault) -> Rendered:
    """The body for `target`. Raises Unsupported naming the caller's field."""
    quirks = target.quirks
    problems = Unexpressed(request, target)
    body: JsonObject = {"model": target.model, "messages": _messages(request, target, vault, problems)}
    if request.tools:
        body["tools"] = [tool for tool in (_tool(each, quirks, problems) for each in request.tools) if tool]
    reasoning = _tool_choice(request, quirks, body, problems)
    write_reasoning(reasoning, quirks, body)
    _sampling(request, body, problems)
    if request.max_tokens is not None:
        body[quirks.max_tokens_field] = request.max_tokens
    if request.output is not None:
        _output(request.output, quirks, body, problems)
    if request.parallel_tool_calls is not None and request.tools:
        if quirks.parallel_tool_calls:
            body["parallel_tool_calls"] = request.parallel_tool_calls
        elif not request.parallel_tool_calls:
            problems.hint("parallel_tool_calls")
    if request.stream:
        body["stream"] = True
        if quirks.stream_usage:
            body["stream_options"] = {"include_usage": True}
    if request.cache_key is not None and "prompt_cache_key" not in quirks.unsupported:
        body["prompt_cache_key"] = request.cache_key
    problems.cannot_extra(name for name in HARMLESS if not request.extra.get(name))
    for name in sorted(quirks.unsupported & body.keys()):
        problems.cannot(_NEUTRAL_NAMES.get(name, name))
        del body[name]
    return Rendered(body, tuple(problems.dropped))


def _sampling(request: Request, body: JsonObject, problems: Unexpressed) -> None:
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "verbosity"):
        value: Json = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.top_k is not None:
        problems.cannot("top_k", "chat completions have no such parameter")
    if request.stop:
        body["stop"] = list(request.stop)
    if request.choices > 1:
        problems.cannot("choices", "several answers can't be carried into another dialect")
    if request.logprobs or request.top_logprobs is not None:
        problems.cannot("logprobs", "token probabilities can't be carried into another dialect")
    if request.logit_bias:
        body["logit_bias"] = dict(request.logit_bias)


def _tool_choice(request: Request, quirks: Quirks, body: JsonObject, problems: Unexpressed) -> Reasoning | None:
    """Writes the tool choice; returns the reasoning to ask for, which a forced choice may have to switch off."""
    choice, reasoning = request.tool_choice, request.reasoning
    if choice is None or not request.tools:
        return reasoning
    forced = choice.mode in ("required", "named")
    if forced and not may_force(quirks, reasoning):
        if quirks.forced_tool_choice == "never" or (reasoning is not None and wants_thinking(reasoning, quirks)):
            problems.cannot("tool_choice", "the model refuses a forced tool choice while it thinks")
            return reasoning
        reasoning = Reasoning(enabled=False)  # it would think only by its own default
    body["tool_choice"] = _choice(choice)
    return reasoning


def may_force(quirks: Quirks, reasoning: Reasoning | None) -> bool:
    """Whether the target takes `required` or a named tool together with that reasoning."""
    if quirks.forced_tool_choice == "not_thinking":
        return not wants_thinking(reasoning, quirks)
    return quirks.forced_tool_choice == "always"


def _choice(choice: ToolChoice) -> Json:
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _output(output: OutputFormat, quirks: Quirks, body: JsonObject, problems: Unexpressed) -> None:
    if output.kind == "json_object":
        body["response_format"] = {"type": "json_object"}
        return
    if not quirks.json_schema:
        problems.cannot("output", "the model takes JSON mode but no schema")
        body["response_format"] = {"type": "json_object"}
        return
    schema: JsonObject = {"name": output.name, "schema": dict(output.schema or {})}
    if output.strict is not None:
        schema["strict"] = output.strict
    if output.description:
        schema["description"] = output.description
    body["response_format"] = {"type": "json_schema", "json_schema": schema}


# ---- tools -------------------------------------------------------------------------------


def _tool(tool: Tool | HostedTool, quirks: Quirks, problems: Unexpressed) -> JsonObject | None:
    if isinstance(tool, HostedTool):
        problems.cannot("tools", f"the tool type '{tool.kind}' is run by its own provider only", param="tools")
        return None
    if tool.custom and quirks.custom_tools:
        custom: JsonObject = {"name": tool.name}
        if tool.description:
            custom["description"] = tool.description
        if tool.format:
            custom["format"] = dict(tool.format)
        return {"type": "custom", "custom": custom}
    function: JsonObject = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.custom:
        function["parameters"] = CUSTOM_INPUT_SCHEMA
    elif tool.parameters is not None:
        function["parameters"] = dict(tool.parameters)
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


# ---- messages ----------------------------------------------------------------------------


def _messages(request: Request, target: Target, vault: Vault, problems: Unexpressed) -> list[Json]:
    out: list[Json] = []
    images: list[Json] = []
    for message in request.messages:
        if message.role == "tool":
            out.extend(_tool_results(message, images, target, problems))
            continue
        if images:
            out.append({"role": "user", "content": images})
            images = []
        if message.role == "assistant":
            out.append(_assistant(message, target, vault, problems))
        else:
            content = _content(_without_billing(message), target, problems)
            if content or (message.role == "user" and content == ""):
                out.append(_turn(message, target.quirks, content))
    if images:
        out.append({"role": "user", "content": images})
    return out


def _turn(message: Message, quirks: Quirks, content: Json) -> JsonObject:
    role: str = message.role
    if role in ("system", "developer") and role not in quirks.system_roles:
        role = quirks.system_roles[0]
    turn: JsonObject = {"role": role, "content": content}
    if message.name:
        turn["name"] = message.name
    return turn


def _without_billing(message: Message) -> Message:
    first = message.parts[0] if message.parts else None
    if message.role == "user" or not isinstance(first, Text) or not first.text.startswith(BILLING_LINE):
        return message
    rest = first.text.partition("\n")[2]
    head = (dataclasses.replace(first, text=rest),) if rest.strip() else ()
    return dataclasses.replace(message, parts=(*head, *message.parts[1:]))


def _tool_results(message: Message, images: list[Json], target: Target, problems: Unexpressed) -> list[Json]:
    """One `tool` message per result. Images can't stand there: they go to `images`, for a user message that follows
    the last result, because nothing may stand between the results of one turn."""
    out: list[Json] = []
    for result in message.parts:
        if not isinstance(result, ToolResult):
            continue
        text = "".join(part.text for part in result.content if isinstance(part, Text))
        media = [part for part in result.content if isinstance(part, Media)]
        if result.is_error:
            text = f"Error: {text}"
        out.append({"role": "tool", "tool_call_id": result.call_id, "content": text})
        for part in media:
            written = _media(part, target, problems)
            if written:
                images.append({"type": "text", "text": f"Result of tool call {result.call_id}:"})
                images.append(written)
    return out


def _assistant(message: Message, target: Target, vault: Vault, problems: Unexpressed) -> JsonObject:
    text = "".join(part.text for part in message.parts if isinstance(part, Text))
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    turn: JsonObject = {"role": "assistant", "content": text if text or not calls else None}
    reasoning = replayed_reasoning(message, calls, target, vault)
    if reasoning is not None:
        turn[target.quirks.reasoning_field] = reasoning
    if calls:
        turn["tool_calls"] = [_call(call, target.quirks) for call in calls]
    for part in message.parts:
        if isinstance(part, Opaque):
            problems.cannot("messages", f"a part of type '{part.kind}' has no counterpart")
    return turn


def replayed_reasoning(message: Message, calls: list[ToolCall], target: Target, vault: Vault) -> str | None:
    """The reasoning text that the target wants back on this turn, or None.

    Its own, from the message or from the vault; where it is lost or another provider's, the placeholder: DeepSeek
    refuses a tool turn without any (pain case 26).
    """
    rule = target.quirks.replay_reasoning
    if rule == "never" or (rule == "tool_turns" and not calls):
        return None
    thinking = [part for part in message.parts if isinstance(part, Thinking)]
    for call in calls:
        thinking = thinking or list(vault(call.id))
    own = [
        part.text
        for part in thinking
        if part.origin in (None, target.provider) and not part.signature and not part.encrypted and not part.summary
    ]
    return "".join(own) or target.quirks.reasoning_placeholder


def _call(call: ToolCall, quirks: Quirks) -> JsonObject:
    if call.custom and quirks.custom_tools:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    arguments = orjson.dumps({"input": call.arguments}).decode() if call.custom else call.arguments or "{}"
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _content(message: Message, target: Target, problems: Unexpressed) -> Json:
    parts: list[Json] = []
    for part in message.parts:
        if isinstance(part, Text):
            parts.append({"type": "text", "text": part.text})
        elif isinstance(part, Media):
            written = _media(part, target, problems)
            if written:
                parts.append(written)
        elif isinstance(part, Opaque):
            if part.dialect is Dialect.OPENAI_CHAT:
                parts.append(dict(part.raw))
            else:
                problems.cannot("messages", f"a part of type '{part.kind}' has no counterpart")
    if all(isinstance(part, Text) for part in message.parts):  # plain text is what every server takes
        return "\n\n".join(part.text for part in message.parts if isinstance(part, Text))
    return parts


def _media(part: Media, target: Target, problems: Unexpressed) -> JsonObject | None:
    data_url = f"data:{part.media_type or 'application/octet-stream'};base64,{part.data}" if part.data else None
    if part.kind == "image":
        url = part.url or data_url
        if url is None or not target.quirks.images:
            problems.cannot("messages", f"'{target.model}' takes no such image")
            return None
        image: JsonObject = {"url": url}
        if part.detail:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    if part.kind == "audio" and part.data:
        form = (part.media_type or "audio/wav").removeprefix("audio/")
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": form}}
    if part.kind == "document" and data_url:
        return {"type": "file", "file": {"file_data": data_url, "filename": part.name or "document"}}
    problems.cannot("messages", f"a {part.kind} by URL or file id has no counterpart")
    return None

"""OpenAI Responses, the request: neutral to body, for a target with its quirks.

What has no counterpart here is refused by the caller's own name for it, or dropped where the route says so: `stop`,
`n`, `seed`, the penalties, `logit_bias`, `top_k`, log probabilities of another dialect, tools that another provider
hosts, and items of another dialect.

Left out without a word, because they change no answer: `cache_control`; a `user` over 64 characters and `metadata`
that is not a small map of strings (OpenAI refuses both); a `service_tier` that OpenAI does not know; the error flag of
a tool result, whose text says the same.
"""

from __future__ import annotations

from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.bridging import CUSTOM_INPUT_SCHEMA, bridged_description
from turnout.wire.codec import Vault
from turnout.wire.effort import effort_of_budget, nearest_effort
from turnout.wire.neutral import HostedTool, Message, OutputFormat, Reasoning, Rendered, Request, Text, Tool
from turnout.wire.openai_responses.render_items import render_items, without_billing
from turnout.wire.openai_responses.request import ENCRYPTED, LOGPROBS
from turnout.wire.parameters import Unexpressed

_TIERS = frozenset({"auto", "default", "flex", "priority", "fast", "ultrafast", "scale"})
_HARMLESS = frozenset(
    {"stream_options", "functions", "function_call", "context_management", "container", "mcp_servers"}
)
"""Fields of other dialects that change no answer when they are empty."""
SILENT = frozenset({"include", "store", "user", "metadata", "prompt_cache_key", "service_tier"})
"""Fields that a target may refuse and that are then left out, for they change no answer."""


def render_request(request: Request, target: Target, vault: Vault) -> Rendered:
    """The body for `target`. Raises Unsupported naming the caller's field."""
    problems = Unexpressed(request, target)
    instructions, rest = _instructions(request)
    body: JsonObject = {"model": target.model}
    if instructions:
        body["instructions"] = instructions
    body["input"] = render_items(request, rest, target, vault, problems)
    _tools(request, target, body, problems)
    _settings(request, target, body, problems)
    _hints(request, body)
    if request.dialect is Dialect.OPENAI_RESPONSES:
        _own_extra(request.extra, body)
    else:
        problems.cannot_extra(name for name in _HARMLESS if not request.extra.get(name))
    remove_unsupported(body, target.quirks, problems)
    return Rendered(body, tuple(problems.dropped))


def _instructions(request: Request) -> tuple[str, tuple[Message, ...]]:
    """The first system message, apart. For free JSON it stays in `input`, where OpenAI looks for the word."""
    first, rest = request.messages[:1], request.messages[1:]
    free_json = request.output is not None and request.output.kind == "json_object"
    if not first or first[0].role != "system" or not rest or free_json:
        return "", request.messages
    parts = without_billing(first[0]).parts
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) != len(parts):
        return "", request.messages
    return "\n\n".join(texts), rest


# ---- tools -------------------------------------------------------------------------------


def _tools(request: Request, target: Target, body: JsonObject, problems: Unexpressed) -> None:
    if not request.tools:
        return
    own = request.dialect is Dialect.OPENAI_RESPONSES
    tools = [_tool(tool, i, target.quirks, problems, own=own) for i, tool in enumerate(request.tools)]
    written: list[Json] = [tool for tool in tools if tool is not None]
    if not written:
        return
    body["tools"] = written
    choice = request.tool_choice
    if choice is not None:
        forced = choice.mode in ("required", "named")
        if forced and not _may_force(request.reasoning, target.quirks):
            problems.cannot("tool_choice", "the model refuses a forced tool choice while it thinks")
        elif choice.mode == "named":
            custom = target.quirks.custom_tools and choice.name in request.custom_tools()
            body["tool_choice"] = {"type": "custom" if custom else "function", "name": choice.name}
        else:
            body["tool_choice"] = choice.mode
    if request.parallel_tool_calls is not None:
        if target.quirks.parallel_tool_calls:
            body["parallel_tool_calls"] = request.parallel_tool_calls
        elif not request.parallel_tool_calls:
            problems.cannot("parallel_tool_calls")


def _may_force(reasoning: Reasoning | None, quirks: Quirks) -> bool:
    if quirks.forced_tool_choice != "not_thinking":
        return quirks.forced_tool_choice == "always"
    if reasoning is None or (reasoning.enabled is None and not reasoning.budget_tokens):
        return not quirks.thinking_default
    return reasoning.enabled is False


def _tool(
    tool: Tool | HostedTool, index: int, quirks: Quirks, problems: Unexpressed, *, own: bool
) -> JsonObject | None:
    if isinstance(tool, HostedTool):
        if tool.dialect is Dialect.OPENAI_RESPONSES:
            return dict(tool.raw)
        why = f"the tool type '{tool.kind}' is run by its own provider only"
        problems.cannot("tools", why, param=f"tools[{index}].type")
        return None
    if tool.custom and quirks.custom_tools:
        custom: JsonObject = {"type": "custom", "name": tool.name}
        if tool.description:
            custom["description"] = tool.description
        if tool.format:
            custom["format"] = dict(tool.format)
        return custom
    parameters = CUSTOM_INPUT_SCHEMA if tool.custom else tool.parameters
    function: JsonObject = {"type": "function", "name": tool.name}
    description = bridged_description(tool.description, tool.format) if tool.custom else tool.description
    if description:
        function["description"] = description
    function["parameters"] = dict(parameters) if parameters is not None else {"type": "object", "properties": {}}
    # Unlike chat completions, Responses takes a tool that says nothing for a strict one, and then refuses many schemas:
    # https://developers.openai.com/api/docs/guides/migrate-to-responses
    if tool.strict is not None or not own or tool.custom:
        function["strict"] = tool.strict or False
    return function


# ---- settings ----------------------------------------------------------------------------


def _settings(request: Request, target: Target, body: JsonObject, problems: Unexpressed) -> None:
    for name in ("temperature", "top_p"):
        value: Json = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.max_tokens is not None:
        body["max_output_tokens"] = request.max_tokens
    for name in ("top_k", "seed", "presence_penalty", "frequency_penalty", "logit_bias", "stop"):
        if getattr(request, name):  # 0 and nothing are the same for each of them but `seed`
            problems.cannot(name, "the Responses API has no such parameter")
    if request.seed == 0:
        problems.cannot("seed", "the Responses API has no such parameter")
    if request.choices > 1:
        problems.cannot("choices", "the Responses API gives one answer")
    include = _logprobs(request, body, problems)
    include += _reasoning(request, target.quirks, body)
    if include:
        body["include"] = include
    _output(request, target.quirks, body, problems)
    body["store"] = request.store or False
    if request.stream:
        body["stream"] = True


def _logprobs(request: Request, body: JsonObject, problems: Unexpressed) -> list[Json]:
    if not request.logprobs and request.top_logprobs is None:
        return []
    if request.dialect is not Dialect.OPENAI_RESPONSES:
        problems.cannot("logprobs", "token probabilities can't be carried into another dialect")
        return []
    if request.top_logprobs is not None:
        body["top_logprobs"] = request.top_logprobs
    return [LOGPROBS] if request.logprobs else []


def _reasoning(request: Request, quirks: Quirks, body: JsonObject) -> list[Json]:
    """Writes `reasoning`; returns what to include. A model that does not reason refuses both, so neither is sent
    unless the caller speaks of reasoning or the catalogue says that the model thinks."""
    reasoning = request.reasoning or Reasoning()
    level = _effort(reasoning, quirks)
    settings: JsonObject = {}
    if level is not None:
        settings["effort"] = level
    if reasoning.summary is not None:
        settings["summary"] = reasoning.summary
    if settings:
        body["reasoning"] = settings
    asked = level is not None and level != "none"
    thinks = quirks.thinking_default or quirks.replay_reasoning != "never"
    return [ENCRYPTED] if reasoning.encrypted or asked or thinks else []


def _effort(reasoning: Reasoning, quirks: Quirks) -> str | None:
    effort = reasoning.effort
    if effort is None and reasoning.enabled is False:
        effort = "none"
    elif effort is None and reasoning.budget_tokens:
        effort = effort_of_budget(reasoning.budget_tokens)
    return nearest_effort(effort, quirks.effort_levels) if effort else None


def _output(request: Request, quirks: Quirks, body: JsonObject, problems: Unexpressed) -> None:
    text: JsonObject = {}
    if request.output is not None:
        text["format"] = _format(request.output, quirks, problems)
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    if text:
        body["text"] = text


def _format(output: OutputFormat, quirks: Quirks, problems: Unexpressed) -> JsonObject:
    if output.kind == "json_object":
        return {"type": "json_object"}
    if not quirks.json_schema:
        problems.cannot("output", "the model takes JSON mode but no schema")
        return {"type": "json_object"}
    form: JsonObject = {"type": "json_schema", "name": output.name, "schema": dict(output.schema or {})}
    if output.description:
        form["description"] = output.description
    if output.strict is not None:
        form["strict"] = output.strict
    return form


# ---- hints and the rest ------------------------------------------------------------------


def _hints(request: Request, body: JsonObject) -> None:
    if request.user and len(request.user) <= 64:
        body["user"] = request.user
    if request.metadata and _fits(request.metadata):
        body["metadata"] = dict(request.metadata)
    if request.cache_key:
        body["prompt_cache_key"] = request.cache_key
    tier = "default" if request.service_tier == "standard_only" else request.service_tier
    if tier in _TIERS:
        body["service_tier"] = tier


def _fits(metadata: JsonMap) -> bool:
    """OpenAI's limits: 16 pairs, keys of 64 and values of 512 characters."""
    return len(metadata) <= 16 and all(
        len(key) <= 64 and isinstance(value, str) and len(value) <= 512 for key, value in metadata.items()
    )


def _own_extra(extra: JsonMap, body: JsonObject) -> None:
    for name, value in extra.items():
        head, dot, tail = name.partition(".")
        held = body.get(head)
        if dot:
            body[head] = {**(held if isinstance(held, dict) else {}), tail: value}
        elif name == "include" and isinstance(held, list) and isinstance(value, list):
            body[name] = held + value
        else:
            body[name] = value


_NEUTRAL_NAMES = {"max_output_tokens": "max_tokens", "text.format": "output", "text.verbosity": "verbosity"}


def remove_unsupported(body: JsonObject, quirks: Quirks, problems: Unexpressed) -> None:
    """Takes out what the target refuses; a quirk may name a field inside a field, such as `text.verbosity`."""
    for name in sorted(quirks.unsupported):
        head, _, tail = name.partition(".")
        holder = body.get(head) if tail else body
        if not isinstance(holder, dict) or (tail or head) not in holder:
            continue
        if name not in SILENT and holder[tail or head] is not None:
            problems.cannot(_NEUTRAL_NAMES.get(name, name))
        body[head] = {key: value for key, value in holder.items() if key != tail} if tail else None
        if not body[head]:
            del body[head]

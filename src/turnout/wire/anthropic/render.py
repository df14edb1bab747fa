"""A neutral request as a Messages body.

What has no place here is refused by the name the caller gave it, or left out where the route allows that. These
have no effect on the answer and are left out without a word: `store`, `metadata`, `prompt_cache_key`, `verbosity`,
`service_tier` other than auto and default, a switch for parallel calls where there are no tools, penalties of 0, and
the names in `_HARMLESS`. `user` becomes `metadata.user_id`.
"""

from __future__ import annotations

from collections.abc import Mapping

from turnout.core.errors import Unsupported
from turnout.core.json import Json, JsonMap, JsonObject
from turnout.core.target import Dialect, Target
from turnout.wire.anthropic.thinking import Plan, is_anthropic, off, plan
from turnout.wire.anthropic.turns import render_turns
from turnout.wire.codec import Vault
from turnout.wire.neutral import HostedTool, Rendered, Request, Tool, ToolChoice

DEFAULT_MAX_TOKENS = 4096
"""Where neither the caller nor the catalogue gives a maximum; the API requires one."""

_HARMLESS = frozenset(
    {
        "safety_identifier",
        "prompt_cache_retention",
        "prompt_cache_options",
        "stream_options",
        "client_metadata",
        "include",  # asks for more fields in the answer, such as encrypted reasoning
    }
)
_DEFAULTS: JsonMap = {"truncation": "disabled", "background": False, "modalities": ["text"]}
"""Values that say what holds anyway."""

_NAMES: Mapping[Dialect, Mapping[str, str]] = {
    Dialect.OPENAI_RESPONSES: {"response_format": "text.format", "reasoning": "reasoning"},
    Dialect.ANTHROPIC: {"stop": "stop_sequences", "response_format": "output_config.format", "reasoning": "thinking"},
    Dialect.GEMINI: {
        "n": "generationConfig.candidateCount",
        "stop": "generationConfig.stopSequences",
        "temperature": "generationConfig.temperature",
        "response_format": "generationConfig.responseSchema",
        "reasoning": "generationConfig.thinkingConfig",
    },
}
"""What the caller's dialect calls a field, where it differs from chat completions."""


class _Gate:
    """Refuses a field by the caller's name for it, or notes it as dropped."""

    def __init__(self, request: Request, target: Target) -> None:
        self._names = _NAMES.get(request.dialect, {})
        self._target = target
        self.dropped: list[str] = []

    def name(self, field: str) -> str:
        """What the caller calls the field."""
        return self._names.get(field, "reasoning_effort" if field == "reasoning" else field)

    def may_drop(self, field: str) -> bool:
        return self.name(field) in self._target.drop

    def note(self, field: str) -> None:
        """The field is left out."""
        name = self.name(field)
        if name not in self.dropped:
            self.dropped.append(name)

    def refuse(self, field: str, why: str = "") -> None:
        if not self.may_drop(field):
            name = self.name(field)
            reason = why or f"The model '{self._target.model}' does not take '{name}'."
            raise Unsupported(f"{reason} Remove it, or let the route drop '{name}'.", param=name)
        self.note(field)

    def takes(self, field: str, own_name: str) -> bool:
        """Whether the target takes its own field `own_name`; if not, the caller's `field` is refused or dropped."""
        if own_name in self._target.quirks.unsupported:
            self.refuse(field)
            return False
        return True


def render_request(request: Request, target: Target, vault: Vault) -> Rendered:
    """Writes a request for `target`. Raises Unsupported naming the caller's field."""
    gate = _Gate(request, target)
    _refuse_unknown(request, gate)
    max_tokens = _max_tokens(request, target)
    thinking = _plan(request, target, max_tokens, gate)
    conversation = render_turns(request, target, vault, thinking.on)
    if conversation.unthought and is_anthropic(target.quirks) and _has_budget(thinking):
        # With a budget, a running tool loop without its thinking blocks is refused, and they are lost.
        gate.note("reasoning")
        thinking = Plan(off(target.quirks), thinking.effort, False)
    body: dict[str, Json] = {"model": target.model, "max_tokens": max_tokens, "messages": conversation.messages}
    if conversation.system is not None:
        body["system"] = conversation.system
    tools = _tools(request, target, gate)
    if tools:
        body["tools"] = tools
        choice, thinking = _tool_choice(request, target, thinking, gate)
        if choice is not None:
            body["tool_choice"] = choice
    _add_thinking(body, request, thinking, gate)
    _add_sampling(body, request, target, thinking, gate)
    if request.stop and gate.takes("stop", "stop_sequences"):
        body["stop_sequences"] = list(request.stop)
    if request.user:
        body["metadata"] = {"user_id": request.user}
    if request.service_tier in ("auto", "default", "standard_only") and "service_tier" not in target.quirks.unsupported:
        body["service_tier"] = "auto" if request.service_tier == "auto" else "standard_only"
    if request.stream:
        body["stream"] = True
    if request.dialect is Dialect.ANTHROPIC:
        body.update((name, value) for name, value in request.extra.items() if "." not in name)
    return Rendered(body, tuple(gate.dropped))


def _refuse_unknown(request: Request, gate: _Gate) -> None:
    if request.choices > 1:
        gate.refuse("n")
    if request.logprobs:
        gate.refuse("logprobs")
    if request.top_logprobs:
        gate.refuse("top_logprobs")
    if request.logit_bias:
        gate.refuse("logit_bias")
    if request.seed is not None:
        gate.refuse("seed")
    if request.presence_penalty:
        gate.refuse("presence_penalty")
    if request.frequency_penalty:
        gate.refuse("frequency_penalty")
    if request.dialect is not Dialect.ANTHROPIC:
        for name, value in request.extra.items():
            if value is not None and name not in _HARMLESS and value != _DEFAULTS.get(name):
                gate.refuse(name)


def _max_tokens(request: Request, target: Target) -> int:
    asked = request.max_tokens or target.max_output or DEFAULT_MAX_TOKENS
    return min(asked, target.max_output) if target.max_output else asked


def _has_budget(thinking: Plan) -> bool:
    return thinking.thinking is not None and "budget_tokens" in thinking.thinking


def _plan(request: Request, target: Target, max_tokens: int, gate: _Gate) -> Plan:
    reasoning = request.reasoning
    wanted = reasoning is not None and reasoning.enabled is not False and reasoning.effort != "none"
    if "thinking" in target.quirks.unsupported:
        if wanted:
            gate.refuse("reasoning")
        return Plan(None, None, False)
    if reasoning is not None and (reasoning.effort, reasoning.enabled, reasoning.budget_tokens) == (None, None, None):
        reasoning = None  # a summary was asked for, nothing of how much to think
    return plan(reasoning, target.quirks, max_tokens)


def _add_thinking(body: dict[str, Json], request: Request, thinking: Plan, gate: _Gate) -> None:
    if thinking.thinking is not None:
        body["thinking"] = thinking.thinking
    config: JsonObject = {"effort": thinking.effort} if thinking.effort is not None else {}
    output = request.output
    if output is not None:
        if output.kind == "json_schema" and output.schema is not None:
            if gate.takes("response_format", "output_config.format"):
                config["format"] = {"type": "json_schema", "schema": dict(output.schema)}
        else:
            gate.refuse("response_format", "This model writes JSON by a schema only; send type 'json_schema'.")
    if config:
        body["output_config"] = config


def _add_sampling(body: dict[str, Json], request: Request, target: Target, thinking: Plan, gate: _Gate) -> None:
    # Anthropic's own models, while they think, take a temperature of 1 only, and no top_k.
    fixed = thinking.on and is_anthropic(target.quirks)
    temperature = request.temperature
    if temperature is not None and gate.takes("temperature", "temperature"):
        if temperature > 1:
            gate.refuse("temperature", "The highest temperature of this model is 1.")
            temperature = 1
        if fixed and temperature != 1:
            gate.refuse("temperature", "While it thinks, this model takes no temperature but 1.")
        else:
            body["temperature"] = temperature
    if request.top_p is not None and gate.takes("top_p", "top_p"):
        if fixed and request.top_p < 0.95:
            gate.refuse("top_p", "While it thinks, this model takes no top_p below 0.95.")
        else:
            body["top_p"] = request.top_p
    if request.top_k is not None and gate.takes("top_k", "top_k"):
        if fixed:
            gate.refuse("top_k", "While it thinks, this model takes no top_k.")
        else:
            body["top_k"] = request.top_k


def _tools(request: Request, target: Target, gate: _Gate) -> list[Json]:
    tools: list[Json] = []
    for tool in request.tools:
        if isinstance(tool, Tool):
            tools.append(_tool(tool, target))
        elif tool.dialect is Dialect.ANTHROPIC:
            tools.append(dict(tool.raw))
        else:
            _refuse_hosted(tool, gate)
    return tools


def _refuse_hosted(tool: HostedTool, gate: _Gate) -> None:
    gate.refuse("tools", f"The tool '{tool.kind}' is run by its own provider only.")


def _tool(tool: Tool, target: Target) -> JsonObject:
    body: JsonObject = {"name": tool.name, "input_schema": _schema(tool)}
    if tool.description is not None:
        body["description"] = tool.description
    if tool.strict and "strict" not in target.quirks.unsupported:
        body["strict"] = True
    if tool.cache_control is not None:
        body["cache_control"] = dict(tool.cache_control)
    return body


def _schema(tool: Tool) -> JsonObject:
    if tool.custom:  # free text is bridged to a function with one text
        return {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    schema: JsonMap = tool.parameters or {}
    if "type" in schema:
        return dict(schema)
    return {"type": "object", "properties": {}, **schema}


def _tool_choice(request: Request, target: Target, thinking: Plan, gate: _Gate) -> tuple[JsonObject | None, Plan]:
    choice = request.tool_choice
    allowed = target.quirks.forced_tool_choice
    if choice is not None and choice.mode in ("required", "named"):
        if allowed == "never":
            gate.refuse("tool_choice", "This model can't be made to call a tool.")
            choice = ToolChoice(mode="auto")
        elif thinking.on and (allowed == "not_thinking" or is_anthropic(target.quirks)):
            if request.reasoning is None:
                thinking = Plan({"type": "disabled"}, None, False)  # it thinks by default; nobody asked for it
            elif gate.may_drop("reasoning"):
                gate.note("reasoning")
                thinking = Plan(off(target.quirks), None, False)
            else:
                gate.refuse("tool_choice", "This model can't be made to call a tool while it thinks.")
                choice = ToolChoice(mode="auto")
    single = request.parallel_tool_calls is False and target.quirks.parallel_tool_calls
    if choice is None:
        return ({"type": "auto", "disable_parallel_tool_use": True} if single else None), thinking
    body: JsonObject
    match choice.mode:
        case "auto":
            body = {"type": "auto"}
        case "none":
            return {"type": "none"}, thinking
        case "required":
            body = {"type": "any"}
        case "named":
            body = {"type": "tool", "name": choice.name or ""}
    if single:
        body["disable_parallel_tool_use"] = True
    return body, thinking

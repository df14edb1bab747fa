"""Gemini's generateContent, the request: neutral to body, for a target with its quirks.

The model and `streamGenerateContent` stand in the URL, not here. Shapes: google-genai 3.4 `types.py`;
https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from turnout.core.json import Json, JsonObject
from turnout.core.target import Target
from turnout.wire.codec import Adapted, Vault
from turnout.wire.gemini.contents import conversation
from turnout.wire.gemini.schema import calling_config, declarations, json_schema
from turnout.wire.gemini.thinking import thinking_config
from turnout.wire.neutral import OutputFormat, Rendered, Request
from turnout.wire.parameters import HARMLESS, Unexpressed

MAX_STOP_SEQUENCES = 5
"""https://ai.google.dev/api/generate-content#generationconfig"""

_TIERS = {"flex": "flex", "priority": "priority", "standard": "standard", "default": "standard"}
"""What callers of other dialects name a service tier; any other word leaves it to Google's default."""

_SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
    "max_tokens": "maxOutputTokens",
}
"""Neutral name to Gemini's."""


def render_request(request: Request, target: Target, vault: Vault) -> Rendered:
    """The body for `target`. Raises Unsupported naming the caller's field.

    Hints without effect on the answer (user, metadata, store, prompt cache key, verbosity, a ban on parallel calls) are
    left out: Gemini has no words for them.
    """
    problems = Unexpressed(request, target)
    talk = conversation(request, target, vault, problems)
    body: JsonObject = {"contents": talk.contents}
    if talk.system is not None:
        body["systemInstruction"] = talk.system
    tools = declarations(request.tools, problems)
    if tools:
        body["tools"] = tools
        calling = calling_config(request.tool_choice, request.tools)
        if calling is not None:
            body["toolConfig"] = calling
    config = _generation_config(request, target, problems)
    if config:
        body["generationConfig"] = config
    if request.service_tier in _TIERS:
        body["serviceTier"] = _TIERS[request.service_tier]
    problems.cannot_extra(name for name in HARMLESS if not request.extra.get(name))
    return Rendered(body, tuple(problems.dropped))


def adapt(body: JsonObject, target: Target, vault: Vault) -> Adapted:
    """Gemini is spoken upstream only, so a body of this dialect is one that was rendered for its target."""
    del target, vault
    return Adapted(body, changed=False)


def _generation_config(request: Request, target: Target, problems: Unexpressed) -> JsonObject:
    config: JsonObject = {}
    for name, theirs in _SAMPLING.items():
        value: Json = getattr(request, name)
        if value is None:
            continue
        if theirs in target.quirks.unsupported:
            problems.cannot(name)
        else:
            config[theirs] = value
    if len(request.stop) > MAX_STOP_SEQUENCES:
        problems.cannot("stop", f"Gemini takes at most {MAX_STOP_SEQUENCES} stop sequences")
    elif request.stop:
        config["stopSequences"] = list(request.stop)
    if request.choices > 1:
        problems.cannot("choices", "several answers can't be carried into another dialect")
    if request.logprobs or request.top_logprobs is not None:
        problems.cannot("logprobs", "token probabilities can't be carried into another dialect")
    if request.logit_bias:
        problems.cannot("logit_bias")
    if request.output is not None:
        _output(request.output, request, target, config, problems)
    thinking = thinking_config(request.reasoning, target.quirks)
    if thinking:
        config["thinkingConfig"] = thinking
    return config


def _output(output: OutputFormat, request: Request, target: Target, config: JsonObject, problems: Unexpressed) -> None:
    if request.tools and not target.quirks.effort_levels:
        # 400 "Function calling with a response mime type: 'application/json' is unsupported", up to Gemini 2.5
        problems.cannot("output", "this model takes either tools or an output format")
        return
    config["responseMimeType"] = "application/json"
    if output.kind == "json_schema" and output.schema is not None:
        if target.quirks.json_schema:
            config["responseJsonSchema"] = json_schema(output.schema)
        else:
            problems.cannot("output", "the model takes JSON mode but no schema")

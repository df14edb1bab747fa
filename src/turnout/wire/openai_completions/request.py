"""Legacy completions, the request.

Source: platform.openai.com/docs/api-reference/completions. A prompt becomes one user message where the target only
chats; token ids, several prompts, `suffix`, `echo` and `best_of` travel to servers of the same dialect only.
"""

from __future__ import annotations

from turnout.core.errors import Unsupported
from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect, Target
from turnout.wire import fields
from turnout.wire.codec import Adapted, Vault
from turnout.wire.neutral import Message, Opaque, Part, Request, Text

_KNOWN = frozenset(
    "model prompt max_tokens temperature top_p n stream stream_options logprobs stop presence_penalty "
    "frequency_penalty logit_bias user seed".split()
)


def parse_request(body: JsonObject) -> Request:
    """The neutral request. Raises InvalidField naming the field."""
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else fields.optional_list(body, "stop") or []
    options = fields.optional_object(body, "stream_options") or {}
    extra = {name: value for name, value in body.items() if name not in _KNOWN and value not in (None, False, "")}
    return Request(
        dialect=Dialect.OPENAI_COMPLETIONS,
        model=fields.text(body, "model"),
        messages=(Message("user", (_prompt(body.get("prompt")),)),),
        max_tokens=fields.optional_int(body, "max_tokens", least=0),
        temperature=fields.optional_number(body, "temperature", least=0, most=2),
        top_p=fields.optional_number(body, "top_p", least=0, most=1),
        choices=fields.optional_int(body, "n", least=1) or 1,
        answers=_answers(body),
        stream=bool(fields.optional_flag(body, "stream")),
        stream_usage=bool(fields.optional_flag(options, "include_usage", "stream_options.")),
        logprobs=fields.optional_int(body, "logprobs", least=0) is not None,
        stop=tuple(fields.as_text(item, f"stop[{i}]") for i, item in enumerate(stops)),
        presence_penalty=fields.optional_number(body, "presence_penalty", least=-2, most=2),
        frequency_penalty=fields.optional_number(body, "frequency_penalty", least=-2, most=2),
        logit_bias=fields.optional_object(body, "logit_bias"),
        seed=fields.optional_int(body, "seed"),
        user=fields.optional_text(body, "user"),
        extra=extra,
    )


def _answers(body: JsonObject) -> int:
    """Texts that are written and charged for: for each prompt the best of several, or several."""
    n, best = fields.optional_int(body, "n", least=1) or 1, body.get("best_of")
    prompt = body.get("prompt")
    # An array of numbers is one prompt in tokens.
    prompts = len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1
    return max(n, best if isinstance(best, int) else 1) * prompts


def _prompt(prompt: Json) -> Part:
    if isinstance(prompt, str):
        return Text(text=prompt)
    if prompt is None:
        fields.missing("prompt")
    if not isinstance(prompt, list):
        fields.refuse("prompt", "a string or an array", prompt)
    if len(prompt) == 1 and isinstance(prompt[0], str):
        return Text(text=prompt[0])
    # Several prompts, or token ids.
    return Opaque(dialect=Dialect.OPENAI_COMPLETIONS, kind="prompt array", raw={"prompt": prompt})


def adapt(body: JsonObject, target: Target, vault: Vault) -> Adapted:
    """Nothing to adapt but what the target refuses."""
    del vault
    refused = sorted(name for name in target.quirks.unsupported if body.get(name) is not None)
    for name in refused:
        if name not in target.drop:
            raise Unsupported(f"'{name}' can't be sent: '{target.model}' refuses it.", param=name)
    if not refused:
        return Adapted(body, False)
    return Adapted({name: value for name, value in body.items() if name not in refused}, True, tuple(refused))

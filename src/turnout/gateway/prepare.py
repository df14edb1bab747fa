"""What goes upstream: the caller's own bytes where possible, an edited copy, or a translation.

Three lanes:
- `bytes`: same dialect, nothing to change. The body as it came; only the value of `model` differs, and for a chat
  stream whose caller did not ask for usage, one member more (`stream_options`), without which no usage is ever
  reported. Its extra chunk is taken out of the stream again.
- `edited`: same dialect, and the target has a quirk that this body meets. All other fields are kept.
- `translated`: another dialect, through the neutral request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from turnout.core.errors import Unsupported
from turnout.core.target import Dialect, Target
from turnout.gateway.intake import Intake
from turnout.routing.decision import Candidate
from turnout.wire.body import dump
from turnout.wire.codec import Vault
from turnout.wire.codecs import CODECS
from turnout.wire.splice import insert_first, splice_model

Lane = Literal["bytes", "edited", "translated"]

_ASK_USAGE = b'"stream_options":{"include_usage":true}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A body ready to be sent."""

    target: Target
    body: bytes
    lane: Lane
    dropped: tuple[str, ...] = ()
    hide_usage: bool = False
    """We asked for the usage chunk and the caller did not."""
    rewrite: bool = False
    """The answer must be written anew in the caller's dialect: it is in another one, or calls bridged tools."""


def prepare(intake: Intake, candidate: Candidate, drop: frozenset[str], vault: Vault) -> Prepared:
    """Raises Unsupported where the target can't express the request."""
    target = candidate.deployment.target(candidate.dialect, drop)
    codec = CODECS[candidate.dialect]
    if candidate.dialect is not intake.endpoint.dialect:
        if codec.render_request is None:
            raise Unsupported(f"'{target.model}' can't be called from this endpoint.", param="model")
        rendered = codec.render_request(intake.request, target, vault)
        return Prepared(
            target=target, body=dump(rendered.body), lane="translated", dropped=rendered.dropped, rewrite=True
        )
    if candidate.dialect is Dialect.OPENAI_RESPONSES and intake.body.get("background"):
        raise Unsupported(
            "'background' can't be used here: the answer would stay at the provider, and what it costs with it."
            " Leave it out; a stream is kept alive for as long as the model thinks.",
            param="background",
        )
    assert codec.adapt is not None, "a dialect that callers speak can adapt its own bodies"
    adapted = codec.adapt(intake.body, target, vault)
    hide = _lacks_usage(intake, target)
    if not adapted.changed and not (hide and "stream_options" in intake.body):
        body = intake.raw if intake.request.model == target.model else splice_model(intake.raw, target.model)
        if hide:
            body = insert_first(body, _ASK_USAGE)
        return Prepared(target=target, body=body, lane="bytes", hide_usage=hide)
    edited = {**adapted.body, "model": target.model}
    if hide:
        given = intake.body.get("stream_options")
        edited["stream_options"] = {**(given if isinstance(given, dict) else {}), "include_usage": True}
    return Prepared(
        target=target,
        body=dump(edited),
        lane="edited",
        dropped=adapted.dropped,
        hide_usage=hide,
        # Free-form tools went out as functions; the caller waits for calls of the tools that it sent.
        rewrite=bool(intake.request.custom_tools()) and not target.quirks.custom_tools,
    )


def _lacks_usage(intake: Intake, target: Target) -> bool:
    return (
        intake.endpoint.dialect in (Dialect.OPENAI_CHAT, Dialect.OPENAI_COMPLETIONS)
        and intake.request.stream
        and not intake.request.stream_usage
        and target.quirks.stream_usage
    )

"""The conversation in Gemini's words: `contents` of `user` and `model` turns, and the system instruction.

Rules:
1. Instructions before the first turn are the system instruction; a later one stays where it stands, as a user's turn,
   because Gemini has no place for it and moving it would change what it speaks of.
2. Turns of the same speaker are joined, and the results of parallel calls stand in one turn, as Gemini demands.
3. The first function call of a model's turn must carry its thought signature, or a Gemini 3 model answers 400. A lost
   one is replaced by the value that Google documents for histories made elsewhere; the model then thinks anew.
   https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import orjson

from turnout.core.errors import InvalidField
from turnout.core.json import Json, JsonObject
from turnout.core.target import Target
from turnout.wire.attribution import BILLING_LINE
from turnout.wire.codec import Vault
from turnout.wire.gemini.media import media_part
from turnout.wire.neutral import (
    Media,
    Message,
    Opaque,
    Part,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from turnout.wire.parameters import Unexpressed

LOST_SIGNATURE = "skip_thought_signature_validator"
"""Google's stand-in for a signature that does not exist (see rule 3)."""

_Speaker = Literal["user", "model", "tool"]


class Conversation(NamedTuple):
    """What becomes of the messages."""

    contents: list[Json]
    system: JsonObject | None


def conversation(request: Request, target: Target, vault: Vault, problems: Unexpressed) -> Conversation:
    """Raises Unsupported for parts without a counterpart, InvalidField for a result that answers no call."""
    writer = _Writer(target, vault, problems)
    head = 0
    while head < len(request.messages) and request.messages[head].role in ("system", "developer"):
        head += 1
    instructions: list[Json] = [
        {"text": text} for message in request.messages[:head] for text in _instruction(message, problems)
    ]
    turns: list[tuple[_Speaker, list[Json]]] = []
    for place, message in enumerate(request.messages[head:], head):
        speaker, parts = writer.message(message, place)
        if parts and turns and turns[-1][0] == speaker:
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((speaker, parts))
    system: JsonObject | None = {"parts": instructions} if instructions else None
    if not turns and system is not None:  # Gemini refuses a request without contents
        return Conversation([{"role": "user", **system}], None)
    return Conversation(
        [{"role": "model" if speaker == "model" else "user", "parts": parts} for speaker, parts in turns], system
    )


def _instruction(message: Message, problems: Unexpressed) -> Iterator[str]:
    for part in message.parts:
        if not isinstance(part, Text):
            problems.cannot("messages", "a system instruction holds only text", param="messages")
            continue
        text = part.text
        if text.startswith(BILLING_LINE):
            text = text.partition("\n")[2]
        if text.strip():
            yield text


class _Writer:
    """Writes messages in order; remembers the calls, because Gemini names a result by its function."""

    def __init__(self, target: Target, vault: Vault, problems: Unexpressed) -> None:
        self._target = target
        self._vault = vault
        self._problems = problems
        self._names: dict[str, str] = {}
        self._signs = bool(target.quirks.effort_levels)
        """Gemini 3 and later: the models with thinking levels are those that demand signatures."""

    def message(self, message: Message, place: int) -> tuple[_Speaker, list[Json]]:
        if message.role == "assistant":
            return "model", self._model(message.parts)
        if message.role == "tool":
            return "tool", [part for result in message.parts for part in self._result(result, place)]
        return "user", [written for part in message.parts if (written := self._user(part)) is not None]

    def _user(self, part: Part) -> JsonObject | None:
        match part:
            case Text():
                return {"text": part.text} if part.text else None
            case Media():
                return media_part(part, self._target, self._problems)
            case _:
                return self._no_counterpart(part)

    def _model(self, parts: Sequence[Part]) -> list[Json]:
        out: list[Json] = []
        first = True
        for part in parts:
            match part:
                case Text():
                    if part.text:
                        out.append({"text": part.text})
                case Thinking():
                    if part.signature and part.origin == self._target.provider:
                        out.append({"text": part.text, "thought": True, "thoughtSignature": part.signature})
                case ToolCall():
                    out.append(self._call(part, first=first))
                    first = False
                case Media():
                    if (written := media_part(part, self._target, self._problems)) is not None:
                        out.append(written)
                case _:
                    self._no_counterpart(part)
        return out

    def _call(self, call: ToolCall, *, first: bool) -> JsonObject:
        self._names[call.id] = call.name
        part: JsonObject = {"functionCall": {"id": call.id, "name": call.name, "args": _arguments(call)}}
        signature = self._signature(call) or (LOST_SIGNATURE if first and self._signs else None)
        if signature is not None:
            part["thoughtSignature"] = signature
        return part

    def _signature(self, call: ToolCall) -> str | None:
        """The signature this provider made for the call: from the message, or from the vault."""
        if call.signature and call.origin == self._target.provider:
            return call.signature
        for kept in self._vault(call.id):
            if kept.signature and kept.origin == self._target.provider:
                return kept.signature
        return None

    def _result(self, part: Part, place: int) -> Iterator[JsonObject]:
        if not isinstance(part, ToolResult):
            if (written := self._user(part)) is not None:
                yield written
            return
        name = self._names.get(part.call_id)
        if name is None:
            param = f"messages[{place}]"
            raise InvalidField(
                f"'{param}' answers the tool call '{part.call_id}', which no earlier message makes.", param=param
            )
        text = "".join(each.text for each in part.content if isinstance(each, Text))
        response: JsonObject = {
            "id": part.call_id,
            "name": name,
            "response": {"error" if part.is_error else "output": text},
        }
        media = [media_part(each, self._target, self._problems) for each in part.content if isinstance(each, Media)]
        shown: list[Json] = [each for each in media if each is not None]
        if shown and self._signs:  # media inside a function response came with Gemini 3
            response["parts"] = shown
            shown = []
        yield {"functionResponse": response}
        yield from (each for each in shown if isinstance(each, dict))

    def _no_counterpart(self, part: Part) -> None:
        kind = part.kind if isinstance(part, Opaque) else type(part).__name__
        self._problems.cannot("messages", f"a part of type '{kind}' has no counterpart", param="messages")


def _arguments(call: ToolCall) -> JsonObject:
    """The arguments as an object. Free text, and text that is no JSON object, stands under `input`."""
    if not call.custom:
        try:
            value: Json = orjson.loads(call.arguments or "{}")
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, dict):
            return value
    return {"input": call.arguments}

"""OpenAI Responses, the `input` list: neutral messages to items."""

from __future__ import annotations

import dataclasses

import orjson

from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect, Quirks, Target
from turnout.wire.attribution import BILLING_LINE
from turnout.wire.codec import Vault
from turnout.wire.neutral import Media, Message, Opaque, Part, Request, Text, Thinking, ToolCall, ToolResult
from turnout.wire.openai_responses.items import SYNTHETIC_REASONING, is_content_kind
from turnout.wire.parameters import Unexpressed


def without_billing(message: Message) -> Message:
    """A system message without Claude Code's attribution line, which would spoil any prompt cache but Anthropic's."""
    first = message.parts[0] if message.parts else None
    if not isinstance(first, Text) or not first.text.startswith(BILLING_LINE):
        return message
    rest = first.text.partition("\n")[2]
    head = (dataclasses.replace(first, text=rest),) if rest.strip() else ()
    return Message(message.role, (*head, *message.parts[1:]))


def render_items(
    request: Request, messages: tuple[Message, ...], target: Target, vault: Vault, problems: Unexpressed
) -> list[Json]:
    """The items for `target`, in order."""
    custom = frozenset(
        part.id for message in messages for part in message.parts if isinstance(part, ToolCall) and part.custom
    )
    writer = _Writer(request.dialect, target, vault, problems, custom if target.quirks.custom_tools else frozenset())
    for message in messages:
        writer.message(message)
    return writer.items


class _Writer:
    """Collects the items of one conversation."""

    __slots__ = ("_custom", "_dialect", "_problems", "_target", "_vault", "items")

    def __init__(
        self, dialect: Dialect, target: Target, vault: Vault, problems: Unexpressed, custom: frozenset[str]
    ) -> None:
        self._dialect = dialect
        self._target = target
        self._vault = vault
        self._problems = problems
        self._custom = custom
        """Ids of the calls that are written as custom calls, for their results."""
        self.items: list[Json] = []

    def message(self, message: Message) -> None:
        """Writes one message as one item or as several."""
        if message.role == "assistant":
            self._assistant(message)
            return
        if message.role in ("system", "developer"):
            message = without_billing(message)
        content: list[Json] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._say(message, content)
                self.items.append(self._result(part))
            elif isinstance(part, Opaque) and part.dialect is Dialect.OPENAI_RESPONSES:
                if is_content_kind(part.kind):
                    content.append(dict(part.raw))
                else:
                    self._say(message, content)
                    self.items.append(dict(part.raw))
            else:
                written = self._content(part)
                if written is not None:
                    content.append(written)
        self._say(message, content)

    def _say(self, message: Message, content: list[Json]) -> None:
        if content:
            role = _role(message.role, self._target.quirks)
            said = _plain(content) if role == "assistant" else list(content)
            self.items.append({"type": "message", "role": role, "content": said})
            content.clear()

    def _assistant(self, message: Message) -> None:
        said: list[Json] = []
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        thoughts = [part for part in message.parts if isinstance(part, Thinking) and self._replays(part)]
        kept: list[Thinking] = []
        if not thoughts and calls:
            kept = [part for part in self._vault(calls[0].id) if self._replays(part)]
        for part in message.parts:
            if isinstance(part, Text):
                said.append(_output_text(part))
                continue
            if isinstance(part, Opaque) and part.dialect is Dialect.OPENAI_RESPONSES and is_content_kind(part.kind):
                said.append(dict(part.raw))
                continue
            if isinstance(part, Thinking) and part not in thoughts:
                continue
            self._say(message, said)
            match part:
                case Thinking():
                    self._reasoning(part)
                case ToolCall():
                    for each in kept:
                        self._reasoning(each)
                    kept = []
                    self.items.append(self._call(part))
                case Opaque() if part.dialect is Dialect.OPENAI_RESPONSES:
                    self.items.append(dict(part.raw))
                case _:
                    self._refuse(part)
        self._say(message, said)

    def _replays(self, part: Thinking) -> bool:
        """Its own provider's, or what a Responses client sent back; never what no other server can open."""
        if part.item_id is not None and part.item_id.startswith(SYNTHETIC_REASONING):
            return False
        if part.signature is not None:
            return False
        if part.origin is not None:
            return part.origin == self._target.provider and (part.item_id is not None or part.encrypted is not None)
        known = part.encrypted is not None or part.item_id is not None
        return self._dialect is Dialect.OPENAI_RESPONSES and known

    def _reasoning(self, part: Thinking) -> None:
        """OpenAI seals the reasoning and shows a summary; other servers show the reasoning and seal nothing."""
        last = self.items[-1] if self.items else None
        as_summary = part.summary or part.encrypted is not None
        texts: list[Json] = []
        if part.text:
            texts.append({"type": "summary_text" if as_summary else "reasoning_text", "text": part.text})
        same = isinstance(last, dict) and last.get("type") == "reasoning" and last.get("id") == part.item_id
        if same and part.item_id is not None and isinstance(last, dict):
            # The second half of an item with both a summary and the reasoning itself.
            if texts:
                last["content"] = [{"type": "reasoning_text", "text": part.text}]
            if part.encrypted is not None:
                last["encrypted_content"] = part.encrypted
            return
        item: JsonObject = {"type": "reasoning", "summary": texts if as_summary else []}
        if part.item_id is not None:
            item["id"] = part.item_id
        if texts and not as_summary:
            item["content"] = texts
        if part.encrypted is not None:
            item["encrypted_content"] = part.encrypted
        self.items.append(item)

    def _call(self, call: ToolCall) -> JsonObject:
        if call.custom and self._target.quirks.custom_tools:
            return {"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": call.arguments}
        arguments = orjson.dumps({"input": call.arguments}).decode() if call.custom else call.arguments or "{}"
        return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}

    def _result(self, result: ToolResult) -> JsonObject:
        custom = result.call_id in self._custom
        texts = [part.text for part in result.content if isinstance(part, Text)]
        output: Json
        if len(texts) == len(result.content) and len(texts) <= 1:
            output = "".join(texts)
        else:
            output = [part for part in (self._content(each) for each in result.content) if part is not None]
        kind = "custom_tool_call_output" if custom else "function_call_output"
        return {"type": kind, "call_id": result.call_id, "output": output}

    def _content(self, part: Part) -> JsonObject | None:
        if isinstance(part, Text):
            return {"type": "input_text", "text": part.text}
        if isinstance(part, Media):
            return self._media(part)
        if not isinstance(part, Thinking):
            self._refuse(part)
        return None

    def _media(self, part: Media) -> JsonObject | None:
        data_url = f"data:{part.media_type or 'application/octet-stream'};base64,{part.data}" if part.data else None
        own_file = part.file_id if self._dialect is Dialect.OPENAI_RESPONSES else None
        if part.kind == "image" and self._target.quirks.images and (part.url or data_url or own_file):
            image: JsonObject = {"type": "input_image", "detail": part.detail or "auto"}
            image.update({"file_id": own_file} if own_file else {"image_url": part.url or data_url})
            return image
        if part.kind == "audio" and part.data:
            form = (part.media_type or "audio/wav").removeprefix("audio/")
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": form}}
        if part.kind == "document" and (part.url or data_url or own_file):
            if own_file:
                return {"type": "input_file", "file_id": own_file}
            if part.url:
                return {"type": "input_file", "file_url": part.url}
            data = data_url if part.media_type else part.data
            return {"type": "input_file", "file_data": data, "filename": part.name or "document.pdf"}
        self._refuse(part)
        return None

    def _refuse(self, part: Part) -> None:
        where = "input" if self._dialect is Dialect.OPENAI_RESPONSES else "messages"
        what = part.kind if isinstance(part, Opaque | Media) else type(part).__name__
        why = f"a part of type '{what}' has no counterpart at '{self._target.model}'"
        self._problems.cannot(where, why, param=where)


def _role(role: str, quirks: Quirks) -> str:
    if role in ("system", "developer") and role not in quirks.system_roles:
        return quirks.system_roles[0]
    return "user" if role == "tool" else role


def _plain(content: list[Json]) -> Json:
    """Words alone as one text. As parts, strict servers take them only with an id and a status, which a history made
    elsewhere does not have (https://github.com/openai/codex/issues/12669)."""
    words: list[str] = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "output_text" or part.get("annotations"):
            return list(content)
        words.append(str(part["text"]))
    return "".join(words)


def _output_text(part: Text) -> JsonObject:
    if part.refusal:
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "text": part.text, "annotations": [dict(each) for each in part.annotations]}

"""What a prompt is made of: one of a few classes that matter for how many tokens it becomes.

A tokenizer makes 4.5 letters of English prose a token, 3 of JSON, 1.5 of Chinese; so a ratio between two counters is
only as good as the knowledge of what was counted. The class is guessed by counting bytes in a bounded sample. It says
nothing of the subject, and a wrong guess costs accuracy, not correctness. Tool definitions and media are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from turnout.wire.neutral import Message, Part, Request, Text, Thinking, ToolCall, ToolResult

ContentClass = Literal["prose", "code", "structured", "cjk", "other_script", "mixed"]
CONTENT_CLASSES: tuple[ContentClass, ...] = get_args(ContentClass)
"""`structured` is JSON, markup, tables, numbers; `cjk` Chinese, Japanese, Korean; `other_script` any other script but
Latin; `mixed` several of these, or Latin letters with many accents (Vietnamese)."""

_WINDOWS, _WINDOW = 8, 256
"""Slices of a long prompt that are looked at, and their letters."""
_MOST_PARTS = 64
"""Parts of a long conversation that are looked at: the first half of them and the last."""

# Lead bytes of UTF-8. What is not named here is punctuation, an accent or an emoji.
_CJK = bytes(range(0xE3, 0xEE))
_OTHER = bytes((*range(0xCD, 0xE0), 0xE0))
_NOT_PROSE = b'"#$%&()*+/;<=>@[\\]^_{|}~\t'
_STRUCTURE = b'":,<>|{}[]0123456789'
_CODE = b"()=_;.*#&!+"


def content_class(request: Request) -> ContentClass:
    """The class of a request's prompt. An empty prompt is prose."""
    return text_class(_sample(_texts(request)))


def text_class(text: str) -> ContentClass:
    """The class of a text; of a long one by slices of it."""
    sample = text if len(text) <= _WINDOWS * _WINDOW else _slices((text,), len(text))
    if sample.isascii():
        return _ascii_class(sample.encode())
    encoded = sample.encode("utf-8", "surrogatepass")
    ascii_only = sample.encode("ascii", "ignore")
    foreign = len(sample) - len(ascii_only)
    # Shares of the tokens that the neutral counter sees, not of the letters: that is what a ratio is applied to.
    tokens = len(ascii_only) / 4 + foreign
    if foreign < 0.3 * tokens:
        return _ascii_class(ascii_only)
    if _count(encoded, _CJK) > 0.6 * tokens:
        return "cjk"
    return "other_script" if _count(encoded, _OTHER) > 0.6 * tokens else "mixed"


def _ascii_class(text: bytes) -> ContentClass:
    dense = text.translate(None, b" \r\n")
    if not dense:
        return "prose"
    # The bounds were fitted to labelled texts of 4,000 letters: of 691 they put 90 % into their class.
    if _count(dense, _NOT_PROSE) + _count(dense, b"0123456789") / 2 < 0.07 * len(dense):
        return "prose"
    return "structured" if _count(dense, _STRUCTURE) > 2 * _count(dense, _CODE) else "code"


def _count(text: bytes, kinds: bytes) -> int:
    return len(text) - len(text.translate(None, kinds))


def _sample(texts: Iterable[str]) -> str:
    pieces = tuple(texts)
    total = sum(map(len, pieces))
    return "\n".join(pieces) if total <= _WINDOWS * _WINDOW else _slices(pieces, total)


def _slices(texts: tuple[str, ...], total: int) -> str:
    """Slices at even distances through the texts as if they were one."""
    step = total / _WINDOWS
    found: list[str] = []
    begin, wanted = 0, step / 2
    for text in texts:
        end = begin + len(text)
        while wanted < end:
            at = max(0, int(wanted) - begin - _WINDOW // 2)
            found.append(text[at : at + _WINDOW])
            wanted += step
        begin = end
    return "\n".join(found)


def _texts(request: Request) -> Iterator[str]:
    messages = request.messages
    if len(messages) > _MOST_PARTS:
        half = _MOST_PARTS // 2
        messages = (*messages[:half], *messages[-half:])
    for message in messages:
        yield from _of_message(message)


def _of_message(message: Message) -> Iterator[str]:
    for part in message.parts[:_MOST_PARTS]:
        yield from _of_part(part)


def _of_part(part: Part) -> Iterator[str]:
    match part:
        case Text(text=text) | Thinking(text=text):
            yield text
        case ToolCall():
            yield part.arguments
        case ToolResult():
            for each in part.content:
                yield from _of_part(each)
        case _:
            pass

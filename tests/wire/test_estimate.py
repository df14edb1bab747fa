"""The neutral token counter."""

from __future__ import annotations

import pytest

from turnout.core.target import Dialect
from turnout.wire.estimate import (
    MEDIA_TOKENS,
    MESSAGE_TOKENS,
    NEUTRAL,
    Meter,
    answer_tokens,
    request_tokens,
    text_tokens,
)
from turnout.wire.neutral import (
    HostedTool,
    Media,
    Message,
    Opaque,
    OutputFormat,
    Part,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)

EMPTY = Request(dialect=Dialect.OPENAI_CHAT, model="m", messages=())


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("日本", 2), ("ab日本cd", 3), ("🌍", 1), ("é" * 10, 10)],
)
def test_text(text: str, tokens: int) -> None:
    """Four ASCII characters are one token, any other character is one."""
    assert text_tokens(text) == tokens


LONG = "word " * 400  # 500 tokens
PARTS: list[Part] = [
    Text(text=LONG),
    Thinking(text=LONG),
    ToolCall(id="c", name="f", arguments=LONG),
    ToolResult(call_id="c", content=(Text(text=LONG),)),
    Opaque(dialect=Dialect.ANTHROPIC, kind="x", raw={"type": "x", "text": LONG}),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_every_part_counts(part: Part) -> None:
    """Nothing that reaches the model is free (a count of text blocks alone ends in a deadlock)."""
    request = Request(dialect=Dialect.OPENAI_CHAT, model="m", messages=(Message("user", (part,)),))

    assert 500 <= request_tokens(request) - MESSAGE_TOKENS <= 520
    assert answer_tokens([part]) >= 500


@pytest.mark.parametrize(
    "part",
    [
        Media(kind="image", url="https://x/y.png"),
        Media(kind="image", data="A" * 10),
        Media(kind="document", file_id="f"),
        ToolResult(call_id="c", content=(Media(kind="image", data="A"),)),
    ],
)
def test_media_count_as_a_large_image(part: Part) -> None:
    """An image is never estimated by the length of its base64."""
    assert answer_tokens([part]) >= MEDIA_TOKENS
    assert answer_tokens([part]) < MEDIA_TOKENS + 10


def test_a_long_inline_document_counts_by_its_size() -> None:
    """A megabyte of document is more than one image."""
    assert answer_tokens([Media(kind="document", data="A" * 1_200_000)]) == 100_000


def test_tools_and_schemas_count() -> None:
    """Definitions of tools and of the answer are part of the prompt."""
    schema = {"type": "object", "description": LONG}
    tools = (
        Tool(name="f", description=LONG, parameters=dict(schema)),
        HostedTool(dialect=Dialect.OPENAI_RESPONSES, kind="web_search", raw={"type": LONG}),
    )
    request = Request(
        dialect=Dialect.OPENAI_CHAT,
        model="m",
        messages=(),
        tools=tools,
        output=OutputFormat(kind="json_schema", schema=dict(schema)),
    )

    assert request_tokens(request) > 4 * 500
    assert request_tokens(EMPTY) == 0


def test_another_meter_counts_the_texts_and_leaves_the_frame() -> None:
    """Only texts and JSON are counted otherwise; what stands around them costs the same."""
    messages = (Message("user", (Text(text=LONG), ToolCall(id="c", name="f", arguments=LONG))),)
    tools = (Tool(name="f", description=LONG, parameters={"type": "object"}),)
    request = Request(dialect=Dialect.OPENAI_CHAT, model="m", messages=messages, tools=tools)

    assert request_tokens(request, Meter(lambda text: 10, lambda raw: 100)) == 2 * MESSAGE_TOKENS + 5 * 10 + 100
    assert request_tokens(request, NEUTRAL) == request_tokens(request)

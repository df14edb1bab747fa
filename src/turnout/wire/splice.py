"""Changes to a JSON body that leave every other byte alone.

A provider's signatures and prompt caches depend on the bytes as the client wrote them, so a body that stays in its
dialect is never parsed and dumped again: the value of the top-level `model` is replaced in place.
"""

from __future__ import annotations

import re

import orjson

# A JSON string, or one structural character. Everything between (white space, numbers, literals) is passed over.
# The possessive form never goes back over a long prompt: 400 KB in 0.9 ms instead of 6.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb"|[{}\[\]:,]", re.DOTALL)
_FAST = re.compile(rb'\s*\{\s*"model"\s*:\s*(' + _STRING + rb")", re.DOTALL)


def model_span(body: bytes) -> tuple[int, int] | None:
    """Where the value of the top-level `model` stands (the last one, which is the one that parsers keep)."""
    found: tuple[int, int] | None = None
    if body.count(b'"model"') == 1 and (fast := _FAST.match(body)):
        return fast.span(1)
    depth = 0
    key: bytes | None = None
    expect_key = False
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first == 0x22:  # a string
            if depth == 1 and expect_key:
                key, expect_key = token.group(), False
            elif depth == 1 and key is not None and _is_model(key):
                found, key = token.span(), None
        elif first in b"{[":
            depth += 1
            expect_key = depth == 1 and first == 0x7B
            key = None if depth > 1 else key
        elif first in b"}]":
            depth -= 1
        elif first == 0x2C and depth == 1:  # a comma
            expect_key, key = True, None
    return found


def _is_model(key: bytes) -> bool:
    return key == b'"model"' or (b"\\" in key and orjson.loads(key) == "model")


def splice_model(body: bytes, model: str) -> bytes:
    """`body` with another model name and every other byte as it was. `body` is a JSON object with a model."""
    span = model_span(body)
    assert span is not None, "the body was parsed and has a model, so its bytes have one too"
    return body[: span[0]] + orjson.dumps(model) + body[span[1] :]


def insert_first(body: bytes, member: bytes) -> bytes:
    """`body` with one more member at the head of the object; `member` is `"key":value` bytes."""
    brace = body.index(b"{")
    rest = body[brace + 1 :]
    comma = b"" if rest.lstrip()[:1] == b"}" else b","
    return body[: brace + 1] + member + comma + rest

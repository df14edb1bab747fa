"""Embeddings."""

from __future__ import annotations

import pytest

from turnout.core.errors import InvalidField, UpstreamBroken
from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect, Target
from turnout.wire.codec import no_vault
from turnout.wire.estimate import request_tokens
from turnout.wire.neutral import Opaque, Text
from turnout.wire.openai_embeddings import CODEC, parse_request, parse_response

TARGET = Target(model="m", provider="acme", dialect=Dialect.OPENAI_EMBEDDINGS)


@pytest.mark.parametrize(
    ("given", "kinds", "tokens"),
    [
        ("abcd" * 100, [Text], 100),
        (["abcd", "efgh"], [Text, Text], 2),
        ([1, 2, 3], [Opaque], 1),
        ([[1, 2], [3]], [Opaque], 1),
    ],
)
def test_inputs(given: Json, kinds: list[type], tokens: int) -> None:
    """Each form of input is read and counts."""
    request = parse_request({"model": "m", "input": given})

    assert [type(part) for part in request.messages[0].parts] == kinds
    assert request_tokens(request) >= tokens


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": [True]}, "input"),
        ({"input": [None]}, "input"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"encoding_format": 5}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"model": 1}, "model"),
        ({"user": 1}, "user"),
    ],
)
def test_bad_fields_are_named(fields: JsonObject, param: str) -> None:
    """A wrong field is a 400 that names it."""
    with pytest.raises(InvalidField) as raised:
        parse_request({"model": "m", "input": "x", **fields})
    assert raised.value.param == param


def test_usage_is_read() -> None:
    """The vectors stay where they are; the counts are read."""
    body: JsonObject = {"data": [{"embedding": [0.1]}], "model": "e", "usage": {"prompt_tokens": 8, "total_tokens": 8}}
    response = parse_response(body, TARGET)

    assert response.usage is not None
    assert (response.model, response.usage.input_tokens, response.usage.output_tokens) == ("e", 8, None)


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": {}}, {"error": {"message": "x"}}])
def test_no_embedding_is_broken(body: JsonObject) -> None:
    """A 200 without a vector is the provider's fault."""
    with pytest.raises(UpstreamBroken):
        parse_response(body, TARGET)


def test_the_body_is_left_alone() -> None:
    """The dialect is never translated; the body goes through as it is."""
    body: JsonObject = {"model": "m", "input": "x", "input_type": "query"}

    assert CODEC.adapt is not None and CODEC.adapt(body, TARGET, no_vault).body is body
    assert CODEC.render_request is None

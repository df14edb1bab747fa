"""Only the bytes of the model's value change."""

import hashlib
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.wire.splice import insert_first, model_span, splice_model

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("model"), inner, max_size=4),
    max_leaves=20,
)


def _digest(body: bytes, span: tuple[int, int]) -> str:
    return hashlib.sha256(body[: span[0]] + b"|" + body[span[1] :]).hexdigest()


@given(
    before=st.dictionaries(st.text().filter(lambda k: k != "model"), _json, max_size=4),
    after=st.dictionaries(st.text().filter(lambda k: k != "model"), _json, max_size=4),
    model=st.text(),
    new=st.text(),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
)
def test_everything_but_the_model_keeps_its_hash(before, after, model, new, indent, ascii_only):
    """Whatever the layout, all bytes outside the model's value are the same before and after."""
    body = json.dumps({**before, "model": model, **after}, indent=indent, ensure_ascii=ascii_only).encode(
        "utf-8", "surrogatepass"
    )
    spliced = splice_model(body, new)

    old_span, new_span = model_span(body), model_span(spliced)
    assert old_span is not None and new_span is not None
    assert _digest(spliced, new_span) == _digest(body, old_span)
    assert orjson.loads(spliced[new_span[0] : new_span[1]]) == new


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"model":"no"}],"model":"a"}',
        b'{"metadata":{"model":"no"},"model" : "a" }',
        b'{"x":"\\"model\\":\\"no\\"","model":"a"}',
        b'{"mo\\u0064el":"a"}',
        b'{"model":"first","model":"a"}',
        b' {\n "model"\t:\r\n"a"}',
        b'{"x":"model","model":"a"}',
        b'{"x":["model"],"model":"a","y":{"model":1}}',
    ],
)
def test_the_value_that_a_parser_keeps_is_the_one_replaced(body):
    """Look-alikes in strings and nested objects are left alone, escaped keys and duplicates are seen."""
    span = model_span(body)
    assert span is not None
    assert body[slice(*span)] == b'"a"'
    assert orjson.loads(splice_model(body, 'b"\\'))["model"] == 'b"\\'


@pytest.mark.parametrize(("body", "expected"), [(b"{ }", b'{"a":1 }'), (b' {"b":2}', b' {"a":1,"b":2}')])
def test_a_member_can_be_put_at_the_head(body, expected):
    """The other bytes keep their places."""
    assert insert_first(body, b'"a":1') == expected

"""The text of virtual keys."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from turnout.core.keyformat import KEY_LENGTH, mint, parse

octets = st.binary(min_size=40, max_size=40)


def source(data: bytes):
    return lambda count: data[:count]


@given(octets)
def test_what_is_minted_is_parsed(data: bytes) -> None:
    """A minted key parses to its own id, has the stated length and hides its text from repr."""
    key = mint(source(data))
    parsed = parse(key.text)

    assert parsed is not None
    assert (key.id, key.text) == (parsed.id, parsed.text)
    assert len(key.text) == KEY_LENGTH
    assert key.text not in repr(key) + repr(parsed)


@given(octets, st.integers(0, KEY_LENGTH - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_any_one_wrong_letter_is_caught(data: bytes, place: int, letter: str) -> None:
    """A key with one letter changed does not parse."""
    text = mint(source(data)).text
    wrong = text[:place] + letter + text[place + 1 :]

    assert (parse(wrong) is None) == (wrong != text)


@given(octets, st.integers(0, KEY_LENGTH - 1))
def test_a_cut_key_is_caught(data: bytes, end: int) -> None:
    """A key that lost its end does not parse."""
    assert parse(mint(source(data)).text[:end]) is None


@given(st.text(max_size=KEY_LENGTH + 4))
def test_other_texts_are_no_keys(text: str) -> None:
    """Arbitrary text parses to None and raises nothing."""
    assert parse(text) is None


def test_a_new_secret_keeps_the_id() -> None:
    """Minting for an existing id changes only the secret."""
    first = mint(os.urandom)
    second = mint(os.urandom, key_id=first.id)

    assert first.id == second.id
    assert first.text != second.text


def test_all_256_bits_reach_the_text() -> None:
    """Keys whose random bytes differ in one bit differ, up to the highest."""
    low = mint(lambda count: bytes(count)).text
    high = mint(lambda count: b"\x80" + bytes(count - 1) if count == 32 else bytes(count)).text
    full = mint(lambda count: b"\xff" * count).text

    assert len({low, high, full}) == 3

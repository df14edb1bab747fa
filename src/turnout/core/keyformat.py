"""The text of a virtual key: `tn_<id>_<secret>_<check>`. Knows nothing of who may do what.

- `tn_` lets secret scanners find a leaked key.
- `id`: 12 letters, public, safe to log; the row is found by it.
- `secret`: 43 letters that hold 256 random bits.
- `check`: CRC-32 of all before it in 6 letters, so that a typo or a cut is told from an unknown key without a look-up.

The layout follows GitHub's: https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from turnout.core.ids import RandomBytes

PREFIX = "tn_"
ID_LETTERS = 12
SECRET_LETTERS = 43
CHECK_LETTERS = 6
KEY_LENGTH = len(PREFIX) + ID_LETTERS + 1 + SECRET_LETTERS + 1 + CHECK_LETTERS

_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's, lower case: no letters that look alike in the public part
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(
    rf"tn_[{_BASE32}]{{{ID_LETTERS}}}_[0-9A-Za-z]{{{SECRET_LETTERS}}}_[0-9A-Za-z]{{{CHECK_LETTERS}}}", re.ASCII
)
_ID_END = len(PREFIX) + ID_LETTERS
_BODY_END = KEY_LENGTH - CHECK_LETTERS - 1


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key. `text` is shown once and never stored."""

    id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A text that has the shape and the checksum of a key; it may still be nobody's."""

    id: str
    text: str = field(repr=False)


def mint(random_bytes: RandomBytes, *, key_id: str | None = None) -> MintedKey:
    """A new key; with `key_id`, a new secret for a key that exists."""
    public = key_id or _letters(int.from_bytes(random_bytes(8), "big") >> 4, _BASE32, ID_LETTERS)
    secret = _letters(int.from_bytes(random_bytes(32), "big"), _BASE62, SECRET_LETTERS)
    body = f"{PREFIX}{public}_{secret}"
    return MintedKey(public, f"{body}_{_check(body)}")


def parse(text: str) -> ParsedKey | None:
    """The key in `text`, or None where shape or checksum is wrong."""
    if len(text) != KEY_LENGTH or _SHAPE.fullmatch(text) is None:
        return None
    if _check(text[:_BODY_END]) != text[_BODY_END + 1 :]:
        return None
    return ParsedKey(text[len(PREFIX) : _ID_END], text)


def _check(body: str) -> str:
    return _letters(zlib.crc32(body.encode("ascii")), _BASE62, CHECK_LETTERS)


def _letters(value: int, alphabet: str, length: int) -> str:
    letters: list[str] = []
    base = len(alphabet)
    for _ in range(length):
        value, digit = divmod(value, base)
        letters.append(alphabet[digit])
    return "".join(reversed(letters))

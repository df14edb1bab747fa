"""All keys in memory, so that no request waits for the database, and keys go on working while it is down.

Nothing is remembered of a credential that fails, so a flood of bad ones costs no memory.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from turnout.core.errors import ConfigError
from turnout.core.keyformat import PREFIX, parse
from turnout.core.secret import Secret
from turnout.ledger.keys import KeyRow, KeySpec, digest

MIN_STATIC = 20
"""Shortest text of a static key that is not of our own format."""

Refusal = Literal["malformed", "unknown", "expired", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticKey:
    """A key from the settings: its text is in an environment variable, not in the database."""

    secret: Secret
    spec: KeySpec


@dataclass(frozen=True, slots=True)
class KnownKey:
    """Whose a verified credential is."""

    id: str
    spec: KeySpec


class KeyRing:
    """Verifies credentials. Owned by the event loop; change it there, after the database has committed."""

    def __init__(self, pepper: Secret, rows: Iterable[KeyRow] = (), static: Iterable[StaticKey] = ()) -> None:
        """Raises ConfigError where a static key is short or a broken tn_ key."""
        self._pepper = pepper
        self._rows: dict[str, tuple[KeyRow, KnownKey]]
        self.version = ""
        """Of the rows, as `keys_version` tells it; empty before it was first asked."""
        self._static: dict[bytes, KnownKey] = {}
        self.replace_rows(rows)
        self.replace_static(static)

    def replace_static(self, static: Iterable[StaticKey]) -> None:
        """Takes over the settings' keys, whole. Raises ConfigError, and then the old ones stay."""
        before, self._static = self._static, {}
        try:
            for key in static:
                self._add_static(key)
        except ConfigError:
            self._static = before
            raise

    def replace_rows(self, rows: Iterable[KeyRow]) -> None:
        """Takes over the stored keys, whole: another process may have changed any of them."""
        self._rows = {row.id: (row, KnownKey(row.id, row.spec)) for row in rows}

    def put(self, row: KeyRow) -> None:
        """Takes over a new, changed or revoked key. The next request sees it."""
        self._rows[row.id] = (row, KnownKey(row.id, row.spec))

    def find(self, credential: str, now: datetime) -> KnownKey | Refusal:
        """Whose the credential is, or why it is refused. `expired` and `revoked` are said only to who has the whole
        text of such a key, so that they tell nobody else that it exists."""
        found = digest(self._pepper, credential)
        static = self._static.get(found)
        if static is not None:
            return static
        parsed = parse(credential)
        if parsed is None:
            return "malformed"
        held = self._rows.get(parsed.id)
        if held is None:
            hmac.compare_digest(found, found)  # an unknown id costs what a known one costs
            return "unknown"
        row, known = held
        if not hmac.compare_digest(found, row.hash) and not _was(row, found, now):
            return "unknown"
        state = row.state(now)
        return known if state == "active" else state

    def _add_static(self, key: StaticKey) -> None:
        text = key.secret.reveal()
        parsed = parse(text)
        if parsed is None and text.startswith(PREFIX):
            raise ConfigError(
                f"The key '{key.spec.name}' begins with {PREFIX} and its checksum is wrong: it was cut or mistyped."
            )
        if parsed is None and (len(text) < MIN_STATIC or not text.isascii() or text != text.strip()):
            raise ConfigError(
                f"The key '{key.spec.name}' needs {MIN_STATIC} or more ASCII characters without blanks around them."
                " Use a random one: `turnout keys create` makes them."
            )
        known = KnownKey(parsed.id if parsed else key.spec.name, key.spec)
        self._static[digest(self._pepper, text)] = known


def _was(row: KeyRow, found: bytes, now: datetime) -> bool:
    """Whether the hash is that of the text before the last rotation, within its grace."""
    if row.old_hash is None or row.old_until is None or row.old_until <= now:
        return False
    return hmac.compare_digest(found, row.old_hash)

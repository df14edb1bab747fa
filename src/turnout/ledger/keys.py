"""Virtual keys as rows: made, listed, revoked, given a new secret. The text of a key is never stored.

What is stored is HMAC-SHA256(pepper, text). A slow hash would add nothing: the secret is 256 random bits, and argon2
on the request path is a denial of service of one's own making.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import orjson

from turnout.core.errors import InvalidField, NotFound
from turnout.core.ids import RandomBytes
from turnout.core.json import JsonMap, JsonObject
from turnout.core.keyformat import mint
from turnout.core.secret import Secret
from turnout.ledger import audit, statements
from turnout.ledger.rows import from_ms, to_ms
from turnout.ledger.store import Store

Role = Literal["user", "admin"]

LABEL = re.compile(r"[\w.:/@-]{1,64}")
"""Tags and teams: no comma, which parts them in records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpec:
    """What a key is to allow. None for a limit means no limit; None for `routes` means all."""

    name: str
    role: Role = "user"
    routes: tuple[str, ...] | None = None
    rpm: int | None = None
    """Requests a minute."""
    tpm: int | None = None
    """Tokens a minute, input and output together."""
    concurrency: int | None = None
    """Requests at the same time."""
    expires_at: datetime | None = None
    tags: tuple[str, ...] = ()
    team: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= 100:
            raise InvalidField("A key's name has 1 to 100 characters.", param="name")
        for param, value in (("rpm", self.rpm), ("tpm", self.tpm), ("concurrency", self.concurrency)):
            if value is not None and not 1 <= value <= 1_000_000_000_000:
                raise InvalidField(f"`{param}` is {value}; it must be at least 1, or absent for no limit.", param=param)
        for param, texts in (("tags", self.tags), ("team", (self.team,) if self.team else ())):
            if any(not LABEL.fullmatch(text) for text in texts) or len(texts) > 20:
                raise InvalidField(
                    f"`{param}` takes names of 1 to 64 letters, digits and `._:/@-`; at most 20.", param=param
                )
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise InvalidField("`expires_at` needs a time zone, such as 2027-01-31T00:00:00Z.", param="expires_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A stored key."""

    id: str
    hash: bytes
    old_hash: bytes | None
    """Of the text before the last rotation, good until `old_until`."""
    old_until: datetime | None
    spec: KeySpec
    created_at: datetime
    revoked_at: datetime | None

    def state(self, now: datetime) -> Literal["active", "expired", "revoked"]:
        if self.revoked_at is not None:
            return "revoked"
        if self.spec.expires_at is not None and self.spec.expires_at <= now:
            return "expired"
        return "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A key just made or rotated, with its text: the only time that it can be shown."""

    row: KeyRow
    text: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMaker:
    """What every change of keys needs: the pepper, randomness, the hour and who asks."""

    pepper: Secret
    random_bytes: RandomBytes
    now: datetime
    actor: str

    def create(self, store: Store, spec: KeySpec) -> Issued:
        """Stores a new key."""
        minted = mint(self.random_bytes)
        row = KeyRow(
            id=minted.id,
            hash=digest(self.pepper, minted.text),
            old_hash=None,
            old_until=None,
            spec=spec,
            created_at=self.now,
            revoked_at=None,
        )
        store.execute(statements.INSERT_KEY, _values(row))
        self._note(store, "key.create", row.id, spec_to_json(spec))
        return Issued(row=_find(store, row.id), text=Secret(minted.text))

    def revoke(self, store: Store, key_id: str) -> KeyRow:
        """Takes a key out of use, at once and for good. Raises NotFound. Revoking it again changes nothing."""
        _find(store, key_id)
        if store.execute(statements.REVOKE_KEY, (to_ms(self.now), key_id)).rowcount:
            self._note(store, "key.revoke", key_id, {})
        return _find(store, key_id)

    def rotate(self, store: Store, key_id: str, grace: timedelta = timedelta(0)) -> Issued:
        """Gives the key a new text and keeps its id, name and limits; the old text works for `grace` more.
        Raises NotFound, or InvalidField when the key is revoked."""
        row = _find(store, key_id)
        if row.revoked_at is not None:
            raise InvalidField(f"The key {key_id} is revoked and stays so. Create a new one.", param="id")
        minted = mint(self.random_bytes, key_id=key_id)
        keeps = grace > timedelta(0)
        old = (row.hash, to_ms(self.now + grace)) if keeps else (None, None)
        store.execute(statements.ROTATE_KEY, (digest(self.pepper, minted.text), *old, key_id))
        self._note(store, "key.rotate", key_id, {"grace_seconds": int(grace.total_seconds())})
        return Issued(row=_find(store, key_id), text=Secret(minted.text))

    def _note(self, store: Store, action: str, key_id: str, detail: JsonObject) -> None:
        entry = audit.AuditEntry(at=self.now, actor=self.actor, action=action, object=key_id, detail=detail)
        audit.append(store, entry)
        store.execute(statements.BUMP_KEYS_VERSION)


def list_keys(store: Store) -> list[KeyRow]:
    """All keys, oldest first, the revoked ones too."""
    return [_row(values) for values in store.execute(statements.SELECT_KEYS)]


def keys_version(store: Store) -> str:
    """Another text after every change of keys, whichever process made it."""
    row = store.execute(statements.SELECT_META, ("keys_version",)).fetchone()
    return str(row[0]) if row else ""


def digest(pepper: Secret, text: str) -> bytes:
    """What is stored of a key's text."""
    return hmac.digest(pepper.reveal().encode(), text.encode("utf-8", "surrogatepass"), "sha256")


# ---- JSON, the same on the admin API and on the command line ---------------------------------


def spec_to_json(spec: KeySpec) -> JsonObject:
    return {
        "name": spec.name,
        "role": spec.role,
        "routes": list(spec.routes) if spec.routes is not None else None,
        "rpm": spec.rpm,
        "tpm": spec.tpm,
        "concurrency": spec.concurrency,
        "expires_at": _iso(spec.expires_at),
        "tags": list(spec.tags),
        "team": spec.team or None,
    }


def row_to_json(row: KeyRow, now: datetime) -> JsonObject:
    """A key as the admin API and `--json` show it. No hash."""
    shown: JsonObject = {"id": row.id, "state": row.state(now)}
    shown.update(spec_to_json(row.spec))
    shown.update(created_at=_iso(row.created_at), revoked_at=_iso(row.revoked_at), old_secret_until=_iso(row.old_until))
    return shown


def issued_to_json(issued: Issued, now: datetime) -> JsonObject:
    """As `row_to_json`, with the text in `key`."""
    return {"key": issued.text.reveal(), **row_to_json(issued.row, now)}


def spec_from_json(body: JsonMap) -> KeySpec:
    """Reads the body of `POST /admin/keys`. Raises InvalidField; unknown fields are errors."""
    unknown = sorted(set(body) - {"name", "role", "routes", "rpm", "tpm", "concurrency", "expires_at", "tags", "team"})
    if unknown:
        raise InvalidField(f"A key has no field `{unknown[0]}`.", param=unknown[0])
    name = body.get("name")
    if not isinstance(name, str):
        raise InvalidField("A key needs a `name`, a string.", param="name")
    return KeySpec(
        name=name,
        role=_role(body),
        routes=_strings(body, "routes"),
        rpm=_count(body, "rpm"),
        tpm=_count(body, "tpm"),
        concurrency=_count(body, "concurrency"),
        expires_at=_instant(body, "expires_at"),
        tags=_strings(body, "tags") or (),
        team=_team(body),
    )


def _team(body: JsonMap) -> str:
    value = body.get("team")
    if value is not None and not isinstance(value, str):
        raise InvalidField("`team` is a string.", param="team")
    return value or ""


def _role(body: JsonMap) -> Role:
    match body.get("role", "user"):
        case "user":
            return "user"
        case "admin":
            return "admin"
        case _:
            raise InvalidField("`role` is `user` or `admin`.", param="role")


def _strings(body: JsonMap, param: str) -> tuple[str, ...] | None:
    value = body.get(param)
    if value is None:
        return None
    if not isinstance(value, list):
        raise InvalidField(f"`{param}` is a list of strings.", param=param)
    found = tuple(item for item in value if isinstance(item, str))
    if len(found) != len(value):
        raise InvalidField(f"`{param}` is a list of strings.", param=param)
    return found


def _count(body: JsonMap, param: str) -> int | None:
    value = body.get(param)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise InvalidField(f"`{param}` is a whole number.", param=param)


def _instant(body: JsonMap, param: str) -> datetime | None:
    value = body.get(param)
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise InvalidField(f"`{param}` is a time such as 2027-01-31T00:00:00Z.", param=param) from None


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ---- rows ------------------------------------------------------------------------------------

_Values = tuple[
    str, bytes, bytes | None, int | None, str, Role, str | None,
    int | None, int | None, int | None, int, int | None, int | None, str, str,
]  # fmt: skip


def _values(row: KeyRow) -> _Values:
    spec = row.spec
    return (
        row.id,
        row.hash,
        row.old_hash,
        _ms(row.old_until),
        spec.name,
        spec.role,
        None if spec.routes is None else orjson.dumps(spec.routes).decode(),
        spec.rpm,
        spec.tpm,
        spec.concurrency,
        to_ms(row.created_at),
        _ms(spec.expires_at),
        _ms(row.revoked_at),
        orjson.dumps(spec.tags).decode(),
        spec.team,
    )


def _row(values: _Values) -> KeyRow:
    (
        key_id,
        current,
        old,
        old_until,
        name,
        role,
        routes,
        rpm,
        tpm,
        concurrency,
        created,
        expires,
        revoked,
        tags,
        team,
    ) = values
    return KeyRow(
        id=key_id,
        hash=current,
        old_hash=old,
        old_until=_at(old_until),
        spec=KeySpec(
            name=name,
            role=role,
            routes=None if routes is None else tuple(orjson.loads(routes)),
            rpm=rpm,
            tpm=tpm,
            concurrency=concurrency,
            expires_at=_at(expires),
            tags=tuple(orjson.loads(tags)),
            team=team,
        ),
        created_at=from_ms(created),
        revoked_at=_at(revoked),
    )


def _find(store: Store, key_id: str) -> KeyRow:
    for row in list_keys(store):
        if row.id == key_id:
            return row
    raise NotFound(f"There is no key with the id '{key_id}'. `turnout keys list` shows them.")


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else to_ms(instant)


def _at(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)

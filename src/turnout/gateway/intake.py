"""A request as it came in: its bytes, its parsed copy, and what routing may know of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from turnout.core.errors import InvalidField
from turnout.core.json import Json, JsonObject
from turnout.core.target import Dialect
from turnout.gateway.endpoints import Endpoint
from turnout.ledger.keys import LABEL
from turnout.routing.features import Features
from turnout.wire.attribution import BILLING_LINE
from turnout.wire.body import load_object
from turnout.wire.codecs import CODECS
from turnout.wire.content import content_class
from turnout.wire.estimate import request_tokens
from turnout.wire.neutral import Media, Message, Request, Text
from turnout.wire.splice import insert_first

SESSION_HEADERS = (b"x-turnout-session", b"x-claude-code-session-id", b"x-session-id", b"session_id")
"""Headers that name a conversation: ours, Claude Code's, the common one, Codex's."""

MOST_TAGS = 10
MOST_USER = 128
"""Letters of an end user's name."""

_SESSION_TEXT = 2_000
"""Letters of the first texts that tell conversations apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """One request, read and not yet judged."""

    endpoint: Endpoint
    key_id: str
    raw: bytes
    body: JsonObject
    request: Request
    features: Features
    passthrough: Mapping[str, str]
    """The caller's headers that its dialect allows upstream."""
    end_user: str = ""
    """Who the caller says that it asks for."""
    tags: tuple[str, ...] = ()
    """Those of the `x-turnout-tags` header, sorted."""
    content: str = ""
    """The prompt's content class, see `wire.content`."""


def read_intake(
    endpoint: Endpoint,
    raw: bytes,
    headers: Mapping[bytes, bytes],
    key_id: str,
    session_key: bytes,
    *,
    default_model: str | None = None,
) -> Intake:
    """Parses and validates. A body that names no model asks for `default_model`. Raises InvalidJson or InvalidField."""
    body = load_object(raw)
    if default_model is not None and "model" not in body:
        raw = insert_first(raw, b'"model":' + orjson.dumps(default_model))
        body["model"] = default_model
    if endpoint.operation == "count_tokens":
        body.setdefault("max_tokens", 1)  # the counting endpoint takes no maximum
    parse = CODECS[endpoint.dialect].parse_request
    assert parse is not None, "an endpoint's dialect reads requests"
    request = parse(body)
    assert endpoint.operation is not None, "only model endpoints have an intake"
    features = Features(
        asked=request.model,
        dialect=endpoint.dialect,
        operation=endpoint.operation,
        stream=request.stream,
        input_tokens=request_tokens(request),
        max_output=None if endpoint.operation == "count_tokens" else request.max_tokens,
        tools=bool(request.tools),
        images=any(isinstance(part, Media) for message in request.messages for part in message.parts),
        session=session_of(request, headers, key_id, session_key),
    )
    return Intake(
        endpoint=endpoint,
        key_id=key_id,
        raw=raw,
        body=body,
        request=request,
        features=features,
        passthrough=_passthrough(headers),
        end_user=_end_user(request.user),
        tags=_tags(headers.get(b"x-turnout-tags")),
        content=content_class(request),
    )


def _end_user(given: str | None) -> str:
    """A name of bounded length. Claude Code sends a JSON object: the account or the device in it is who asks."""
    if not given:
        return ""
    if given.startswith("{"):
        try:
            value: Json = orjson.loads(given)
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, dict):
            named = value.get("account_uuid") or value.get("device_id")
            given = named if isinstance(named, str) else given
    return "".join(letter for letter in given[:MOST_USER] if letter.isprintable() and letter != ",")


def _tags(header: bytes | None) -> tuple[str, ...]:
    if not header:
        return ()
    tags = {tag for each in header.decode("latin-1").split(",") if (tag := each.strip())}
    if len(tags) > MOST_TAGS or not all(LABEL.fullmatch(tag) for tag in tags):
        raise InvalidField(
            f"`x-turnout-tags` takes up to {MOST_TAGS} names parted by commas, each of 1 to 64 letters, digits and"
            " `._:/@-`.",
            param="x-turnout-tags",
        )
    return tuple(sorted(tags))


def _passthrough(headers: Mapping[bytes, bytes]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name in (b"anthropic-version", b"anthropic-beta", b"openai-beta"):
        value = headers.get(name)
        if value is not None:
            found[name.decode()] = value.decode("latin-1")
    return found


def session_of(request: Request, headers: Mapping[bytes, bytes], key_id: str, session_key: bytes) -> str:
    """Names the conversation by a keyed hash: what the client says it is, else how it begins."""
    digest = hashlib.blake2b(key_id.encode(), key=session_key[:64], digest_size=12)
    for name in SESSION_HEADERS:
        if value := headers.get(name):
            digest.update(b"h" + value)
            return digest.hexdigest()
    if request.cache_key:
        digest.update(b"c" + request.cache_key.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
    if (named := _client_session(request)) is not None:
        digest.update(b"u" + named.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
    digest.update(b"t" + request.model.encode("utf-8", "surrogatepass"))
    for message in request.messages[:8]:
        text = _head(message)
        digest.update(message.role.encode() + text.encode("utf-8", "surrogatepass"))
        if message.role == "user":
            break
    return digest.hexdigest()


def _client_session(request: Request) -> str | None:
    """Claude Code's `metadata.user_id` is a JSON object with the session in it; a plain user id names no session."""
    if request.dialect is not Dialect.ANTHROPIC or not request.user or not request.user.startswith("{"):
        return None
    try:
        value: Json = orjson.loads(request.user)
    except orjson.JSONDecodeError:
        return None
    session = value.get("session_id") if isinstance(value, dict) else None
    return session if isinstance(session, str) else None


def _head(message: Message) -> str:
    for part in message.parts:
        if isinstance(part, Text) and not part.text.startswith(BILLING_LINE):
            return part.text[:_SESSION_TEXT]
    return ""

"""Every path this server answers, with the role that may call it. A path without a role can't be written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from turnout.core.target import Dialect
from turnout.routing.features import Operation

Access = Literal["public", "user", "admin"]
"""Who may call: anyone, a caller with a virtual key, or an admin key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path and method."""

    path: str
    method: str
    access: Access
    dialect: Dialect
    """The dialect of its answers, and of its errors above all."""
    operation: Operation | None = None
    """What it asks of a model; None for the endpoints that call none."""


def _post(path: str, dialect: Dialect, operation: Operation) -> Endpoint:
    return Endpoint(path=path, method="POST", access="user", dialect=dialect, operation=operation)


def _plain(method: str, path: str, access: Access) -> Endpoint:
    return Endpoint(path=path, method=method, access=access, dialect=Dialect.OPENAI_CHAT)


ENDPOINTS: tuple[Endpoint, ...] = (
    _post("/v1/chat/completions", Dialect.OPENAI_CHAT, "chat"),
    _post("/v1/responses", Dialect.OPENAI_RESPONSES, "chat"),
    _post("/v1/completions", Dialect.OPENAI_COMPLETIONS, "completion"),
    _post("/v1/embeddings", Dialect.OPENAI_EMBEDDINGS, "embedding"),
    _post("/v1/messages", Dialect.ANTHROPIC, "chat"),
    _post("/v1/messages/count_tokens", Dialect.ANTHROPIC, "count_tokens"),
    _plain("GET", "/v1/models", "user"),
    _plain("GET", "/v1/models/{model:path}", "user"),
    _plain("POST", "/v1/feedback", "user"),
    _plain("GET", "/healthz", "public"),
    _plain("GET", "/readyz", "public"),
    _plain("GET", "/metrics", "public"),
    _plain("GET", "/admin/keys", "admin"),
    _plain("POST", "/admin/keys", "admin"),
    _plain("POST", "/admin/keys/{id}/revoke", "admin"),
    _plain("POST", "/admin/keys/{id}/rotate", "admin"),
    _plain("GET", "/admin/budgets", "admin"),
    _plain("POST", "/admin/budgets/{name:path}/correct", "admin"),
    _plain("POST", "/admin/reload", "admin"),
    _plain("POST", "/admin/explain", "admin"),
)

HOT: Mapping[str, Endpoint] = {each.path: each for each in ENDPOINTS if each.operation is not None}
"""The paths that reach a model, matched exactly on the raw path and nothing else."""

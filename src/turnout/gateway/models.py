"""`GET /v1/models`: the names a key may ask for, in OpenAI's or Anthropic's shape, by what the client is.

Anthropic's clients send `anthropic-version`; theirs is a page, which `after_id` or `before_id` moves. Claude Code
keeps only ids that begin with `claude` or `anthropic`: `[aliases]` can give such names to any route.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from turnout.catalogue.model import Catalogue, Deployment, Route
from turnout.core.errors import UnknownModel
from turnout.core.json import Json, JsonObject
from turnout.gateway.auth import Principal

CREATED = 1_767_225_600
"""2026-01-01: names here have no date of their own, and the shapes demand one."""
_CREATED_AT = "2026-01-01T00:00:00Z"


class Named(NamedTuple):
    """A name that can be asked for. An alias is another name of a route."""

    name: str
    route: Route


def visible(catalogue: Catalogue, principal: Principal) -> list[Named]:
    """The names that a key may ask for, the operator's own first."""
    allowed = principal.routes
    named = [Named(*item) for item in catalogue.routes.items() if allowed is None or _may(allowed, *item)]
    return sorted(named, key=lambda each: each.route.implicit and each.name == each.route.name)


def find(catalogue: Catalogue, principal: Principal, name: str) -> Named:
    """One of them. Raises UnknownModel, for names the key may not use too."""
    route = catalogue.resolve(name)
    if principal.routes is not None and not _may(principal.routes, name, route):
        raise UnknownModel(f"There is no model or route '{name}' for this key.", param="model")
    return Named(name, route)


def _may(allowed: frozenset[str], name: str, route: Route) -> bool:
    """An alias is allowed with its route."""
    return name in allowed or route.name in allowed


def _deployments(catalogue: Catalogue, route: Route) -> Iterable[Deployment]:
    return (deployment for deployment, _ in catalogue.targets(route))


def _facts(catalogue: Catalogue, route: Route) -> tuple[str, int | None, int | None]:
    """Owner, context and output: the smallest of the route's deployments, since any of them may answer."""
    contexts: list[int] = []
    outputs: list[int] = []
    owners: dict[str, None] = {}
    for deployment in _deployments(catalogue, route):
        owners[deployment.provider.name] = None
        if deployment.context is not None:
            contexts.append(deployment.context)
        if deployment.max_output is not None:
            outputs.append(deployment.max_output)
    return (
        "+".join(owners) or "turnout",
        min(contexts) if contexts else None,
        min(outputs) if outputs else None,
    )


def openai_model(catalogue: Catalogue, named: Named) -> JsonObject:
    """One model as OpenAI's clients read it, with the context that LlamaIndex and others ask for."""
    owner, context, output = _facts(catalogue, named.route)
    return {
        "id": named.name,
        "object": "model",
        "created": CREATED,
        "owned_by": owner,
        "context_window": context,
        "max_output_tokens": output,
    }


def anthropic_model(catalogue: Catalogue, named: Named) -> JsonObject:
    """One model as Anthropic's clients read it."""
    _, context, output = _facts(catalogue, named.route)
    return {
        "type": "model",
        "id": named.name,
        "display_name": named.name,
        "created_at": _CREATED_AT,
        "lifecycle": "active",
        "max_input_tokens": context,
        "max_tokens": output,
    }


def openai_list(catalogue: Catalogue, routes: list[Named]) -> JsonObject:
    """The whole list in OpenAI's shape."""
    return {"object": "list", "data": [openai_model(catalogue, named) for named in routes]}


def anthropic_list(
    catalogue: Catalogue, routes: list[Named], limit: int, *, after: str | None = None, before: str | None = None
) -> JsonObject:
    """A page of the list in Anthropic's shape: behind the name `after`, or the last ones ahead of `before`. Around
    a name that is not there is nothing, so that a walk ends after a reload too."""
    names = [named.name for named in routes]
    if after is not None:
        routes = routes[names.index(after) + 1 :] if after in names else []
    elif before is not None:
        routes = routes[: names.index(before)] if before in names else []
    shown = routes[-limit:] if before is not None and after is None else routes[:limit]
    data: list[Json] = [anthropic_model(catalogue, named) for named in shown]
    return {
        "data": data,
        "has_more": len(routes) > len(shown),
        "first_id": shown[0].name if shown else None,
        "last_id": shown[-1].name if shown else None,
    }

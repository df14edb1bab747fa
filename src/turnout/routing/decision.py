"""The decision: candidates in the order they are tried, why, and what was rejected and why.

`decide` is a pure function; `turnout explain` and the gateway call the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from turnout.catalogue.model import Catalogue, Deployment, Route
from turnout.core.errors import ContextTooLong, InvalidField, NoDeployment, TurnoutError
from turnout.core.health import DeploymentHealth, HealthSnapshot
from turnout.core.target import Dialect
from turnout.routing.dialects import path_dialect
from turnout.routing.features import Features

Cause = Literal["dialect", "context", "health", "concurrency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A deployment that may be tried, and the dialect to call it in."""

    deployment: Deployment
    dialect: Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A deployment of the route that may not be tried now."""

    deployment: str
    cause: Cause
    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to try, in order. `candidates` is never empty: an impossible request is an error."""

    route: Route
    candidates: tuple[Candidate, ...]
    reason: str
    rejected: tuple[Rejected, ...] = ()


def decide(
    features: Features,
    catalogue: Catalogue,
    health: HealthSnapshot,
    *,
    bound: str | None = None,
    draw: float = 0.0,
    now: float = 0.0,
) -> Decision:
    """Filters the route's deployments, then orders what is left.

    `bound` is the deployment where this conversation's prompt cache is warm. `draw` in [0, 1) decides a weighted
    split. `now` is the monotonic second of the snapshot. Raises UnknownModel, ContextTooLong, NoDeployment or
    InvalidField.
    """
    route = catalogue.resolve(features.asked)
    kept: list[tuple[Candidate, int]] = []
    rejected: list[Rejected] = []
    for deployment, weight in catalogue.targets(route):
        dialect = path_dialect(deployment, features.dialect, features.operation)
        no = _rejection(deployment, dialect, features, health.of(deployment.name), now)
        if no is None and dialect is not None:
            kept.append((Candidate(deployment=deployment, dialect=dialect), weight))
        elif no is not None:
            rejected.append(no)
    if not kept:
        raise _impossible(route, features, rejected)
    ordered, reason = _order(route, kept, draw)
    ordered, reason = _sticky(route, ordered, reason, bound)
    if rejected:
        reason += "; " + ", ".join(f"{each.deployment} out: {each.cause}" for each in rejected)
    return Decision(route=route, candidates=ordered, reason=reason, rejected=tuple(rejected))


def _rejection(
    deployment: Deployment, dialect: Dialect | None, features: Features, health: DeploymentHealth, now: float
) -> Rejected | None:
    name = deployment.name
    if dialect is None:
        why = f"it can't be called from {features.dialect.value}"
        return Rejected(deployment=name, cause="dialect", reason=why)
    if features.operation == "count_tokens":
        return None  # no model runs: a long prompt above all wants its count, and a bench or a full house stops none
    if deployment.context is not None:
        needed = features.input_tokens + (features.max_output or 0)
        if needed > deployment.context:
            why = (
                f"about {features.input_tokens} prompt tokens and {features.max_output or 0} output tokens do not fit "
                f"its context of {deployment.context}"
            )
            return Rejected(deployment=name, cause="context", reason=why)
    if not health.available:
        wait = 1.0 if health.probing else max(health.until - now, 0.1)
        return Rejected(deployment=name, cause="health", reason=health.reason or "it has just failed", retry_after=wait)
    if deployment.max_concurrency is not None and health.in_flight >= deployment.max_concurrency:
        why = f"{health.in_flight} requests are in flight, its limit is {deployment.max_concurrency}"
        return Rejected(deployment=name, cause="concurrency", reason=why, retry_after=1.0)
    return None


def _impossible(route: Route, features: Features, rejected: Sequence[Rejected]) -> TurnoutError:
    causes = {each.cause for each in rejected}
    said = "; ".join(f"{each.deployment}: {each.reason}" for each in rejected)
    # What waiting can't cure is the caller's to change, even where the endpoint excludes the others.
    if "context" in causes and causes <= {"context", "dialect"}:
        return ContextTooLong(
            f"The request fits no deployment of '{route.name}'. {said}. Shorten the prompt or lower the maximum "
            "output.",
            param="messages",
            should_retry=False,
        )
    if causes == {"dialect"}:
        return InvalidField(
            f"'{features.asked}' can't be used with this endpoint. {said}.", param="model", should_retry=False
        )
    waits = [each.retry_after for each in rejected if each.retry_after is not None]
    return NoDeployment(
        f"No deployment of '{route.name}' can take a request now. {said}.",
        retry_after=min(waits) if waits else 5.0,
        should_retry=True,
    )


def _order(route: Route, kept: list[tuple[Candidate, int]], draw: float) -> tuple[tuple[Candidate, ...], str]:
    if len(kept) == 1:
        only = "the only deployment" if len(route.targets) == 1 else "the only one left"
        return (kept[0][0],), only
    if route.strategy == "fallback":
        return tuple(candidate for candidate, _ in kept), "first in order"
    total = sum(weight for _, weight in kept)
    place = draw * total
    chosen = len(kept) - 1
    for index, (_, weight) in enumerate(kept):
        place -= weight
        if place < 0:
            chosen = index
            break
    first, weight = kept[chosen]
    # The others follow by weight, so that a fallback goes where most traffic goes anyway.
    rest = sorted((each for index, each in enumerate(kept) if index != chosen), key=lambda each: -each[1])
    return (first, *(candidate for candidate, _ in rest)), f"weighted split, {weight} of {total}"


def _sticky(
    route: Route, ordered: tuple[Candidate, ...], reason: str, bound: str | None
) -> tuple[tuple[Candidate, ...], str]:
    if not route.sticky or bound is None or len(ordered) == 1:
        return ordered, reason
    for index, candidate in enumerate(ordered):
        if candidate.deployment.name == bound:
            return (candidate, *ordered[:index], *ordered[index + 1 :]), "the conversation's prompt cache is there"
    return ordered, reason + "; the conversation's former deployment is out"

"""The routing decision, as tables."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.catalogue.model import Catalogue, Deployment, Provider, Route, RouteTarget
from turnout.core.errors import ContextTooLong, InvalidField, NoDeployment, TurnoutError, UnknownModel
from turnout.core.health import Circuit, DeploymentHealth, HealthSnapshot
from turnout.core.target import Dialect
from turnout.routing.decision import Decision, decide
from turnout.routing.features import Features

CHAT, ANTHROPIC, EMBEDDINGS = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC, Dialect.OPENAI_EMBEDDINGS
NOW = 100.0
OPEN = DeploymentHealth(circuit=Circuit.OPEN, until=NOW + 20, reason="5 of 5 calls failed")
SOON = DeploymentHealth(circuit=Circuit.OPEN, until=NOW + 3, reason="it asked for a pause")
HALF = DeploymentHealth(circuit=Circuit.HALF_OPEN)
PROBING = DeploymentHealth(circuit=Circuit.HALF_OPEN, probing=True)


def deployment(
    name: str,
    *dialects: Dialect,
    context: int | None = None,
    max_concurrency: int | None = None,
) -> Deployment:
    endpoints = {dialect: f"https://{name}/{dialect.value}" for dialect in dialects or (CHAT,)}
    provider = Provider(name=name, preset="custom", title=name, base_url=f"https://{name}", endpoints=endpoints)
    return Deployment(
        name=name, provider=provider, model="m", context=context, endpoints=endpoints, max_concurrency=max_concurrency
    )


def catalogue(
    deployments: Iterable[Deployment], *, strategy: str = "fallback", sticky: bool = True, **weights: int
) -> Catalogue:
    known = {each.name: each for each in deployments}
    targets = tuple(RouteTarget(name, weights.get(name, 1)) for name in known)
    route = Route(name="smart", targets=targets, strategy=strategy, sticky=sticky)  # type: ignore[arg-type]
    return Catalogue(
        version="1",
        providers={each.provider.name: each.provider for each in known.values()},
        deployments=known,
        routes={"smart": route},
    )


def features(tokens: int = 10, output: int | None = None, dialect: Dialect = CHAT, asked: str = "smart") -> Features:
    return Features(asked=asked, dialect=dialect, input_tokens=tokens, max_output=output)


def names(decision: Decision) -> list[str]:
    return [candidate.deployment.name for candidate in decision.candidates]


A, B, C = deployment("a"), deployment("b"), deployment("c")
THREE = catalogue([A, B, C])
HEALTHY = HealthSnapshot()


@pytest.mark.parametrize(
    ("health", "order", "out"),
    [
        ({}, "abc", {}),
        ({"a": OPEN}, "bc", {"a": "health"}),
        ({"b": OPEN}, "ac", {"b": "health"}),
        ({"a": OPEN, "b": SOON}, "c", {"a": "health", "b": "health"}),
        ({"a": HALF}, "abc", {}),
        ({"a": PROBING}, "bc", {"a": "health"}),
        ({"a": DeploymentHealth(in_flight=1000)}, "abc", {}),
    ],
)
def test_fallback_keeps_the_written_order(health: dict[str, DeploymentHealth], order: str, out: dict[str, str]) -> None:
    """Candidates stand in the route's order, without those that can't be called now, each with its cause."""
    decision = decide(features(), THREE, HealthSnapshot(health), now=NOW)

    assert names(decision) == list(order)
    assert {each.deployment: each.cause for each in decision.rejected} == out
    assert all(f"{name} out: {cause}" in decision.reason for name, cause in out.items())


@pytest.mark.parametrize(("in_flight", "taken"), [(0, True), (1, True), (2, False), (3, False)])
def test_concurrency_is_a_hard_limit(in_flight: int, taken: bool) -> None:
    """A deployment with its limit of calls under way takes no more."""
    limited = catalogue([deployment("a", max_concurrency=2), B])
    decision = decide(features(), limited, HealthSnapshot({"a": DeploymentHealth(in_flight=in_flight)}))

    assert names(decision) == (["a", "b"] if taken else ["b"])


# ---- context -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "output", "expected"),
    [
        (10, None, ["small", "large", "unknown"]),
        (16_000, None, ["small", "large", "unknown"]),
        (16_001, None, ["large", "unknown"]),
        (17_000, None, ["large", "unknown"]),
        (15_000, 1_000, ["small", "large", "unknown"]),
        (15_000, 1_001, ["large", "unknown"]),
        (200_000, 1, ["unknown"]),
    ],
)
def test_context_is_a_hard_filter(tokens: int, output: int | None, expected: list[str]) -> None:
    """17,000 tokens never go to a model of 16,000, whatever the order says."""
    fits = catalogue([deployment("small", context=16_000), deployment("large", context=200_000), deployment("unknown")])

    assert names(decide(features(tokens, output), fits, HEALTHY)) == expected


@pytest.mark.parametrize("bound", [None, "small", "large"])
@pytest.mark.parametrize("strategy", ["fallback", "weighted"])
@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_neither_weight_nor_warmth_beats_the_context(bound: str | None, strategy: str, draw: float) -> None:
    """A bound conversation that outgrew its model leaves it."""
    fits = catalogue(
        [deployment("small", context=16_000), deployment("large", context=200_000)], strategy=strategy, small=1000
    )

    assert names(decide(features(17_000), fits, HEALTHY, bound=bound, draw=draw)) == ["large"]


# ---- weighted ----------------------------------------------------------------------------

SPLIT = catalogue([A, B, C], strategy="weighted", a=70, b=20, c=10)


@pytest.mark.parametrize(
    ("draw", "order"),
    [(0.0, "abc"), (0.699, "abc"), (0.7, "bac"), (0.899, "bac"), (0.9, "cab"), (0.9999999, "cab")],
)
def test_a_draw_chooses_by_weight(draw: float, order: str) -> None:
    """The draw falls on a deployment in proportion to its weight; the others follow by weight."""
    assert names(decide(features(), SPLIT, HEALTHY, draw=draw)) == list(order)


def test_the_split_has_the_weights_frequencies() -> None:
    """Over many draws each deployment gets its share."""
    dice = random.Random(7)
    counted = Counter(names(decide(features(), SPLIT, HEALTHY, draw=dice.random()))[0] for _ in range(10_000))

    assert counted["a"] == pytest.approx(7_000, abs=200)
    assert counted["b"] == pytest.approx(2_000, abs=200)
    assert counted["c"] == pytest.approx(1_000, abs=200)


def test_the_share_of_one_that_is_out_goes_to_the_others() -> None:
    """The weights of what is left decide; nothing is lost."""
    dice = random.Random(7)
    health = HealthSnapshot({"a": OPEN})
    counted = Counter(names(decide(features(), SPLIT, health, draw=dice.random()))[0] for _ in range(6_000))

    assert set(counted) == {"b", "c"}
    assert counted["b"] == pytest.approx(4_000, abs=200)


def test_a_weight_of_zero_gets_no_first_call() -> None:
    """A drained deployment is only a fallback."""
    drained = catalogue([A, B], strategy="weighted", a=0, b=5)

    assert {tuple(names(decide(features(), drained, HEALTHY, draw=draw / 10))) for draw in range(10)} == {("b", "a")}


# ---- sticky ------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["fallback", "weighted"])
@pytest.mark.parametrize(
    ("bound", "sticky", "first"), [("c", True, "c"), ("c", False, "a"), (None, True, "a"), ("gone", True, "a")]
)
def test_a_conversation_stays_where_its_cache_is(strategy: str, bound: str | None, sticky: bool, first: str) -> None:
    """The bound deployment comes first and the others keep their order, unless the route says otherwise."""
    found = names(decide(features(), catalogue([A, B, C], strategy=strategy, sticky=sticky), HEALTHY, bound=bound))

    assert found[0] == first
    assert [name for name in found if name != first] == [name for name in "abc" if name != first]


def test_a_sick_deployment_binds_nobody() -> None:
    """The conversation moves, and the reason says so."""
    decision = decide(features(), THREE, HealthSnapshot({"c": OPEN}), bound="c", now=NOW)

    assert names(decision) == ["a", "b"]
    assert "former deployment is out" in decision.reason


# ---- dialects ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offers", "caller", "used"),
    [
        ((CHAT, ANTHROPIC), CHAT, CHAT),
        ((CHAT, ANTHROPIC), ANTHROPIC, ANTHROPIC),
        ((ANTHROPIC, CHAT), Dialect.OPENAI_RESPONSES, ANTHROPIC),
        ((CHAT,), ANTHROPIC, CHAT),
        ((Dialect.GEMINI,), CHAT, Dialect.GEMINI),
        ((Dialect.OPENAI_COMPLETIONS, CHAT), Dialect.OPENAI_COMPLETIONS, Dialect.OPENAI_COMPLETIONS),
        ((CHAT,), Dialect.OPENAI_COMPLETIONS, CHAT),
        ((Dialect.OPENAI_COMPLETIONS,), CHAT, None),
        ((EMBEDDINGS,), EMBEDDINGS, EMBEDDINGS),
        ((EMBEDDINGS,), CHAT, None),
        ((CHAT,), EMBEDDINGS, None),
    ],
)
def test_the_callers_dialect_comes_first(offers: tuple[Dialect, ...], caller: Dialect, used: Dialect | None) -> None:
    """Its bytes can go through untouched; else the deployment's own first choice; else it is no candidate."""
    one = catalogue([deployment("a", *offers)])
    if used is None:
        with pytest.raises(InvalidField) as raised:
            decide(features(dialect=caller), one, HEALTHY)
        assert raised.value.param == "model"
        return
    assert [candidate.dialect for candidate in decide(features(dialect=caller), one, HEALTHY).candidates] == [used]


# ---- nothing left ------------------------------------------------------------------------

SMALL, OTHER = deployment("small", context=100), deployment("other", EMBEDDINGS)


@pytest.mark.parametrize(
    ("deployments", "health", "tokens", "error", "wait", "said"),
    [
        ([SMALL], {}, 101, ContextTooLong, None, "context of 100"),
        ([SMALL, OTHER], {}, 101, ContextTooLong, None, "small"),
        ([OTHER], {}, 1, InvalidField, None, "can't be called from openai_chat"),
        ([A, B], {"a": OPEN, "b": SOON}, 1, NoDeployment, 3.0, "5 of 5 calls failed"),
        ([A, OTHER], {"a": OPEN}, 1, NoDeployment, 20.0, "a: 5 of 5"),
        ([SMALL, A], {"a": OPEN}, 101, NoDeployment, 20.0, "small"),
        ([A], {"a": PROBING}, 1, NoDeployment, 1.0, "it has just failed"),
    ],
)
def test_nothing_left(
    deployments: list[Deployment],
    health: dict[str, DeploymentHealth],
    tokens: int,
    error: type[TurnoutError],
    wait: float | None,
    said: str,
) -> None:
    """The error tells why each deployment is out, whose fault it is, and whether waiting helps."""
    with pytest.raises(error) as raised:
        decide(features(tokens), catalogue(deployments), HealthSnapshot(health), now=NOW)

    assert raised.value.retry_after == wait
    assert raised.value.should_retry is (error is NoDeployment)
    assert said in raised.value.message
    assert all(
        each.name in raised.value.message for each in deployments if each is not OTHER or error is not InvalidField
    )


@pytest.mark.parametrize(("asked", "hint"), [("smrt", "Did you mean 'smart'?"), ("zzzzzz", "/v1/models")])
def test_unknown_models_get_near_names(asked: str, hint: str) -> None:
    """A typo is met with what was meant."""
    with pytest.raises(UnknownModel) as raised:
        decide(features(asked=asked), THREE, HEALTHY)

    assert hint in raised.value.message
    assert (raised.value.status, raised.value.param) == (404, "model")


# ---- properties --------------------------------------------------------------------------

_HEALTH = st.sampled_from([OPEN, SOON, HALF, PROBING, DeploymentHealth(), DeploymentHealth(in_flight=5)])
_DEPLOYMENTS = st.lists(
    st.builds(
        lambda name, dialects, context, limit: deployment(name, *dialects, context=context, max_concurrency=limit),
        st.sampled_from("abcdef"),
        st.lists(st.sampled_from(list(Dialect)), min_size=1, max_size=3),
        st.sampled_from([None, 100, 1000]),
        st.sampled_from([None, 3]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda each: each.name,
)


@given(
    _DEPLOYMENTS,
    st.dictionaries(st.sampled_from("abcdef"), _HEALTH),
    st.sampled_from(["fallback", "weighted"]),
    st.sampled_from([1, 101, 1001]),
    st.sampled_from([None, 50]),
    st.sampled_from([CHAT, ANTHROPIC, EMBEDDINGS]),
    st.sampled_from([None, *"abcdef"]),
    st.floats(0, 1, exclude_max=True),
    st.booleans(),
)
def test_no_rejected_deployment_is_a_candidate(
    deployments: list[Deployment],
    health: dict[str, DeploymentHealth],
    strategy: str,
    tokens: int,
    output: int | None,
    dialect: Dialect,
    bound: str | None,
    draw: float,
    sticky: bool,
) -> None:
    """Every deployment is a candidate once or rejected once; candidates pass every filter; twice asked, same answer."""
    known, asked, snapshot = (
        catalogue(deployments, strategy=strategy, sticky=sticky),
        features(tokens, output, dialect),
        HealthSnapshot(health),
    )
    try:
        decision = decide(asked, known, snapshot, bound=bound, draw=draw, now=NOW)
    except TurnoutError as error:
        with pytest.raises(type(error)) as again:
            decide(asked, known, snapshot, bound=bound, draw=draw, now=NOW)
        assert again.value.message == error.message
        return

    assert decision == decide(asked, known, snapshot, bound=bound, draw=draw, now=NOW)
    assert decision.candidates
    everyone = sorted([*names(decision), *(each.deployment for each in decision.rejected)])
    assert everyone == sorted(each.name for each in deployments)
    for candidate in decision.candidates:
        found = candidate.deployment
        assert candidate.dialect in found.endpoints
        assert found.context is None or tokens + (output or 0) <= found.context
        assert snapshot.of(found.name).available
        assert found.max_concurrency is None or snapshot.of(found.name).in_flight < found.max_concurrency

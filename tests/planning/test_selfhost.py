"""GPUs of one's own: memory against published sums, and the break-even against counting."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.planning.footprint import Footprint, Precision, Stored
from turnout.planning.hardware import load_footprints, load_gpus, load_measured
from turnout.planning.selfhost import Call, Fleet, Load, Speed, Split, break_even, placed, smallest, swings

FLASH, PRO = "deepseek-v4-flash", "deepseek-v4-pro"


@pytest.mark.parametrize(
    ("name", "parameters", "token", "sequence", "gigabytes"),
    [
        (FLASH, 284_332_230_231, "3508.84375", 15_414_912, 156.0),
        (PRO, 1_572_997_179_491, "5023.6953125", 23_262_592, 850.7),
    ],
)
def test_the_shapes_give_the_published_sums(
    name: str, parameters: int, token: str, sequence: int, gigabytes: float
) -> None:
    """Every parameter, and every byte of the cache. Flash as released was uploaded by others with 155 GB."""
    model = load_footprints()[name]

    assert model.parameters == parameters
    assert model.cache_per_token == Fraction(token)
    assert model.cache_per_sequence == sequence
    assert float(sum(model.part_bytes(Precision.RELEASE).values())) / 1e9 == pytest.approx(gigabytes, abs=0.05)


def test_a_million_tokens_of_cache_are_what_the_report_says() -> None:
    """3.68 GB for Flash, 5.27 GB for Pro."""
    found = {name: float(each.cache_per_token * 1_048_576) / 1e9 for name, each in load_footprints().items()}

    assert found == {FLASH: pytest.approx(3.68, abs=0.005), PRO: pytest.approx(5.27, abs=0.005)}


@pytest.mark.parametrize(
    ("model", "precision", "gpu", "gpus"),
    [
        (FLASH, Precision.RELEASE, "h100", 4),
        (FLASH, Precision.RELEASE, "h200", 2),
        (FLASH, Precision.FP8, "h200", 4),
        (PRO, Precision.RELEASE, "h100", 16),
        (PRO, Precision.RELEASE, "h200", 8),
        (PRO, Precision.FP8, "h200", 16),
        (PRO, Precision.RELEASE, "b300", 4),
    ],
)
def test_as_many_gpus_as_the_engines_recipes_have(model: str, precision: Precision, gpu: str, gpus: int) -> None:
    """SGLang's serve Pro on two nodes of H100, on one of H200, and in FP8 on two. None serves with fewer than these."""
    kind = load_gpus()[gpu]
    load = Load(precision=precision, context=9216, sequences=16)
    found = smallest(
        load_footprints()[model], load, memory=Fraction(kind.memory) * Fraction(9, 10), per_node=kind.per_node
    )

    assert found is not None
    assert found.gpus == gpus


def test_a_cache_with_one_head_is_split_by_calls_only() -> None:
    """Attention by tensor holds all of it on each GPU; with 8 heads it is split either way."""
    one = Footprint(title="m", weights={Stored.EXPERTS: 10**9, Stored.FP8: 10**9}, cache_per_token=Fraction(1000))
    eight = Footprint(title="m", weights=one.weights, cache_per_token=Fraction(1000), cache_heads=8)
    load = Load(precision=Precision.FP8, context=1000, sequences=100)

    def cache(model: Footprint, split: Split) -> Fraction:
        return placed(model, load, gpus=4, memory=Fraction(10**10), split=split).cache

    assert (cache(one, Split.TENSOR), cache(one, Split.DATA)) == (10**8, Fraction(10**8, 4))
    assert cache(eight, Split.TENSOR) == Fraction(10**8, 4)
    data = placed(one, load, gpus=4, memory=Fraction(10**10), split=Split.DATA)
    tensor = placed(one, load, gpus=4, memory=Fraction(10**10), split=Split.TENSOR)
    assert data.weights > tensor.weights


def test_what_is_measured_names_models_and_gpus_that_are_shipped() -> None:
    """And each instance has room for its calls at once."""
    for each in load_measured():
        model, gpu = load_footprints()[each.model], load_gpus()[each.gpu]
        load = Load(
            precision=Precision.RELEASE, context=each.input_tokens + each.output_tokens, sequences=each.concurrency
        )
        memory = Fraction(gpu.memory) * Fraction(9, 10)
        rooms = [placed(model, load, gpus=each.gpus, memory=memory, split=split).room for split in Split]
        assert max(rooms) > 0, each


AMOUNTS = st.fractions(min_value=Fraction(1, 100), max_value=50, max_denominator=100)
CALL = Call(input_tokens=Fraction(800), output_tokens=Fraction(200))


def _fleet(hourly: Fraction, used: Fraction, fixed: Fraction = Fraction(0), gpus: int = 4) -> Fleet:
    speed = Speed(prefill=Fraction(4000), decode=Fraction(500))
    return Fleet(gpus=gpus, hourly=hourly, speed=speed, utilisation=used, fixed=fixed)


def test_a_call_by_hand() -> None:
    """0.6 GPU seconds; at 50 % an instance of 4 serves 288,000 a day for $384."""
    fleet = _fleet(Fraction(4), Fraction(1, 2))

    assert CALL.seconds(fleet.speed) == Fraction(6, 10)
    assert (fleet.daily, fleet.capacity(CALL)) == (384, 288_000)
    assert fleet.full(CALL) == Fraction(384, 288_000)
    assert [fleet.instances(CALL, Fraction(n)) for n in (1, 288_000, 288_001)] == [1, 1, 2]
    assert fleet.per_million(fleet.speed.decode) == Fraction(4 * 10**6, 3600 * 500) * 2


@settings(max_examples=200, deadline=None)
@given(
    AMOUNTS,
    st.sampled_from([Fraction(1, 4), Fraction(1, 2), Fraction(1)]),
    AMOUNTS,
    st.sampled_from([Fraction(0), Fraction(7), Fraction(500)]),
)
def test_the_break_even_is_the_first_volume_at_which_both_cost_the_same(
    hourly: Fraction, used: Fraction, api: Fraction, fixed: Fraction
) -> None:
    """Exactly; below it the API is cheaper at every step of the staircase, and from `always` on it never is again."""
    fleet, api = _fleet(hourly, used, fixed), api / 4000
    found, capacity = break_even(fleet, CALL, api), fleet.capacity(CALL)
    tiny = Fraction(1, 10**9)

    def gain(calls: Fraction) -> Fraction:
        return api * calls - fleet.cost(CALL, calls)

    if found.first is None:
        assert all(gain(capacity * count) < 0 for count in range(1, 60))
        return
    assert gain(found.first) >= 0
    assert fleet.instances(CALL, found.first) <= (found.instances or 0) <= fleet.instances(CALL, found.first + tiny)
    assert all(gain(capacity * count) < 0 for count in range(1, 60) if capacity * count < found.first)
    if fleet.instances(CALL, found.first) == fleet.instances(CALL, found.first - tiny):
        assert gain(found.first) == 0
    if found.always is not None:
        later = [found.always, *(found.always + capacity * Fraction(step, 3) for step in range(1, 90))]
        edges = [capacity * count + tiny for count in range(1, 60) if capacity * count >= found.always]
        assert all(gain(each) >= 0 for each in [*later, *edges])


@given(AMOUNTS, AMOUNTS)
def test_the_needed_utilisation_makes_both_sides_equal(hourly: Fraction, api: Fraction) -> None:
    """A full instance, kept as busy as that, costs what the API does for a call."""
    api = api / 4000
    needed = break_even(_fleet(hourly, Fraction(1, 2)), CALL, api).utilisation

    if needed <= 1:
        assert _fleet(hourly, needed).full(CALL) == api
    else:
        assert break_even(_fleet(hourly, Fraction(1)), CALL, api).first is None


@given(st.integers(1, 10**7), st.integers(1, 10**7))
def test_more_calls_never_cost_less(one: int, other: int) -> None:
    """The staircase goes up."""
    fleet = _fleet(Fraction(3), Fraction(1, 2), Fraction(10))
    low, high = sorted((Fraction(one), Fraction(other)))

    assert fleet.cost(CALL, low) <= fleet.cost(CALL, high)


def test_the_swings_move_one_assumption_each() -> None:
    """Price up is dearer; throughput and utilisation up are cheaper, and a day has no more than all of itself."""
    fleet = _fleet(Fraction(4), Fraction(9, 10))
    found = {each.name: each for each in swings(fleet, CALL, Fraction(1, 1000), Fraction(3, 10))}
    middle = fleet.full(CALL)

    assert found["price of a GPU hour"].low_full == middle * Fraction(7, 10)
    assert found["price of a GPU hour"].high_full == middle * Fraction(13, 10)
    assert found["throughput"].low_full == middle / Fraction(7, 10)
    assert found["utilisation"].high == 1
    assert found["utilisation"].high_full == middle * Fraction(9, 10)


def test_what_can_t_be_is_refused() -> None:
    """With a sentence."""
    with pytest.raises(ValueError, match="utilisation"):
        _fleet(Fraction(1), Fraction(0))
    with pytest.raises(ValueError, match="more than 0"):
        _fleet(Fraction(0), Fraction(1))

"""The parts of a question to `turnout simulate self-host`: what was given, or what is shipped in its place."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

import click

from turnout.core.names import did_you_mean
from turnout.planning.footprint import Footprint, Precision, Stored
from turnout.planning.hardware import Gpu, Measured, load_footprints, load_gpus, load_measured
from turnout.planning.selfhost import Instance, Load, Speed, Split, placed, smallest


class Chosen(NamedTuple):
    """A speed, and where it is from."""

    speed: Speed
    together: bool
    measured: Measured | None


def gpu_named(name: str) -> Gpu:
    """The shipped GPU. Raises UsageError with near names."""
    known = load_gpus()
    if name not in known:
        raise click.UsageError(f"No GPU '{name}' is known. {did_you_mean(name, known)} Known: {', '.join(known)}.")
    return known[name]


def footprint_of(model: str, parameters: int | None, cache_bytes: int | None, heads: int) -> Footprint:
    """The shipped shape, or the one of the question. Raises ValueError."""
    shipped: Mapping[str, Footprint] = load_footprints()
    if parameters is not None and cache_bytes is not None:
        return Footprint(
            title=model,
            weights={Stored.EXPERTS: parameters},
            cache_per_token=Fraction(cache_bytes),
            cache_heads=heads,
        )
    if parameters is not None or cache_bytes is not None:
        raise ValueError("A model of your own needs both --parameters and --cache-bytes.")
    if model not in shipped:
        raise ValueError(
            f"The shape of '{model}' is not shipped. {did_you_mean(model, shipped)} Known: {', '.join(shipped)}. "
            "For another, give --parameters and --cache-bytes."
        )
    return shipped[model]


def speed_of(
    model: str, gpu: Gpu, precision: Precision, throughput: int | None, prefill: int | None, decode: int | None
) -> Chosen:
    """The question's own figure, else a published one for this model and GPU. Raises ValueError where there is none."""
    if (prefill is None) != (decode is None) or (prefill and throughput):
        raise ValueError("Give --throughput, or both --prefill and --decode.")
    if prefill and decode:
        return Chosen(Speed(prefill=Fraction(prefill), decode=Fraction(decode)), False, None)
    if throughput:
        return Chosen(Speed.together(Fraction(throughput)), True, None)
    rows = [each for each in load_measured() if (each.model, each.gpu) == (model, gpu.name)]
    if not rows or precision is not Precision.RELEASE:
        raise ValueError(
            f"No measured throughput of {model} on {gpu.title} in the precision {precision.value} is known. "
            "Measure it with your traffic, and give --throughput, or --prefill and --decode."
        )
    return Chosen(Speed.together(rows[0].per_gpu), True, rows[0])


def sequences_of(concurrency: int | None, chosen: Chosen) -> int:
    """Calls at once in an instance. Raises ValueError where neither the question nor a measurement says it."""
    if concurrency is not None:
        return concurrency
    if chosen.measured is None:
        raise ValueError("Say how many calls are served at once (--concurrency): the cache must hold them.")
    return chosen.measured.concurrency


def instances_of(
    model: Footprint, load: Load, gpu: Gpu, memory: Fraction, gpus: int | None
) -> tuple[Instance, Instance]:
    """The smallest, and the one that is used. Raises ValueError where the model does not fit."""
    least = smallest(model, load, memory=memory, per_node=gpu.per_node)
    if least is None:
        raise ValueError(f"{model.title} with {load.sequences:,} calls at once fits on no sane number of {gpu.title}.")
    if gpus is None or gpus == least.gpus:
        return least, least
    tried = [placed(model, load, gpus=gpus, memory=memory, split=split) for split in Split]
    used = max(tried, key=lambda each: each.room)
    if used.room < 0:
        raise ValueError(
            f"{model.title} with {load.sequences:,} calls of {load.context:,} tokens at once needs {least.gpus} "
            f"{gpu.title}; {gpus} lack {float(-used.room) / 1e9:,.0f} GB each. Try fewer calls at once (--concurrency)."
        )
    return least, used

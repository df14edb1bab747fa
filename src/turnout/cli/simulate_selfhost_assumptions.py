"""What the answer of `turnout simulate self-host` rests on, in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from turnout.planning.hardware import Gpu, Measured
from turnout.planning.selfhost import Call, Instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What was given, and what was taken in its place."""

    gpu: Gpu
    hourly_given: bool
    measured: Measured | None
    """The published throughput; None where the question has its own."""
    utilisation: Fraction
    cached: Fraction
    own_cached: Fraction
    memory_share: Fraction
    fixed: Fraction
    api: str
    shape: str


def told(asked: Assumptions, call: Call, instance: Instance, least: Instance) -> tuple[str, ...]:
    """All of it."""
    return (*_told_hardware(asked, call), *_told_instance(instance, least), *_told_rest(asked))


def _told_hardware(asked: Assumptions, call: Call) -> list[str]:
    lines: list[str] = []
    if not asked.hourly_given:
        lines.append(
            f"One {asked.gpu.title} costs {asked.gpu.hourly} an hour on demand ({asked.gpu.source}, "
            f"{asked.gpu.verified})."
        )
    measured = asked.measured
    if measured is None:
        lines.append("The throughput is the question's own.")
    else:
        lines.append(
            f"Throughput: {float(measured.per_gpu):,.0f} tokens a second and GPU, measured on {measured.gpus} with "
            f"{measured.input_tokens:,} in, {measured.output_tokens:,} out, {measured.concurrency} at once; the first "
            f"token after {measured.first_token_ms / 1000:.1f} s, then one in {measured.token_ms} ms "
            f"({measured.source}, read {measured.verified})."
        )
        theirs = Fraction(measured.input_tokens, measured.output_tokens)
        if call.output_tokens and not theirs / 2 <= call.input_tokens / call.output_tokens <= theirs * 2:
            ratio = float(call.input_tokens / call.output_tokens)
            lines.append(
                f"Warning: it was measured with {float(theirs):.0f} tokens in for one out, and this call has "
                f"{ratio:.1f}. Output is the slower part, so expect another figure: measure, and give --throughput."
            )
    return lines


def _told_instance(instance: Instance, least: Instance) -> list[str]:
    if instance.gpus == least.gpus:
        return []
    return [
        f"Memory alone needs {least.gpus} GPUs; an instance has {instance.gpus}, as the throughput's had or as asked."
    ]


def _told_rest(asked: Assumptions) -> list[str]:
    beside = "nothing" if not asked.fixed else f"${float(asked.fixed):,.2f} a day"
    return [
        f"Calls fill {float(asked.utilisation):.0%} of the day's seconds; the rest waits for them. It decides as much "
        "as the price does, and only your own traffic knows it.",
        asked.api,
        f"{float(asked.own_cached):.0%} of the input is in a cache of your own and costs no time; memory for it beyond "
        f"the calls at once is not counted. At the API it is {float(asked.cached):.0%}.",
        f"Weights and cache may take {float(asked.memory_share):.0%} of a GPU's memory; the rest is for activations "
        "and the engine.",
        f"Shape of the model: {asked.shape}.",
        f"Beside the GPUs, {beside} is counted: no people, no second instance in case one fails, no network.",
    ]

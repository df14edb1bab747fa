"""`turnout simulate self-host`: GPUs of one's own against the price by the token, and where they cost alike."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from pathlib import Path

import click

from turnout.catalogue.tariff import UnknownPrice
from turnout.cli.options import COUNT, DOLLARS, SHARE, Format, config_option, format_options, plot_option, refusing
from turnout.cli.simulate_prices import prices_in_use
from turnout.cli.simulate_selfhost_assumptions import Assumptions, told
from turnout.cli.simulate_selfhost_plot import plot_selfhost
from turnout.cli.simulate_selfhost_question import footprint_of, gpu_named, instances_of, sequences_of, speed_of
from turnout.cli.simulate_selfhost_report import show_report
from turnout.core.clock import SystemClock
from turnout.planning.candidate import Service, read_candidate
from turnout.planning.footprint import Precision
from turnout.planning.period import Period
from turnout.planning.selfhost import Call, Fleet, Load
from turnout.planning.selfhost_study import HostStudy
from turnout.planning.whatif import forecast
from turnout.planning.workload import Workload

_WEEK = 7


@click.command("self-host")
@click.argument("model")
@click.option("--against", required=True, help="The API's model, such as deepseek/deepseek-v4-pro.")
@click.option(
    "--input", "input_tokens", type=COUNT, required=True, help="Input tokens of a call, cached ones included."
)
@click.option("--output", "output_tokens", type=COUNT, required=True, help="Output tokens of a call, with reasoning.")
@click.option("--cached-share", type=SHARE, default="0", help="Of the input: read from the API's cache. Default: 0.")
@click.option("--own-cached-share", type=SHARE, help="Of the input: in a cache of your own. Default: as at the API.")
@click.option("--calls-per-day", type=COUNT, help="A volume to cost, such as 1M.")
@click.option("--gpu", "gpu_name", default="h200", show_default=True, help="h100, h200, b200 or b300.")
@click.option("--gpus", type=click.IntRange(1, 256), help="Of an instance. Default: as measured, else as few as fit.")
@click.option("--hourly", type=DOLLARS, help="Dollars for a GPU and hour. Default: a list price, with its day.")
@click.option("--precision", type=click.Choice([each.value for each in Precision]), default=Precision.RELEASE.value)
@click.option("--throughput", type=COUNT, help="Tokens a second and GPU, input and output together.")
@click.option("--prefill", type=COUNT, help="Instead, with --decode: input tokens a second and GPU.")
@click.option("--decode", type=COUNT, help="Output tokens a second and GPU.")
@click.option("--utilisation", type=SHARE, default="50%", show_default=True, help="Share of the day that calls fill.")
@click.option(
    "--concurrency", type=click.IntRange(1, 10**6), help="Calls at once in an instance. Default: as measured."
)
@click.option("--context", type=COUNT, help="Tokens of the longest call. Default: input and output together.")
@click.option("--memory-share", type=SHARE, default="90%", show_default=True, help="Of a GPU: for weights and cache.")
@click.option(
    "--fixed", type=DOLLARS, default="0", help="Dollars a day beside the GPUs: people, storage, spares. Default: 0."
)
@click.option("--swing", type=SHARE, default="30%", show_default=True, help="How far each assumption is moved.")
@click.option("--parameters", type=COUNT, help="Of a model that is not shipped, such as 70B; with --cache-bytes.")
@click.option("--cache-bytes", type=COUNT, help="Bytes of its key-value cache for a token.")
@click.option("--cache-heads", type=click.IntRange(1, 1024), default=8, show_default=True, help="Its key-value heads.")
@click.option(
    "--start", type=click.DateTime(["%Y-%m-%d"]), help="First day of the week whose prices hold. Default: today."
)
@plot_option
@config_option
@format_options
def self_host(
    model: str,
    against: str,
    input_tokens: int,
    output_tokens: int,
    cached_share: Fraction,
    own_cached_share: Fraction | None,
    calls_per_day: int | None,
    gpu_name: str,
    gpus: int | None,
    hourly: Fraction | None,
    precision: str,
    throughput: int | None,
    prefill: int | None,
    decode: int | None,
    utilisation: Fraction,
    concurrency: int | None,
    context: int | None,
    memory_share: Fraction,
    fixed: Fraction,
    swing: Fraction,
    parameters: int | None,
    cache_bytes: int | None,
    cache_heads: int,
    start: datetime | None,
    plot: Path | None,
    config: Path | None,
    form: Format,
) -> None:
    """Compare MODEL on GPUs of your own with its price by the token.

    MODEL is deepseek-v4-flash or deepseek-v4-pro, or any name with --parameters and --cache-bytes. Every assumption is
    printed below the tables. Nothing is sent anywhere.
    """
    gpu = gpu_named(gpu_name)
    own_cached = cached_share if own_cached_share is None else own_cached_share
    with refusing():
        footprint = footprint_of(model, parameters, cache_bytes, cache_heads)
        speed = speed_of(model, gpu, Precision(precision), throughput, prefill, decode)
        load = Load(
            precision=Precision(precision),
            context=context or input_tokens + output_tokens,
            sequences=sequences_of(concurrency, speed),
        )
        wanted = gpus or (speed.measured.gpus if speed.measured else None)
        least, instance = instances_of(footprint, load, gpu, gpu.memory * memory_share, wanted)
        fleet = Fleet(
            gpus=instance.gpus,
            hourly=Fraction(gpu.hourly.usd) if hourly is None else hourly,
            speed=speed.speed,
            utilisation=utilisation,
            fixed=fixed,
        )
        workload = Workload(
            calls_per_day=1, input_tokens=input_tokens, output_tokens=output_tokens, cached=cached_share
        )
        call = Call(input_tokens=input_tokens * (1 - own_cached), output_tokens=Fraction(output_tokens))
        api, api_told = _api(against, workload, start, config)
        if swing >= 1:
            raise ValueError("The swing is less than 100%.")
    asked = Assumptions(
        gpu=gpu,
        hourly_given=hourly is not None,
        measured=speed.measured,
        utilisation=utilisation,
        cached=cached_share,
        own_cached=own_cached,
        memory_share=memory_share,
        fixed=fixed,
        api=api_told,
        shape=footprint.source,
    )
    study = HostStudy(
        model=footprint,
        load=load,
        smallest=least,
        instance=instance,
        fleet=fleet,
        call=call,
        tokens=(input_tokens, output_tokens),
        api=api,
        api_name=against,
        calls_per_day=None if calls_per_day is None else Fraction(calls_per_day),
        swing=swing,
        together=speed.together,
        assumed=told(asked, call, instance, least),
    )
    show_report(study, gpu, form)
    if plot is not None:
        plot_selfhost(study, plot)


def _api(against: str, workload: Workload, start: datetime | None, config: Path | None) -> tuple[Fraction, str]:
    """Dollars for a call, and how they were found. Raises ValueError for an unknown model."""
    in_use = prices_in_use(config)
    first = (SystemClock().now() if start is None else start).date()
    found = forecast(workload, read_candidate(against, in_use.book, Service()), Period(first=first, days=_WEEK))
    if isinstance(found.cost, UnknownPrice):
        raise click.ClickException(found.cost.message)
    price = found.cost / found.calls
    if not price:
        raise ValueError(f"A call costs nothing at {against}, so nothing can be cheaper.")
    rows = ", ".join(f"{row.id} for {float(share):.1%} of the calls" for row, share in found.clock)
    serves = {row.serves for row, _ in found.clock if row.serves and row.serves != row.key.model}
    other = f" The name is served by {', '.join(sorted(serves))}: see that it is the same model." if serves else ""
    return price, f"Price of {against}: the mean of the week from {first}, all hours alike, by {rows}.{other}"

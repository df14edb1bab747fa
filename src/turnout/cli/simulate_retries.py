"""`turnout simulate retries`: success and cost of several attempts with a check, correlated as they really are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from random import Random

import click

from turnout.catalogue.tariff import PriceBook, UnknownPrice
from turnout.cli.options import COUNT, DOLLARS, SHARE, Format, config_option, format_options, plot_option, refusing
from turnout.cli.simulate_prices import prices_in_use
from turnout.cli.simulate_retries_plot import plot_retries
from turnout.cli.simulate_retries_report import Report, show_report
from turnout.core.clock import SystemClock
from turnout.planning.candidate import Service, read_candidate
from turnout.planning.cascade import Prices, Strong
from turnout.planning.draws import Draws, read_draws
from turnout.planning.draws_summary import DrawsSummary, summarise
from turnout.planning.period import Period
from turnout.planning.retries import MOST_ATTEMPTS, Check, Tasks
from turnout.planning.retry_study import Case, Study
from turnout.planning.whatif import forecast
from turnout.planning.workload import Workload

_USUAL = tuple(Fraction(text) for text in ("0", "0.1", "0.3", "0.5", "0.8"))
"""Correlations that are shown where none is given: from the one that is always hoped for to one that was measured."""
_WEEK = 7


@click.command()
@click.option("--success", type=SHARE, help="Share of first attempts that are right, such as 52.6%.")
@click.option(
    "--attempts",
    type=click.IntRange(1, MOST_ATTEMPTS),
    default=12,
    show_default=True,
    help="At most so many at a task.",
)
@click.option(
    "--correlation",
    "correlations",
    type=SHARE,
    multiple=True,
    help="Between two attempts at the same task: 0 to 1. Repeat it. Default: some from 0 to 0.8.",
)
@click.option(
    "--accept-right", type=SHARE, default="1", help="Share of right answers that the check accepts. Default: 1."
)
@click.option("--accept-wrong", type=SHARE, default="0", help="Share of wrong answers that it accepts. Default: 0.")
@click.option("--at-once", is_flag=True, help="All attempts are made side by side, not one after the other.")
@click.option("--cost", type=DOLLARS, help="Dollars for a call, such as 0.002.")
@click.option("--model", help="Instead: a model whose price is known, such as deepseek/deepseek-v4-pro.")
@click.option("--check-cost", type=DOLLARS, default="0", help="Dollars for a check of one answer. Default: 0.")
@click.option("--strong", help="A strong model to compare with, whose price is known.")
@click.option("--strong-cost", type=DOLLARS, help="Instead: dollars for a call of it.")
@click.option("--strong-success", type=SHARE, help="Share of its first attempts that are right.")
@click.option(
    "--strong-rescue",
    type=SHARE,
    help="The same, on tasks where no cheap answer was accepted. Default: as on all tasks, which flatters it.",
)
@click.option("--input", "input_tokens", type=COUNT, help="Input tokens of a call, cached ones included.")
@click.option("--output", "output_tokens", type=COUNT, help="Output tokens of a call, reasoning included.")
@click.option("--cached-share", type=SHARE, default="0", help="Of the input: read from the cache. Default: 0.")
@click.option(
    "--start", type=click.DateTime(["%Y-%m-%d"]), help="First day of the week whose prices hold. Default: today."
)
@click.option(
    "--draws",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV of recorded attempts: task,success or task,n,successes. Gives success and correlation.",
)
@click.option("--resamples", type=click.IntRange(20, 100_000), default=400, help="For intervals. Default: 400.")
@click.option("--seed", type=int, default=0, help="Of the resampling. Default: 0.")
@plot_option
@config_option
@format_options
def retries(
    success: Fraction | None,
    attempts: int,
    correlations: tuple[Fraction, ...],
    accept_right: Fraction,
    accept_wrong: Fraction,
    at_once: bool,
    cost: Fraction | None,
    model: str | None,
    check_cost: Fraction,
    strong: str | None,
    strong_cost: Fraction | None,
    strong_success: Fraction | None,
    strong_rescue: Fraction | None,
    input_tokens: int | None,
    output_tokens: int | None,
    cached_share: Fraction,
    start: datetime | None,
    draws: Path | None,
    resamples: int,
    seed: int,
    plot: Path | None,
    config: Path | None,
    form: Format,
) -> None:
    """Tell what several attempts at a task bring, and what they cost.

    Attempts at the same task are correlated: what failed once fails again more often than the mean says. Give the mean
    with --success, or recorded attempts with --draws. Nothing is sent anywhere.
    """
    with refusing():
        recorded = None if draws is None else read_draws(draws)
        summary = _summary(recorded, attempts, seed=seed, resamples=resamples)
        check = Check(accepts_right=accept_right, accepts_wrong=accept_wrong)
        cases = _cases(success, correlations, summary, check, attempts)
        by_name = {"model": model, "strong": strong}
        call = _CallPrices(input_tokens, output_tokens, cached_share, start, config) if any(by_name.values()) else None
        cheap = _one_of("--cost", cost, "--model", model, call)
        dear = _one_of("--strong-cost", strong_cost, "--strong", strong, call)
        if dear is not None and (cheap is None or strong_success is None):
            raise ValueError("A comparison with a strong model needs --strong-success, and --cost or --model.")
        if dear is None and (strong_success is not None or strong_rescue is not None):
            raise ValueError("How a strong model does says nothing without its price: --strong or --strong-cost.")
    study = Study(
        check=check,
        most=attempts,
        cases=cases,
        at_once=at_once,
        prices=None if cheap is None else Prices(call=cheap, strong=dear or Fraction(0), check=check_cost),
        strong=None
        if dear is None or strong_success is None
        else Strong(success=strong_success, rescue=strong_success if strong_rescue is None else strong_rescue),
    )
    report = Report(
        study=study,
        summary=summary,
        cheap=model,
        dear=strong,
        rescue_given=strong_rescue is not None,
        priced=None if call is None else call.told,
    )
    show_report(report, form)
    if plot is not None:
        plot_retries(study, plot)


def _summary(recorded: Sequence[Draws] | None, most: int, *, seed: int, resamples: int) -> DrawsSummary | None:
    if recorded is None:
        return None
    counts = sorted({1, 2, min(5, most), most} & set(range(1, most + 1)))
    return summarise(recorded, counts, random=Random(seed), resamples=resamples)


def _cases(
    success: Fraction | None,
    correlations: tuple[Fraction, ...],
    summary: DrawsSummary | None,
    check: Check,
    most: int,
) -> tuple[Case, ...]:
    """The correlations to look at: those given, those measured, else the usual ones."""
    if success is None and summary is None:
        raise ValueError("Say how often an attempt is right: --success 52.6%, or --draws with recorded attempts.")
    named: list[tuple[str, Tasks]] = []
    mean = success if success is not None else summary.mean if summary is not None else Fraction(0)
    if summary is not None:
        named.append(("independent", Tasks(success=mean)))
        if summary.moments is not None:
            named.append(("measured, moments", Tasks(success=mean, correlation=_near(summary.moments))))
        if summary.likelihood is not None:
            fit = summary.likelihood
            likely = mean if success is not None else _near(fit.success)
            named.append(("measured, likelihood", Tasks(success=likely, correlation=_near(fit.correlation))))
    chosen = correlations or (() if summary is not None else _USUAL)
    named += [("given" if each else "independent", Tasks(success=mean, correlation=each)) for each in chosen]
    return tuple(Case.of(name, tasks, check, most) for name, tasks in named)


def _near(estimate: float) -> Fraction:
    """An estimate to six places; more would be noise with long denominators."""
    return Fraction(round(estimate * 10**6), 10**6)


class _CallPrices:
    """What a call of the given size costs, model by model."""

    def __init__(
        self,
        input_tokens: int | None,
        output_tokens: int | None,
        cached: Fraction,
        start: datetime | None,
        config: Path | None,
    ) -> None:
        if input_tokens is None or output_tokens is None:
            raise ValueError("The price of a call of a model needs its size: --input and --output.")
        in_use = prices_in_use(config)
        self._book: PriceBook = in_use.book
        self._call = Workload(calls_per_day=1, input_tokens=input_tokens, output_tokens=output_tokens, cached=cached)
        self._first: date = (SystemClock().now() if start is None else start).date()
        self.told = (
            f"A call has {input_tokens:,} input tokens, {float(cached):.0%} of them cached, and {output_tokens:,} "
            f"output tokens; its price is the mean of the week from {self._first}, by the prices {in_use.version}."
        )

    def of(self, model: str) -> Fraction:
        """Dollars for a call. Raises ValueError for an unknown model; ClickException for a price that is not known."""
        candidate = read_candidate(model, self._book, Service())
        found = forecast(self._call, candidate, Period(first=self._first, days=_WEEK))
        if isinstance(found.cost, UnknownPrice):
            raise click.ClickException(found.cost.message)
        return found.cost / found.calls


def _one_of(
    cost_option: str, cost: Fraction | None, model_option: str, model: str | None, prices: _CallPrices | None
) -> Fraction | None:
    """Dollars for a call, by whichever option says it; None where neither does."""
    if cost is not None and model is not None:
        raise ValueError(f"{cost_option} and {model_option} both say what a call costs: give one of them.")
    return prices.of(model) if model is not None and prices is not None else cost

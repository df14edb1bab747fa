"""Cost by volume as a staircase beside the API's line, and what moves a call's cost. Floats are for the eye: here, and
only here."""

# The types of matplotlib leave the keywords of its methods open, so a strict reader knows none of its methods whole.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from turnout.cli.amounts import dollars, percent
from turnout.cli.figure import COLOURS, new_figure, save_figure
from turnout.planning.selfhost_study import HostStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STAIRS = 4
"""Instances that are drawn at least."""
_OWN, _API, _GREY = COLOURS[0], COLOURS[1], "0.45"


def plot_selfhost(study: HostStudy, path: Path) -> None:
    """Writes the figure. Raises ClickException where that can't be done."""
    figure = new_figure(12, 4.8)
    stairs, bars = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_stairs(study, stairs)
    _draw_swings(study, bars)
    for each in (stairs, bars):
        each.spines[["top", "right"]].set_visible(False)
        each.set_axisbelow(True)
    figure.suptitle(
        f"{study.model.title} on {study.instance.gpus} GPUs an instance, against {study.api_name}", fontsize=12
    )
    save_figure(figure, path)


def _draw_stairs(study: HostStudy, axes: Axes) -> None:
    fleet, even = study.fleet, study.even()
    capacity = fleet.capacity(study.call)
    far = max(each for each in (capacity * _STAIRS, even.first, study.calls_per_day) if each) * Fraction(11, 10)
    count = fleet.instances(study.call, far)
    edges = [Fraction(0)] + [capacity * each for each in range(1, count)] + [far]
    costs = [float(fleet.fixed + each * fleet.daily) for each in range(1, count + 1)]
    axes.stairs(costs, [float(each) for each in edges], baseline=None, color=_OWN, linewidth=2, label="own GPUs")
    axes.plot([0, float(far)], [0, float(far * study.api)], color=_API, linewidth=2, label=study.api_name)
    if even.first is not None:
        place = float(even.first)
        axes.plot([place], [float(even.first * study.api)], "o", color="black", markersize=7)
        axes.annotate(
            f"break-even: {place:,.0f} calls a day",
            (place, float(even.first * study.api)),
            xytext=(10, -16),
            textcoords="offset points",
            fontsize=9,
        )
    axes.set_xlim(0, float(far))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("calls a day")
    axes.set_title(f"Dollars a day, {percent(fleet.utilisation)} utilisation", loc="left", fontsize=11)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"${value:,.0f}")
    axes.locator_params(axis="x", nbins=5)
    axes.grid(True, axis="y", color="0.9")
    axes.legend(frameon=False, fontsize=9, loc="upper left")


def _draw_swings(study: HostStudy, axes: Axes) -> None:
    middle = float(study.fleet.full(study.call))
    found = study.swings()
    for place, each in enumerate(found):
        low, high = sorted((float(each.low_full), float(each.high_full)))
        axes.barh(place, high - low, left=low, height=0.55, color=_OWN, alpha=0.75)
        for value, side, shift in ((low, "right", -4), (high, "left", 4)):
            axes.annotate(
                dollars(Fraction(value).limit_denominator(10**7)),
                (value, place),
                xytext=(shift, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=8,
            )
    axes.axvline(middle, ymax=0.84, color=_GREY, linewidth=1)
    axes.axvline(float(study.api), color=_API, linewidth=2, linestyle="--")
    axes.annotate(
        f"{study.api_name}\n{dollars(study.api)}",
        (float(study.api), 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        fontsize=8,
        color=_API,
        va="top",
    )
    axes.set_yticks(range(len(found)), [each.name for each in found])
    axes.set_ylim(len(found) - 0.4, -0.9)
    axes.set_xlim(0, 1.25 * max(float(study.api), *(float(max(each.low_full, each.high_full)) for each in found)))
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"${value:,.6g}")
    axes.set_title(f"A call of a full instance, each moved by {percent(study.swing)}", loc="left", fontsize=11)

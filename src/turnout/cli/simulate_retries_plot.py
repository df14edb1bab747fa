"""Success and cost of retries by the number of attempts, drawn. Floats are for the eye: here, and only here."""

# The types of matplotlib leave the keywords of its methods open, so a strict reader knows none of its methods whole.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from turnout.cli.figure import COLOURS, new_figure, save_figure
from turnout.planning.retry_study import Case, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = "osD^vP*X"
_STRONG = "#444444"


def plot_retries(study: Study, path: Path) -> None:
    """Writes the figure. Raises ClickException where that can't be done."""
    priced = study.prices is not None
    figure = new_figure(12 if priced else 7.5, 4.8)
    axes = figure.subplots(1, 2 if priced else 1, squeeze=False)[0]
    _draw_success(study, axes[0])
    if priced:
        _draw_cost(study, axes[1])
    for each in axes:
        each.set_xlabel("attempts at most")
        each.set_xlim(0.8, study.most + 0.2 if study.most > 1 else 2)
        each.grid(True, axis="y", color="0.9")
        each.spines[["top", "right"]].set_visible(False)
        each.set_axisbelow(True)
        each.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3 if priced else 2, frameon=False, fontsize=9)
    save_figure(figure, path)


def _draw_success(study: Study, axes: Axes) -> None:
    for number, case in enumerate(study.cases):
        shares = [float(each.right) * 100 for each in case.outcomes]
        _line(axes, number, case, shares)
    axes.set_title("An answer is accepted and right", loc="left", fontsize=11)
    axes.set_ylim(0, 104)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")
    if study.strong is not None:
        right = float(study.strong.success * study.check.accepts_right) * 100
        axes.axhline(right, color=_STRONG, linestyle="--", linewidth=1.2, label="one call of the strong model")


def _draw_cost(study: Study, axes: Axes) -> None:
    for number, case in enumerate(study.cases):
        found = [study.compared(case, each.most) for each in case.outcomes]
        costs = [
            float(each.ways[0].per_right) if each is not None and each.ways[0].per_right is not None else float("nan")
            for each in found
        ]
        _line(axes, number, case, costs)
    strong = study.compared(study.cases[0])
    if strong is not None and len(strong.ways) > 1 and strong.ways[1].per_right is not None:
        axes.axhline(float(strong.ways[1].per_right), color=_STRONG, linestyle="--", linewidth=1.2)
    axes.set_title("Dollars for a right answer, checks included", loc="left", fontsize=11)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"${value:,.6g}")


def _line(axes: Axes, number: int, case: Case, values: list[float]) -> None:
    name = f"correlation {float(case.tasks.correlation):.3g}"
    axes.plot(
        range(1, len(values) + 1),
        values,
        color=COLOURS[number % len(COLOURS)],
        marker=_MARKS[number % len(_MARKS)],
        markersize=4,
        linewidth=1.6,
        label=name if case.name == "given" else f"{name} ({case.name})",
    )

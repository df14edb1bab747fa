"""Bars of what a simulation found, as a file. Needs matplotlib: the extra `plots`."""
# matplotlib's own annotations leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from turnout.cli.amounts import dollars
from turnout.cli.figure import COLOURS, GREY, label, new_figure, save_figure

_HEIGHT = 0.42
"""Inches for a bar."""
_MOST_BARS = 60


class Bars(NamedTuple):
    """One colour of bars: a name for the legend, and an amount or nothing for each label."""

    name: str
    amounts: Sequence[Fraction | None]


def plot_bars(path: Path, *, title: str, labels: Sequence[str], series: Sequence[Bars], note: str) -> None:
    """Horizontal bars, the first label on top. Raises ClickException without matplotlib or for an unknown format."""
    shown = labels[:_MOST_BARS]
    thick = 0.8 / len(series)
    figure = new_figure(9, 1.6 + _HEIGHT * len(shown) * max(1, len(series) * 0.7))
    axes = figure.add_subplot()
    for number, bars in enumerate(series):
        places = [place - 0.4 + thick * (number + 0.5) for place in range(len(shown))]
        # Lengths of bars are for the eye: here, and only here, dollars become floats.
        lengths = [0.0 if each is None else float(each) for each in bars.amounts[: len(shown)]]
        # Where several are compared, the first is what there is, and the others are what could be.
        colour = GREY if number == 0 and len(series) > 1 else COLOURS[max(number - 1, 0) % len(COLOURS)]
        drawn = axes.barh(places, lengths, height=thick * 0.92, label=label(bars.name), color=colour)
        told = [dollars(each) for each in bars.amounts[: len(shown)]]
        axes.bar_label(drawn, told, padding=4, fontsize=9)
    axes.set_yticks(range(len(shown)), [label(each) for each in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.margins(x=0.18)
    axes.set_title(title, loc="left", fontsize=11)
    axes.xaxis.set_major_formatter(lambda value, _: f"${value:,.6g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(note, fontsize=8, color="0.35")
    if len(series) > 1:
        figure.legend(loc="outside lower right", ncols=len(series), frameon=False, fontsize=9)
    save_figure(figure, path)

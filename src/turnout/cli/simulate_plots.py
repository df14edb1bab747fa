"""Bars of what a simulation found, as a file. Needs matplotlib: the extra `plots`."""
# matplotlib's own annotations leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import click

from turnout.cli.simulate_amounts import dollars

_HEIGHT = 0.42
"""Inches for a bar."""
_MOST_BARS = 60
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Okabe and Ito's, which colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/)."""
_GREY = "#9A9A9A"


class Bars(NamedTuple):
    """One colour of bars: a name for the legend, and an amount or nothing for each label."""

    name: str
    amounts: Sequence[Fraction | None]


def plot_bars(path: Path, *, title: str, labels: Sequence[str], series: Sequence[Bars], note: str) -> None:
    """Horizontal bars, the first label on top. Raises ClickException without matplotlib or for an unknown format."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise click.ClickException("Plots need matplotlib: pip install 'turnout[plots]'.") from None
    shown = labels[:_MOST_BARS]
    thick = 0.8 / len(series)
    figure = Figure(figsize=(9, 1.6 + _HEIGHT * len(shown) * max(1, len(series) * 0.7)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, bars in enumerate(series):
        places = [place - 0.4 + thick * (number + 0.5) for place in range(len(shown))]
        # Lengths of bars are for the eye: here, and only here, dollars become floats.
        lengths = [0.0 if each is None else float(each) for each in bars.amounts[: len(shown)]]
        # Where several are compared, the first is what there is, and the others are what could be.
        colour = _GREY if number == 0 and len(series) > 1 else _COLOURS[max(number - 1, 0) % len(_COLOURS)]
        drawn = axes.barh(places, lengths, height=thick * 0.92, label=_short(bars.name), color=colour)
        told = ["not known" if each is None else dollars(each) for each in bars.amounts[: len(shown)]]
        axes.bar_label(drawn, told, padding=4, fontsize=9)
    axes.set_yticks(range(len(shown)), [_short(label) for label in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.margins(x=0.18)
    axes.set_title(title, loc="left", fontsize=11)
    axes.xaxis.set_major_formatter(lambda value, _: f"${value:,.6g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(note, fontsize=8, color="0.35")
    if len(series) > 1:
        figure.legend(loc="outside lower right", ncols=len(series), frameon=False, fontsize=9)
    _save(figure, path)


def _short(label: str, most: int = 32) -> str:
    """A dollar would begin a formula, and an underscore at the front hides a name from the legend."""
    label = label if len(label) <= most else f"{label[: most - 1]}…"
    return label.replace("$", r"\$").lstrip("_")


def _save(figure: object, path: Path) -> None:
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure), "made above"
    try:
        figure.savefig(path, dpi=144)
    except ValueError as error:
        raise click.ClickException(f"{path} can't be drawn: {error}. Name it such as costs.png or costs.svg.") from None
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}.") from None

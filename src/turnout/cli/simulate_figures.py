"""Figures of simulations as files. Needs matplotlib: the extra `plots`, imported when a figure is asked for."""

# The types of matplotlib leave the keywords of its methods open, so a strict reader knows none of its methods whole.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#1f5fa8", "#d1622b", "#2f8f5b", "#8a4fa3", "#b58900", "#5f6b76", "#c2306b", "#3aa0a8")
"""Told apart by people who don't see red and green apart, in this order; lines have marks too."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches. Raises ClickException without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise click.ClickException("Plots need matplotlib: pip install 'turnout[plots]'.") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Writes it, as the name's ending says. Raises ClickException where that can't be done."""
    try:
        figure.savefig(path, dpi=144)
    except ValueError as error:
        raise click.ClickException(f"{path} can't be drawn: {error}. Name it such as plot.png or plot.svg.") from None
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}.") from None
    click.echo(f"Drawn to {path}.", err=True)

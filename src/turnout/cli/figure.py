"""Figures as files: made, coloured, labelled and saved in one way. Needs matplotlib: the extra `plots`, imported when a
figure is asked for. Only what is drawn becomes a float: a pixel has no use for more digits."""

# The types of matplotlib leave the keywords of its methods open, so a strict reader knows none of its methods whole.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
"""Okabe and Ito's, which colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/)."""
GREY = "#9A9A9A"
"""What there is beside what could be; and what is left over."""
_LONGEST = 32


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


def label(name: str) -> str:
    """A name for a legend or an axis: a dollar would begin a formula, and an underscore at the front hides it."""
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\u2026"
    return short.replace("$", r"\$").lstrip("_") or "(none)"


def save_figure(figure: Figure, path: Path) -> None:
    """Writes it, as the name's ending says. Raises ClickException where that can't be done."""
    try:
        figure.savefig(path, dpi=144, metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}.") from None
    click.echo(f"Drawn to {path}.", err=True)

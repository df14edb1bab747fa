"""Plots of spend, where matplotlib is installed (`pip install 'turnout[plots]'`). Imported when a plot is asked for.

The only place where an amount becomes a float: a pixel has no use for more digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from turnout.core.errors import ConfigError
from turnout.core.money import NOTHING, Money, total

SUFFIXES = (".png", ".svg")
_MOST = 7
"""Colours that can be told apart; what is left is one grey bar."""
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Okabe and Ito's, which colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/)."""
_REST = "#9A9A9A"


def stacked_days(path: Path, days: Sequence[date], series: Mapping[str, Sequence[Money]], title: str) -> None:
    """Writes bars of cost, a bar a day, one colour for each name. `series` has an amount for each day.

    Raises ConfigError where matplotlib is missing or the file can't be written.
    """
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(10, 4.8), layout="constrained")
    floor = [0.0] * len(days)
    for (name, amounts), colour in zip(_largest(series), (*_COLOURS, _REST), strict=False):
        heights = [float(each.usd) for each in amounts]
        # An underscore at the front would hide a name from the legend, and a dollar would begin a formula.
        shown = name.replace("$", r"\$").lstrip("_") or "(none)"
        axes.bar(range(len(days)), heights, 0.82, bottom=floor, color=colour, label=shown)
        floor = [below + height for below, height in zip(floor, heights, strict=True)]
    _dress(axes, days, title)
    try:
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}.") from error
    finally:
        pyplot.close(figure)


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise ConfigError("Plots need matplotlib: `pip install 'turnout[plots]'`.") from None
    matplotlib.use("agg")  # no window, whatever the machine has
    from matplotlib import pyplot

    return pyplot


def _largest(series: Mapping[str, Sequence[Money]]) -> list[tuple[str, Sequence[Money]]]:
    """The largest names first, and the others together."""
    ordered = sorted(series.items(), key=lambda item: total(item[1]), reverse=True)
    ordered = [(name, amounts) for name, amounts in ordered if total(amounts) != NOTHING]
    if len(ordered) <= _MOST + 1:
        return list(ordered)
    rest = [total(amounts) for amounts in zip(*(amounts for _, amounts in ordered[_MOST:]), strict=True)]
    return [*ordered[:_MOST], (f"{len(ordered) - _MOST} others", rest)]


def _dress(axes: Any, days: Sequence[date], title: str) -> None:
    step = max(1, -(-len(days) // 12))
    places = range(0, len(days), step)
    axes.set_xticks(places, [f"{days[place]:%d %b}".lstrip("0") for place in places])
    axes.set_xlim(-0.6, len(days) - 0.4)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("USD a day")
    axes.yaxis.set_major_formatter("{x:,.10g}")
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    handles, names = axes.get_legend_handles_labels()
    if names:  # from the top, as the bars are stacked
        axes.legend(handles[::-1], names[::-1], loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)

"""Spend by day, drawn as stacked bars. Needs matplotlib: the extra `plots`, imported when a plot is asked for."""

# The types of matplotlib leave the keywords of its methods open, so a strict reader knows none of its methods whole.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from turnout.cli.figure import COLOURS, GREY, label, new_figure, save_figure
from turnout.core.money import NOTHING, Money, total

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = len(COLOURS)
"""Colours that can be told apart; what is left is one grey bar."""


def stacked_days(path: Path, days: Sequence[date], series: Mapping[str, Sequence[Money]], title: str) -> None:
    """Writes bars of cost, a bar a day, one colour for each name. `series` has an amount for each day.

    Raises ClickException where matplotlib is missing or the file can't be written.
    """
    figure = new_figure(10, 4.8)
    axes = figure.add_subplot()
    floor = [0.0] * len(days)
    for (name, amounts), colour in zip(_largest(series), (*COLOURS, GREY), strict=False):
        heights = [float(each.usd) for each in amounts]
        axes.bar(range(len(days)), heights, 0.82, bottom=floor, color=colour, label=label(name))
        floor = [below + height for below, height in zip(floor, heights, strict=True)]
    _dress(axes, days, title)
    save_figure(figure, path)


def _largest(series: Mapping[str, Sequence[Money]]) -> list[tuple[str, Sequence[Money]]]:
    """The largest names first, and the others together."""
    ordered = sorted(series.items(), key=lambda item: total(item[1]), reverse=True)
    ordered = [(name, amounts) for name, amounts in ordered if total(amounts) != NOTHING]
    if len(ordered) <= _MOST + 1:
        return list(ordered)
    rest = [total(amounts) for amounts in zip(*(amounts for _, amounts in ordered[_MOST:]), strict=True)]
    return [*ordered[:_MOST], (f"{len(ordered) - _MOST} others", rest)]


def _dress(axes: Axes, days: Sequence[date], title: str) -> None:
    step = max(1, -(-len(days) // 12))
    places = range(0, len(days), step)
    axes.set_xticks(places, [f"{days[place]:%d %b}".lstrip("0") for place in places])
    axes.set_xlim(-0.6, len(days) - 0.4)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("dollars a day")
    axes.yaxis.set_major_formatter(lambda value, _: f"${value:,.6g}")
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    handles, names = axes.get_legend_handles_labels()
    if names:  # from the top, as the bars are stacked
        axes.legend(handles[::-1], names[::-1], loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)

"""Tables for people: no rules, room for what is long, whole lines where the output is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Column, Table

PIPED_WIDTH = 200
"""Characters of a line where nobody's window limits it: a cut name can't be grepped for."""


def plain_table(*headers: Column | str, title: str | None = None) -> Table:
    """A table without a frame."""
    return Table(
        *headers, title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1)
    )


def show(*things: RenderableType) -> None:
    """Prints to standard output. Where that is no terminal, without the blanks that fill a line up."""
    things = tuple(part for each in things for part in _with_title(each))
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(*things, sep="\n")
        return
    console = Console(width=PIPED_WIDTH, highlight=False)
    with console.capture() as capture:
        console.print(*things, sep="\n")
    for line in capture.get().removesuffix("\n").split("\n"):
        click.echo(line.rstrip())


def _with_title(thing: RenderableType) -> Iterator[RenderableType]:
    """A table's title may be wider than the table."""
    if isinstance(thing, Table) and thing.title is not None:
        yield thing.title
        thing.title = None
    yield thing


def fitting(make: Callable[[Collection[str]], Table], may_go: Iterable[str]) -> tuple[Table, list[str]]:
    """The table with as many of its columns as there is room for, and the names of those that were left out.

    `make` makes it without the columns named; `may_go` names those that can be spared, the first first.
    """
    console = Console()
    room = console.width if console.is_terminal else PIPED_WIDTH
    left_out: list[str] = []
    table = make(left_out)
    for each in may_go:
        if Measurement.get(console, console.options.update(width=10 * room), table).maximum <= room:
            break
        left_out.append(each)
        table = make(left_out)
    return table, left_out


def show_fitting(make: Callable[[Collection[str]], Table], may_go: Iterable[str]) -> None:
    """Prints a table with as many columns as there is room for, and says which are left out."""
    table, left_out = fitting(make, may_go)
    show(table)
    if left_out:
        show("", f"Left out, for the width of this window: {', '.join(left_out)}. --json has everything.")


def short_count(count: int | None) -> str:
    """A number of tokens in few letters: `128k`, `1.05M`; `?` where it is not known."""
    if count is None:
        return "?"
    if count >= 1_000_000:
        return f"{count / 1_000_000:.3g}M"
    return f"{count / 1000:.3g}k" if count >= 10_000 else str(count)

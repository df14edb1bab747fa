"""Tables for people: no rules, room for what is long, whole lines where the output is no terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Column, Table

PIPED_WIDTH = 200
"""Characters of a line where nobody's window limits it: a cut name can't be grepped for."""


def plain_table(*headers: Column | str, title: str | None = None) -> Table:
    """A table without a frame."""
    return Table(
        *headers, title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1)
    )


def show(*things: RenderableType) -> None:
    """Prints to standard output."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    console.print(*things, sep="\n")


def short_count(count: int | None) -> str:
    """A number of tokens in few letters: `128k`, `1.05M`; `?` where it is not known."""
    if count is None:
        return "?"
    if count >= 1_000_000:
        return f"{count / 1_000_000:.3g}M"
    return f"{count / 1000:.3g}k" if count >= 10_000 else str(count)

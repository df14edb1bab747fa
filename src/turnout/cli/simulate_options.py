"""Options that the simulations share: counts, shares and sums that are read exactly, and the form of the answer."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import Enum
from fractions import Fraction
from typing import TypeVar

import click

from turnout.planning.workload import read_count, read_share

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")


class _Read(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - click took arguments only in 8.5
    """A parameter that one of our own functions reads."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        self.name = name
        self.read = read

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _dollars(text: str) -> Fraction:
    """`70000`, `70K`, `$70,000`. Raises ValueError."""
    return Fraction(read_count(text.strip().removeprefix("$")))


COUNT = _Read("count", read_count)
SHARE = _Read("share", read_share)
DOLLARS = _Read("dollars", _dollars)


class Format(Enum):
    """What an answer is printed as."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def format_options(command: F) -> F:
    """`--json` and `--csv`, handed on as `form`."""

    def chosen(context: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            if "form" in context.params and context.params["form"] is not Format.TEXT:
                raise click.UsageError("Print JSON or CSV, not both.")
            context.params["form"] = Format(param.name)
        context.params.setdefault("form", Format.TEXT)

    for name, text in (("csv", "Print CSV, for spreadsheets."), ("json", "Print JSON, for machines.")):
        help_text = f"{text} Amounts are text, so none is rounded." if name == "json" else text
        command = click.option(f"--{name}", name, is_flag=True, expose_value=False, callback=chosen, help=help_text)(
            command
        )
    return command


@contextmanager
def refusing() -> Generator[None]:
    """What the question gets wrong, as click tells it."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from error

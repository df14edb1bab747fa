"""Options that mean the same in every command that has them: where the record is, which period, how the answer is told,
and counts, shares and sums of dollars that are read exactly."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import click

from turnout.catalogue.calendar import zone_named
from turnout.core.money import Money
from turnout.planning.workload import read_count, read_share

F = TypeVar("F", bound=Callable[..., object])
_MOST_USD = 10**9
_DRAWN = (".png", ".svg")


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
    """`0.002`, `$3.99`, `$70,000`, `70K`. Raises ValueError."""
    plain = text.strip().removeprefix("$").replace(",", "")
    try:
        if plain.upper().endswith(("K", "M", "B")):
            amount = Fraction(read_count(plain))
        else:
            amount = Fraction(Money.of(plain).usd)
    except ValueError:
        raise ValueError(f"'{text}' is no sum of dollars such as 0.002, $3.99 or 70K.") from None
    if not 0 <= amount <= _MOST_USD:
        raise ValueError(f"'{text}' is out of range: from 0 to {_MOST_USD:,} dollars.")
    return amount


def _figure(text: str) -> Path:
    path = Path(text)
    if path.suffix not in _DRAWN:
        raise ValueError(f"'{text}' is no name of a plot: it ends in .png or .svg.")
    return path


COUNT = _Read("count", read_count)
SHARE = _Read("share", read_share)
DOLLARS = _Read("dollars", _dollars)
ZONE = _Read("zone", zone_named)

config_option = click.option(
    "--config", type=click.Path(path_type=Path), help="Default: $TURNOUT_CONFIG, else ./turnout.toml."
)
data_dir_option = click.option("--data-dir", type=click.Path(path_type=Path), help="Default: from the configuration.")
plot_option = click.option("--plot", type=_Read("file", _figure), help="Draw it to a file: .png or .svg.")


def period_options(since: str) -> Callable[[F], F]:
    """`--since`, whose default is given, `--until` and `--zone`: the period of a report."""

    def add(command: F) -> F:
        for option in (
            click.option("--zone", type=ZONE, default="UTC", show_default=True, help="Whose days: Europe/Berlin."),
            click.option("--until", help="The first day, month or instant that is not in it. Default: now."),
            click.option(
                "--since", default=since, show_default=True, help="2026-11-01, 2026-11, 7d, 24h, day, week, month ..."
            ),
        ):
            command = option(command)
        return command

    return add


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
                raise click.UsageError("Choose one of --json and --csv.")
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

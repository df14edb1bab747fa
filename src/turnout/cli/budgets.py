"""`turnout budgets`: where budgets stand, and corrections of what they have spent."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Collection
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import click
import orjson
from rich.markup import escape
from rich.table import Column, Table

from turnout.cli.admin import location_of_record, place_of, place_options, told
from turnout.cli.amounts import dollars
from turnout.cli.direct import directly
from turnout.cli.options import Format, format_options
from turnout.cli.tables import plain_table, show_fitting
from turnout.core.clock import SystemClock
from turnout.core.json import Json, JsonObject
from turnout.core.settings import find_config, read_settings
from turnout.ledger.budget_lines import budget_lines, line_to_json
from turnout.ledger.budgets import Budgets
from turnout.ledger.corrections import Correction, Corrector, corrected_to_json, correction_to_json, money_of
from turnout.ledger.opening import read_store
from turnout.ledger.windows import zone_of

_BAR = 10
COLUMNS = (
    "budget", "per", "subject", "key_name", "window", "zone", "opens_at", "resets_at", "limit", "soft", "spent", "held",
    "left", "percent", "over", "unpriced",
)  # fmt: skip
"""Of `--csv`, and the fields of `--json`."""


@click.group()
def budgets() -> None:
    """Show where budgets stand, and correct what they have spent."""


@budgets.command("list")
@click.option("--budget", help="Only this budget.")
@click.option("--near", type=click.IntRange(0, 100), help="Only those of which at least so many percent are used.")
@format_options
@place_options
def list_(
    budget: str | None,
    near: int | None,
    form: Format,
    config: Path | None,
    data_dir: Path | None,
    url: str | None,
) -> None:
    """List each budget of each subject in its present window.

    Reads the record; a running server is not disturbed. Of what is used, `#` is spent and `-` is set aside for requests
    under way.
    """
    with told():
        lines = _asked(config, data_dir, url) if url is not None else _stored(config, data_dir, budget)
    chosen = [line for line in lines if budget in (None, line["budget"]) and _percent(line) >= (near or 0)]
    if form is Format.JSON:
        click.echo(orjson.dumps(chosen, option=orjson.OPT_INDENT_2))
    elif form is Format.CSV:
        click.echo(_csv(chosen), nl=False)
    elif not lines:
        click.echo("There are no budgets. Write a `[budgets.NAME]` section in the configuration.")
    else:
        _show(chosen)


@budgets.command("correct")
@click.argument("name")
@click.option("--subject", help="Whose: the key id, team, tag, route or KEY_ID/USER, as `list` shows it.")
@click.option("--by", help="Dollars to add to what is spent; -5.00 takes off.")
@click.option("--to", help="Dollars that are spent afterwards.")
@click.option("--reason", required=True, help="Why; kept in the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@place_options
def correct(
    name: str,
    subject: str | None,
    by: str | None,
    to: str | None,
    reason: str,
    as_json: bool,
    config: Path | None,
    data_dir: Path | None,
    url: str | None,
) -> None:
    """Correct what the budget NAME has spent in its present window.

    While a server runs on the data directory, the command asks it; else it writes the database itself. The audit log
    keeps who did it, and why.
    """
    with told():
        wanted = Correction(
            subject=subject,
            by=None if by is None else money_of(by, "by"),
            to=None if to is None else money_of(to, "to"),
            reason=reason,
        )
        place = place_of(config, data_dir, url)
        if place.url is not None:
            path = f"/admin/budgets/{quote(name, safe='')}/correct"
            done = place.call("POST", path, correction_to_json(wanted))
        else:
            corrector = Corrector(budgets=_rules(config), now=_now(), random_bytes=os.urandom, actor="cli")
            done = corrected_to_json(directly(place, lambda store: corrector.correct(store, name, wanted)))
    if as_json:
        click.echo(orjson.dumps(done, option=orjson.OPT_INDENT_2))
    else:
        before, spent = (_dollars(done.get(name)) for name in ("before", "spent"))
        click.echo(f"{_title(done)} had spent {before}, and now {spent}.{_left(done)}")


def _asked(config: Path | None, data_dir: Path | None, url: str) -> list[JsonObject]:
    found = place_of(config, data_dir, url).call("GET", "/admin/budgets").get("budgets")
    return [line for line in found if isinstance(line, dict)] if isinstance(found, list) else []


def _stored(config: Path | None, data_dir: Path | None, budget: str | None) -> list[JsonObject]:
    """Read from the database, beside a server if one runs."""
    rules = _rules(config)
    if budget is not None:
        rules.named(budget)
    with closing(read_store(location_of_record(config, data_dir))) as store:
        return [line_to_json(line) for line in budget_lines(store, rules, _now())]


def _rules(config: Path | None) -> Budgets:
    return Budgets.of(read_settings(find_config(config, os.environ), os.environ).budgets.values())


def _show(lines: list[JsonObject]) -> None:
    shown = [name for name in _CELLS if name != "key" or any(line.get("key_name") for line in lines)]

    def make(left_out: Collection[str]) -> Table:
        names = [name for name in shown if name not in left_out]
        table = plain_table(*(_column(name) for name in names))
        for line in lines:
            table.add_row(*(_CELLS[name](line) for name in names))
        return table

    show_fitting(make, _FIRST_TO_GO)
    if any(line.get("unpriced") for line in lines):
        click.echo("+N: so many calls are not counted, because their price is not known.", err=True)


def _column(name: str) -> Column:
    if name in ("budget", "subject"):
        return Column(name, overflow="fold", min_width=10)
    return Column(name, no_wrap=True, justify="left" if name in ("key", "window", "used", "resets") else "right")


def _limit(line: JsonObject) -> str:
    return _dollars(line.get("limit")) or f"soft {_dollars(line.get('soft'))}"


def _resets(line: JsonObject) -> str:
    """By the budget's own calendar, to the minute."""
    at, zone = line.get("resets_at"), line.get("zone")
    if not isinstance(at, str) or not isinstance(zone, str):
        return "never"
    return f"{datetime.fromisoformat(at).astimezone(zone_of(zone)):%Y-%m-%d %H:%M} {zone}"


_CELLS: dict[str, Callable[[JsonObject], str]] = {
    "budget": lambda line: _text(line.get("budget")),
    "subject": lambda line: _text(line.get("subject")),
    "key": lambda line: _text(line.get("key_name")),
    "window": lambda line: _text(line.get("window")),
    "limit": _limit,
    "spent": lambda line: f"{_dollars(line.get('spent'))}{_unpriced(line)}",
    "held": lambda line: _dollars(line.get("held")),
    "left": lambda line: _dollars(line.get("left")),
    "%": lambda line: str(_percent(line)),
    "used": lambda line: _bar(line),
    "resets": _resets,
}
_FIRST_TO_GO = ("used", "window", "held", "resets", "limit", "key")


def _csv(lines: list[JsonObject]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([line.get(name) for name in COLUMNS] for line in lines)
    return text.getvalue()


def _bar(line: JsonObject) -> str:
    """What is spent and what is set aside, in tenths; what is overdrawn fills it."""
    used = min(_BAR, _percent(line) * _BAR // 100)
    # Divided as decimals would be the same; the share of the two is only drawn.
    spent, held = (_nano(line.get(name)) for name in ("spent", "held"))
    solid = used * spent // (spent + held) if spent + held > 0 else 0
    return "#" * solid + "-" * (used - solid) + "." * (_BAR - used)


def _nano(value: Json) -> int:
    return money_of(value, "amount").nanodollars() if isinstance(value, str) else 0


def _percent(line: JsonObject) -> int:
    value = line.get("percent")
    return value if isinstance(value, int) else 0


def _unpriced(line: JsonObject) -> str:
    return f" +{line['unpriced']}" if line.get("unpriced") else ""


def _dollars(value: Json) -> str:
    return dollars(money_of(value, "amount")) if isinstance(value, str) else ""


def _title(done: JsonObject) -> str:
    subject = done.get("subject")
    return f"The budget '{done.get('budget')}'{f' of {subject}' if subject else ''}"


def _left(done: JsonObject) -> str:
    left = done.get("left")
    return f" {_dollars(left)} of {_dollars(done.get('limit'))} is left." if left is not None else ""


def _text(value: Json) -> str:
    """For a terminal: an end user's name may hold anything."""
    return "" if value is None else escape("".join(each if each.isprintable() else "?" for each in str(value)))


def _now() -> datetime:
    return SystemClock().now()

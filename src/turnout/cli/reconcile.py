"""`turnout reconcile`: a provider's own export against the ledger. Reads only; a running server is not disturbed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from turnout.catalogue.calendar import zone_named
from turnout.catalogue.tariff import PriceBook
from turnout.cli.admin import location_of_record, told
from turnout.cli.loaded import load_config
from turnout.cli.options import Format, config_option, data_dir_option, format_options
from turnout.cli.reconcile_report import as_csv, as_json, show_report
from turnout.core.errors import ConfigError
from turnout.ledger.location import Location
from turnout.ledger.queries import reading
from turnout.planning.exports.formats import format_names, read_export
from turnout.planning.exports.generic import read_mapping
from turnout.planning.exports.row import Export
from turnout.planning.exports.source import open_sources
from turnout.planning.reconcile import Terms
from turnout.planning.reconcile import reconcile as compared
from turnout.planning.reconcile_ledger import Part, Side, read_parts
from turnout.planning.reconcile_names import matched
from turnout.planning.reconcile_result import Reconciliation
from turnout.planning.reconcile_sides import read_once

_MONTH = len("2026-11")


def _day(_context: click.Context, _param: click.Parameter, value: str | None) -> date | None:
    try:
        return None if value is None else date.fromisoformat(f"{value}-01" if len(value) == _MONTH else value)
    except ValueError:
        raise click.BadParameter(f"'{value}' is no day such as 2026-11-22.") from None


def _part_of(_context: click.Context, _param: click.Parameter, value: str) -> Decimal:
    """`0.5%` or `0.005` as a part."""
    try:
        part = Decimal(value.removesuffix("%")).scaleb(-2 if value.endswith("%") else 0)
    except InvalidOperation:
        part = Decimal(-1)
    if not 0 <= part <= 1:
        raise click.BadParameter(f"'{value}' is no part such as 0.5% or 0.005.")
    return part


def _pairs(_context: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = [each.partition("=") for each in value]
    if not all(there.strip() and here.strip() for there, _, here in pairs):
        raise click.BadParameter("is written THEIRS=OURS, such as gpt-5.5-2026-04-23=gpt-5.5.")
    return {there.strip(): here.strip() for there, _, here in pairs}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What to compare, as the person said it; `until` is the last day."""

    provider: str | None
    since: date | None
    until: date | None
    zone: str | None
    tolerance: Decimal
    names: dict[str, str]
    book: PriceBook


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, exists=True))
@click.option("--format", "written", type=click.Choice(format_names()), help="Default: what the file looks like.")
@click.option("--mapping", type=click.Path(path_type=Path, exists=True), help="A TOML file: which column is what.")
@click.option("--provider", help="The provider's name in the configuration. Default: all of the export's channel.")
@click.option("--model", "names", multiple=True, callback=_pairs, metavar="THEIRS=OURS", help="What a name means here.")
@click.option(
    "--since", callback=_day, metavar="DAY", help="The first day, or 2026-11 for a month. Default: the export's."
)
@click.option(
    "--until",
    callback=_day,
    metavar="DAY",
    help="The first day or month that is not in it. Default: after the export's last.",
)
@click.option("--zone", help="Of the provider's days, such as UTC. Default: what the format says.")
@click.option(
    "--tolerance", default="0", callback=_part_of, show_default=True, help="Such as 0.5%: so much is no matter."
)
@click.option("--limit", type=click.IntRange(1), default=40, show_default=True, help="Lines of the table.")
@format_options
@data_dir_option
@config_option
def reconcile(
    files: tuple[Path, ...],
    written: str | None,
    mapping: Path | None,
    provider: str | None,
    names: dict[str, str],
    since: date | None,
    until: date | None,
    zone: str | None,
    tolerance: Decimal,
    limit: int,
    form: Format,
    data_dir: Path | None,
    config: Path | None,
) -> None:
    """Compare the ledger with a provider's own usage or cost export, FILE, and list every difference with its cause.

    Exits with 1 where a difference has no known cause. Give the files of one provider together: usage, costs, or the
    archive that they came in.
    """
    with told():
        book = load_config(config).catalogue.prices
        wanted = _Wanted(
            provider=provider,
            since=since,
            until=until and until - timedelta(days=1),
            zone=zone,
            tolerance=tolerance,
            names=names,
            book=book,
        )
        mapped = None if mapping is None else read_mapping(mapping)
        exports = [read_export(source, written, mapped) for path in files for source in open_sources(path)]
        side, found, notes = _compare(exports, wanted, location_of_record(config, data_dir))
    if form is Format.JSON:
        click.echo(as_json(side, exports, found, notes))
    elif form is Format.CSV:
        click.echo(as_csv(found), nl=False)
    else:
        show_report(side, exports, found, notes, limit)
    if found.unexplained:
        sys.exit(1)


def _compare(exports: Sequence[Export], wanted: _Wanted, record: Location) -> tuple[Side, Reconciliation, list[str]]:
    read_once(exports)
    zone, channel = _zone(exports, wanted.zone), _channel(exports, wanted.provider)
    since, until = _days(exports, wanted, zone)
    rows = [row for export in exports for row in export.rows if since <= row.day(zone) <= until]
    side = Side(since=since, until=until, zone=zone, channel=channel, provider=wanted.provider)
    parts = _parts(record, side)
    names, notes = _names((row.model for row in rows if row.model is not None), parts, wanted.book, wanted.names)
    terms = Terms(book=wanted.book, zone=zone, channel=channel or wanted.provider, tolerance=wanted.tolerance)
    notes += [note for export in exports for note in (*export.notes, *_unread(export))]
    return side, compared(rows, parts, names, terms), list(dict.fromkeys(notes))


def _parts(record: Location, side: Side) -> list[Part]:
    hidden = not sys.stderr.isatty()
    with (
        reading(record) as connection,
        click.progressbar(length=side.days, label="Reading the ledger", file=sys.stderr, hidden=hidden) as bar,
    ):
        return list(read_parts(connection, side, lambda _done, _all: bar.update(1)))


def _names(
    theirs: Iterable[str], parts: Sequence[Part], book: PriceBook, given: dict[str, str]
) -> tuple[dict[str, str], list[str]]:
    return matched(theirs, (part.model for part in parts), book, given)


def _zone(exports: Sequence[Export], name: str | None) -> tzinfo:
    names = {export.zone for export in exports}
    if name is None and len(names) > 1:
        raise ConfigError(f"The files have days of different zones: {', '.join(sorted(names))}. Choose with --zone.")
    try:
        return zone_named(name or names.pop())
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _channel(exports: Sequence[Export], provider: str | None) -> str | None:
    channels = {export.channel for export in exports if export.channel is not None}
    if len(channels) > 1:
        raise ConfigError(f"The files are of several providers: {', '.join(sorted(channels))}. Compare one at a time.")
    if not channels and provider is None:
        raise ConfigError("The files do not say whose they are. Name the provider with --provider.")
    return next(iter(channels), None)


def _days(exports: Sequence[Export], wanted: _Wanted, zone: tzinfo) -> tuple[date, date]:
    """The days asked for, else those of the export."""
    rows = [row for export in exports for row in export.rows]
    if not rows:
        raise ConfigError("There is no usage in the export, so there is nothing to compare.")
    since = wanted.since or min(row.at for row in rows).astimezone(zone).date()
    until = wanted.until or max(_last(row.at, row.until) for row in rows).astimezone(zone).date()
    if until < since:
        raise ConfigError(f"{until} is before {since}.")
    if (until - since).days > 3700:
        raise ConfigError(f"{since} to {until} is more than ten years. Name the days with --since and --until.")
    return since, until


def _last(at: datetime, until: datetime) -> datetime:
    return max(at, until - timedelta(microseconds=1))


def _unread(export: Export) -> list[str]:
    if not export.unread:
        return []
    return [f"Not read in {export.format}, because they are not known: {', '.join(export.unread)}."]

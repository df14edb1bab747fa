"""`turnout keys`: make, list, revoke and rotate virtual keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click
import orjson
from rich.markup import escape
from rich.table import Column, Table

from turnout.cli.admin import Place, location_of_record, place_of, place_options, told
from turnout.cli.tables import plain_table, show_fitting
from turnout.core.clock import SystemClock
from turnout.core.json import Json, JsonObject
from turnout.core.secret import Secret
from turnout.ledger.datadir import DataDir, DirLock
from turnout.ledger.keys import (
    KeyMaker,
    KeySpec,
    Role,
    issued_to_json,
    list_keys,
    row_to_json,
    spec_to_json,
)
from turnout.ledger.location import Location
from turnout.ledger.opening import open_store, read_store
from turnout.ledger.store import Store

T = TypeVar("T")
_COLUMNS = ("id", "name", "role", "state", "routes", "rpm", "tpm", "at once", "created", "expires")
as_json = click.option("--json", "machine", is_flag=True, help="Print JSON, for machines.")


@click.group()
def keys() -> None:
    """Make, list, revoke and rotate virtual keys.

    While a server runs on the data directory, the command asks it; else it writes the database itself.
    """


@keys.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(["user", "admin"]), default="user", show_default=True)
@click.option("--route", "routes", multiple=True, help="A route or model the key may use; repeat it. Default: all.")
@click.option("--rpm", type=click.IntRange(min=1), help="Requests a minute.")
@click.option("--tpm", type=click.IntRange(min=1), help="Tokens a minute.")
@click.option("--concurrency", type=click.IntRange(min=1), help="Requests at once.")
@click.option("--expires-days", type=click.IntRange(min=1), help="Days until the key stops working.")
@click.option("--tag", "tags", multiple=True)
@click.option("--team", default="", help="The team whose budgets it counts against.")
@as_json
@place_options
def create(
    name: str,
    role: Role,
    routes: tuple[str, ...],
    rpm: int | None,
    tpm: int | None,
    concurrency: int | None,
    expires_days: int | None,
    tags: tuple[str, ...],
    team: str,
    machine: bool,
    config: Path | None,
    data_dir: Path | None,
    url: str | None,
) -> None:
    """Make a key called NAME and show its text, once."""
    with told():
        spec = KeySpec(
            name=name,
            role=role,
            routes=routes or None,
            rpm=rpm,
            tpm=tpm,
            concurrency=concurrency,
            expires_at=_now() + timedelta(days=expires_days) if expires_days else None,
            tags=tags,
            team=team,
        )
        place = place_of(config, data_dir, url)
        if place.url is not None:
            made = place.call("POST", "/admin/keys", spec_to_json(spec))
        else:
            made = _change(place, lambda maker, db: issued_to_json(maker.create(db, spec), maker.now))
    _show_issued(made, machine)


@keys.command("list")
@as_json
@place_options
def list_(machine: bool, config: Path | None, data_dir: Path | None, url: str | None) -> None:
    """List all keys, the revoked ones too. Never shows a key's text."""
    with told():
        if url is not None:
            answer = place_of(config, data_dir, url).call("GET", "/admin/keys").get("keys")
            rows = answer if isinstance(answer, list) else []
        else:
            rows = _stored(location_of_record(config, data_dir))
    if machine:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        return

    def make(left_out: Collection[str]) -> Table:
        shown = [name for name in _COLUMNS if name not in left_out]
        table = plain_table(*(Column(name, overflow="fold", no_wrap=name not in ("name", "routes")) for name in shown))
        for row in rows:
            if isinstance(row, dict):
                cells: dict[str, str] = dict(zip(_COLUMNS, _cells(row), strict=True))
                table.add_row(*(cells[name] for name in shown))
        return table

    show_fitting(make, ("tpm", "at once", "rpm", "created"))


@keys.command("revoke")
@click.argument("key_id")
@as_json
@place_options
def revoke(key_id: str, machine: bool, config: Path | None, data_dir: Path | None, url: str | None) -> None:
    """Take the key KEY_ID out of use, at once and for good."""
    with told():
        place = place_of(config, data_dir, url)
        if place.url is not None:
            row = place.call("POST", f"/admin/keys/{key_id}/revoke")
        else:
            row = _change(place, lambda maker, db: row_to_json(maker.revoke(db, key_id), maker.now))
    click.echo(orjson.dumps(row, option=orjson.OPT_INDENT_2) if machine else f"The key {key_id} is revoked.")


@keys.command("rotate")
@click.argument("key_id")
@click.option("--grace", "grace_seconds", type=click.IntRange(min=0), default=0, help="Seconds the old text works on.")
@as_json
@place_options
def rotate(
    key_id: str, grace_seconds: int, machine: bool, config: Path | None, data_dir: Path | None, url: str | None
) -> None:
    """Give the key KEY_ID a new text; its id, name and limits stay."""
    with told():
        place = place_of(config, data_dir, url)
        grace = timedelta(seconds=grace_seconds)
        if place.url is not None:
            made = place.call("POST", f"/admin/keys/{key_id}/rotate", {"grace_seconds": grace_seconds})
        else:
            made = _change(place, lambda maker, db: issued_to_json(maker.rotate(db, key_id, grace), maker.now))
    _show_issued(made, machine)


def _change(place: Place, change: Callable[[KeyMaker, Store], T]) -> T:
    """Makes one change directly, holding the directory's lock meanwhile."""
    directory = DataDir(place.path)
    given = os.environ.get("TURNOUT_PEPPER")
    with DirLock(directory, shared=place.location.shared):
        pepper = directory.pepper(Secret(given) if given else None, os.urandom)
        with closing(open_store(place.location, directory, pepper, os.urandom)) as store:
            maker = KeyMaker(pepper=pepper, random_bytes=os.urandom, now=_now(), actor="cli")
            try:
                store.begin()
                done = change(maker, store)
                store.commit()
            except store.errors as error:
                raise store.ours(error) from None
    return done


def _stored(location: Location) -> list[Json]:
    """Read from the database, beside a server if one runs."""
    with closing(read_store(location)) as store:
        return [row_to_json(row, _now()) for row in list_keys(store)]


def _cells(row: JsonObject) -> list[str]:
    routes = row.get("routes")
    shown = "all" if not isinstance(routes, list) else escape(", ".join(str(route) for route in routes))
    limits = [_blank(row.get(name)) for name in ("rpm", "tpm", "concurrency")]
    times = [_blank(row.get(name))[:10] for name in ("created_at", "expires_at")]
    return [_blank(row.get(name)) for name in ("id", "name", "role", "state")] + [shown] + limits + times


def _blank(value: Json) -> str:
    return "" if value is None else escape(str(value))


def _show_issued(made: JsonObject, machine: bool) -> None:
    if machine:
        click.echo(orjson.dumps(made, option=orjson.OPT_INDENT_2))
        return
    click.echo(f"The key of '{made.get('name')}', id {made.get('id')}. It is shown this once:", err=True)
    click.echo(made.get("key"))


def _now() -> datetime:
    return SystemClock().now()

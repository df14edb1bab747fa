"""`turnout requests`: what was asked, where it went, how it ended. Reads only; a running server is not disturbed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import click
import orjson
from rich.markup import escape
from rich.table import Column

from turnout.cli.admin import location_of_record, told
from turnout.cli.options import config_option, data_dir_option
from turnout.cli.tables import plain_table, show
from turnout.core.errors import NotFound
from turnout.core.json import JsonObject
from turnout.core.money import plain
from turnout.ledger.queries import Booked, Wanted, costs_of, find_request, key_names, list_requests, reading
from turnout.ledger.record import AttemptRecord, RequestRecord

TAIL = 12
"""Digits of an id in the list: all of them random, and enough to find it again."""


@click.command()
@click.argument("request_id", required=False)
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@click.option("--key", help="Only requests of the key with this id or name.")
@click.option("--route", help="Only requests of this route.")
@click.option("--failed", is_flag=True, help="Only requests that did not end well.")
@click.option("--json", "machine", is_flag=True, help="Print JSON, for machines.")
@data_dir_option
@config_option
def requests(
    request_id: str | None,
    limit: int,
    key: str | None,
    route: str | None,
    failed: bool,
    machine: bool,
    data_dir: Path | None,
    config: Path | None,
) -> None:
    """Show the newest requests, or one with every attempt that was made for it.

    REQUEST_ID is the value of the answer's `x-request-id` header, or the end of it as the list shows it.
    """
    with told(), reading(location_of_record(config, data_dir)) as connection:
        if request_id is None:
            chosen = () if key is None else key_names(connection).ids(key)
            found = list_requests(connection, Wanted(limit=limit, key_ids=chosen, route=route, failed=failed))
        else:
            one = find_request(connection, request_id)
            if one is None:
                raise NotFound(f"There is no request with the id '{request_id}' in the record.")
            found = [one]
        costs = costs_of(connection, [record.id for record in found])
    if machine:
        listed = [{**dataclasses.asdict(record), "cost": _json_cost(costs.get(record.id))} for record in found]
        shown = listed[0] if request_id is not None else listed
        click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))
    elif request_id is not None:
        _show_one(found[0], _cost(costs.get(found[0].id)))
    else:
        _show_list(found, costs)


def _show_list(found: list[RequestRecord], costs: Mapping[str, Booked]) -> None:
    table = plain_table(
        Column("received", no_wrap=True),
        Column("id", no_wrap=True),
        Column("asked", overflow="fold"),
        Column("answered by", overflow="fold"),
        "outcome",
        Column("ms", justify="right"),
        Column("in/out", justify="right"),
        Column("cost", justify="right", no_wrap=True),
    )
    for record in found:
        table.add_row(
            f"{record.received_at:%m-%d %H:%M:%S}",
            record.id[-TAIL:],
            *(escape(text) for text in (record.asked, record.deployment or "-")),
            f"{record.status} {record.outcome if record.error_code is None else escape(record.error_code)}",
            str(record.duration_ms),
            _tokens(record.attempts),
            _cost(costs.get(record.id)),
        )
    show(table)


def _show_one(record: RequestRecord, cost: str) -> None:
    facts = plain_table("request", record.id)
    for field in dataclasses.fields(record):
        if field.name not in ("id", "attempts"):
            facts.add_row(field.name, escape(str(getattr(record, field.name))))
    facts.add_row("cost", cost)
    tries = plain_table("attempt", "deployment", "lane", "status", "outcome", "first byte", "ms", "tokens in/out")
    for attempt in record.attempts:
        tries.add_row(
            str(attempt.number),
            escape(attempt.deployment),
            attempt.lane,
            _or_dash(attempt.status),
            attempt.outcome if attempt.error_code is None else f"{attempt.outcome} ({escape(attempt.error_code)})",
            _or_dash(attempt.first_byte_ms),
            str(attempt.duration_ms),
            _tokens((attempt,)),
        )
    show(facts, "", tries)


def _tokens(attempts: tuple[AttemptRecord, ...]) -> str:
    """Such as `1200/80`; `-` where nothing was reported, `~` before our own estimate."""
    told_in = [attempt.input_tokens for attempt in attempts if attempt.input_tokens is not None]
    told_out = [attempt.output_tokens for attempt in attempts if attempt.output_tokens is not None]
    mark = "~" if any(attempt.estimated for attempt in attempts) else ""
    return f"{mark}{sum(told_in) if told_in else '-'}/{sum(told_out) if told_out else '-'}"


def _cost(booked: Booked | None) -> str:
    """Such as `$0.00132`; `~` before an estimate, `?` where a call has no known price, `-` where none was made."""
    if booked is None:
        return "-"
    if booked.unknown:
        return f"${_usd(booked)} + ?" if booked.nano else "?"
    return f"{'~' if booked.estimated else ''}${_usd(booked)}"


def _json_cost(booked: Booked | None) -> JsonObject | None:
    if booked is None:
        return None
    return {"usd": _usd(booked), "estimated": booked.estimated, "calls_without_price": booked.unknown}


def _usd(booked: Booked) -> str:
    return plain(Decimal(booked.nano).scaleb(-9))


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)

"""Holds and postings as rows, in the column order of `statements`, and back: a hold is ended by another process, a
posting comes back from the spill file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeAlias, cast

import orjson

from turnout.ledger.posting import AccountRef, Call, Hold, Kind, Posting
from turnout.ledger.rows import Row, Value, from_ms, to_ms

AccountKey: TypeAlias = "tuple[str, str, int]"
"""Budget, subject, when its window opens."""

_HOUR_MS = 3_600_000


def hold_row(hold: Hold, owner: str) -> Row:
    call = hold.call
    return (
        call.request_id,
        call.number,
        owner,
        to_ms(call.started_at),
        to_ms(hold.expires_at),
        hold.amount_nano,
        hold.sunk_nano,
        _accounts(hold.accounts),
        orjson.dumps(
            (
                call.key_id,
                call.team,
                call.end_user,
                call.tags,
                call.route,
                call.deployment,
                call.provider,
                call.model,
                call.channel,
            )
        ).decode(),
    )


def hold_of(row: Sequence[object]) -> Hold:
    """The hold that a row was made of, in INSERT_HOLD's order, with what bookkeeping needs of its accounts."""
    request_id, number, _, started_ms, expires_ms, held, sunk, accounts, detail = row
    key_id, team, end_user, tags, route, deployment, provider, model, channel = orjson.loads(str(detail))
    call = Call(
        request_id=str(request_id),
        number=cast(int, number),
        key_id=key_id,
        team=team,
        end_user=end_user,
        tags=tuple(tags),
        route=route,
        deployment=deployment,
        provider=provider,
        model=model,
        channel=channel,
        started_at=from_ms(cast(int, started_ms)),
    )
    return Hold(
        call=call,
        expires_at=from_ms(cast(int, expires_ms)),
        amount_nano=cast("int | None", held),
        sunk_nano=cast("int | None", sunk),
        accounts=_refs(str(accounts)),
    )


def expiry_of(row: Sequence[object], now: datetime) -> Posting:
    """The posting that gives a hold up: what is certain to be lost is its cost. `row` is in INSERT_HOLD's order."""
    hold = hold_of(row)
    return Posting(
        call=hold.call,
        kind="expire",
        posted_at=now,
        held_nano=hold.amount_nano,
        cost_nano=hold.sunk_nano,
        estimated=True,
        flags=("never_ended",),
        accounts=hold.accounts,
    )


def posting_row(posting: Posting) -> Row:
    call = posting.call
    return (
        call.request_id,
        call.number,
        posting.kind,
        to_ms(posting.posted_at),
        to_ms(call.started_at),
        call.key_id,
        call.team,
        call.end_user,
        ",".join(call.tags),
        call.route,
        call.deployment,
        call.provider,
        call.model,
        call.channel,
        posting.tier,
        posting.region,
        posting.input_tokens,
        posting.cached_tokens,
        posting.cache_write_tokens,
        posting.cache_write_1h_tokens,
        posting.output_tokens,
        posting.reasoning_tokens,
        posting.held_nano,
        posting.cost_nano,
        posting.price_row,
        posting.catalogue_version,
        posting.estimated,
        ",".join(posting.flags),
        posting.neutral_tokens,
        posting.content,
        _accounts(posting.accounts),
    )


def posting_of(row: Sequence[Value]) -> Posting:
    """The posting that a row was made of, with what bookkeeping needs of its accounts."""
    texts, counts = cast("Sequence[str]", row), cast("Sequence[int]", row)
    return Posting(
        call=Call(
            request_id=texts[0],
            number=counts[1],
            key_id=texts[5],
            team=texts[6],
            end_user=texts[7],
            tags=tuple(filter(None, texts[8].split(","))),
            route=texts[9],
            deployment=texts[10],
            provider=texts[11],
            model=texts[12],
            channel=texts[13],
            started_at=from_ms(counts[4]),
        ),
        kind=cast(Kind, row[2]),
        posted_at=from_ms(counts[3]),
        tier=texts[14],
        region=texts[15],
        input_tokens=counts[16],
        cached_tokens=counts[17],
        cache_write_tokens=counts[18],
        cache_write_1h_tokens=counts[19],
        output_tokens=counts[20],
        reasoning_tokens=counts[21],
        held_nano=cast("int | None", row[22]),
        cost_nano=cast("int | None", row[23]),
        price_row=texts[24],
        catalogue_version=texts[25],
        estimated=bool(row[26]),
        flags=tuple(filter(None, texts[27].split(","))),
        neutral_tokens=counts[28],
        content=texts[29],
        accounts=_refs(texts[30]),
    )


def spend_rows(postings: Iterable[Posting]) -> list[Row]:
    """What the postings add to `spend`, one row per hour and dimensions, in the order of its primary key."""
    sums: dict[tuple[int, str, str, str, str, str, str, str], list[int]] = {}
    for each in postings:
        call = each.call
        started = to_ms(call.started_at)
        tags = ",".join(call.tags)
        key = (
            started - started % _HOUR_MS,
            call.key_id,
            call.team,
            tags,
            call.route,
            call.deployment,
            call.provider,
            call.model,
        )
        cost = each.cost_nano or 0
        added = (
            each.kind in ("settle", "expire"),
            each.cost_nano is None,
            each.estimated,
            each.input_tokens,
            each.cached_tokens,
            each.cache_write_tokens,
            each.cache_write_1h_tokens,
            each.output_tokens,
            each.reasoning_tokens,
            cost,
            cost if each.estimated else 0,
        )
        found = sums.get(key)
        sums[key] = list(added) if found is None else [one + more for one, more in zip(found, added, strict=True)]
    return [(*key, *map(int, sums[key])) for key in sorted(sums)]


def _accounts(refs: Sequence[AccountRef]) -> str:
    return orjson.dumps([ref[:3] for ref in refs]).decode() if refs else ""


def _refs(text: str) -> tuple[AccountRef, ...]:
    """Of accounts that exist: their limits and ends stand in their rows."""
    if not text:
        return ()
    return tuple(AccountRef(budget, subject, opens, None, None) for budget, subject, opens in orjson.loads(text))

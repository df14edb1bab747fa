"""Postings to write, for tests and benchmarks: a month of a team's traffic as it looks, and hypothesis strategies for
what it can look like. The rows go through the ledger's own functions."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice

from hypothesis import strategies as st

from turnout.ledger import statements
from turnout.ledger.posting import Call, Posting
from turnout.ledger.posting_rows import posting_row, spend_rows

START = datetime(2026, 11, 1, tzinfo=UTC)

PRICES = {  # nanodollars for a token: input, cached, output
    "gpt-5.5": (5_000, 500, 30_000),
    "gpt-5.5-mini": (400, 40, 1_600),
    "claude-opus-4-7": (5_000, 500, 25_000),
    "claude-sonnet-5-5": (3_000, 300, 15_000),
    "claude-haiku-5-5": (1_000, 100, 5_000),
    "gemini-3.1-pro": (2_000, 200, 12_000),
    "gemini-3.8-flash": (300, 30, 2_500),
    "deepseek-v4-pro": (1_320, 44, 3_960),
    "deepseek-v4-flash": (300, 6, 1_200),
    "kimi-k3": (600, 150, 2_500),
    "glm-5.2": (600, 110, 2_200),
    "own-llama": (0, 0, 0),
}
"""The last one has no known price."""
MODELS = tuple(PRICES)
ROUTES = ("chat", "support", "search", "code", "batch", "agents", "mail", "nightly")


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A key with its habits."""

    key_id: str
    team: str
    tags: tuple[tuple[str, ...], ...]
    routes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """A month of calls. The same seed gives the same ones."""

    calls: int
    days: int = 30
    keys: int = 50
    users: int = 5_000
    start: datetime = START
    seed: int = 1
    scattered: bool = False
    """Every key calls everything at random: the worst case for sums by the hour."""
    customers: tuple[Customer, ...] = field(init=False)

    def __post_init__(self) -> None:
        dice = random.Random(self.seed)
        made = tuple(
            Customer(
                key_id=f"key{number:02}",
                team=f"team{number % 9}",
                tags=((), (f"app{number % 12}",), tuple(sorted((f"app{number % 12}", "prod")))),
                routes=ROUTES if self.scattered else tuple(dice.sample(ROUTES, 2)),
            )
            for number in range(self.keys)
        )
        object.__setattr__(self, "customers", made)

    def postings(self) -> Iterator[Posting]:
        """In the order of time; one or two for a request."""
        dice = random.Random(self.seed)
        hours = self.days * 24
        busy = [(8 if 8 <= hour % 24 < 18 else 2) * (1 if hour // 24 % 7 < 5 else 0.4) for hour in range(hours)]
        shares = list(accumulate(busy))
        popular = list(accumulate(1 / (rank + 1) for rank in range(len(self.customers))))
        made = 0
        for hour in range(hours):
            until = round(self.calls * shares[hour] / shares[-1])
            offsets = sorted(dice.randrange(3_600_000) for _ in range(until - made))
            for offset in offsets:
                at = self.start + timedelta(hours=hour, milliseconds=offset)
                (customer,) = dice.choices(self.customers, cum_weights=popular)
                yield self._posting(dice, made, at, customer)
                made += 1

    def _posting(self, dice: random.Random, number: int, at: datetime, customer: Customer) -> Posting:
        route = customer.routes[dice.random() < 0.2] if not self.scattered else dice.choice(ROUTES)
        first = ROUTES.index(route)
        model = MODELS[(first + (dice.random() < 0.1)) % 12] if not self.scattered else dice.choice(MODELS)
        provider = model.split("-")[0]
        size = int(dice.lognormvariate(7, 1.2)) + 20
        cached = size * 3 // 4 if dice.random() < 0.5 else 0
        answer = int(dice.lognormvariate(5.5, 1)) + 1
        chance = dice.random()
        kind = "void" if chance < 0.02 else "expire" if chance < 0.0201 else "settle"
        if kind != "settle":
            size = cached = answer = 0
        price = PRICES[model]
        cost = (size - cached) * price[0] + cached * price[1] + answer * price[2]
        return Posting(
            call=Call(
                request_id=f"req_{number:032x}",
                number=1,
                key_id=customer.key_id,
                team=customer.team,
                end_user=f"user-{int(dice.paretovariate(1.1) * 3) % self.users}" if dice.random() < 0.9 else "",
                tags=customer.tags[dice.randrange(3)],
                route=route,
                deployment=f"{provider}/{model}",
                provider=provider,
                model=model,
                channel=provider,
                started_at=at,
            ),
            kind=kind,
            posted_at=at + timedelta(seconds=3),
            held_nano=None if model == "own-llama" else cost * 2,
            cost_nano=None if model == "own-llama" and kind != "void" else cost,
            input_tokens=size,
            cached_tokens=cached,
            output_tokens=answer,
            price_row="" if model == "own-llama" else f"{provider}-{model}-2026-09",
            catalogue_version="4f2a",
            estimated=kind == "expire" or dice.random() < 0.01,
            neutral_tokens=size,
            content="prose",
        )


def store_rows(connection: sqlite3.Connection, postings: Iterable[Posting], chunk: int = 512) -> None:
    """Writes postings and their sums in transactions of `chunk`, as the writer does. No holds, no accounts."""
    postings = iter(postings)
    while group := list(islice(postings, chunk)):
        with connection:
            connection.executemany(statements.INSERT_POSTING, [posting_row(each) for each in group])
            connection.executemany(statements.ADD_SPEND, spend_rows(group))


NAMES = st.sampled_from(("a", "b", "c"))
INSTANTS = st.integers(0, 40 * 86_400_000 - 1).map(lambda ms: START + timedelta(milliseconds=ms))
MODEL_NAMES = st.sampled_from(MODELS[:3])
TAGS = st.sets(st.sampled_from(("x", "y", "z"))).map(lambda tags: tuple(sorted(tags)))


@st.composite
def posting_lists(draw: st.DrawFn, most: int = 30) -> Sequence[Posting]:
    """Some postings, each of its own request."""
    return [draw(postings(f"req_{number}")) for number in range(draw(st.integers(0, most)))]


@st.composite
def postings(draw: st.DrawFn, request_id: str = "req_1") -> Posting:
    """One that a call can end with."""
    kind = draw(st.sampled_from(("settle", "settle", "settle", "void", "expire")))
    billed = kind == "settle"
    size, answer = (draw(st.integers(0, 10**6)) if billed else 0 for _ in range(2))
    cached = draw(st.integers(0, size))
    at = draw(INSTANTS)
    model = draw(MODEL_NAMES)
    cost = draw(st.none() | st.integers(0, 10**12)) if kind != "void" else 0
    return Posting(
        call=Call(
            request_id=request_id,
            number=draw(st.integers(1, 3)),
            key_id=draw(NAMES),
            team=draw(NAMES | st.just("")),
            end_user=draw(NAMES | st.just("")),
            tags=draw(TAGS),
            route=draw(NAMES),
            deployment=f"p/{model}",
            provider=draw(NAMES),
            model=model,
            channel="p",
            started_at=at,
        ),
        kind=kind,
        posted_at=at + timedelta(seconds=1),
        held_nano=cost,
        cost_nano=cost,
        input_tokens=size,
        cached_tokens=cached,
        output_tokens=answer,
        price_row="" if cost is None else draw(st.sampled_from(("row1", "row2"))),
        catalogue_version="1",
        estimated=kind == "expire" or draw(st.booleans()),
    )

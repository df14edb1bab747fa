"""The upstream's own bill and the ledger say the same, by request, attempt and class of tokens, and in money.

What is checked of each charge, and of each posting:
1. Its counts came: every class is the upstream's, to the token, and the cost is what the price table says, to the
   nanodollar, by arithmetic of this file's own.
2. They were lost: it is marked as estimated, and something was planned to go wrong with it. Where the upstream broke
   off, what was seen before is counted exactly but for one piece. Where the caller left, an upstream charges for what
   it had written: no less is booked than the caller had read, and no more than the upstream wrote; what was on its way
   between the two is nobody's to know. In sum that is within 2 % and one piece a call.
3. A whole answer that was cut or left on its way was seen by nobody: its prompt is charged, and no more is claimed.
4. Nothing charged is without its posting, and no posting with a cost is without its charge.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from hashlib import blake2b
from pathlib import Path

import httpx
import pytest
from bill_load import Charge, Load, serve_and_ask
from bill_plan import KEYS, WORD_TOKENS, Planned, plan

from harness import Gateway, deployment, provider, running_gateway
from turnout.double import faults

# Dollars a million: input, cached, write, write of an hour, output; above 272,000 tokens of input, the second line.
FIRST_SEED = 20_261_122
PRICES = {
    "oa": {
        "sol": ("2", "0.2", "2.5", "3.1", "10"),
        "terra": ("0.75", "0.075", "0.9375", "1.2", "4.5"),
        "legacy": ("0.4", "0.1", "0.5", "0.6", "1.6"),
        "vectors": ("0.02", "0.013", "0.021", "0.022", "0"),
    },
    "an": {"opus": ("5", "0.5", "6.25", "10", "25"), "sonnet": ("3", "0.3", "3.75", "6", "15")},
    "go": {"gem": ("1.25", "0.003625", "1.7", "1.9", "9.99")},
    "xx": {"house": ("0.14", "0.0028", "0.15", "0.17", "0.28"), "house-vectors": ("0.1", "0.05", "0.1", "0.1", "0")},
    "dead": {"gone": ("1", "1", "1", "1", "1")},
}
CLASSES = ("input", "cached", "cache_write", "cache_write_1h", "output")
STEP = 272_000
TIERS = {"standard": Decimal(1), "flex": Decimal("0.5"), "priority": Decimal("2.5"), "fast": Decimal(2)}
REGIONS = {"global": Decimal(1), "us": Decimal("1.1")}
LONG = Decimal(2)
"""Times so much above STEP."""
FEE = {"xx": Decimal("0.0005")}
"""For each request."""
BUDGETS = """
[budgets.everything]
limit = "1000000"
window = "total"
per = "all"
[budgets.keys]
limit = "100000"
window = "total"
per = "key"
[budgets.poor]
limit = "{poor}"
window = "total"
per = "key"
match = ["poor"]
[budgets.teams]
limit = "100000"
soft = "0.01"
window = "month"
zone = "Europe/Berlin"
per = "team"
[budgets.tags]
limit = "100000"
window = "total"
per = "tag"
[budgets.routes]
limit = "100000"
window = "total"
per = "route"
[budgets.users]
limit = "100000"
window = "total"
per = "user"
"""


def _rows(name: str) -> str:
    lines: list[str] = []
    for model, prices in PRICES[name].items():
        for factor, band in ((Decimal(1), f"up_to = {STEP}"), (LONG, f"above = {STEP}")):
            texts = ", ".join(
                f'{kind} = "{Decimal(text) * factor}"' for kind, text in zip(CLASSES, prices, strict=True)
            )
            fee = f', per_request = "{FEE[name]}"' if name in FEE else ""
            tiers = ", ".join(f'{tier} = "{factor}"' for tier, factor in TIERS.items() if tier != "standard")
            lines.append(
                f'  {{ model = "{model}", from = "2026-01-01", {band}, {texts}{fee},'
                f' tiers = {{ {tiers} }}, regions = {{ us = "1.1" }} }},'
            )
    return f"\n[prices.{name}]\nrows = [\n" + "\n".join(lines) + "\n]\n"


def _config(port: int, poor: str) -> str:
    url = f"http://127.0.0.1:{port}"
    text = "[breaker]\nfailures = 1000\n"
    text += provider("oa", url + "/v1", preset="openai") + provider("an", url, preset="anthropic")
    text += provider("go", url + "/v1beta", preset="google")
    text += provider("xx", url + "/v1", extra='models = ["unused"]')
    text += provider("dead", f"http://127.0.0.1:{faults.closed_port()}/v1", extra='models = ["unused"]')
    room = "context = 3000000\nmax_output = 2000\n"
    for name, of, model, endpoint in (
        ("sol", "oa", "sol", "openai_chat"),
        ("terra", "oa", "terra", "openai_responses"),
        ("opus", "an", "opus", "anthropic"),
        ("sonnet", "an", "sonnet", "anthropic"),
        ("gem", "go", "gem", "gemini"),
        ("house", "xx", "house", "openai_chat"),
        ("gone", "dead", "gone", "openai_chat"),
        ("legacy", "oa", "legacy", "openai_completions"),
        ("vectors", "oa", "vectors", "openai_embeddings"),
        ("house-vectors", "xx", "house-vectors", "openai_embeddings"),
    ):
        text += deployment(name, of, model, f'{room}endpoints = ["{endpoint}"]')
    for name, targets in (
        ("one", ("sol", "sonnet")),
        ("two", ("terra", "house")),
        ("three", ("opus", "gem")),
        ("four", ("gem", "sol")),
        ("broken", ("gone", "opus", "house")),
        ("completions", ("legacy",)),
        ("embeddings", ("vectors", "house-vectors")),
    ):
        listed = ", ".join(f'"{each}"' for each in targets)
        text += f"\n[routes.{name}]\ntargets = [{listed}]\nmax_attempts = 3\nsticky = false\n"
        text += 'strategy = "weighted"\n' if name in ("two", "four", "embeddings") else ""
    return text + "".join(map(_rows, PRICES)) + BUDGETS.format(poor=poor)


@dataclass(kw_only=True)
class Books:
    """Everything that both sides wrote down."""

    planned: list[Planned]
    load: Load
    requests: list[dict[str, object]]
    attempts: list[dict[str, object]]
    postings: list[dict[str, object]]
    accounts: list[dict[str, object]]
    held: int
    keys: dict[str, str]
    """Ids by name."""
    session_key: bytes
    seconds: float


@contextlib.contextmanager
def _both_ends(seed: int, count: int) -> Iterator[tuple[multiprocessing.connection.Connection, int]]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve_and_ask, args=(there, seed, count), daemon=True)
    process.start()
    try:
        yield here, here.recv()
    finally:
        here.send(None)
        process.join(10)


def _run(folder: Path, seed: int, count: int, poor: str) -> Books:
    with _both_ends(seed, count) as (pipe, port), running_gateway(folder, _config(port, poor)) as gateway:
        secrets, ids = _keys(gateway)
        started = time.monotonic()
        pipe.send((int(gateway.url.rpartition(":")[2]), secrets))
        assert pipe.recv() == "asked"
        seconds = time.monotonic() - started
        _quiet(gateway)
        pipe.send("quiet")
        load: Load = pipe.recv()
        return Books(
            planned=plan(seed, count),
            load=load,
            requests=gateway.rows("requests"),
            attempts=gateway.rows("attempts"),
            postings=gateway.rows("postings"),
            accounts=gateway.rows("accounts"),
            held=len(gateway.rows("holds")),
            keys=ids,
            session_key=gateway.running.services.session_key,
            seconds=seconds,
        )


def _keys(gateway: Gateway) -> tuple[dict[str, str], dict[str, str]]:
    secrets: dict[str, str] = {}
    ids: dict[str, str] = {}
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {gateway.admin_key}"}) as admin:
        for number, name in enumerate(KEYS):
            spec = {"name": name, "team": ("", "search", "search", "ads", "")[number], "tags": ["own"] * (number == 2)}
            made = admin.post("/admin/keys", json=spec).json()
            secrets[name], ids[name] = made["key"], made["id"]
    return secrets, ids


def _quiet(gateway: Gateway) -> None:
    for _ in range(1000):
        if gateway.running.services.traffic.in_flight == 0:
            break
        time.sleep(0.01)
    assert gateway.running.services.traffic.in_flight == 0


# ---- the checks


def _check(books: Books) -> None:
    assert books.held == 0
    ends = Counter((row["request_id"], row["number"]) for row in books.postings)
    assert set(ends.values()) <= {1}
    called = {(row["request_id"], row["number"]) for row in books.attempts}
    assert called <= set(ends)
    never = [row for row in books.postings if (row["request_id"], row["number"]) not in called]
    assert {row["flags"] for row in never} <= {"never_called"}, never
    paired = _pair(books)
    _check_exact(paired)
    _check_lost(paired, books.load.heard)
    for posting in books.postings:
        assert int(str(posting["cost_nano"])) == _cost(posting), str(posting)
    _check_budgets(books)


def _pair(books: Books) -> list[tuple[Planned, Charge | None, dict[str, object]]]:
    """Each posting with its line of the bill. Which request is whose is told by the session that its caller named."""
    marks: dict[str, Planned] = {}
    for one in books.planned:
        digest = blake2b(books.keys[one.key].encode(), key=books.session_key[:64], digest_size=12)
        digest.update(f"hs{one.mark}".encode())
        marks[digest.hexdigest()] = one
    by_request = {str(row["id"]): marks[str(row["session"])] for row in books.requests if row["session"]}
    charges = {(each.mark, each.model, each.place): each for each in books.load.charges}
    came = Counter(books.load.reached)
    pairs: list[tuple[Planned, Charge | None, dict[str, object]]] = []
    seen: Counter[tuple[int, str]] = Counter()
    for posting in sorted(books.postings, key=lambda row: (str(row["request_id"]), int(str(row["number"])))):
        one = by_request[str(posting["request_id"])]
        key = one.mark, str(posting["model"])
        charge = charges.pop((*key, seen[key]), None)
        seen[key] += 1
        pairs.append((one, charge, posting))
        if charge is None and posting["kind"] == "settle":
            # Not charged, and yet taken as spent: only where the caller left before it can be told whether it arrived.
            assert posting["estimated"] and one.leave is not None and came[key] < seen[key], (one, posting)
        assert charge is None or posting["kind"] == "settle", f"{charge} was charged, and nothing was booked: {posting}"
    assert not charges, f"charged, and not in the ledger: {list(charges.values())[:3]}"
    return pairs


COLUMNS = ("input", "cached", "cache_write", "cache_write_1h", "output", "reasoning")


def _check_exact(paired: list[tuple[Planned, Charge | None, dict[str, object]]]) -> None:
    exact = 0
    for one, charge, posting in paired:
        if charge is None or posting["estimated"]:
            assert posting["kind"] == "void" or not one.sound, f"nothing was to go wrong with {one}: {posting}"
            continue
        booked = {kind: posting[f"{kind}_tokens"] for kind in COLUMNS}
        billed = {kind: getattr(charge.tokens, kind) for kind in COLUMNS}
        if billed["reasoning"] == 0 and charge.tokens.output:
            # Where a caller leaves at the very end, the double may not know that its last count was read. That part of
            # the output has no price of its own.
            billed["reasoning"] = booked["reasoning"]
        assert booked == billed, (one, charge, posting)
        assert (posting["tier"], posting["region"]) == _service(one, posting), (one, posting)
        exact += 1
    assert exact > len(paired) / 2


def _service(one: Planned, posting: dict[str, object]) -> tuple[str, str]:
    if posting["provider"] == "an":
        return "fast" if one.tier == "priority" else "standard", "us" if one.geo == "us" else "global"
    if one.speech == "embeddings":
        return "standard", "global"
    return one.tier, "global"


def _check_lost(paired: list[tuple[Planned, Charge | None, dict[str, object]]], heard: dict[int, int]) -> None:
    """Rules 2 and 3."""
    charged = booked = left = far = 0
    for one, charge, posting in paired:
        if charge is None or not posting["estimated"]:
            continue
        given, written = int(str(posting["input_tokens"])), int(str(posting["output_tokens"]))
        assert abs(given - charge.tokens.input) <= charge.tokens.input * 0.02, (one, charge, posting)
        if charge.doubt:
            continue
        if one.leave is None:
            assert abs(written - charge.tokens.output) <= WORD_TOKENS, (one, charge, posting)
        else:
            least = min(WORD_TOKENS * heard.get(one.mark, 0), charge.tokens.output)
            assert least <= written <= charge.tokens.output, (one, charge, posting)
        charged += charge.tokens.input + charge.tokens.output
        booked += given + written
        left += one.leave is not None
        far += abs(written - charge.tokens.output) > WORD_TOKENS
    print(f"lost counts: {charged} tokens charged, {booked} booked; {left} calls left, {far} by more than a piece")
    assert abs(charged - booked) <= charged * 0.02 + WORD_TOKENS * left


def _cost(posting: dict[str, object]) -> int:
    """Nanodollars, from the table at the top and nothing else."""
    if posting["kind"] == "void":
        return 0
    count = {kind: Decimal(str(posting[f"{kind}_tokens"])) for kind in COLUMNS}
    provider_name = str(posting["provider"])
    each = [Decimal(text) for text in PRICES[provider_name][str(posting["model"])]]
    if count["input"] > STEP:
        each = [price * LONG for price in each]
    amounts = (
        count["input"] - count["cached"] - count["cache_write"],
        count["cached"],
        count["cache_write"] - count["cache_write_1h"],
        count["cache_write_1h"],
        count["output"],
    )
    dollars = sum((amount * price for amount, price in zip(amounts, each, strict=True)), Decimal(0)) / 1_000_000
    dollars *= TIERS[str(posting["tier"])] * REGIONS[str(posting["region"])]
    dollars += FEE.get(provider_name, Decimal(0))
    return int((dollars * 10**9).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def _check_budgets(books: Books) -> None:
    """Each account is the sum of the postings that fall under it, reckoned from the postings' own columns."""
    spent: defaultdict[tuple[str, str], int] = defaultdict(int)
    names = {id: name for name, id in books.keys.items()}
    for row in books.postings:
        key, team, cost = str(row["key_id"]), str(row["team"]), int(str(row["cost_nano"]))
        under = [("everything", ""), ("keys", key), ("routes", str(row["route"]))]
        under += [("users", f"{key}/{row['end_user'] or '(none)'}")]
        under += [("teams", team)] if team else []
        under += [("poor", key)] if names[key] == "poor" else []
        under += [("tags", tag) for tag in str(row["tags"]).split(",") if tag]
        for account in under:
            spent[account] += cost
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in books.accounts:
        assert row["held_nano"] == 0 and row["unpriced"] == 0, row
        found[str(row["budget"]), str(row["subject"])] += int(str(row["spent_nano"]))
    assert {name: nano for name, nano in found.items() if nano} == {name: nano for name, nano in spent.items() if nano}
    assert any(status in (402, 429) for status, _ in books.load.told.values()), "no budget refused"


def _told(books: Books, seed: int) -> None:
    print(f"seed {seed}: {len(books.planned)} requests in {books.seconds:.1f} s")
    print(dict(Counter(status for status, _ in books.load.told.values())))


@pytest.mark.parametrize("number", range(5))
def test_the_bill_equals_the_ledger(tmp_path: Path, number: int) -> None:
    """A thousand requests of another seed each."""
    seed = FIRST_SEED + number
    books = _run(tmp_path, seed, 1_000, poor="5")
    _told(books, seed)
    _check(books)


def test_the_bill_equals_the_ledger_for_twenty_thousand_requests(tmp_path: Path) -> None:
    """As many as it takes to meet each dialect in front of each, whole and streamed, and every way to fail."""
    seed = FIRST_SEED
    books = _run(tmp_path, seed, 20_000, poor="20")
    _told(books, seed)
    _check(books)
    exact = [(one, posting) for one, charge, posting in _pair(books) if charge and not posting["estimated"]]
    met = {(one.speech, posting["provider"], posting["model"], one.stream) for one, posting in exact}
    spoken = {"sol", "terra", "opus", "gem", "house", "sonnet"}
    assert met >= {
        (speech, _provider_of(model), model, stream)
        for speech in ("chat", "responses", "messages")
        for model in spoken
        for stream in (False, True)
    }
    assert {posting["tier"] for _, posting in exact} == {*TIERS}
    for kind in ("cached", "cache_write", "cache_write_1h", "reasoning"):
        assert sum(int(str(posting[f"{kind}_tokens"])) for _, posting in exact) > 0
    assert books.seconds < 100


def _provider_of(model: str) -> str:
    return next(name for name, models in PRICES.items() if model in models)

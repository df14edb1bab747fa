"""Thousands of requests, drawn from one seed: who asks what in which dialect, what the upstream does about it, and when
the caller leaves. Pure; both the caller's and the upstream's side read it, and the checks compare with it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from turnout.double import Answer, Tokens

Speech = Literal["chat", "responses", "messages", "completions", "embeddings"]
PATHS: dict[Speech, str] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
}
Fault = Literal["429", "500", "reset", "stale", "cut", "no_usage", "slow"]
FAULTS: tuple[Fault, ...] = ("429", "500", "reset", "stale", "cut", "no_usage", "slow")
Leave = Literal["in_body", "sent", "first_bytes", "middle"]
"""When the caller closes: half of its request sent, all of it, the answer's first bytes read, some of its words."""
LEAVES: tuple[Leave, ...] = ("in_body", "sent", "first_bytes", "middle")

CHAT_ROUTES = ("one", "two", "three", "four", "broken")
KEYS = ("k0", "k1", "k2", "k3", "poor")
WORD = "abcdefg"
"""With its blank 8 letters, which our own count takes for two tokens, and so does this upstream."""
WORD_TOKENS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One request."""

    mark: int
    speech: Speech
    route: str
    stream: bool
    key: str
    user: str
    tags: str
    asks: str | None
    """The service that is asked for."""
    tier: str
    """The service that the upstream gives: `standard`, `flex` or `priority`."""
    geo: str | None
    prompt: str
    answer: Answer
    faults: tuple[Fault | None, ...]
    """What the first, the second, the third upstream does."""
    leave: Leave | None
    after: int
    """Pieces: where a stream is cut, or left."""

    @property
    def sound(self) -> bool:
        """Whether nothing is to go wrong with it."""
        return self.leave is None and not any(self.faults)


def plan(seed: int, count: int) -> list[Planned]:
    """The requests of a seed."""
    random = Random(seed)
    return [_one(random, mark) for mark in range(count)]


def _one(random: Random, mark: int) -> Planned:
    speech: Speech = random.choices(("chat", "responses", "messages", "completions", "embeddings"), (30, 25, 30, 8, 7))[
        0
    ]
    route = speech if speech in ("completions", "embeddings") else random.choice(CHAT_ROUTES)
    stream = speech != "embeddings" and random.random() < 0.5
    leave: Leave | None = None
    faults: list[Fault | None] = [None, None, None]
    fate = random.random()
    if fate < 0.2:
        leave = random.choice(LEAVES if stream else LEAVES[:2])
    elif fate < 0.3:
        faults[0] = random.choice(FAULTS)
        faults[1] = random.choice(FAULTS) if random.random() < 0.2 else None
    words = random.randint(2, 12)
    prompt = f"#{mark:06d}# " + "x" * random.randint(0, 400)
    sound = leave is None and not any(faults)
    return Planned(
        mark=mark,
        speech=speech,
        route=route,
        stream=stream,
        key=random.choice(KEYS),
        user=f"user-{random.randrange(40)}",
        tags=random.choice(("", "", "red", "blue,red")),
        asks=random.choice((None, None, "flex", "priority", "default")) if speech in ("chat", "responses") else None,
        tier=random.choice(("standard", "standard", "flex", "priority")) if sound else "standard",
        geo=random.choice((None, "us", "global", "not_available")) if sound else None,
        prompt=prompt,
        answer=_answer(random, speech, words, sound, prompt),
        faults=tuple(faults),
        leave=leave,
        after=random.randint(1, words),
    )


def _answer(random: Random, speech: Speech, words: int, sound: bool, prompt: str) -> Answer:
    text = " ".join([WORD] * words)
    thoughts = 0 if speech == "completions" else random.choice((0, 0, 0, random.randint(1, 5)))
    reasoning = " ".join([WORD] * thoughts)
    output = WORD_TOKENS * (words + thoughts)
    if not sound:
        # Its counts may be lost, so they are what a fair count of the texts is: ours within a few in a hundred.
        given = 4 + (len(prompt) + 3) // 4
        return Answer(
            text=text, reasoning=reasoning, tokens=Tokens(input=given, output=output, reasoning=WORD_TOKENS * thoughts)
        )
    cached, minutes, hour = (random.choice((0, 0, random.randrange(2_000))) for _ in range(3))
    fresh = random.choice((random.randrange(1, 3_000), random.randrange(1, 3_000), 200_000, 272_000, 400_000))
    hidden = random.choice((0, 0, random.randrange(500)))
    tokens = Tokens(
        input=fresh + cached + minutes + hour,
        cached=cached,
        cache_write=minutes + hour,
        cache_write_1h=hour,
        output=output + hidden,
        reasoning=WORD_TOKENS * thoughts + hidden,
    )
    return Answer(text=text, reasoning=reasoning, tokens=tokens)

"""Prometheus metrics. Label values are names of the catalogue or fixed words, never what a caller wrote.

Counting is adding to plain numbers; the client library's families are made of them when somebody reads the page. One
request counts about twenty things, and at a lock and a method call each they would cost as much as its parsing.

State: owned by the event loop.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from turnout.ledger.posting import Posting
from turnout.ledger.ratios_live import MEDIA_FLAG
from turnout.ledger.record import AttemptRecord, RequestRecord

_BOUNDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class _Seconds:
    """A histogram of durations."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        running = 0
        shown: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self.counts, strict=True):
            running += count
            shown.append((bound, running))
        return shown


class Metrics:
    """Counts what is recorded, so that metrics and records can't disagree."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, str, str], int] = {}
        self._attempts: dict[tuple[str, str], int] = {}
        self._tokens: dict[tuple[str, str], int] = {}
        self._seconds: dict[str, _Seconds] = {}
        self._first: dict[str, _Seconds] = {}
        self._lost = 0
        self._cost: dict[tuple[str], float] = {}
        self._calls: dict[tuple[str, str], int] = {}
        self._flags: dict[tuple[str, str], int] = {}
        self._refused: dict[tuple[str], int] = {}
        self._soft: dict[tuple[str], int] = {}
        self._now: dict[str, tuple[tuple[str, ...], float]] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def record(self, record: RequestRecord) -> None:
        """Counts one request with its attempts."""
        key = (record.endpoint, record.route, record.outcome, str(record.status))
        self._requests[key] = self._requests.get(key, 0) + 1
        seconds = self._seconds.get(record.endpoint)
        if seconds is None:
            seconds = self._seconds[record.endpoint] = _Seconds()
            self._first[record.endpoint] = _Seconds()
        seconds.add(record.duration_ms / 1000)
        if record.ttft_ms is not None:
            self._first[record.endpoint].add(record.ttft_ms / 1000)
        for attempt in record.attempts:
            self._attempt(attempt)

    def _attempt(self, attempt: AttemptRecord) -> None:
        key = (attempt.deployment, attempt.outcome)
        self._attempts[key] = self._attempts.get(key, 0) + 1
        self._count(attempt.deployment, "input", attempt.input_tokens)
        self._count(attempt.deployment, "cached", attempt.cached_tokens)
        self._count(attempt.deployment, "cache_write", attempt.cache_write_tokens)
        self._count(attempt.deployment, "output", attempt.output_tokens)
        self._count(attempt.deployment, "reasoning", attempt.reasoning_tokens)

    def _count(self, deployment: str, kind: str, tokens: int | None) -> None:
        if tokens:
            key = (deployment, kind)
            self._tokens[key] = self._tokens.get(key, 0) + tokens

    def lost_record(self) -> None:
        """Storage refused a record: the number that must stay at zero."""
        self._lost += 1

    def posted(self, posting: Posting) -> None:
        """Counts what a call cost. For people who watch; the ledger has the exact sum."""
        deployment = posting.call.deployment
        known = "unknown" if posting.cost_nano is None else "estimated" if posting.estimated else "exact"
        self._calls[deployment, known] = self._calls.get((deployment, known), 0) + 1
        if posting.cost_nano:
            self._cost[(deployment,)] = self._cost.get((deployment,), 0.0) + posting.cost_nano / 1e9
        for flag in posting.flags:
            if flag == MEDIA_FLAG:
                continue
            kind = (deployment, flag.partition(":")[0])
            self._flags[kind] = self._flags.get(kind, 0) + 1

    def refused_by_budget(self, budget: str) -> None:
        """A budget had no room for a request."""
        self._refused[(budget,)] = self._refused.get((budget,), 0) + 1

    def soft_limit_passed(self, budget: str) -> None:
        """A budget has passed its soft limit in a window."""
        self._soft[(budget,)] = self._soft.get((budget,), 0) + 1

    def page(
        self, *, in_flight: int, ready: bool, version: str, catalogue: str, prices: str, spilled: int, lost_ends: int
    ) -> bytes:
        """The text that Prometheus reads."""
        self._now = {
            "turnout_requests_in_flight": ((), in_flight),
            "turnout_ready": ((), float(ready)),
            "turnout_ledger_spilled": ((), spilled),
            "turnout_ledger_lost": ((), lost_ends),
            "turnout_info": ((version, catalogue, prices), 1.0),
        }
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """The families, for the registry."""
        labels = ("endpoint", "route", "outcome", "status")
        yield _counters("turnout_requests", "Requests by outcome.", labels, self._requests)
        yield _counters("turnout_attempts", "Calls to deployments.", ("deployment", "outcome"), self._attempts)
        yield _counters("turnout_tokens", "Tokens reported.", ("deployment", "kind"), self._tokens)
        yield _counters("turnout_cost_usd", "What calls cost, in dollars.", ("deployment",), self._cost)
        what = "Calls by how their cost is known: exact, estimated, unknown."
        yield _counters("turnout_priced_calls", what, ("deployment", "cost"), self._calls)
        what = "Calls whose counts or prices were odd."
        yield _counters("turnout_usage_flags", what, ("deployment", "flag"), self._flags)
        yield _counters(
            "turnout_budget_refusals", "Requests that a budget had no room for.", ("budget",), self._refused
        )
        what = "Windows in which a budget passed its soft limit."
        yield _counters("turnout_budget_soft_limits", what, ("budget",), self._soft)
        yield _counters("turnout_records_lost", "Records that storage refused.", (), {(): self._lost})
        yield _histograms("turnout_request_seconds", "From receipt to the end of the answer.", self._seconds)
        what = "From receipt to the first content sent to the caller."
        yield _histograms("turnout_first_byte_seconds", what, self._first)
        for name, (values, number) in self._now.items():
            shown = GaugeMetricFamily(name, "As of now.", labels=("version", "catalogue", "prices") if values else ())
            shown.add_metric(values, number)
            yield shown


def _counters(name: str, what: str, labels: tuple[str, ...], counts: Mapping[Any, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, what, labels=labels)
    for values, number in counts.items():
        family.add_metric(values, number)
    return family


def _histograms(name: str, what: str, found: dict[str, _Seconds]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, what, labels=("endpoint",))
    for endpoint, seconds in found.items():
        family.add_metric((endpoint,), seconds.buckets(), seconds.total)
    return family

"""Prometheus metrics. Label values are names of the catalogue or fixed words, never what a caller wrote."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from turnout.ledger.record import AttemptRecord, RequestRecord

_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts what is recorded, so that metrics and records can't disagree."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "turnout_requests",
            "Requests by outcome.",
            ("endpoint", "route", "outcome", "status"),
            registry=self.registry,
        )
        self._attempts = Counter(
            "turnout_attempts", "Calls to deployments.", ("deployment", "outcome"), registry=self.registry
        )
        self._tokens = Counter("turnout_tokens", "Tokens reported.", ("deployment", "kind"), registry=self.registry)
        self._seconds = Histogram(
            "turnout_request_seconds",
            "From receipt to the end of the answer.",
            ("endpoint",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._first = Histogram(
            "turnout_first_byte_seconds",
            "From receipt to the first content sent to the caller.",
            ("endpoint",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._in_flight = Gauge("turnout_requests_in_flight", "Requests under way.", registry=self.registry)
        self._ready = Gauge("turnout_ready", "1 when the server takes requests.", registry=self.registry)
        self._info = Gauge("turnout_info", "Version in use.", ("version", "catalogue"), registry=self.registry)
        self._lost = Counter("turnout_records_lost", "Records that storage refused.", registry=self.registry)
        # Label look-ups cost more than the increments; what they find is kept.
        self._request_of: dict[tuple[str, str, str, int], Counter] = {}
        self._attempt_of: dict[tuple[str, str], Counter] = {}
        self._token_of: dict[tuple[str, str], Counter] = {}
        self._seconds_of: dict[str, Histogram] = {}
        self._first_of: dict[str, Histogram] = {}

    def record(self, record: RequestRecord) -> None:
        """Counts one request with its attempts."""
        key = (record.endpoint, record.route, record.outcome, record.status)
        counter = self._request_of.get(key)
        if counter is None:
            counter = self._request_of[key] = self._requests.labels(*key)
        counter.inc()
        seconds = self._seconds_of.get(record.endpoint)
        if seconds is None:
            seconds = self._seconds_of[record.endpoint] = self._seconds.labels(record.endpoint)
            self._first_of[record.endpoint] = self._first.labels(record.endpoint)
        seconds.observe(record.duration_ms / 1000)
        if record.ttft_ms is not None:
            self._first_of[record.endpoint].observe(record.ttft_ms / 1000)
        for attempt in record.attempts:
            self._attempt(attempt)

    def _attempt(self, attempt: AttemptRecord) -> None:
        key = (attempt.deployment, attempt.outcome)
        counter = self._attempt_of.get(key)
        if counter is None:
            counter = self._attempt_of[key] = self._attempts.labels(*key)
        counter.inc()
        self._count(attempt.deployment, "input", attempt.input_tokens)
        self._count(attempt.deployment, "cached", attempt.cached_tokens)
        self._count(attempt.deployment, "cache_write", attempt.cache_write_tokens)
        self._count(attempt.deployment, "output", attempt.output_tokens)
        self._count(attempt.deployment, "reasoning", attempt.reasoning_tokens)

    def _count(self, deployment: str, kind: str, tokens: int | None) -> None:
        if not tokens:
            return
        counter = self._token_of.get((deployment, kind))
        if counter is None:
            counter = self._token_of[(deployment, kind)] = self._tokens.labels(deployment, kind)
        counter.inc(tokens)

    def lost_record(self) -> None:
        """Storage refused a record: the number that must stay at zero."""
        self._lost.inc()

    def page(self, *, in_flight: int, ready: bool, version: str, catalogue: str) -> bytes:
        """The text that Prometheus reads."""
        self._in_flight.set(in_flight)
        self._ready.set(1 if ready else 0)
        self._info.clear()
        self._info.labels(version, catalogue).set(1)
        return generate_latest(self.registry)

"""Traces and metrics for an OpenTelemetry collector: made of the records, sent from threads of their own.

Spans are made when a request has ended, with the times that its record has, so nothing of this runs while it is
answered. They wait in a queue of fixed size; when the collector is slow or gone, the oldest are dropped. The threads
live as long as `exporting`, whose end waits a bounded time for what is left.

OpenTelemetry is imported only where an endpoint is set. Its own variables (`OTEL_SERVICE_NAME`,
`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*` ...) mean what they always mean.

State: OpenTelemetry's, behind its own locks; `Telemetry` belongs to the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

from turnout.catalogue.model import Provider
from turnout.core.clock import Clock
from turnout.core.errors import ConfigError
from turnout.gateway import genai
from turnout.gateway.journal import Journal
from turnout.gateway.services import Observe, unobserved
from turnout.ledger.record import AttemptRecord, RequestRecord

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, Meter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanKind, Status, Tracer

FLUSH_SECONDS = 3.0
"""How long the end waits for the collector to take what is left."""
ABORT_SECONDS = 0.5
"""How long it then waits for the threads to notice that they shall stop."""
QUIET_SECONDS = 3600.0
"""After one line about a failing export there is no other for this long."""

Providers = Callable[[], Mapping[str, Provider]]


@contextlib.asynccontextmanager
async def exporting(
    endpoint: str | None, providers: Providers, journal: Journal, clock: Clock
) -> AsyncGenerator[Observe]:
    """What observes requests while the block runs; nothing at all without an endpoint. Raises ConfigError where
    OpenTelemetry is not installed."""
    if endpoint is None:
        yield unobserved
        return
    sdk = _start(endpoint.rstrip("/"))
    logger = logging.getLogger("opentelemetry")
    notice = _Notice(journal, clock, asyncio.get_running_loop())
    logger.addHandler(notice)
    # Else its lines would stand between the journal's, on the same stream and in another format.
    logger.propagate = False
    try:
        yield Telemetry(sdk, providers).observe
    finally:
        if not await _stop(sdk):
            journal.warning("telemetry not all sent", waited=FLUSH_SECONDS)
        logger.removeHandler(notice)
        logger.propagate = True


class Telemetry:
    """Tells OpenTelemetry of finished requests."""

    __slots__ = ("_places", "_providers", "_sdk", "_seen")

    def __init__(self, sdk: _Sdk, providers: Providers) -> None:
        self._sdk = sdk
        self._providers = providers
        self._seen: Mapping[str, Provider] | None = None
        self._places: dict[str, genai.Place] = {}

    def observe(self, record: RequestRecord, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """One request with its calls: spans under the caller's, if `headers` name one, and measurements."""
        sdk = self._sdk
        start = genai.nanoseconds(record.received_at)
        operation = genai.request_operation(record)
        span = sdk.tracer.start_span(
            genai.request_name(record, operation),
            context=sdk.read_context(_carrier(headers)),
            kind=sdk.server,
            attributes=genai.request_attributes(record, operation),
            start_time=start,
        )
        inside = sdk.inside(span)
        for attempt in record.attempts:
            self._call(record, attempt, inside)
        if genai.request_failed(record):
            span.set_status(sdk.failed)
        span.end(start + record.duration_ms * 1_000_000)

    def _call(self, record: RequestRecord, attempt: AttemptRecord, inside: Context) -> None:
        sdk = self._sdk
        labels = genai.call_labels(attempt, self._place(attempt.provider))
        start = genai.nanoseconds(attempt.started_at)
        span = sdk.tracer.start_span(
            f"{labels['gen_ai.operation.name']} {attempt.model}",
            context=inside,
            kind=sdk.client,
            attributes=genai.call_attributes(record, attempt, labels),
            start_time=start,
        )
        if genai.call_failed(attempt):
            span.set_status(sdk.failed)
        span.end(start + attempt.duration_ms * 1_000_000)
        self._measure(record, attempt, labels)

    def _measure(self, record: RequestRecord, attempt: AttemptRecord, labels: genai.Attributes) -> None:
        sdk = self._sdk
        sdk.duration.record(attempt.duration_ms / 1000, {**labels, **genai.call_error(attempt)})
        first = genai.first_content(record, attempt)
        if first is not None:
            sdk.first.record(first, labels)
        # Only what a provider has counted, and of good calls only: so the conventions want it.
        if attempt.outcome == "ok" and not attempt.estimated:
            for kind, tokens in (("input", attempt.input_tokens), ("output", attempt.output_tokens)):
                if tokens is not None:
                    sdk.tokens.record(tokens, {**labels, "gen_ai.token.type": kind})

    def _place(self, name: str) -> genai.Place:
        providers = self._providers()
        if providers is not self._seen:  # the first request, or the catalogue was exchanged
            self._seen = providers
            self._places = {each.name: genai.place_of(each) for each in providers.values()}
        # A provider that was taken away while it answered is still known by its name.
        return self._places.get(name) or {"gen_ai.provider.name": name}


def _carrier(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The W3C trace context among a request's headers."""
    return {
        name.decode(): value.decode("latin-1") for name, value in headers if name in (b"traceparent", b"tracestate")
    }


# ---- OpenTelemetry's own parts -----------------------------------------------------------


class _Exporter(Protocol):
    def shutdown(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sdk:
    """What is used of OpenTelemetry, brought here by the one function that imports it."""

    tracing: TracerProvider
    metering: MeterProvider
    exporters: tuple[_Exporter, _Exporter]
    tracer: Tracer
    duration: Histogram
    first: Histogram
    tokens: Histogram
    server: SpanKind
    client: SpanKind
    failed: Status
    read_context: Callable[[Mapping[str, str]], Context]
    inside: Callable[[Span], Context]


def _start(endpoint: str) -> _Sdk:
    try:
        from opentelemetry.context import Context
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        raise ConfigError(
            "`[telemetry] otlp_endpoint` is set, and OpenTelemetry is not installed: pip install 'turnout[otel]'."
        ) from None
    spans_out = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    metrics_out = OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics")
    resource = _named(Resource.create({"service.version": version("turnout")}), Resource)
    tracing = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracing.add_span_processor(BatchSpanProcessor(spans_out))
    metering = MeterProvider([PeriodicExportingMetricReader(metrics_out)], resource=resource, shutdown_on_exit=False)
    meter = metering.get_meter("turnout")
    w3c, nowhere = TraceContextTextMapPropagator(), Context()
    return _Sdk(
        tracing=tracing,
        metering=metering,
        exporters=(spans_out, metrics_out),
        tracer=tracing.get_tracer("turnout"),
        duration=_seconds(meter, "duration", "GenAI operation duration."),
        first=_seconds(meter, "time_to_first_chunk", "From the call to the first content of its stream."),
        tokens=meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=genai.TOKENS,
        ),
        server=SpanKind.SERVER,
        client=SpanKind.CLIENT,
        failed=Status(StatusCode.ERROR),
        read_context=lambda carrier: w3c.extract(carrier, nowhere) if carrier else nowhere,
        inside=set_span_in_context,
    )


def _named(found: Resource, make: type[Resource]) -> Resource:
    """The resource with a service name: the environment's, else ours."""
    if not str(found.attributes["service.name"]).startswith("unknown_service"):
        return found
    return found.merge(make({"service.name": "turnout"}))


def _seconds(meter: Meter, name: str, what: str) -> Histogram:
    return meter.create_histogram(
        f"gen_ai.client.operation.{name}", "s", what, explicit_bucket_boundaries_advisory=genai.SECONDS
    )


async def _stop(sdk: _Sdk) -> bool:
    """Sends what is left, in a bounded time; False where that was not enough.

    The thread is a daemon, because OpenTelemetry waits up to 30 s for an export that hangs, and nothing can end that
    wait from outside."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        sdk.tracing.shutdown()
        sdk.metering.shutdown()
        with contextlib.suppress(RuntimeError):  # too late: the loop is closed
            loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=stop, name="telemetry-stop", daemon=True).start()
    try:
        await asyncio.wait_for(stopped.wait(), FLUSH_SECONDS)
        return True
    except TimeoutError:
        pass
    # Ends the waits between retries.
    for exporter in sdk.exporters:
        exporter.shutdown()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), ABORT_SECONDS)
    return False


class _Notice(logging.Handler):
    """Puts OpenTelemetry's first complaint into the journal, and is quiet about the next ones."""

    def __init__(self, journal: Journal, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal
        self._clock = clock
        self._loop = loop
        self._quiet_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Comes from any thread; the journal is the event loop's."""
        with contextlib.suppress(RuntimeError):  # too late: the loop is closed
            self._loop.call_soon_threadsafe(self._tell, record.getMessage())

    def _tell(self, said: str) -> None:
        now = self._clock.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            self._journal.warning("telemetry export fails", said=said[:300], silent_for=QUIET_SECONDS)

"""Traces and metrics, as a collector of one's own receives them."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from harness import KEY, deployment, provider, running_gateway
from turnout.core.errors import ConfigError
from turnout.double import Answer, Double, Tokens, anthropic, faults, openai

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "a-word-that-only-the-prompt-holds"
UPSTREAM_KEY = "sk-upstream-0123456789"


class Collector:
    """An OTLP/HTTP receiver that decodes what it gets."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.spans: list[Span] = []
        self.metrics: dict[str, Metric] = {}
        self.resources: list[Resource] = []
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(self.path, body, dict(self.headers))
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        self.bodies.append(body)
        self.headers.append(headers)
        if path == "/v1/traces":
            for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(sent.resource)
                self.spans.extend(span for scope in sent.scope_spans for span in scope.spans)
        elif path == "/v1/metrics":
            for sent in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics.update({each.name: each for scope in sent.scope_metrics for each in scope.metrics})
        else:
            raise AssertionError(f"nothing listens at {path}")

    def of(self, kind: Span.SpanKind) -> list[Span]:
        """The spans of a kind, by their start."""
        return sorted((span for span in self.spans if span.kind == kind), key=lambda span: span.start_time_unix_nano)

    def points(self, name: str) -> list[HistogramDataPoint]:
        """The points of a histogram."""
        return list(self.metrics[name].histogram.data_points)

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Runs for one test."""
    with Collector() as running:
        yield running


def said(attributes: object) -> dict[str, object]:
    """Attributes as a dict."""
    found: dict[str, object] = {}
    for each in attributes:  # type: ignore[attr-defined]
        assert isinstance(each, KeyValue)
        kind = each.value.WhichOneof("value")
        found[each.key] = getattr(each.value, kind)
    return found


def telemetry(url: str) -> str:
    """The setting."""
    return f'\n[telemetry]\notlp_endpoint = "{url}"\n'


def ask(
    url: str, *, model: str = "m1", stream: bool = False, path: str = "/v1/chat/completions", **headers: str
) -> httpx.Response:
    """One request with the test key."""
    body = {"model": model, "max_tokens": 50, "stream": stream, "messages": [{"role": "user", "content": SECRET}]}
    return httpx.post(url + path, json=body, headers={"authorization": f"Bearer {KEY}", **headers}, timeout=20)


def test_a_request_is_one_span_with_a_child_for_its_call(tmp_path, collector):
    """Under the caller's own span, with the conventions' names, the counts of tokens, and no content or key."""
    answer = Answer(text="The answer's words.", tokens=Tokens(input=11, output=23, cached=4, reasoning=5))
    with Double([openai.chat(answer)]) as double:
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1") + telemetry(collector.url + "/")
        with running_gateway(tmp_path, config) as gateway:
            response = ask(gateway.url, traceparent=CALLER)
            record = gateway.requests(wait_for=1)[0]
            port = int(double.url.rpartition(":")[2])
    assert response.status_code == 200
    (server,), (client,) = collector.of(Span.SPAN_KIND_SERVER), collector.of(Span.SPAN_KIND_CLIENT)

    assert (server.name, client.name) == ("chat m1", "chat echo-1")
    assert server.trace_id.hex() == client.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert server.parent_span_id.hex() == "b7ad6b7169203331"
    assert client.parent_span_id == server.span_id
    assert server.status.code == client.status.code == Status.STATUS_CODE_UNSET
    asked, called = said(server.attributes), said(client.attributes)
    assert asked["gen_ai.operation.name"] == "chat"
    assert asked["gen_ai.request.model"] == "m1"
    assert asked["gen_ai.request.stream"] is False
    assert asked["http.route"] == "/v1/chat/completions"
    assert asked["http.response.status_code"] == 200
    assert asked["turnout.request.id"] == called["turnout.request.id"] == record["id"]
    assert asked["turnout.route"] == "m1"
    assert asked["turnout.reason"] == record["reason"]
    assert asked["turnout.outcome"] == called["turnout.outcome"] == "ok"
    assert not [name for name in asked if name.startswith("gen_ai.usage")], "a backend would count them twice"
    assert called["gen_ai.provider.name"] == "openai_compatible"
    assert called["gen_ai.request.model"] == "echo-1"
    assert (called["server.address"], called["server.port"]) == ("127.0.0.1", port)
    assert called["gen_ai.usage.input_tokens"] == 11
    assert called["gen_ai.usage.output_tokens"] == 23
    assert called["gen_ai.usage.cache_read.input_tokens"] == 4
    assert called["gen_ai.usage.reasoning.output_tokens"] == 5
    assert called["turnout.deployment"] == "m1"
    assert called["turnout.lane"] == "bytes"
    assert "error.type" not in called
    assert server.start_time_unix_nano <= client.start_time_unix_nano
    assert client.end_time_unix_nano - client.start_time_unix_nano == int(called_ms(gateway)) * 1_000_000
    sent = b"".join(collector.bodies)
    for secret in (SECRET, KEY, UPSTREAM_KEY, "The answer's words."):
        assert secret.encode() not in sent


def called_ms(gateway) -> int:
    """What the record says of the call's duration."""
    return gateway.attempts()[0]["duration_ms"]


def test_a_stream_tells_when_its_first_content_came(tmp_path, collector):
    """On both spans and as a histogram; a whole answer has no such time."""
    stream = openai.chat_stream(Answer(text="one two three", tokens=Tokens(input=7, output=3)))
    slow = [openai.chat(Answer()), delayed(stream, 0.12)]
    with Double(slow) as double:
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1") + telemetry(collector.url)
        with running_gateway(tmp_path, config) as gateway:
            ask(gateway.url)
            ask(gateway.url, stream=True)
            gateway.requests(wait_for=2)
    whole, streamed = (said(span.attributes) for span in collector.of(Span.SPAN_KIND_CLIENT))

    assert "gen_ai.response.time_to_first_chunk" not in whole
    assert 0.1 < streamed["gen_ai.response.time_to_first_chunk"] < 2
    assert streamed["gen_ai.request.stream"] is True
    asked = said(collector.of(Span.SPAN_KIND_SERVER)[1].attributes)
    assert 0.1 < asked["gen_ai.response.time_to_first_chunk"] < 2
    (first,) = collector.points("gen_ai.client.operation.time_to_first_chunk")
    assert first.count == 1
    assert first.sum == pytest.approx(streamed["gen_ai.response.time_to_first_chunk"])


def delayed(reply, seconds: float):
    """The reply after some silence."""
    return replace(reply, delay=seconds)


def test_the_histograms_are_the_conventions(tmp_path, collector):
    """Names, units, bounds and attributes; tokens only as the provider counted them."""
    with Double([anthropic.messages(Answer(text="hi", tokens=Tokens(input=9, output=2)))] * 2) as double:
        config = provider("claude", double.url, preset="anthropic", extra='models = ["unused"]')
        config += deployment("c1", "claude", "claude-x") + telemetry(collector.url)
        with running_gateway(tmp_path, config) as gateway:
            ask(gateway.url, model="c1", path="/v1/messages")
            ask(gateway.url, model="c1")
            gateway.requests(wait_for=2)
    (duration,) = collector.points("gen_ai.client.operation.duration")
    tokens = {
        said(point.attributes)["gen_ai.token.type"]: point for point in collector.points("gen_ai.client.token.usage")
    }

    assert duration.count == 2
    assert duration.explicit_bounds == pytest.approx(
        [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
    )
    assert said(duration.attributes).keys() == {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "server.address",
        "server.port",
    }
    assert said(duration.attributes)["gen_ai.provider.name"] == "anthropic"
    assert {kind: (point.count, point.sum) for kind, point in tokens.items()} == {"input": (2, 18), "output": (2, 4)}
    assert list(tokens["input"].explicit_bounds)[:3] == [1, 4, 16]
    assert tokens["input"].explicit_bounds[-1] == 67108864
    assert collector.metrics["gen_ai.client.operation.duration"].unit == "s"
    assert collector.metrics["gen_ai.client.token.usage"].unit == "{token}"


def test_a_failed_call_is_an_error_beside_the_good_one(tmp_path, collector):
    """The request itself is none when another deployment answered."""

    def script(request):
        return faults.status(500) if request.model == "bad" else openai.chat(Answer())

    with Double(script) as double:
        config = provider("up", double.url + "/v1") + deployment("d1", "up", "bad") + deployment("d2", "up", "good")
        config += '\n[routes.both]\ntargets = ["d1", "d2"]\n' + telemetry(collector.url)
        with running_gateway(tmp_path, config) as gateway:
            assert ask(gateway.url, model="both").status_code == 200
            gateway.requests(wait_for=1)
    bad, good = collector.of(Span.SPAN_KIND_CLIENT)
    (server,) = collector.of(Span.SPAN_KIND_SERVER)

    assert bad.status.code == Status.STATUS_CODE_ERROR
    assert not bad.status.message, "a provider's words may quote the prompt"
    assert said(bad.attributes)["error.type"] == gateway.attempts()[0]["error_code"]
    assert said(bad.attributes)["http.response.status_code"] == 500
    assert said(bad.attributes)["turnout.outcome"] == "error"
    assert (said(bad.attributes)["turnout.attempt"], said(good.attributes)["turnout.attempt"]) == (1, 2)
    assert good.status.code == server.status.code == Status.STATUS_CODE_UNSET
    assert bad.parent_span_id == good.parent_span_id == server.span_id
    assert said(server.attributes)["turnout.deployment"] == "d2"
    failed = [said(point.attributes) for point in collector.points("gen_ai.client.operation.duration")]
    assert {each.get("error.type") for each in failed} == {None, gateway.attempts()[0]["error_code"]}


def test_a_cut_stream_is_an_error_on_both_spans(tmp_path, collector):
    """The status was 200 by then; the caller has half an answer all the same."""
    cut = faults.cut_after(openai.chat_stream(Answer(text="one two three four five six")), 4)
    with Double([cut]) as double:
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1") + telemetry(collector.url)
        with running_gateway(tmp_path, config) as gateway:
            with contextlib.suppress(httpx.RemoteProtocolError):
                ask(gateway.url, stream=True)
            record = gateway.requests(wait_for=1)[0]
    (server,), (client,) = collector.of(Span.SPAN_KIND_SERVER), collector.of(Span.SPAN_KIND_CLIENT)

    assert record["outcome"] == "truncated"
    assert server.status.code == client.status.code == Status.STATUS_CODE_ERROR
    assert said(server.attributes)["error.type"] == record["error_code"]
    assert said(client.attributes)["turnout.usage.estimated"] is True
    assert "gen_ai.client.token.usage" not in collector.metrics, "an estimate is no count of the provider's"


def test_a_refused_request_is_a_span_without_calls(tmp_path, collector):
    """A name that leads nowhere is an attribute, and no part of the span's name. Who has no key leaves no span."""
    with Double() as double:
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1") + telemetry(collector.url)
        with running_gateway(tmp_path, config) as gateway:
            assert ask(gateway.url, model="nobody-knows").status_code == 404
            assert httpx.post(gateway.url + "/v1/chat/completions", json={}).status_code == 401
            gateway.requests(wait_for=1)
    (server,) = collector.spans

    assert (server.kind, server.name) == (Span.SPAN_KIND_SERVER, "chat")
    assert server.status.code == Status.STATUS_CODE_UNSET, "the caller's fault is no error of the server"
    assert said(server.attributes)["gen_ai.request.model"] == "nobody-knows"
    assert said(server.attributes)["error.type"]
    assert said(server.attributes)["turnout.outcome"] == "rejected"


def test_a_caller_that_does_not_sample_is_followed(tmp_path, collector):
    """Its metrics are counted all the same. A trace context that is none starts a trace of its own."""
    with Double() as double:
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1") + telemetry(collector.url)
        with running_gateway(tmp_path, config) as gateway:
            ask(gateway.url, traceparent=CALLER[:-1] + "0")
            ask(gateway.url, traceparent="00-not-a-trace-01", tracestate="=,=,a=")
            gateway.requests(wait_for=2)
    (server,) = collector.of(Span.SPAN_KIND_SERVER)

    assert not server.parent_span_id
    assert server.trace_id.hex() != "0af7651916cd43dd8448eb211c80319c"
    assert collector.points("gen_ai.client.operation.duration")[0].count == 2


def test_spans_are_sent_while_the_server_runs(tmp_path, collector, monkeypatch):
    """And OpenTelemetry's own variables hold: the delay, headers for the collector, the service's name."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=blue")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "models-eu")
    with Double() as double:
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1") + telemetry(collector.url)
        with running_gateway(tmp_path, config) as gateway:
            ask(gateway.url)
            wait_until(lambda: len(collector.spans) == 2)

            assert len(collector.spans) == 2
    assert said(collector.resources[0].attributes)["service.name"] == "models-eu"
    assert {name.lower(): value for name, value in collector.headers[0].items()}["x-team"] == "blue"


def wait_until(true: Callable[[], bool]) -> None:
    """Up to 5 s."""
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)


def test_the_service_is_called_turnout(tmp_path, collector):
    """Where the environment names it not."""
    with Double() as double:
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1") + telemetry(collector.url)
        with running_gateway(tmp_path, config) as gateway:
            ask(gateway.url)
            gateway.requests(wait_for=1)

    assert said(collector.resources[0].attributes)["service.name"] == "turnout"


@pytest.mark.parametrize("kind", ["refuses", "is silent"])
def test_a_collector_that_takes_nothing_costs_one_line_and_a_bounded_end(tmp_path, monkeypatch, capfd, kind):
    """Requests are answered as ever; the end waits a few seconds for the collector and no longer."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "10" if kind == "is silent" else "0.5")
    with Double() as double, socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if kind == "refuses":
            listener.close()
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1") + telemetry(url)
        with running_gateway(tmp_path, config) as gateway:
            for _ in range(20):
                began = time.monotonic()
                assert ask(gateway.url).status_code == 200
                assert time.monotonic() - began < 1
            gateway.requests(wait_for=20)
            if kind == "refuses":
                wait_until(lambda: "telemetry export fails" in gateway.log.getvalue())
            ending = time.monotonic()
        took = time.monotonic() - ending

    assert took < 6
    assert gateway.log.getvalue().count("telemetry export fails") == (1 if kind == "refuses" else 0)
    assert gateway.log.getvalue().count("telemetry not all sent") == (0 if kind == "refuses" else 1)
    assert not capfd.readouterr().err, "the log is the journal's alone"


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported():
    """It is an extra, and start-up does not pay for it."""
    code = "import sys, turnout.app; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"


def test_a_missing_package_is_named_with_its_cure(tmp_path, monkeypatch):
    """Before anything is served."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with (
        pytest.raises(ConfigError, match=r"pip install 'turnout\[otel\]'"),
        running_gateway(tmp_path, telemetry("http://127.0.0.1:4318")),
    ):
        pass

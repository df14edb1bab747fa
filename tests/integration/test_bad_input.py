"""Requests that can't be served: a clear 4xx in the caller's dialect that names the field, and nothing sent anywhere."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from fault_world import PATHS, SPEECHES, Speech, Told, body, body_error, target, upstream

from harness import KEY, Gateway, running_gateway
from turnout.double import Double

LIMIT = 10 * 1024 * 1024
HOT_PATHS = {
    **PATHS,
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "count": "/v1/messages/count_tokens",
}


@dataclass(frozen=True)
class World:
    gateway: Gateway
    double: Double


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gateway that gives a slow caller half a second."""
    with Double() as double:
        config = "[server]\nheader_timeout = 0.5\nbody_timeout = 0.5\n" + upstream("up", "messages", double.url)
        config += target("claude", "up", "messages")
        with running_gateway(tmp_path_factory.mktemp("bad"), config) as gateway:
            yield World(gateway, double)


@pytest.fixture(autouse=True)
def _nothing_is_sent(world: World) -> Iterator[None]:
    before = len(world.double.requests)
    yield
    assert len(world.double.requests) == before, "a bad request reached the provider"


def _post(world: World, path: str, content: object, headers: dict[str, str] | None = None) -> Told:
    sent = {**world.gateway.headers, "content-type": "application/json"} if headers is None else headers
    with httpx.Client(timeout=10) as client:
        got = client.post(world.gateway.url + path, content=content, headers=sent)  # type: ignore[arg-type]
        return Told(got.status_code, got.headers, got.content, got.elapsed.total_seconds())


def _speech(path: str) -> Speech:
    return "messages" if path.startswith("/v1/messages") else "chat"


BROKEN = {
    "empty": b"",
    "cut": b'{"model": "claude", ',
    "array": b"[]",
    "number": b"17",
    "null": b"null",
    "utf8": b'{"model": "\xff\xfe"}',
    "nan": b'{"model": "claude", "temperature": NaN}',
    "deep": b'{"model": "claude", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep-objects": b'{"model": "claude", "x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "surrogate": b'{"model": "\\ud800", "messages": 5}',
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("path", HOT_PATHS.values())
def test_a_body_that_is_no_json_object_is_refused(world: World, path: str, name: str) -> None:
    """Broken, deep and foreign bodies are a 400 (or a 404 for the name that they hold) on every endpoint."""
    told = _post(world, path, BROKEN[name])
    assert told.status in ((400, 404) if name == "surrogate" else (400,)), told.content
    assert body_error(_speech(path), told)["message"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", HOT_PATHS.values())
def test_a_body_of_one_byte_over_the_limit_is_413(world: World, path: str, chunked: bool) -> None:
    """Announced or not, the limit holds; a body of just the limit is read."""

    def pieces(size: int) -> Iterator[bytes]:
        yield b'{"model": 5, "x": "'
        for _ in range((size - 21) // 65536):
            yield b"x" * 65536
        yield b"x" * ((size - 21) % 65536) + b'"}'

    over = pieces(LIMIT + 1) if chunked else b"".join(pieces(LIMIT + 1))
    told = _post(world, path, over)
    assert told.status == 413, told.content
    kind = body_error(_speech(path), told)["type"]
    assert kind == "request_too_large"
    full = pieces(LIMIT) if chunked else b"".join(pieces(LIMIT))
    assert _post(world, path, full).status == 400


WRONG: list[tuple[str, dict[str, object], str]] = [
    ("chat", {"messages": "hi"}, "messages"),
    ("chat", {"messages": [5]}, "messages[0]"),
    ("chat", {"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
    ("chat", {"temperature": "hot"}, "temperature"),
    ("chat", {"max_tokens": -1}, "max_tokens"),
    ("chat", {"tools": {}}, "tools"),
    ("chat", {"stream": "yes"}, "stream"),
    ("chat", {"model": 5}, "model"),
    ("chat", {"model": None}, "model"),
    ("messages", {"messages": {}}, "messages"),
    ("messages", {"max_tokens": "many"}, "max_tokens"),
    ("messages", {"messages": [{"role": "user"}]}, "messages[0].content"),
    ("messages", {"system": 7}, "system"),
    ("messages", {"model": []}, "model"),
    ("responses", {"input": 5}, "input"),
    ("responses", {"input": [{"type": "message", "role": 5, "content": "x"}]}, "input[0].role"),
    ("responses", {"tools": "all"}, "tools"),
    ("responses", {"model": {}}, "model"),
]


@pytest.mark.parametrize(
    ("speech", "change", "field"), [pytest.param(*w, id=f"{w[0]}-{w[2]}-{n}") for n, w in enumerate(WRONG)]
)
def test_a_wrong_type_is_named_by_its_field(
    world: World, speech: Speech, change: dict[str, object], field: str
) -> None:
    """The path of the field is in the message, and in `param` where the dialect has one."""
    told = _post(world, PATHS[speech], json.dumps({**body(speech, "claude", False), **change}).encode())
    assert told.status == 400, told.content
    error = body_error(speech, told)
    assert field in str(error["message"])
    if speech != "messages":
        assert error["param"] == field


@pytest.mark.parametrize("speech", SPEECHES)
def test_an_unknown_model_is_404_with_the_near_names(world: World, speech: Speech) -> None:
    """A typing mistake is answered with the name that was meant."""
    told = _post(world, PATHS[speech], json.dumps(body(speech, "cluade", True)).encode())
    error = body_error(speech, told)
    assert told.status == 404 and "claude" in str(error["message"])
    assert error["type"] == "not_found_error"
    if speech != "messages":
        assert (error["code"], error["param"]) == ("model_not_found", "model")


CREDENTIALS = {
    "none": {},
    "empty": {"authorization": ""},
    "bare": {"authorization": "Bearer"},
    "basic": {"authorization": "Basic dXNlcjpwYXNz"},
    "unknown": {"authorization": "Bearer sk-nobody-0123456789"},
    "malformed": {"x-api-key": "tn_abc"},
    "long": {"x-api-key": "k" * 5000},
    "prefix": {"x-api-key": KEY[:20]},
    "suffix": {"authorization": f"Bearer {KEY}x"},
    "sql": {"x-api-key": "' OR 1=1 --"},
    "two": {"authorization": f"Bearer {KEY}", "x-api-key": "sk-other"},
    "two-swapped": {"authorization": "Bearer sk-other", "x-api-key": KEY},
}


@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.parametrize("path", HOT_PATHS.values())
def test_a_bad_key_is_401_before_anything_is_read(world: World, path: str, name: str) -> None:
    """Missing, unknown, cut, doubled and foreign keys: the caller's dialect, no row on disk, whatever the body is."""
    told = _post(world, path, b"no json", CREDENTIALS[name])
    assert told.status == 401, told.content
    assert body_error(_speech(path), told)["type"] == "authentication_error"
    for secret in CREDENTIALS[name].values():
        assert not secret.strip() or secret.split()[-1].encode() not in told.content or len(secret) < 8
    assert told.request_id not in {row["id"] for row in world.gateway.rows("requests")}
    assert "invalid_api_key" not in {row["error_code"] for row in world.gateway.rows("requests")}


@pytest.mark.parametrize("path", HOT_PATHS.values())
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_another_method_is_405_with_allow(world: World, path: str, method: str) -> None:
    """The endpoint says what it takes."""
    with httpx.Client() as client:
        got = client.request(method, world.gateway.url + path, headers=world.gateway.headers)
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert "POST" in got.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/models"])
def test_a_head_request_gets_its_head(world: World, path: str) -> None:
    """Load balancers ask with HEAD; on one connection each gets its answer at once."""
    with httpx.Client(timeout=2) as client:
        for _ in range(2):
            answer = client.head(world.gateway.url + path, headers=world.gateway.headers)
            assert (answer.status_code, answer.content) == (200, b"")


def test_parameters_that_a_target_lacks_are_refused_by_name(world: World) -> None:
    """What Anthropic has no word for is not dropped in silence."""
    for change, field in (({"logit_bias": {"5": 1}}, "logit_bias"), ({"n": 3}, "n"), ({"logprobs": True}, "logprobs")):
        told = _post(world, PATHS["chat"], json.dumps({**body("chat", "claude", False), **change}).encode())
        assert told.status == 400, told.content
        error = body_error("chat", told)
        assert error["param"] == field and field in str(error["message"])


def _raw(world: World, data: bytes, *, pause_after: int | None = None, seconds: float = 5) -> bytes:
    """What the server answers to these bytes before it closes, or before `seconds` are over."""
    host, port = world.gateway.url.removeprefix("http://").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        try:
            connection.sendall(data if pause_after is None else data[:pause_after])
            while piece := connection.recv(65536):
                answer += piece
        except TimeoutError:
            return answer + b"<open>"
        except ConnectionError:
            pass
    return answer


HEAD = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n".encode()


def test_f44_a_head_that_trickles_is_closed(world: World) -> None:
    """Half a head, and no head at all, are not waited for."""
    assert not _raw(world, HEAD, pause_after=40).endswith(b"<open>")
    assert not _raw(world, b"").endswith(b"<open>")


def test_f44_a_body_that_trickles_is_408_and_closed(world: World) -> None:
    """The caller is told, and the connection is not kept for more of it."""
    answer = _raw(world, HEAD + b'content-length: 900\r\n\r\n{"mod', seconds=3)
    assert answer.startswith(b"HTTP/1.1 408 ") and b'"timeout_error"' in answer
    assert not answer.endswith(b"<open>")


def test_f44_ten_thousand_headers_and_a_gigantic_one_are_431(world: World) -> None:
    """Neither reaches a parser of ours."""
    many = b"".join(b"x-%d: y\r\n" % number for number in range(10_000))
    assert _raw(world, HEAD + many + b"content-length: 2\r\n\r\n{}").startswith(b"HTTP/1.1 431 ")
    assert _raw(world, HEAD + b"x-big: " + b"y" * (1 << 20) + b"\r\ncontent-length: 2\r\n\r\n{}").startswith(
        b"HTTP/1.1 431 "
    )


SMUGGLED = {
    "two lengths": b"content-length: 2\r\ncontent-length: 40\r\n\r\n{}",
    "length and chunks": b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    "bad chunk": b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "negative length": b"content-length: -1\r\n\r\n",
    "nul in a value": b"x-a: b\x00c\r\ncontent-length: 2\r\n\r\n{}",
    "space before colon": b"x-a : b\r\ncontent-length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_f44_ambiguous_framing_is_a_400_and_never_two_answers(world: World, name: str) -> None:
    """One answer at most, and a refusal."""
    answer = _raw(world, HEAD + SMUGGLED[name], seconds=1.5)
    assert answer.count(b"HTTP/1.1 ") <= 1, answer
    assert answer.startswith(b"HTTP/1.1 4"), answer
    assert b'"status":"ok"' not in answer


@pytest.mark.parametrize("host", ["x/healthz?", "127.0.0.1/admin/keys", "x#", "", "a b", "[::1", "/healthz", "x@y"])
def test_the_host_header_has_no_part_in_a_decision(world: World, host: str) -> None:
    """Whatever it says, the key is asked for where it must be."""
    for line in ("GET /admin/keys", "GET /v1/models", "POST /v1/messages"):
        answer = _raw(
            world,
            f"{line} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode(),
            seconds=2,
        )
        assert answer.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 400 ")), answer


@pytest.mark.parametrize(
    "path",
    [
        "/v1//messages",
        "/v1/messages/",
        "/V1/messages",
        "/v1/messages/..",
        "/v1/%6dessages/x",
        "/v1/messages;a",
        "//v1/messages",
        "/v1/unknown",
        "/",
    ],
)
def test_a_path_that_is_none_is_404_in_an_error_shape(world: World, path: str) -> None:
    """Close is not equal; the answer says where the endpoints are."""
    answer = _raw(
        world,
        f"POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}".encode(),
    )
    assert answer.split(b" ", 2)[1] in (b"404", b"405"), answer
    assert b'"error"' in answer


def test_a_compressed_body_is_refused_by_name(world: World) -> None:
    """Nothing is inflated for a caller."""
    told = _post(world, PATHS["chat"], b"\x1f\x8b", {**world.gateway.headers, "content-encoding": "gzip"})
    assert told.status == 400 and body_error("chat", told)["param"] == "content-encoding"


def test_no_bad_request_is_a_defect(world: World) -> None:
    """After all of them the log has no line about a defect of ours."""
    assert "defect" not in world.gateway.log.getvalue(), world.gateway.log.getvalue()

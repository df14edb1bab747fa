"""What is written for a call, and what is never written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.upstream.request_head import RequestHead
from turnout.upstream.url import parse_url

HEAD = RequestHead(parse_url("https://api.acme.test/v1/chat?x=1"))


def test_the_head_is_complete() -> None:
    """The line, the host, the given headers, what is always added, and the length."""
    written = HEAD.write("POST", {"x-100%": "50%s", "accept": "text/event-stream"}, 12)
    assert written == (
        b"POST /v1/chat?x=1 HTTP/1.1\r\nhost: api.acme.test\r\nx-100%: 50%s\r\naccept: text/event-stream\r\n"
        b"accept-encoding: identity\r\ncontent-length: 12\r\n\r\n"
    )


def test_an_empty_post_says_so_and_a_get_has_no_length() -> None:
    """RFC 9110, 8.6."""
    assert b"content-length: 0\r\n" in HEAD.write("POST", {}, 0)
    assert b"content-length" not in HEAD.write("GET", {}, 0)


def test_a_given_host_replaces_the_url_s() -> None:
    """There is never a second one."""
    assert HEAD.write("POST", {"Host": "other"}, 0).lower().count(b"host:") == 1


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b", "\r\n\r\nGET / HTTP/1.1\r\n", "\ud800"])
def test_a_value_can_not_end_its_line(value: str) -> None:
    """CR, LF, NUL and what has no bytes are refused."""
    with pytest.raises(ValueError):
        HEAD.write("POST", {"x-a": value}, 0)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_text_adds_a_line(values: list[str]) -> None:
    """A head has the lines of its names, or is not written."""
    headers = {f"x-{number}": value for number, value in enumerate(values)}
    try:
        written = HEAD.write("POST", headers, 1)
    except ValueError:
        return
    assert len(written.split(b"\r\n")) == 1 + 1 + len(values) + 2 + 1 + 2
    assert written.count(b"\n") == written.count(b"\r") == written.count(b"\r\n")


@pytest.mark.parametrize(
    "name", ["", "a b", "a:", "a\r\n", "é", "Content-Length", "transfer-encoding", "Connection", "upgrade", "expect"]
)
def test_bad_names_and_framing_headers_are_refused(name: str) -> None:
    """How a request is framed is not for a call to say."""
    with pytest.raises(ValueError, match="can't be sent"):
        HEAD.write("POST", {name: "1"}, 1)


@pytest.mark.parametrize("method", ["GET / HTTP/1.1\r\nx", "", "HEAD", "CONNECT", "PO ST"])
def test_odd_methods_are_refused(method: str) -> None:
    """Also HEAD, whose answer is framed in a way of its own."""
    with pytest.raises(ValueError, match="method"):
        HEAD.write(method, {}, 0)


@pytest.mark.parametrize(
    ("text", "host", "port", "authority", "target"),
    [
        ("http://A.test", "a.test", 80, "a.test", "/"),
        ("https://a.test:443/x", "a.test", 443, "a.test", "/x"),
        ("http://a.test:443/x", "a.test", 443, "a.test:443", "/x"),
        ("http://[::1]:8080/v1?a=b c".replace(" ", "%20"), "::1", 8080, "[::1]:8080", "/v1?a=b%20c"),
        ("https://a.test/models/m:generate?alt=sse#f", "a.test", 443, "a.test", "/models/m:generate?alt=sse"),
        ("https://a.test?q=1", "a.test", 443, "a.test", "/?q=1"),
        ("https://a.test/ü/{model}", "a.test", 443, "a.test", "/%C3%BC/%7Bmodel%7D"),
        ("https://bücher.test/", "xn--bcher-kva.test", 443, "xn--bcher-kva.test", "/"),
    ],
)
def test_a_url_is_taken_apart(text: str, host: str, port: int, authority: str, target: str) -> None:
    """Host, port, the Host header and the target."""
    url = parse_url(text)
    assert (host, port, authority, target) == (url.host, url.port, url.authority, url.target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.test",
        "ftp://a.test",
        "http://",
        "http://a b",
        "http://a\r\nhost: b",
        "http://a/\n",
        "http://a\\@b",
        "http://a:99999",
    ],
)
def test_a_bad_url_is_refused(text: str) -> None:
    """Nothing is stripped, nothing guessed."""
    with pytest.raises(ValueError):
        parse_url(text)

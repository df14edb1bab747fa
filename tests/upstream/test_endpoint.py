"""URLs and headers of calls."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from turnout.catalogue.model import AuthScheme, Deployment, Provider
from turnout.core.errors import ConfigError
from turnout.core.secret import Secret
from turnout.core.target import Dialect
from turnout.upstream.endpoint import count_tokens_url, headers_for, url_for

GEMINI = "{base}/v1beta/models/{model}:{method}"


def deployment(
    template: str,
    *,
    dialect: Dialect = Dialect.OPENAI_CHAT,
    model: str = "gpt-5.5",
    auth: AuthScheme = "bearer",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    counting: str | None = None,
) -> Deployment:
    provider = Provider(
        name="acme",
        preset="acme",
        title="Acme",
        base_url="https://api.acme.test/v1",
        endpoints={dialect: template},
        auth=auth,
        api_key=Secret("sk-own"),
        headers=headers or {},
        query=query or {},
        count_tokens_url=counting,
    )
    return Deployment(name="acme/m", provider=provider, model=model, endpoints=provider.endpoints)


def test_a_template_is_filled() -> None:
    """Base and path come together."""
    own = deployment("{base}/chat/completions")
    assert url_for(own, Dialect.OPENAI_CHAT, stream=True) == "https://api.acme.test/v1/chat/completions"


@pytest.mark.parametrize(("stream", "end"), [(False, ":generateContent"), (True, ":streamGenerateContent?alt=sse")])
def test_gemini_names_its_method_in_the_path(stream: bool, end: str) -> None:
    """Streams are asked for as server-sent events."""
    own = deployment(GEMINI, dialect=Dialect.GEMINI, model="gemini-3-pro")
    url = url_for(own, Dialect.GEMINI, stream=stream)
    assert "https://api.acme.test/v1/v1beta/models/gemini-3-pro" + end == url


def test_the_provider_s_query_is_added() -> None:
    """Azure's api-version travels in the query."""
    own = deployment("{base}/{model}/chat", query={"api-version": "2026-01-01"})
    assert url_for(own, Dialect.OPENAI_CHAT, stream=False).endswith("/gpt-5.5/chat?api-version=2026-01-01")


def test_a_model_name_can_t_leave_its_place_in_the_path() -> None:
    """Query marks and fragments in a model name are quoted."""
    own = deployment("{base}/{model}/chat", model="a?b#c d")
    assert url_for(own, Dialect.OPENAI_CHAT, stream=False).endswith("/a%3Fb%23c%20d/chat")


def test_an_unspoken_dialect_is_a_configuration_error() -> None:
    """The message names the deployment."""
    with pytest.raises(ConfigError, match="acme/m"):
        url_for(deployment("{base}/x"), Dialect.ANTHROPIC, stream=False)


def test_counting_tokens_has_a_url_where_the_provider_counts() -> None:
    """And none elsewhere."""
    assert count_tokens_url(deployment("{base}/x", counting="{base}/count")) == "https://api.acme.test/v1/count"
    assert count_tokens_url(deployment("{base}/x")) is None


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ("bearer", "authorization", "Bearer sk-own"),
        ("x-api-key", "x-api-key", "sk-own"),
        ("api-key", "api-key", "sk-own"),
        ("x-goog-api-key", "x-goog-api-key", "sk-own"),
    ],
)
def test_the_key_stands_where_the_provider_looks(auth: AuthScheme, name: str, value: str) -> None:
    """Each scheme has its header, and only that one holds the key."""
    headers = headers_for(deployment("{base}", auth=auth), Dialect.OPENAI_CHAT, {})
    assert value == headers[name]
    assert sum("sk-own" in text for text in headers.values()) == 1


def test_no_scheme_sends_no_key() -> None:
    """`none` is for servers of our own."""
    headers = headers_for(deployment("{base}", auth="none"), Dialect.OPENAI_CHAT, {})
    assert not any("sk-own" in text for text in headers.values())


CALLERS = {
    "authorization": "Bearer sk-turnout-of-the-caller",
    "x-api-key": "sk-turnout-of-the-caller",
    "x-goog-api-key": "sk-turnout-of-the-caller",
    "api-key": "sk-turnout-of-the-caller",
    "cookie": "session=sk-turnout-of-the-caller",
    "proxy-authorization": "Basic sk-turnout-of-the-caller",
    "openai-organization": "org-of-the-caller",
    "openai-project": "proj-of-the-caller",
    "x-stainless-retry-count": "1",
    "idempotency-key": "k",
    "host": "evil.test",
    "content-length": "7",
    "transfer-encoding": "chunked",
    "connection": "x-api-key",
    "accept-encoding": "gzip",
    "user-agent": "caller/1",
    "x-forwarded-for": "10.0.0.1",
    "anthropic-version": "2099-01-01",
    "anthropic-beta": "a-2026-01-01,b-2026-01-01",
    "openai-beta": "assistants=v2",
}


@pytest.mark.parametrize("dialect", list(Dialect))
def test_only_the_dialect_s_own_headers_are_passed_on(dialect: Dialect) -> None:
    """Credentials, cookies, account headers and framing of the caller stay here."""
    own = deployment("{base}", dialect=dialect)
    base = headers_for(own, dialect, {})
    given = headers_for(own, dialect, CALLERS)
    changed = {name for name in given if given[name] != base.get(name)}
    expected = {
        Dialect.ANTHROPIC: {"anthropic-version", "anthropic-beta"},
        Dialect.GEMINI: set[str](),
    }.get(dialect, {"openai-beta"})
    assert expected == changed
    assert all(given[name] == CALLERS[name] for name in changed)


def test_the_gateway_names_itself() -> None:
    """And asks for no compression."""
    headers = headers_for(deployment("{base}"), Dialect.OPENAI_CHAT, {})
    assert headers["user-agent"].startswith("turnout/")
    assert headers["accept-encoding"] == "identity"


def test_anthropic_gets_a_version_when_the_caller_gave_none() -> None:
    """A translated call has no header of the caller's to pass on."""
    own = deployment("{base}", dialect=Dialect.ANTHROPIC)
    assert headers_for(own, Dialect.ANTHROPIC, {})["anthropic-version"] == "2023-06-01"


def test_the_operator_s_headers_win_over_the_caller_s_and_not_over_the_key() -> None:
    """What is written in the configuration is meant."""
    own = deployment(
        "{base}", dialect=Dialect.ANTHROPIC, headers={"Anthropic-Beta": "own", "Authorization": "Bearer other"}
    )
    headers = headers_for(own, Dialect.ANTHROPIC, {"anthropic-beta": "callers"})
    assert headers["anthropic-beta"] == "own"
    assert headers["authorization"] == "Bearer sk-own"

"""What a call to a deployment looks like on the wire: its URL and its headers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import quote, urlencode

from turnout.catalogue.model import AuthScheme, Deployment, Provider
from turnout.core.errors import ConfigError
from turnout.core.target import Dialect

_ANTHROPIC_VERSION = "2023-06-01"
_PASSED_ON: dict[Dialect, frozenset[str]] = {
    # https://docs.anthropic.com/en/api/versioning and /beta-headers: forwarded byte for byte
    Dialect.ANTHROPIC: frozenset({"anthropic-version", "anthropic-beta"}),
    Dialect.OPENAI_CHAT: frozenset({"openai-beta"}),
    Dialect.OPENAI_RESPONSES: frozenset({"openai-beta"}),
    Dialect.OPENAI_COMPLETIONS: frozenset({"openai-beta"}),
    Dialect.OPENAI_EMBEDDINGS: frozenset({"openai-beta"}),
    Dialect.GEMINI: frozenset(),
}
"""Headers of the caller that reach the provider; all others stay here. Credentials and cookies never travel, nor do
`openai-organization` and `openai-project` (they name an account, and the account is ours) and `x-stainless-*` (they
speak of the caller's own retries). `idempotency-key` stays here too: one request of a caller can become several calls,
each of which the provider must see as a call of its own."""


def url_for(deployment: Deployment, dialect: Dialect, *, stream: bool) -> str:
    """The URL of a deployment in a dialect. Raises ConfigError where it does not speak that dialect."""
    template = deployment.endpoints.get(dialect)
    if template is None:
        raise ConfigError(f"Deployment '{deployment.name}' has no endpoint for {dialect.value}.")
    url = _filled(template, deployment, "streamGenerateContent" if stream else "generateContent")
    query = dict(deployment.provider.query)
    if dialect is Dialect.GEMINI and stream:
        query["alt"] = "sse"
    return _with_query(url, query)


def count_tokens_url(deployment: Deployment) -> str | None:
    """Where the provider counts tokens, or None when it does not."""
    template = deployment.provider.count_tokens_url
    if template is None:
        return None
    return _with_query(_filled(template, deployment, "countTokens"), deployment.provider.query)


def headers_for(deployment: Deployment, dialect: Dialect, passthrough: Mapping[str, str]) -> dict[str, str]:
    """The headers of a call, the provider's key among them. `passthrough` are the caller's, by lower-case name; only
    those that the dialect allows are taken."""
    provider = deployment.provider
    headers = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": USER_AGENT}
    if dialect is Dialect.ANTHROPIC:
        headers["anthropic-version"] = _ANTHROPIC_VERSION
    for name in _PASSED_ON[dialect]:
        if (value := passthrough.get(name)) is not None:
            headers[name] = value
    for name, value in provider.headers.items():
        headers[name.lower()] = value
    headers.update(_credential(provider))
    return headers


def _filled(template: str, deployment: Deployment, method: str) -> str:
    # `/` stays: OpenRouter and Vertex have it in model names that stand in a path
    model = _quoted(deployment.model)
    based = template.replace("{base}", deployment.provider.base_url)
    return based.replace("{model}", model).replace("{method}", method)


@lru_cache(maxsize=4096)
def _quoted(model: str) -> str:
    return quote(model, safe="/:@.-_~")


def _with_query(url: str, query: Mapping[str, str]) -> str:
    if not query:
        return url
    return url + ("&" if "?" in url else "?") + urlencode(query)


_SCHEMES: dict[AuthScheme, tuple[str, str]] = {
    "bearer": ("authorization", "Bearer "),
    "x-api-key": ("x-api-key", ""),
    "api-key": ("api-key", ""),
    "x-goog-api-key": ("x-goog-api-key", ""),
}


def _credential(provider: Provider) -> dict[str, str]:
    if provider.auth == "none" or provider.api_key is None:
        return {}
    name, prefix = _SCHEMES[provider.auth]
    return {name: prefix + provider.api_key.reveal()}


def _own_version() -> str:
    try:
        return version("turnout")
    except PackageNotFoundError:  # run from a source tree
        return "0"


USER_AGENT = f"turnout/{_own_version()}"

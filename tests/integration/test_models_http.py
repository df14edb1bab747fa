"""`GET /v1/models` as the official clients and Claude Code's discovery read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest
from dialect_world import UPSTREAMS, World, clients, world
from raw_http import get

from harness import KEY

LIMITED_KEY = "sk-limited-0123456789abcdef01"
MORE = """
[routes.smart]
targets = ["openai_chat", "anthropic"]

[aliases]
claude-gw-smart = "smart"
anthropic-gw-gemini = "gemini"

[[keys]]
name = "limited"
secret_env = "LIMITED_KEY"
routes = ["smart", "claude-gw-smart"]
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gateway with routes, aliases and a limited key."""
    with world(tmp_path_factory.mktemp("models"), MORE, {"LIMITED_KEY": LIMITED_KEY}) as found:
        yield found


NAMES = {"smart", "claude-gw-smart", "anthropic-gw-gemini", *UPSTREAMS}


def test_openais_client_lists_every_name(running):
    """Routes, aliases and deployments, each with the length that any of its deployments takes."""
    listed = {model.id: model for model in running.openai.models.list()}

    assert listed.keys() >= NAMES
    assert {model.object for model in listed.values()} == {"model"}
    assert listed["smart"].owned_by == "openai+anthropic"
    assert (listed["smart"].model_extra or {})["context_window"] == 100_000
    assert next(iter(listed)) == "smart"  # the operator's own names come first


def test_anthropics_client_lists_the_same_names_in_its_own_shape(running):
    """One page, with ids, display names and limits; the client's own paging ends."""
    listed = {model.id: model for model in running.anthropic.models.list(limit=1000)}

    assert listed.keys() == {model.id for model in running.openai.models.list()}
    assert listed["anthropic"].display_name == "anthropic"
    assert (listed["anthropic"].max_input_tokens, listed["anthropic"].max_tokens) == (100_000, 8192)
    assert {model.type for model in listed.values()} == {"model"}


def test_one_model_is_retrieved_by_both_clients(running):
    """Names with slashes too; an unknown one is each client's own NotFoundError."""
    assert running.openai.models.retrieve("claude-gw-smart").id == "claude-gw-smart"
    assert running.anthropic.models.retrieve("claude-gw-smart").id == "claude-gw-smart"
    with_slash = next(model.id for model in running.openai.models.list() if "/" in model.id)
    assert running.openai.models.retrieve(with_slash).id == with_slash
    with pytest.raises(openai.NotFoundError):
        running.openai.models.retrieve("no-such")
    with pytest.raises(anthropic.NotFoundError):
        running.anthropic.models.retrieve("no-such")


def test_claude_codes_discovery_finds_names_that_it_keeps(running):
    """It asks once with `limit=1000`, follows no redirect, and keeps ids that begin with claude or anthropic."""
    headers = {"anthropic-version": "2023-06-01", "user-agent": "claude-cli/2.1.181"}
    answer = get(running.gateway.url, "/v1/models?limit=1000", headers)

    assert answer.status == 200 and answer.json["has_more"] is False
    kept = [model["id"] for model in answer.json["data"] if model["id"].startswith(("claude", "anthropic"))]
    assert {"claude-gw-smart", "anthropic-gw-gemini", "anthropic"} <= set(kept)
    assert answer.json["first_id"] == answer.json["data"][0]["id"]
    assert answer.json["last_id"] == answer.json["data"][-1]["id"]


def test_the_whole_list_can_be_walked_in_small_pages(running):
    """`limit` and `after_id` as the client's own iterator uses them: each name once."""
    walked = [model.id for model in running.anthropic.models.list(limit=3)]

    assert walked == [model.id for model in running.openai.models.list()]
    back = running.anthropic.models.list(limit=2, before_id=walked[4])
    assert [model.id for model in back.data] == walked[2:4] and back.has_more


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x"])
def test_a_limit_that_makes_no_sense_is_refused(running, limit):
    """In Anthropic's words, naming the field."""
    answer = get(running.gateway.url, f"/v1/models?limit={limit}", {"anthropic-version": "2023-06-01"})

    assert answer.status == 400 and answer.json["type"] == "error" and "limit" in answer.json["error"]["message"]


def test_a_limited_key_sees_its_own_names_only(running):
    """What a key may not use is not there for it."""
    with clients(running.gateway.url, LIMITED_KEY) as (one, other):
        assert [model.id for model in one.models.list()] == ["smart", "claude-gw-smart"]
        assert [model.id for model in other.models.list()] == ["smart", "claude-gw-smart"]
        with pytest.raises(openai.NotFoundError):
            one.models.retrieve("gemini")


@pytest.mark.parametrize("header", [("authorization", "Bearer sk-wrong"), ("x-api-key", "sk-wrong")])
def test_without_a_key_nothing_is_listed(running, header):
    """401 in the shape of whoever asks."""
    name, value = header
    shown = get(running.gateway.url, "/v1/models", {"authorization": "", name: value})
    assert shown.status == 401 and shown.json["error"]["code"]
    shown = get(running.gateway.url, "/v1/models", {"authorization": "", name: value, "anthropic-version": "x"})
    assert shown.status == 401 and shown.json["error"]["type"] == "authentication_error"


def test_an_alias_is_asked_for_like_any_name(running):
    """Both kinds of client get their answer through it, and the record shows the route."""
    told = running.openai.chat.completions.create(
        model="claude-gw-smart", messages=[{"role": "user", "content": "echo me"}]
    )
    message = running.anthropic.messages.create(
        model="anthropic-gw-gemini", max_tokens=9, messages=[{"role": "user", "content": "echo me"}]
    )

    assert told.choices[0].message.content == message.content[0].text == "echo me"
    assert message.model == "anthropic-gw-gemini"
    rows = running.gateway.requests(wait_for=2)
    assert [(row["asked"], row["route"]) for row in rows[-2:]] == [
        ("claude-gw-smart", "smart"),
        ("anthropic-gw-gemini", "gemini"),
    ]


def test_the_key_may_come_in_either_header(running, tmp_path: Path):
    """`Authorization` and `x-api-key` mean the same."""
    for headers in ({"authorization": f"Bearer {KEY}"}, {"authorization": "", "x-api-key": KEY}):
        assert get(running.gateway.url, "/v1/models", headers).status == 200

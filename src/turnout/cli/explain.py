"""`turnout explain`: where a request would go, and why. By the code that serves; nothing is sent to any provider."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

import click
import orjson

from turnout.cli.admin import find_place
from turnout.cli.amounts import dollars
from turnout.cli.loaded import load_config
from turnout.cli.options import config_option
from turnout.core.clock import SystemClock
from turnout.core.errors import ConfigError, TurnoutError
from turnout.core.json import Json, JsonObject
from turnout.core.money import Money
from turnout.gateway.endpoints import HOT
from turnout.gateway.explaining import explain_offline
from turnout.wire.body import load_object

CHAT = "/v1/chat/completions"


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8"), required=False)
@click.option(
    "--endpoint", type=click.Choice(list(HOT)), default=CHAT, show_default=True, help="Where it would be sent."
)
@click.option("--model", help="The model or route to ask for; replaces the one in FILE.")
@click.option("--prompt", help="A prompt, instead of FILE.")
@click.option("--key", "key_id", help="With --live: the id of the key that would ask. Default: your own.")
@click.option("--live", is_flag=True, help="Ask the running server, which knows the deployments' health.")
@click.option("--json", "machine", is_flag=True, help="Print JSON, for machines.")
@config_option
@click.option("--data-dir", type=click.Path(path_type=Path), help="With --live. Default: from the configuration.")
@click.option("--url", envvar="TURNOUT_URL", help="With --live: the server. Default: the one on the data directory.")
def explain(
    file: TextIO | None,
    endpoint: str,
    model: str | None,
    prompt: str | None,
    key_id: str | None,
    live: bool,
    machine: bool,
    config: Path | None,
    data_dir: Path | None,
    url: str | None,
) -> None:
    """Show where a request would go, and why. Nothing is sent to a provider.

    FILE holds the request's body as JSON; `-` is standard input. Or give --model and --prompt. Without --live every
    deployment counts as healthy, and the key is one without name, team or tags. Exits with 1 where the request would be
    refused.
    """
    try:
        body: JsonObject = {"endpoint": endpoint, "request": _request(file, endpoint, model, prompt)}
        if key_id is not None:
            body["key"] = key_id
        if live:
            place = find_place(config, data_dir, url, os.environ)
            if place.url is None:
                raise ConfigError(f"No server runs on {place.path}. Start one, or leave --live out.")
            said = place.call("POST", "/admin/explain", body)
        else:
            said = explain_offline(load_config(config), body, SystemClock().now())
    except TurnoutError as error:
        raise click.ClickException(error.message) from error
    if machine:
        click.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2))
    else:
        for line in told_lines(said):
            click.echo(line)
    if "error" in said or all(_has(each, "refused") for each in _list(said, "candidates")):
        raise SystemExit(1)


def _request(file: TextIO | None, endpoint: str, model: str | None, prompt: str | None) -> JsonObject:
    """The body to explain. Raises UsageError, InvalidJson."""
    if file is not None and prompt is not None:
        raise click.UsageError("Give FILE or --prompt, not both.")
    if file is not None:
        body = load_object(file.read().encode())
    elif model is not None:
        body = body_of(endpoint, prompt if prompt is not None else "Hello.")
    else:
        raise click.UsageError("Give FILE (or `-`) with a request's body, or --model, with --prompt if it matters.")
    if model is not None:
        body["model"] = model
    return body


def body_of(endpoint: str, prompt: str) -> JsonObject:
    """The smallest body of an endpoint with this prompt, without its model."""
    messages: list[Json] = [{"role": "user", "content": prompt}]
    match endpoint:
        case "/v1/responses" | "/v1/embeddings":
            return {"input": prompt}
        case "/v1/completions":
            return {"prompt": prompt}
        case "/v1/messages":
            return {"messages": messages, "max_tokens": 1024}
        case _:
            return {"messages": messages}


def told_lines(said: JsonObject) -> list[str]:
    """The decision for people."""
    features = _object(said.get("features"))
    lines = [
        f"asked for:  {features.get('asked')} ({features.get('dialect')}, about {features.get('input_tokens')} prompt "
        f"tokens, {_output(features.get('max_output'))}{', stream' if features.get('stream') else ''})"
    ]
    error = said.get("error")
    if isinstance(error, dict):
        return [*lines, f"refused:    {error.get('status')} {error.get('code')}: {error.get('message')}"]
    lines.append(
        f"route:      {said.get('route')} ({said.get('strategy')}, at most {said.get('max_attempts')} attempts)"
    )
    lines.append(f"reason:     {said.get('reason')}")
    lines.append("would try:")
    for number, each in enumerate(_list(said, "candidates"), 1):
        lines.extend(_candidate(number, each))
    rejected = _list(said, "rejected")
    if rejected:
        lines.append("would not try:")
        lines.extend(f"  {each.get('deployment')}: {each.get('reason')}" for each in rejected)
    budgets = _list(said, "budgets")
    if budgets:
        lines.append("budgets that it falls under:")
        lines.extend(f"  {_budget(each)}" for each in budgets)
    return lines


def _candidate(number: int, candidate: JsonObject) -> list[str]:
    head = f"  {number}. {candidate.get('deployment')} by {candidate.get('dialect')}"
    refused = candidate.get("refused")
    if refused is not None:
        return [f"{head}: can't take it", f"     {refused}"]
    where = candidate.get("jurisdiction") or "jurisdiction not known"
    lines = [f"{head}, lane {candidate.get('lane')}, {where}"]
    dropped = candidate.get("dropped")
    if isinstance(dropped, list) and dropped:
        lines.append(f"     would leave out: {', '.join(str(each) for each in dropped)}")
    aside = candidate.get("set_aside")
    if isinstance(aside, dict):
        lines.append(f"     {_aside(aside)}")
    return lines


_COUNTED = ("input_tokens", "max_output")


def _aside(aside: JsonObject) -> str:
    """What a budget must have room for."""
    if aside.get("usd") is None:
        end = " It would be refused: `price_unknown`." if aside.get("refused") else " It would be served unpriced."
        return f"sets nothing aside. {aside.get('unknown')}{end}"
    rows = aside.get("price_rows")
    by = f", by {rows[0]}" if isinstance(rows, list) and rows else ""
    prompt, output = (f"{count:,}" if isinstance(count := aside.get(name), int) else "?" for name in _COUNTED)
    tokens = f"about {prompt} prompt and at most {output} output tokens"
    return f"sets aside {_usd(aside.get('usd'))}: {tokens}{by}"


def _usd(value: Json) -> str:
    return dollars(Money.of(value)) if isinstance(value, str) else "not known"


def _budget(budget: JsonObject) -> str:
    """Such as `teams (search): $4.67 left of $5.00`."""
    subject = f" ({budget.get('subject')})" if budget.get("subject") else ""
    limit = budget.get("limit")
    if limit is None:
        return f"{budget.get('budget')}{subject}: no limit, only a warning"
    left = f"{_usd(budget.get('left'))} left of " if "left" in budget else "at most "
    return f"{budget.get('budget')}{subject}: {left}{_usd(limit)}"


def _output(most: Json) -> str:
    return "output not limited" if most is None else f"at most {most} output tokens"


def _has(candidate: JsonObject, key: str) -> bool:
    return candidate.get(key) is not None


def _list(said: JsonObject, key: str) -> list[JsonObject]:
    value = said.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}

"""What there is, is documented; and what is documented, there is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from markdown_blocks import DOCUMENTS, ROOT, all_text

from turnout.catalogue.model import Deployment, Provider
from turnout.cli.main import COMMANDS, main
from turnout.core import errors
from turnout.core.errors import TurnoutError
from turnout.gateway.endpoints import ENDPOINTS
from turnout.gateway.metrics import Metrics
from turnout.upstream.rejections import rejection
from turnout.wire.codec import UpstreamFault

_LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)\s]+)\)")
_ROW = re.compile(r"^\| `(\w+)` \| (\d{3}) \| (\w+) \|", re.MULTILINE)


def _commands() -> list[str]:
    context = click.Context(main)
    names: list[str] = []
    for name in COMMANDS:
        command = main.get_command(context, name) if isinstance(main, click.Group) else None
        assert command is not None
        names.append(name)
        if isinstance(command, click.Group):
            names.extend(f"{name} {each}" for each in command.list_commands(context))
    return names


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_documented(command: str) -> None:
    """By its whole name, in README or docs."""
    assert f"turnout {command}" in all_text()


def test_every_documented_command_exists() -> None:
    """A command that was renamed is renamed in the documents too."""
    named = set(re.findall(r"`turnout ([a-z]+)", all_text())) | set(
        re.findall(r"^\$ turnout ([a-z]+)", all_text(), re.M)
    )

    assert named <= set(COMMANDS)


def test_the_readme_is_short() -> None:
    """At most 150 lines, with the block for measured results."""
    text = (ROOT / "README.md").read_text()

    assert len(text.splitlines()) <= 150
    assert text.index("<!-- bench -->") < text.index("<!-- /bench -->")


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files exist, and headings too."""
    for link in _LINK.findall(page.read_text()):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}, link


def _classes(base: type[TurnoutError]) -> list[type[TurnoutError]]:
    return [base, *(each for child in base.__subclasses__() for each in _classes(child))]


def test_the_table_of_codes_is_the_one_in_the_code() -> None:
    """Each class of errors with its code, status and fault, and nothing else."""
    classes = [each for each in _classes(TurnoutError) if each.__module__ == errors.__name__ and each.__doc__]
    known = {(each.code, each.status, each.fault.value) for each in classes}
    table = (ROOT / "docs/errors.md").read_text().partition("## When a provider")[0]
    told = {(code, int(status), fault) for code, status, fault in _ROW.findall(table)}

    assert told == known


@pytest.mark.parametrize(
    ("status", "code"),
    [(s, None) for s in (307, 400, 401, 402, 403, 404, 408, 409, 413, 422, 425, 429, 500, 503, 504, 529)]
    + [(400, "context_length_exceeded"), (403, "content_policy_violation"), (429, "insufficient_quota")],
)
def test_what_becomes_of_a_provider_s_error_is_documented(status: int, code: str | None) -> None:
    """Some row has the caller's status, the code and whose fault it is."""
    provider = Provider(name="p", preset="p", title="P", base_url="https://p.example", endpoints={})
    deployment = Deployment(name="p/m", provider=provider, model="m")
    seen = rejection(deployment, status, {}, UpstreamFault("no", code, None), datetime(2026, 1, 1, tzinfo=UTC))
    rows = (ROOT / "docs/errors.md").read_text().partition("## When a provider")[2].splitlines()
    shown = (
        "the same" if status in (400, 413, 422) and seen.code.startswith(("invalid", "request")) else str(seen.status)
    )

    assert any(f"| {shown} |" in row and f"`{seen.code}`" in row and f"| {seen.fault.value} |" in row for row in rows)


def test_the_metrics_are_documented() -> None:
    """Every name, with its labels."""
    text = (ROOT / "docs/operate.md").read_text()
    for family in Metrics().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"| `{name}` |" in text, name


def test_the_response_headers_are_documented() -> None:
    """Every header of ours that the gateway writes, or reads."""
    source = "".join(path.read_text() for path in (ROOT / "src/turnout/gateway").glob("*.py"))
    written = set(re.findall(r'\(b"(x-turnout-[a-z-]+)"', source))

    assert written
    assert {name for name in written if f"`{name}`" not in all_text()} == set()


def test_the_endpoints_are_documented() -> None:
    """The models' and the operators'; the administrators' are behind commands."""
    missing = {
        each.path
        for each in ENDPOINTS
        if "{" not in each.path and each.access != "admin" and each.path not in all_text()
    }

    assert missing == set()


def test_the_environment_variables_are_documented() -> None:
    """Those that settings, command line and server read."""
    source = "".join(path.read_text() for path in (ROOT / "src/turnout").rglob("*.py"))
    read = set(re.findall(r'"(TURNOUT_[A-Z_]+)"', source))

    assert {name for name in read if name not in all_text()} == set()

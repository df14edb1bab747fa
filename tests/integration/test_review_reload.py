"""What a reload says of itself: found by review."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import running_gateway


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("[server]\nkeepalive_seconds = 5", "[server]\nkeepalive_seconds = 6", "server.keepalive_seconds"),
        (
            "[server]\nmax_requests_in_flight = 5",
            "[server]\nmax_requests_in_flight = 6",
            "server.max_requests_in_flight",
        ),
        ("[server]\ndrain_seconds = 5", "[server]\ndrain_seconds = 6", "server.drain_seconds"),
        ("[server]\nheader_timeout = 5", "[server]\nheader_timeout = 6", "server.header_timeout"),
        ("[breaker]\nfailures = 5", "[breaker]\nfailures = 6", "breaker"),
        ("[retry]\nbudget = 0.5", "[retry]\nbudget = 0.6", "retry.budget"),
        ('[log]\nlevel = "info"', '[log]\nlevel = "error"', "log.level"),
        ('[log]\nformat = "text"', '[log]\nformat = "json"', "log.format"),
    ],
)
def test_what_a_reload_can_not_change_is_said_until_the_restart(
    tmp_path: Path, before: str, after: str, key: str
) -> None:
    """Nobody is told that a value is in use which is not."""
    with running_gateway(tmp_path, before + "\n") as gateway:
        file = tmp_path / "turnout.toml"
        file.write_text(file.read_text().replace(before, after))
        reloader = gateway.running.services.reloader
        assert reloader.reload().needs_restart == (key,)
        assert reloader.reload().needs_restart == (key,)

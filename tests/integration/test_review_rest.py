"""Defects and odd values on the paths that reach no model: found by review."""

from __future__ import annotations

from pathlib import Path

import httpx

from harness import running_gateway


def test_a_defect_of_an_administration_path_is_told_and_written_down(tmp_path: Path) -> None:
    """Whatever breaks there is an error in the usual shape, and a line in the log."""
    with running_gateway(tmp_path, "") as gateway:
        spec = {"name": "x", "expires_at": "9999-12-31T23:59:59-23:59"}
        headers = {"authorization": f"Bearer {gateway.admin_key}"}
        answer = httpx.post(gateway.url + "/admin/keys", json=spec, headers=headers)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["error"]["message"]
        if answer.status_code == 500:
            assert "defect" in gateway.log.getvalue()


def test_a_limit_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    """A number that Python would not read is the caller's mistake like any other."""
    with running_gateway(tmp_path, "") as gateway:
        headers = {**gateway.headers, "anthropic-version": "2023-06-01"}
        assert httpx.get(gateway.url + "/v1/models?limit=" + "9" * 5000, headers=headers).status_code == 400

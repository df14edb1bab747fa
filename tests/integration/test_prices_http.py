"""Which prices a running server uses, as its operator sees and changes them."""

from __future__ import annotations

from pathlib import Path

import httpx

from harness import running_gateway

PRICES = '[prices.openai]\nrows = [ { model = "gpt-5.5", from = "2026-01-01", input = "4", output = "24" } ]\n'


def test_the_version_of_the_prices_is_shown_and_follows_a_reload(tmp_path: Path) -> None:
    """On /healthz and in the metrics, for costs that are computed again; a wrong price changes nothing."""
    with running_gateway(tmp_path, PRICES) as gateway, httpx.Client(base_url=gateway.url) as client:
        admin = {"authorization": f"Bearer {gateway.admin_key}"}
        first = client.get("/healthz").json()["prices"]
        page = client.get("/metrics", headers=admin).text
        file = tmp_path / "turnout.toml"
        file.write_text(file.read_text().replace('"24"', '"0.000024"'))
        wrong = client.post("/admin/reload", headers=admin)
        kept = client.get("/healthz").json()["prices"]
        file.write_text(file.read_text().replace('"0.000024"', '"25"'))
        swapped = client.post("/admin/reload", headers=admin).json()["swapped"]

        assert f'prices="{first}"' in page
        assert wrong.status_code == 422
        assert "prices.openai.rows[0].output: 0.000024 is no price" in wrong.json()["problems"][0]
        assert "If it is the price of one token, write '24'." in wrong.json()["problems"][0]
        assert kept == first
        assert swapped
        assert client.get("/healthz").json()["prices"] != first

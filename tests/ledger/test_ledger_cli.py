"""`turnout keys` and `turnout requests` on a real data directory and against a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import click
import pytest
from click.testing import CliRunner
from ledger_places import PEPPER, Record
from ledger_records import record
from postgres import PASSWORD

from turnout.cli.doctor import doctor
from turnout.cli.keys import keys
from turnout.cli.requests import requests
from turnout.core.clock import SystemClock
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DataDir, DirLock
from turnout.ledger.keyring import KeyRing
from turnout.ledger.keys import list_keys
from turnout.ledger.writer import Writer


def run(command, place: DataDir, *words: str):
    return CliRunner().invoke(command, [*words, "--data-dir", str(place.path)])


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TURNOUT_URL", "TURNOUT_ADMIN_KEY", "TURNOUT_PEPPER", "TURNOUT_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_keys_are_made_listed_rotated_and_revoked_without_a_server(place: DataDir) -> None:
    """A key made on the command line is one that a server started later accepts, until it is revoked."""
    made = json.loads(run(keys, place, "create", "ci", "--rpm", "5", "--route", "smart", "--json").stdout)
    text = run(keys, place, "rotate", made["id"]).stdout.strip()

    def known(what: str) -> object:
        connection = open_database(place, os.urandom)
        ring = KeyRing(place.pepper(None, os.urandom), list_keys(connection))
        connection.close()
        return ring.find(what, SystemClock().now())

    assert known(made["key"]) == "unknown"
    assert getattr(known(text), "id", None) == made["id"]
    assert run(keys, place, "revoke", made["id"]).exit_code == 0
    assert known(text) == "revoked"
    listed = json.loads(run(keys, place, "list", "--json").stdout)
    assert [(row["id"], row["state"], row["rpm"], row["routes"]) for row in listed] == [
        (made["id"], "revoked", 5, ["smart"])
    ]
    shown = run(keys, place, "list").stdout
    assert "revoked" in shown and text not in shown


def test_a_wrong_key_id_is_one_sentence_and_exit_1(place: DataDir) -> None:
    """The command's errors are sentences, not tracebacks."""
    done = run(keys, place, "revoke", "nobody")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: There is no key with the id 'nobody'.")


def test_a_running_server_is_asked(place: DataDir) -> None:
    """With the lock held the command calls the holder's admin API with the directory's key and writes nothing."""
    seen: list[tuple[str, str | None, object]] = []

    class Admin(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen.append((self.path, self.headers["authorization"], body))
            status, said = (201, {"key": "tn_x", "id": "i", "name": "ci"})
            if body["name"] == "bad":
                status, said = (403, {"error": {"message": "not you"}})
            payload = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Admin)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    admin = place.admin_key(None, os.urandom).reveal()
    try:
        with DirLock(place) as lock:
            starting = run(keys, place, "create", "ci")
            lock.announce(f"http://127.0.0.1:{server.server_port}")
            good, bad = run(keys, place, "create", "ci"), run(keys, place, "create", "bad")
            listed = run(keys, place, "list", "--json")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "does not listen yet" in starting.stderr
    assert good.stdout.strip() == "tn_x"
    assert (bad.exit_code, "answered 403: not you" in bad.stderr) == (1, True)
    assert [(path, auth) for path, auth, _ in seen] == [("/admin/keys", f"Bearer {admin}")] * 2
    assert json.loads(listed.stdout) == []


def test_requests_are_shown_beside_a_running_writer(held: DataDir) -> None:
    """Lists are newest first and filtered; one request is shown with its attempts; all equal what was written."""
    old, failed, new = record(0), record(1, ok=False, key_id="key2"), record(2, attempts=2, route="fast")

    async def scenario() -> None:
        writer = Writer(open_database(held, os.urandom))
        for one in (old, failed, new):
            await writer.write(one)
        found = {
            words: [one["id"] for one in json.loads(run(requests, held, *words, "--json").stdout)]
            for words in ((), ("--failed",), ("--key", "key2"), ("--route", "fast"), ("--limit", "2"))
        }
        assert list(found.values()) == [
            [new.id, failed.id, old.id], [failed.id], [failed.id], [new.id], [new.id, failed.id],
        ]  # fmt: skip
        one = json.loads(run(requests, held, new.id, "--json").stdout)
        assert (one["reason"], [a["number"] for a in one["attempts"]]) == (new.reason, [1, 2])
        assert one["received_at"] == "2026-11-20T12:00:02Z"
        assert new.reason in run(requests, held, new.id).stdout
        tail = run(requests, held, "--limit", "1").stdout.splitlines()[2].split()[2]
        assert new.id.endswith(tail) and new.id in run(requests, held, tail).stdout
        assert (
            "upstream_broken"
            in CliRunner(env={"COLUMNS": "250"}).invoke(requests, ["--data-dir", str(held.path)]).stdout
        )
        assert "no request with the id" in run(requests, held, "nope").stderr
        await writer.close()

    asyncio.run(scenario())


def test_no_database_is_said_plainly(tmp_path) -> None:
    """Reading where nothing is creates nothing."""
    done = CliRunner().invoke(requests, ["--data-dir", str(tmp_path / "none")])

    assert (done.exit_code, "There is no database" in done.stderr) == (1, True)
    assert not (tmp_path / "none").exists()


def test_the_commands_work_on_a_record_that_is_shared(shared_record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are made beside servers that share the record, and requests and doctor read it."""
    place, url = DataDir(shared_record.location.directory), shared_record.location.url
    monkeypatch.setenv("TURNOUT_PEPPER", PEPPER.reveal())
    if url is not None:
        monkeypatch.setenv("TURNOUT_DATABASE_URL", url.reveal())
    config = place.path.parent / "turnout.toml"
    config.write_text(f'[storage]\ndir = "{place.path}"\nshared = {"true" if url is None else "false"}\n')
    seen = record()

    async def write() -> None:
        writer = Writer(shared_record.open())
        await writer.write(seen)
        await writer.close()

    asyncio.run(write())

    def told(command: click.Command, *words: str) -> str:
        done = CliRunner().invoke(command, [*words, "--config", str(config)])
        assert done.exit_code == 0, done.output
        return done.stdout

    with DirLock(place, shared=True) if url is None else contextlib.nullcontext():
        made = json.loads(told(keys, "create", "ci", "--json"))
        told(keys, "revoke", made["id"])
        assert [row["state"] for row in json.loads(told(keys, "list", "--json"))] == ["revoked"]
        assert seen.id in told(requests, "--json")
        shown = told(doctor, "--json")
    assert "schema" in shown
    assert url is None or (str(shared_record.location) in shown and PASSWORD not in shown)

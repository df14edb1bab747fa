"""A real gateway on a real socket, in a thread of its own, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from turnout.app import Running, Surroundings, gateway
from turnout.core.clock import Clock, SystemClock
from turnout.gateway.protocol import with_timeout
from turnout.serving import listen, url_of

KEY = "sk-test-0123456789abcdef0123"
"""The user key of every test gateway."""


@dataclass(kw_only=True)
class Gateway:
    """A running gateway as a test sees it."""

    url: str
    running: Running
    loop: asyncio.AbstractEventLoop
    database: Path
    log: io.StringIO
    admin_key: str

    @property
    def headers(self) -> dict[str, str]:
        """What a caller with the test key sends."""
        return {"authorization": f"Bearer {KEY}"}

    def rows(self, table: str) -> list[dict[str, object]]:
        """Everything in a table of the record, oldest first."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid")]

    def requests(self, *, wait_for: int | None = None) -> list[dict[str, object]]:
        """The request records; waits up to 5 s until there are `wait_for` of them."""
        import time

        for _ in range(500):
            rows = self.rows("requests")
            if wait_for is None or len(rows) >= wait_for:
                return rows
            time.sleep(0.01)
        raise AssertionError(f"only {len(rows)} of {wait_for} request records were written")

    def attempts(self) -> list[dict[str, object]]:
        """The attempt records."""
        return self.rows("attempts")


@contextlib.contextmanager
def running_gateway(
    tmp_path: Path, config: str, environ: Mapping[str, str] | None = None, *, clock: Clock | None = None
) -> Iterator[Gateway]:
    """Serves `config` (TOML; storage, the test key and `[local] enabled = false` are added) until the block ends, by
    the machine's clock or another."""
    home = tmp_path / "home"
    file = tmp_path / "turnout.toml"
    text = config
    if "[local]" not in text:
        text += "\n[local]\nenabled = false\n"
    text += '\n[[keys]]\nname = "test"\nsecret_env = "TEST_KEY"\n'
    file.write_text("providers_from_environment = false\n" + text)
    environ = {"TURNOUT_HOME": str(home), "TEST_KEY": KEY, "UPSTREAM_KEY": "sk-upstream-0123456789", **(environ or {})}
    ready: threading.Event = threading.Event()
    box: dict[str, object] = {}

    async def main() -> None:
        log = io.StringIO()
        async with gateway(file, Surroundings(environ=environ, log=log, clock=clock or SystemClock())) as running:
            listener = listen("127.0.0.1", 0)
            uvicorn_config = uvicorn.Config(
                running.app,
                http=with_timeout(running.settings.server.header_timeout),
                loop="none",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
            )
            server = uvicorn.Server(uvicorn_config)
            server.capture_signals = contextlib.nullcontext  # a thread has no signal handlers
            stop = asyncio.Event()
            box.update(
                running=running,
                url=url_of(listener),
                loop=asyncio.get_running_loop(),
                stop=stop,
                log=log,
                server=server,
            )
            ready.set()
            serving = asyncio.ensure_future(server.serve([listener]))
            await stop.wait()
            await running.services.traffic.drain(2.0, 2.0)
            server.should_exit = True
            server.force_exit = True
            await serving

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            box["error"] = error
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="gateway", daemon=True)
    thread.start()
    ready.wait(30)
    if "error" in box:
        raise box["error"]  # type: ignore[misc]
    running = box["running"]
    assert isinstance(running, Running)
    loop = box["loop"]
    assert isinstance(loop, asyncio.AbstractEventLoop)
    log = box["log"]
    assert isinstance(log, io.StringIO)
    try:
        yield Gateway(
            url=str(box["url"]),
            running=running,
            loop=loop,
            database=home / "turnout.db",
            log=log,
            admin_key=running.admin_key.reveal(),
        )
    finally:
        loop.call_soon_threadsafe(box["stop"].set)  # type: ignore[attr-defined]
        thread.join(15)
        assert not thread.is_alive(), "the gateway did not stop"
        if "error" in box:
            raise box["error"]  # type: ignore[misc]
        if (home / "turnout.db").exists():
            assert_books(home / "turnout.db")


def assert_books(database: Path) -> None:
    """What holds of the money after every test, whatever happened in it: nothing is held, every call was ended exactly
    once, sums are sums."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:

        def rows(sql: str) -> list[tuple[object, ...]]:
            return connection.execute(sql).fetchall()

        assert rows("SELECT * FROM holds") == [], "something is still held"
        ends = "SELECT request_id, number FROM postings WHERE kind <> 'correct'"
        assert rows(f"{ends} GROUP BY 1, 2 HAVING count(*) > 1") == [], "a call was ended twice"
        calls = (
            "SELECT attempts.request_id, attempts.number FROM attempts JOIN requests ON requests.id = request_id"
            " WHERE endpoint <> '/v1/messages/count_tokens'"
        )
        assert rows(f"{calls} EXCEPT {ends}") == [], "a call has no end in the ledger"
        assert rows(f"{ends} AND kind <> 'void' AND kind <> 'expire' EXCEPT {calls}") == [], "an end without its call"
        sums = ", ".join(f"coalesce(sum({each}), 0)" for each in ("cost_nano", "input_tokens", "output_tokens"))
        assert rows(f"SELECT {sums} FROM postings") == rows(f"SELECT {sums} FROM spend"), "the sums are wrong"
        assert rows("SELECT * FROM accounts WHERE held_nano <> 0") == [], "an account still holds"


def provider(name: str, base_url: str, *, preset: str = "openai_compatible", extra: str = "") -> str:
    """The TOML of one provider whose key is in UPSTREAM_KEY."""
    return (
        f'\n[providers.{name}]\npreset = "{preset}"\nbase_url = "{base_url}"\napi_key_env = "UPSTREAM_KEY"\n{extra}\n'
    )


def deployment(name: str, provider_name: str, model: str, extra: str = "context = 100000") -> str:
    """The TOML of one deployment."""
    return f'\n[deployments.{name}]\nprovider = "{provider_name}"\nmodel = "{model}"\n{extra}\n'

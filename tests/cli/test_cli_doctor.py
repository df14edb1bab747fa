"""`turnout doctor`. Each fault is produced, and the finding names it and what to do."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import ssl
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bare_machine import make_bare
from click.testing import CliRunner, Result

from harness import deployment, provider, running_gateway
from turnout.catalogue.model import Provider
from turnout.cli import doctor_machine, doctor_network, doctor_storage
from turnout.cli.doctor import doctor
from turnout.core.settings import settings_from
from turnout.core.toml_source import parse_toml
from turnout.ledger.database import open_database
from turnout.ledger.datadir import DataDir, DirLock
from turnout.upstream.local_weights import DEFAULT_MODEL, Weights, model_path

CONFIG = "[server]\nport = 0\n[local]\nenabled = false\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "turnout.toml").write_text(CONFIG)
    return make_bare(monkeypatch, tmp_path)


@pytest.fixture
def database(home: Path) -> Path:
    """A data directory in which a server ran once."""
    directory = DataDir(home)
    open_database(directory, os.urandom).close()
    directory.pepper(None, os.urandom)
    return directory.database


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(doctor, arguments)


def _findings(*arguments: str) -> dict[str, tuple[str, str]]:
    """State and text by check."""
    return {each["check"]: (each["state"], each["told"]) for each in json.loads(_run("--json", *arguments).output)}


def test_a_new_machine_has_no_problem(home: Path) -> None:
    """Nothing is made by looking."""
    result = _run()

    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1].endswith(" 0 problems")
    assert f"data directory: {home} will be made at the first start" in result.output
    assert not home.exists()


def test_a_machine_that_served_has_no_problem(database: Path) -> None:
    """The schema is read from the file."""
    found = _findings()

    assert found["database"][0] == "ok" and "schema 0" in found["database"][1]
    assert found["lock"] == ("ok", "free: no server runs on this directory.")
    assert _run().exit_code == 0


def test_every_mistake_of_the_configuration_is_a_problem(home: Path, tmp_path: Path) -> None:
    """And the rest of the machine is looked at all the same."""
    (tmp_path / "turnout.toml").write_text("[server]\nport = 99999\nhots = 1\n")
    result = _run()

    assert result.exit_code == 1
    assert "PROBLEM configuration: turnout.toml:2: server.port" in result.output
    assert "PROBLEM configuration: turnout.toml:3: server.hots" in result.output
    assert "data directory" in result.output


def test_what_may_not_be_meant_is_a_warning(home: Path) -> None:
    """The same warnings as `turnout check`."""
    found = _findings()

    assert found["configuration"] == (
        "warning",
        "there is no deployment. Set a provider's key, such as OPENAI_API_KEY, or enable `[local]`.",
    )


def test_a_directory_open_to_others_is_a_warning(database: Path) -> None:
    """It holds keys."""
    database.parent.chmod(0o755)
    result = _run()

    assert result.exit_code == 0
    assert f"-> Run `chmod 700 {database.parent}`." in result.output


def test_a_data_directory_that_is_a_file_is_a_problem(home: Path) -> None:
    """Nothing could be written there."""
    home.write_text("")

    assert _findings()["data directory"] == ("problem", f"{home} is not a directory.")


def test_a_lost_database_is_a_problem(database: Path) -> None:
    """The server would refuse to start on an empty record."""
    database.unlink()
    state, told = _findings()["database"]

    assert state == "problem" and "is gone" in told


def test_a_damaged_database_is_a_problem(database: Path) -> None:
    """No traceback."""
    database.write_bytes(b"this is no database" * 100)

    assert _findings()["database"][0] == "problem"


def test_a_database_of_the_future_is_a_problem(database: Path) -> None:
    """A newer version wrote it."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()

    assert _findings()["database"] == ("problem", f"{database} has the unknown schema 9999.")


def test_a_lost_pepper_is_a_problem(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stored key could be verified. The variable stands in for the file."""
    (database.parent / "pepper").unlink()
    assert _findings()["pepper"][0] == "problem"

    monkeypatch.setenv("TURNOUT_PEPPER", "0123456789abcdef0123456789abcdef")
    assert "pepper" not in _findings()


def test_who_holds_the_directory_is_told(database: Path) -> None:
    """By process id."""
    with DirLock(DataDir(database.parent)):
        assert _findings()["lock"] == ("ok", f"held by process {os.getpid()}, which does not listen yet.")


def test_a_taken_port_is_a_problem(home: Path, tmp_path: Path) -> None:
    """Something else listens there."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "turnout.toml").write_text(CONFIG.replace("port = 0", f"port = {port}"))
        state, told = _findings()["address"]

    assert state == "problem" and f"127.0.0.1:{port} can't be listened on" in told


def test_a_running_server_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alive and ready; and its reasons when it drains."""
    make_bare(monkeypatch, tmp_path)
    with running_gateway(tmp_path, provider("up", "http://127.0.0.1:9/v1") + deployment("m1", "up", "m")) as gateway:
        monkeypatch.setenv("TEST_KEY", "sk-test-0123456789abcdef0123")
        monkeypatch.setenv("UPSTREAM_KEY", "sk-upstream-0123456789")
        gateway.running.lock.announce(gateway.url)
        well = _findings()
        gateway.running.services.traffic.draining = True
        draining = _findings()
        gateway.running.services.traffic.draining = False

    assert well["server"] == ("ok", f"{gateway.url} is alive and ready.")
    assert draining["server"] == ("problem", f"{gateway.url} is not ready: shutting down.")


def test_a_server_that_does_not_answer_is_a_problem(database: Path) -> None:
    """The lock says where it listens, and nobody is there."""
    with DirLock(DataDir(database.parent)) as lock:
        lock.announce("http://127.0.0.1:9")
        state, told = _findings()["server"]

    assert state == "problem" and told.startswith("http://127.0.0.1:9 does not answer")


def test_missing_weights_are_a_warning_and_broken_ones_a_problem(home: Path, tmp_path: Path) -> None:
    """The server leaves the embedded model out without them, and can't load broken ones."""
    (tmp_path / "turnout.toml").write_text("[server]\nport = 0\n")
    assert _findings()["weights"][0] == "warning"

    path = model_path(home, DEFAULT_MODEL)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF but not really a model, only its first letters")
    assert _findings()["weights"][0] == "problem"


def test_good_weights_are_described(home: Path, smollm2: Weights) -> None:
    """By their header."""
    found = doctor_storage.weights(home, str(smollm2.path))

    assert found.state == "ok" and "134,515,008 parameters" in found.told


@pytest.mark.parametrize(("mebibytes", "state"), [(5, "problem"), (500, "warning"), (50_000, "ok")])
def test_free_space_is_judged(mebibytes: int, state: str) -> None:
    """What can't be recorded is not served."""
    assert doctor_storage.disk(mebibytes << 20).state == state


def test_a_provider_is_told_with_its_key_s_presence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never with the key."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123456789")

    assert _findings()["provider openai"] == ("ok", "https://api.openai.com/v1, with a key.")
    assert "very-secret" not in _run().output


def test_a_provider_without_a_key_is_a_warning() -> None:
    """Unless it is one's own server."""
    vendor = Provider(name="v", preset="openai", title="V", base_url="https://v.example", endpoints={})
    own = Provider(name="o", preset="vllm", title="O", base_url="http://o.example", endpoints={}, self_hosted=True)

    assert doctor_network.key(vendor).state == "warning"
    assert doctor_network.key(own).state == "ok"


def _provider(base_url: str, *, self_hosted: bool = True) -> Provider:
    return Provider(name="p", preset="vllm", title="P", base_url=base_url, endpoints={}, self_hosted=self_hosted)


def test_reaching_a_provider_is_told_from_not_reaching_it() -> None:
    """Nothing is sent on the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reached = doctor_network.reach("provider p", _provider(f"http://127.0.0.1:{port}"))
        accepted, _ = server.accept()
        with accepted:
            assert accepted.recv(100) == b""
        server.settimeout(5)
        tls = doctor_network.reach("provider p", _provider(f"https://127.0.0.1:{_silent_port()}"))
    closed = doctor_network.reach("provider p", _provider(f"http://127.0.0.1:{port}"))

    assert reached.state == "ok"
    assert tls.state == "problem"
    assert closed.state == "problem" and "can't be reached" in closed.told


def _silent_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_unknown_name_and_a_forbidden_address_are_problems() -> None:
    """The server itself would refuse the second."""
    unknown = doctor_network.reach("provider p", _provider("https://nobody.invalid"))
    metadata = doctor_network.reach("provider p", _provider("http://169.254.169.254"))

    assert unknown.state == "problem" and "has no address" in unknown.told
    assert metadata.state == "problem" and "metadata" in metadata.told


def test_the_network_is_left_alone_unless_asked(home: Path, tmp_path: Path) -> None:
    """A server that is down is noticed with --network only."""
    address = f"http://127.0.0.1:{_silent_port()}"
    (tmp_path / "turnout.toml").write_text(
        CONFIG + f'[providers.house]\npreset = "vllm"\nbase_url = "{address}"\nmodels = ["m"]\n'
    )

    assert _run().exit_code == 0
    assert _run("--network").exit_code == 1


def test_old_python_and_old_sqlite_are_judged() -> None:
    """SQLite's bug needs two writers, so it is told and no problem."""
    assert doctor_machine.python((3, 10, 9)).state == "problem"
    assert doctor_machine.python((3, 11, 0)).state == "ok"
    assert "WAL-reset bug" in doctor_machine.sqlite((3, 40, 1)).told
    assert "WAL-reset bug" not in doctor_machine.sqlite((3, 51, 3)).told


def test_few_descriptors_and_a_wrong_clock_are_judged() -> None:
    """Both are told with what to do."""
    few = doctor_machine.descriptors(1024, 256)

    assert few.state == "warning" and "LimitNOFILE" in few.remedy
    assert doctor_machine.descriptors(10, 256).state == "ok"
    assert doctor_machine.clock(datetime(1970, 1, 2, tzinfo=UTC)).state == "problem"
    assert doctor_machine.clock(datetime(2027, 1, 2, tzinfo=UTC)).state == "ok"


def test_missing_authorities_matter_to_who_calls_https(tmp_path: Path) -> None:
    """A machine that calls its own servers only can do without."""
    none = ssl.DefaultVerifyPaths(None, str(tmp_path), "SSL_CERT_FILE", "", "SSL_CERT_DIR", "")
    file = tmp_path / "ca.pem"
    file.write_text("")
    some = none._replace(cafile=str(file))

    assert doctor_machine.certificates(none, needed=True).state == "problem"
    assert doctor_machine.certificates(none, needed=False).state == "warning"
    assert doctor_machine.certificates(some, needed=True).state == "ok"


def test_a_missing_extra_is_told_only_where_it_is_asked_for() -> None:
    """The embedded model is optional; a set exporter is not."""
    plain = settings_from(parse_toml("[local]\nenabled = false\n"), {})
    asked = settings_from(
        parse_toml('[local]\nenabled = true\n[telemetry]\notlp_endpoint = "http://127.0.0.1:1"\n'), {}
    )

    assert list(doctor_machine.extras(plain)) == []
    assert {each.check for each in doctor_machine.extras(asked)} <= {"extra 'local'", "extra 'otel'"}
    assert "extra 'local'" in {each.check for each in doctor_machine.extras(asked)}

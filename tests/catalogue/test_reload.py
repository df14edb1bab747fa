"""Reading the configuration again while it is in use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from turnout.catalogue.load import LocalModel
from turnout.catalogue.reload import Reloader
from turnout.core.problems import ConfigProblems
from turnout.core.secret import Secret

ENVIRON = {"HOME": "/home/op", "APP_KEY": "k" * 16}
LOCAL = LocalModel(name="tiny", context=512)
GOOD = '[providers.house]\npreset = "vllm"\nmodels = ["a"]\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "turnout.toml"
    file.write_text(GOOD)
    return file


def _reloader(path: Path) -> Reloader:
    return Reloader(path, ENVIRON, local_model=LOCAL)


def test_a_bad_file_can_not_be_started_from(path: Path) -> None:
    """The first reading has nothing to fall back to."""
    path.write_text("[server]\nport = -1")

    with pytest.raises(ConfigProblems):
        _reloader(path)


def test_a_good_change_replaces_both_at_once(path: Path) -> None:
    """Settings and catalogue are one value; the old one stays whole for requests in flight."""
    reloader = _reloader(path)
    old = reloader.current
    path.write_text(GOOD.replace('"a"', '"a", "b"') + "[retry]\nmax_attempts = 5\n")

    assert reloader.changed()
    assert reloader.reload().swapped
    assert "house/b" in reloader.current.catalogue.deployments
    assert reloader.current.settings.retry.max_attempts == 5
    assert "house/b" not in old.catalogue.deployments
    assert reloader.current.catalogue.version != old.catalogue.version
    assert not reloader.changed()


@pytest.mark.parametrize("broken", ["[server", "[server]\nport = -1", '[routes.r]\ntargets = ["nobody"]'])
def test_a_bad_change_leaves_what_is_in_use(path: Path, broken: str) -> None:
    """The problems are given back, and a later repair is taken."""
    reloader = _reloader(path)
    old = reloader.current
    path.write_text(broken)

    result = reloader.reload()

    assert not result.swapped
    assert result.problems[0].line
    assert reloader.current is old
    assert not reloader.changed(), "the same bad file is reported once"
    path.write_text(GOOD + "[retry]\nmax_attempts = 5\n")
    assert reloader.changed()
    assert reloader.reload().swapped


def test_a_file_that_vanishes_leaves_what_is_in_use(path: Path) -> None:
    """A deployment tool may remove the file before it writes the new one."""
    reloader = _reloader(path)
    old = reloader.current
    path.unlink()

    assert reloader.changed()
    assert not reloader.reload().swapped
    assert reloader.current is old


def test_a_touched_file_is_no_change(path: Path) -> None:
    """Time alone says nothing; the content is compared."""
    reloader = _reloader(path)
    os.utime(path, ns=(1, 1))

    assert not reloader.changed()


def test_a_comment_swaps_nothing(path: Path) -> None:
    """The content of the file is new, what it says is not."""
    reloader = _reloader(path)
    old = reloader.current
    path.write_text("# a comment\n" + GOOD)

    assert reloader.changed()
    assert not reloader.reload().swapped
    assert reloader.current is old


def test_what_can_not_change_live_is_named_and_stays(path: Path) -> None:
    """What was built at the start, such as the listening socket, needs a restart; all else is taken."""
    reloader = _reloader(path)
    path.write_text(GOOD + '[server]\nport = 5000\nbody_timeout = 1\n[storage]\ndir = "x"\n[local]\nthreads = 2\n')

    result = reloader.reload()

    assert result.swapped
    assert result.needs_restart == ("server.port", "storage.dir", "local")
    assert reloader.current.settings.server.port == 4000
    assert reloader.current.settings.server.body_timeout == 1
    assert reloader.reload().needs_restart == result.needs_restart, "it is said until the restart"


def test_a_rotated_key_file_is_a_change(path: Path) -> None:
    """The new key is used although the settings are the same."""
    key = path.with_name("key")
    key.write_text("one")
    path.write_text('[providers.openai]\napi_key_file = "key"\n')
    reloader = _reloader(path)
    key.write_text("another")

    assert reloader.changed()
    assert reloader.reload().swapped
    assert reloader.current.catalogue.providers["openai"].api_key == Secret("another")


def test_a_rotated_virtual_key_is_taken(path: Path) -> None:
    """Secrets of `[[keys]]` are part of what is swapped."""
    key = path.with_name("key")
    key.write_text("a" * 16)
    path.write_text(GOOD + '[[keys]]\nname = "app"\nsecret_file = "key"\n')
    reloader = _reloader(path)
    key.write_text("b" * 16)

    assert reloader.reload().swapped
    assert [given.secret for given in reloader.current.given_keys] == [Secret("b" * 16)]


def test_a_file_named_anew_by_the_settings_is_watched(path: Path) -> None:
    """After a reload the files of the new settings count."""
    key = path.with_name("key")
    key.write_text("one")
    reloader = _reloader(path)
    path.write_text('[providers.openai]\napi_key_file = "key"\n')
    assert reloader.reload().swapped
    assert not reloader.changed()
    key.write_text("another")

    assert reloader.changed()


def test_without_a_file_nothing_changes() -> None:
    """The environment of a process stays as it is."""
    reloader = Reloader(None, ENVIRON, local_model=LOCAL)

    assert not reloader.changed()
    assert not reloader.reload().swapped

"""The data directory: who may write in it, and the secrets kept beside the database rather than in it.

    turnout.db     the database (`database` opens it)
    turnout.lock   held by the one process that writes; says who that is and where it listens
    turnout.id     the database's own id, so that a lost or exchanged file is noticed
    pepper         keys the hashes of virtual keys; without it no stored key can be verified
    admin.key      the first administrator's key, as text

Directory 0700, files 0600.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from turnout.core.errors import ConfigError, StorageUnavailable
from turnout.core.ids import RandomBytes
from turnout.core.keyformat import mint
from turnout.core.secret import Secret

DATABASE = "turnout.db"
_MIN_SECRET = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that holds a data directory."""

    pid: int | None
    url: str | None
    """Where it listens, once it does. None of one that shares the directory."""
    shared: bool = False


class DataDir:
    """A data directory that exists and is ours."""

    def __init__(self, path: Path) -> None:
        """Creates the directory (0700) when it is missing. Raises ConfigError when that can't be done."""
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The data directory {path} can't be created: {error.strerror}. Create it, or set another one."
            ) from error

    @property
    def database(self) -> Path:
        return self.path / DATABASE

    @property
    def mark(self) -> Path:
        return self.path / "turnout.id"

    def pepper(self, given: Secret | None, random_bytes: RandomBytes) -> Secret:
        """The pepper: `given` (from TURNOUT_PEPPER), else the file's, made when there is none yet."""
        if given is not None:
            return _long_enough(given, "TURNOUT_PEPPER")
        text = self._keep("pepper", lambda: random_bytes(32).hex())
        return _long_enough(Secret(text), f"The file {self.path / 'pepper'}")

    def admin_key(self, given: Secret | None, random_bytes: RandomBytes) -> Secret:
        """The first administrator's key: `given` (from TURNOUT_ADMIN_KEY), else the file's, made when missing."""
        if given is not None:
            return given
        return Secret(self._keep("admin.key", lambda: mint(random_bytes).text))

    def write_private(self, name: str, text: str, *, once: bool = False) -> None:
        """Writes a file of mode 0600 so that it is there whole or not at all, also after a power cut. `once`: a file
        that is there stays, also where another process makes it at the same moment."""
        partial = self.path / f"{name}.{os.getpid()}.new"
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            if once:
                with contextlib.suppress(FileExistsError):
                    (self.path / name).hardlink_to(partial)
                partial.unlink()
            else:
                partial.replace(self.path / name)
            self._sync()
        except OSError as error:
            raise StorageUnavailable(f"{self.path / name} can't be written: {error.strerror}.") from error

    def read(self, name: str) -> str | None:
        """A small file's text without blanks around it; None when it is missing."""
        try:
            return (self.path / name).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path / name} can't be read: {error}.") from error

    def _keep(self, name: str, make: Callable[[], str]) -> str:
        text = self.read(name)
        if text is None:
            self.write_private(name, make(), once=True)
            text = self.read(name)
        assert text is not None, "it was there or was made"
        return text

    def _sync(self) -> None:
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class DirLock:
    """The right to write in a data directory. The system takes it back when the process ends, kill -9 included."""

    def __init__(self, directory: DataDir, *, shared: bool = False) -> None:
        """Takes the lock, alone or beside others that take it `shared`. Raises ConfigError naming the holder when
        another process has it otherwise."""
        self._shared = shared
        self._path = directory.path / "turnout.lock"
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageUnavailable(f"{self._path} can't be opened: {error.strerror}.") from error
        try:
            _lock(self._handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        except OSError as error:
            os.close(self._handle)
            found = read_holder(self._path)
            who = f"process {found.pid}" if found.pid else "another process"
            raise ConfigError(_in_use(directory.path, who, wanted=shared, has=found.shared)) from error
        self.announce(None)

    def announce(self, url: str | None) -> None:
        """Writes down who holds the lock and where it listens, for the command line to find. Of several who share it,
        the last one stands there, and no address: each of them may stop while the others go on."""
        told = "shared" if self._shared else url or ""
        os.truncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()} {told}\n".encode(), 0)

    def release(self) -> None:
        """Gives the lock back. Idempotent."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> DirLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _in_use(path: Path, who: str, *, wanted: bool, has: bool) -> str:
    if wanted:
        return (
            f"{path} is in use by {who}, which does not share it. Set `[storage] shared = true` for every"
            " Turnout process on this directory, and start that one again."
        )
    if has:
        return (
            f"{path} is in use by processes that share it, {who} among them. Set `[storage] shared = true` here"
            " as well, or give this one its own directory."
        )
    return (
        f"{path} is in use by {who}. One Turnout process may use a data directory at a time:"
        " stop that one, give this one its own directory, or let them share it (`[storage] shared = true`)."
    )


def _lock(handle: int, how: int) -> None:
    """Takes the lock, trying thrice within 0.1 s: `holder` may be looking at it just now."""
    for pause in (0.05, 0.05, None):
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
            return
        except OSError:
            if pause is None:
                raise
            time.sleep(pause)


def holder(path: Path) -> Holder | None:
    """Who holds the data directory at `path` now; None when nobody does. Does not wait and keeps nothing."""
    lock = path / "turnout.lock"
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return read_holder(lock)
    else:
        return _sharer(handle, lock)
    finally:
        os.close(handle)


def _sharer(handle: int, lock: Path) -> Holder | None:
    """One of those who share the directory; None where nobody does."""
    found = read_holder(lock)
    if not found.shared:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return found
    return None


def read_holder(lock: Path) -> Holder:
    """What the last holder wrote down; it may be gone."""
    try:
        pid, _, url = lock.read_text(encoding="utf-8").strip().partition(" ")
    except (OSError, UnicodeDecodeError):
        return Holder(pid=None, url=None)
    shared = url == "shared"
    return Holder(pid=int(pid) if pid.isdecimal() else None, url=None if shared else url or None, shared=shared)


def _long_enough(secret: Secret, where: str) -> Secret:
    if len(secret.reveal()) < _MIN_SECRET:
        raise ConfigError(f"{where} is shorter than {_MIN_SECRET} characters. Use 32 random bytes in hex.")
    return secret

"""A change written by a command itself, for want of a running server to ask."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from turnout.cli.admin import Place
from turnout.core.secret import Secret
from turnout.ledger.datadir import DataDir, DirLock
from turnout.ledger.opening import open_store
from turnout.ledger.store import Store

T = TypeVar("T")


def directly(place: Place, change: Callable[[Store], T]) -> T:
    """One transaction, holding the directory's lock meanwhile. Raises ConfigError, StorageUnavailable."""
    directory = DataDir(place.path)
    given = os.environ.get("TURNOUT_PEPPER")
    with DirLock(directory, shared=place.location.shared):
        pepper = directory.pepper(Secret(given) if given else None, os.urandom)
        with closing(open_store(place.location, directory, pepper, os.urandom)) as store:
            try:
                store.begin()
                done = change(store)
                store.commit()
            except store.errors as error:
                raise store.ours(error) from None
    return done

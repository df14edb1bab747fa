"""What runs beside the requests for as long as the gateway does: keep-alives, the configuration, old records, the
embedded model."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from turnout.core.errors import ConfigError, StorageUnavailable, TurnoutError
from turnout.gateway.journal import Journal
from turnout.gateway.services import Services
from turnout.ledger.orphans import BEAT_SECONDS, Presence
from turnout.ledger.retention import Retention, sweep
from turnout.upstream.embedded import EmbeddedModel

CONFIG_POLL_SECONDS = 1.0
KEYS_POLL_SECONDS = 1.0
SETTLE_SECONDS = 0.3
SWEEP_SECONDS = 3600.0
LEARN_SECONDS = 3600.0


@contextlib.asynccontextmanager
async def background(services: Services, embedded: EmbeddedModel | None, presence: Presence) -> AsyncGenerator[None]:
    """The tasks that live as long as the gateway: keep-alives, configuration, the embedded model, this process's
    presence, and where several write one record the others' keys. An error of the block leaves it as it is, in no
    group."""
    problem: TurnoutError | None = None
    async with asyncio.TaskGroup() as tasks:
        owned = [
            tasks.create_task(services.pinger.run()),
            tasks.create_task(_watch_config(services)),
            tasks.create_task(_sweep_records(services)),
            tasks.create_task(_be_present(services, presence)),
            tasks.create_task(_learn_ratios(services)),
        ]
        if embedded is not None:
            owned.append(tasks.create_task(_start_embedded(services, embedded)))
        if presence.several:
            owned.append(tasks.create_task(_follow_keys(services)))
        try:
            yield
        except TurnoutError as error:
            problem = error
        finally:
            for task in owned:
                task.cancel()
    if problem is not None:
        raise problem


async def _start_embedded(services: Services, embedded: EmbeddedModel) -> None:
    try:
        await embedded.start()
        services.journal.info("embedded model ready")
    except ConfigError as error:
        services.journal.error("embedded model not started", why=error.message)


async def _sweep_records(services: Services) -> None:
    """Deletes what is older than its retention, in small steps beside the requests."""
    while True:
        try:
            await sweep(services.writer, services.clock.now(), Retention())
        except StorageUnavailable as error:
            services.journal.warning("old records not deleted", why=error.message)
        await asyncio.sleep(SWEEP_SECONDS)


async def _learn_ratios(services: Services) -> None:
    """How many tokens of a model a text is, from what providers counted lately."""
    while True:
        with contextlib.suppress(StorageUnavailable):  # the ratios in use stay
            await services.ratios.refresh(services.writer, services.clock.now())
        await asyncio.sleep(LEARN_SECONDS)


async def _be_present(services: Services, presence: Presence) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        with contextlib.suppress(StorageUnavailable):  # readiness tells of it
            tell_expired(services.journal, await presence.beat())


def tell_expired(journal: Journal, holds: int) -> None:
    """Says that holds were given up: somebody died, or a call outlived all its deadlines."""
    if holds:
        journal.warning("holds given up, their prompts counted as spent", holds=holds)


async def _follow_keys(services: Services) -> None:
    """A key that another process made, revoked or rotated holds here within two seconds."""
    while True:
        with contextlib.suppress(StorageUnavailable):  # readiness tells of it
            await services.keys.refresh()
        await asyncio.sleep(KEYS_POLL_SECONDS)


async def _watch_config(services: Services) -> None:
    while True:
        await asyncio.sleep(CONFIG_POLL_SECONDS)
        if not services.reloader.changed():
            continue
        # An editor may truncate the file and then write it: an empty file is valid, and would serve nothing.
        seen = services.reloader.stamp()
        await asyncio.sleep(SETTLE_SECONDS)
        if services.reloader.stamp() == seen:
            services.reload()

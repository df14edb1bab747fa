"""A deadline ends a block that runs too long, and nothing else."""

import asyncio

import pytest

from turnout.core.deadline import Deadline


def test_a_block_that_runs_too_long_times_out_and_the_task_goes_on():
    """The cancellation is spent on the TimeoutError."""

    async def main():
        with pytest.raises(TimeoutError), Deadline(0.01):
            await asyncio.sleep(5)
        await asyncio.sleep(0)
        task = asyncio.current_task()
        return task.cancelling() if task else None

    assert asyncio.run(main()) == 0


def test_a_block_in_time_is_left_alone():
    """Nothing fires afterwards."""

    async def main():
        with Deadline(0.01) as deadline:
            await asyncio.sleep(0)
        await asyncio.sleep(0.03)
        return deadline.expired

    assert asyncio.run(main()) is False


def test_a_cancellation_from_elsewhere_stays_one():
    """The caller's leaving is no timeout."""

    async def work():
        with Deadline(5):
            await asyncio.sleep(5)

    async def main():
        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_the_inner_of_two_deadlines_ends_only_its_own_block():
    """Nested deadlines keep apart."""

    async def main():
        with Deadline(5) as outer:
            with pytest.raises(TimeoutError), Deadline(0.01):
                await asyncio.sleep(5)
            await asyncio.sleep(0.01)
        return outer.expired

    assert asyncio.run(main()) is False

"""Tasks with an owner, and several coroutines as one."""

from __future__ import annotations

import asyncio
import logging

import pytest

from opengradient_sdk._core.tasks import Supervisor, together


async def value(number: int) -> int:
    await asyncio.sleep(0)
    return number


class Hanging:
    """Work that never ends by itself, and says how it ended."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.ended = False

    async def work(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # ending may take a while
            self.ended = True


async def test_results_come_in_order() -> None:
    assert await together(value(3), value(1), value(2)) == [3, 1, 2]


async def test_the_first_failure_ends_the_others_and_comes_as_it_is() -> None:
    other = Hanging()

    async def fail() -> None:
        await other.started.wait()
        raise KeyError("first")

    with pytest.raises(KeyError, match="first") as error:
        await together(other.work(), fail())
    assert other.ended
    assert error.value.__cause__ is None


async def test_cancelling_reaches_all_of_them() -> None:
    both = [Hanging(), Hanging()]
    task = asyncio.create_task(together(*(one.work() for one in both)))
    for one in both:
        await one.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert all(one.ended for one in both)


async def test_a_supervised_tasks_result_is_its_awaiters() -> None:
    supervisor = Supervisor()
    assert await supervisor.spawn(value(7), name="seven") == 7
    await supervisor.aclose()


async def test_closing_cancels_and_waits() -> None:
    supervisor, hanging = Supervisor(), Hanging()
    task = supervisor.spawn(hanging.work(), name="hanging")
    await hanging.started.wait()
    await supervisor.aclose()
    assert hanging.ended
    assert task.cancelled()
    await supervisor.aclose()


async def test_a_failure_nobody_awaits_is_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor()

    async def fail() -> None:
        raise ValueError("details stay out of the log")

    with caplog.at_level(logging.DEBUG, "opengradient_sdk.tasks"):
        task = supervisor.spawn(fail(), name="doomed")
        await asyncio.wait([task])
        await supervisor.aclose()
    assert "doomed ended with ValueError" in caplog.messages
    assert "details" not in caplog.text
    with pytest.raises(ValueError, match="details"):
        await task

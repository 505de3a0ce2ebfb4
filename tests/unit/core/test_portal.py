import asyncio
import threading

import pytest

from opengradient_sdk._core.portal import Portal


@pytest.fixture
def portal():
    portal = Portal()
    portal.start()
    yield portal
    portal.close()


async def where() -> int:
    await asyncio.sleep(0)
    return threading.get_ident()


def test_runs_in_a_thread_of_its_own(portal: Portal) -> None:
    assert portal.call(where()) != threading.get_ident()


async def test_can_be_called_inside_a_running_loop(portal: Portal) -> None:
    assert portal.call(where()) != threading.get_ident()


def test_errors_come_through(portal: Portal) -> None:
    async def fail() -> None:
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        portal.call(fail())


def test_a_closed_portal_says_so() -> None:
    with pytest.raises(RuntimeError, match="closed"):
        Portal().call(where())


def test_a_call_from_its_own_loop_is_refused(portal: Portal) -> None:
    async def nested() -> None:
        portal.call(where())

    with pytest.raises(RuntimeError, match="never end"):
        portal.call(nested())


def test_close_cancels_what_runs_and_ends_the_thread() -> None:
    portal = Portal("short-lived")
    portal.start()
    cancelled = threading.Event()
    started = threading.Event()

    async def hang() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def start() -> asyncio.Task[None]:
        return asyncio.ensure_future(hang())

    task = portal.call(start())
    assert started.wait(5)
    portal.close()
    assert cancelled.is_set()
    assert task.cancelled()
    assert "short-lived" not in {t.name for t in threading.enumerate()}

"""One account, several processes, and one that is killed."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk._core.store import Store, open_store
from opengradient_sdk.chain.outbox.journal import TxJournal
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.chain.outbox.slots import Leased, SlotState

from .makers import ACCOUNT, kill, signed

WORKER = Path(__file__).with_name("worker.py")

Start = Callable[..., Awaitable[Process]]


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


@pytest.fixture
async def store(place: str) -> AsyncIterator[Store]:
    store = open_store(place, SCHEMA)
    yield store
    await store.aclose()


@pytest.fixture
async def start(place: str) -> AsyncIterator[Start]:
    started: list[Process] = []

    async def one(*order: object) -> Process:
        command = (sys.executable, str(WORKER), place, *map(str, order))
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        started.append(process)
        return process

    yield one
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def heard(process: Process) -> list[int]:
    """Return the nonces that a process got."""
    assert process.stdout is not None
    nonces: list[int] = json.loads(await process.stdout.readline())
    return nonces


async def test_processes_never_share_a_nonce_and_leave_no_gap(start: Start, store: Store) -> None:
    processes = [await start("lease", 100) for _ in range(4)]
    got = await asyncio.gather(*(heard(process) for process in processes))
    assert sorted(nonce for part in got for nonce in part) == list(range(400))
    assert all(part == sorted(part) for part in got)
    slots = await TxJournal(store).slots(ACCOUNT, SlotState.SENDING)
    assert [slot.attempts[0].signed for slot in slots] == [signed(nonce) for nonce in range(400)]
    assert len({slot.holder for slot in slots}) == 4


async def test_what_a_killed_process_had_is_taken_over(start: Start, store: Store) -> None:
    process = await start("die", 8)
    assert await heard(process) == list(range(8))
    process.kill()
    assert await process.wait() < 0

    survivor = TxJournal(store)
    assert await survivor.take_over(ACCOUNT) == []  # it may only be slow
    assert await survivor.lease(ACCOUNT) == Leased((8,))
    await kill(store, "die")
    taken = await survivor.take_over(ACCOUNT)
    assert [slot.attempts[0].signed for slot in taken] == [signed(nonce) for nonce in range(4)]
    assert await survivor.lease(ACCOUNT, 5) == Leased((4, 5, 6, 7, 9))


async def test_a_process_that_leaves_needs_no_patience(start: Start, store: Store) -> None:
    process = await start("die", 4)
    assert await heard(process) == list(range(4))
    await process.communicate(b"")  # its input ends

    survivor = TxJournal(store)
    assert [slot.nonce for slot in await survivor.take_over(ACCOUNT)] == [0, 1]
    assert await survivor.lease(ACCOUNT) == Leased((2,))

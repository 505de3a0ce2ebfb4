"""One store, several processes: what one wrote the others see, also when it is killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk._core.store import Db, Schema, open_store

STEP = "CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL)"

PROGRAM = f"""
import asyncio, sys
from opengradient_sdk._core.store import Schema, open_store

def increment(db):
    db.lock("counter")
    found = db.execute("SELECT value FROM counter WHERE name = 'n'")
    if not found:
        db.execute("INSERT INTO counter VALUES ('n', 1)")
        return 1
    ((value,),) = found
    db.execute("UPDATE counter SET value = ? WHERE name = 'n'", (value + 1,))
    return value + 1

async def main(place, count):
    store = open_store(place, Schema("test", ({STEP!r},)))
    print("ready", flush=True)
    sys.stdin.readline()
    seen = await asyncio.gather(*(store.run(increment) for _ in range(count)))
    print(*seen, flush=True)
    if count == 1:
        await asyncio.Event().wait()  # until it is killed
    await store.aclose()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


@asynccontextmanager
async def a_process(place: str, count: int) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", PROGRAM, place, str(count), stdin=PIPE, stdout=PIPE
    )
    try:
        assert await said(process) == "ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


def go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")


async def count(place: str) -> int:
    def read(db: Db) -> int:
        ((value,),) = db.execute("SELECT value FROM counter WHERE name = 'n'")
        return int(value)

    store = open_store(place, Schema("test", (STEP,)))
    try:
        return await store.run(read)
    finally:
        await store.aclose()


async def test_no_update_is_lost(place: str) -> None:
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(a_process(place, 40)) for _ in range(3)]
        for process in processes:
            go(process)
        seen = [int(value) for process in processes for value in (await said(process)).split()]
    assert sorted(seen) == list(range(1, 121))
    assert await count(place) == 120


async def test_what_was_written_survives_a_killed_process(place: str) -> None:
    async with a_process(place, 1) as process:
        go(process)
        assert await said(process) == "1"
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert await count(place) == 1

"""Real processes on one store: killed, and all at once."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk.payments.journal import CallState, Interrupted, Replied

from ..makers import CAP, a_life
from .clients import a_call, a_client

PROGRAM = str(Path(__file__).with_name("working.py"))


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


class Worker:
    """One process, and what it is asked to do."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def do(self, **step: object) -> str:
        """Have it take a step; return what came of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(step).encode() + b"\n")
        return (await self._process.stdout.readline()).decode().strip()

    async def kill(self) -> None:
        """Kill it (SIGKILL) and wait until it is gone."""
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def a_worker(place: str, total: int | None = None) -> AsyncIterator[Worker]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", PROGRAM, place, str(total or "none"), stdin=PIPE, stdout=PIPE
    )
    try:
        yield Worker(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_what_a_killed_process_wrote_down_goes_on_at_once(place: str) -> None:
    async with a_worker(place) as worker:
        assert await worker.do(sign=77) == "done"
        assert await worker.do(reserve=78) == "done"
        assert await worker.do(begin="call-1") == "done"
        assert await worker.do(serve="paid", by="worker") == "done"
        assert await worker.do(admit="sent", by="worker") == "Begun"
        await worker.kill()
    async with a_client(place) as heir:
        (inherited,) = await heir.journal.inherit()
        assert inherited.may_serve
        assert inherited.life.payment_header() == a_life(77).payment_header()
        assert (await heir.journal.standing()).exposed == CAP
        served = await heir.journal.admit(a_call(key="paid"))
        assert isinstance(served, Replied)
        assert served.reply == b"reply to paid"
        sent = await heir.journal.admit(a_call(key="sent"))
        assert isinstance(sent, Interrupted)
        assert sent.record.maybe_billed == 1000
        by_id = {record.id: record for record in await heir.journal.calls(1)}
        assert by_id["call-1"].state is CallState.UNKNOWN
        assert by_id["call-1"].maybe_billed == 1000


async def test_one_process_gets_what_a_killed_one_had(place: str) -> None:
    async with AsyncExitStack() as stack:
        dead = await stack.enter_async_context(a_worker(place))
        heirs = [await stack.enter_async_context(a_worker(place)) for _ in range(3)]
        for nonce in (1, 2, 3):
            assert await dead.do(sign=nonce) == "done"
        assert await dead.do(admit="key", by="dead") == "Begun"
        await dead.kill()
        found = await asyncio.gather(*(heir.do(inherit=True) for heir in heirs))
        nonces = [nonce for part in found for nonce in json.loads(part)]
        assert sorted(nonces) == [1, 2, 3]
        admitted = await asyncio.gather(
            *(heir.do(admit="key", by=str(number)) for number, heir in enumerate(heirs))
        )
        assert sorted(admitted) == ["Interrupted", "UnderWay", "UnderWay"]


async def test_a_key_begins_once_however_many_processes_ask(place: str) -> None:
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(a_worker(place)) for _ in range(3)]
        for key in ("one", "two", "three"):
            said = await asyncio.gather(
                *(worker.do(admit=key, by=str(number)) for number, worker in enumerate(workers))
            )
            assert sorted(said) == ["Begun", "UnderWay", "UnderWay"]


async def test_no_budget_is_overshot_by_processes_that_reserve_at_once(place: str) -> None:
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(a_worker(place, 4 * CAP)) for _ in range(3)]
        said: list[str] = []
        for attempt in range(3):
            said += await asyncio.gather(
                *(worker.do(reserve=10 * number + attempt) for number, worker in enumerate(workers))
            )
        assert sorted(said) == ["BudgetExceededError"] * 5 + ["done"] * 4

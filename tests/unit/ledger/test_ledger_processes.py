"""One ledger, several processes: each writes its own chain, also when it is killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from opengradient_sdk.ledger import check_ledger

from .books import open_books

PROGRAM = """
import asyncio, sys
from tests.unit.ledger.books import an_answered, open_books

async def main(place, first, count):
    async with open_books(place) as books:
        print("ready", flush=True)
        sys.stdin.readline()
        number = first
        while number < first + count:
            for _ in range(20):
                books.ledger.record(an_answered(number))
                number += 1
            await books.ledger.flushed()
            print(number, flush=True)
        point = await books.ledger.checkpoint()
        print(point.id, point.public_key, flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""

ROOT = Path(__file__).parents[3]


async def a_process(place: str, first: int, count: int) -> Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, place, str(first), str(count)),
        stdin=PIPE,
        stdout=PIPE,
        cwd=ROOT,
    )
    assert await said(process) == "ready"
    return process


async def said(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def test_processes_write_at_once_and_end_with_one_key(place: str) -> None:
    processes = [await a_process(place, first, 200) for first in (0, 1000)]
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    last = [output.decode().splitlines()[-1].split() for output, _ in outputs]
    points, keys = ({words[place] for words in last} for place in (0, 1))
    assert len(keys) == 1
    async with open_books(place) as books:
        found = await check_ledger(books.store, vault=books.vault, public_key=keys.pop())
        assert found.ok, found.explain()
        assert (found.writers, found.receipts, found.checkpoints) == (2, 400, len(points))


async def test_a_killed_process_leaves_a_ledger_that_verifies(place: str) -> None:
    process = await a_process(place, 0, 100_000)
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    for _ in range(5):
        durable = int(await said(process))
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    async with open_books(place) as books:
        found = await check_ledger(books.store, vault=books.vault)
        assert found.ok, found.explain()
        assert found.receipts >= durable
        assert (await books.ledger.get(f"rcpt_{durable - 1}")).content is not None

"""What the journal costs: ``python -m benchmarks.journal``.

Calls without a key are written while they are under way: measured is how much longer a call takes
at concurrency 50 than without any journal. Calls with a key are durable before they are sent and
when they end: measured is how long those two steps take together, with four processes on one file,
and beside them the same two writes as a plain program makes them.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opengradient_sdk._core.clock import SystemClock
from opengradient_sdk._core.gathering import Gathering
from opengradient_sdk._core.store import SqliteStore
from opengradient_sdk._core.tasks import Supervisor
from opengradient_sdk._core.vault import Vault
from opengradient_sdk.payments.budget.pools import Limits, Pool
from opengradient_sdk.payments.journal import SCHEMA, CallRecord, CallState, PaymentJournal
from opengradient_sdk.types import Address

_CONCURRENCY: Final = 50
_CALLS: Final = 5000
_ROUNDS: Final = 5
_PROCESSES: Final = 4
_PAIRS: Final = 500
"""Calls with a key, of each process."""
_WORK: Final = 15_000
"""Additions before and after the answer, about 0.2 ms each: a client's own work on a call."""
_ANSWER: Final = 0.02
"""Seconds until the answer comes."""
_OWNER: Final = Address("0x" + "ab" * 20)
_NETWORK: Final = "eip155:31337"
_REPLY: Final = b"a" * 2000


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call took, in milliseconds: of the wall clock, and of the processor."""

    wall: float
    cpu: float


class Books:
    """A journal as a client has it, on a file."""

    def __init__(self, path: Path) -> None:
        self.supervisor = Supervisor()
        self.store = SqliteStore(path, SCHEMA)
        self.journal = PaymentJournal(
            self.store,
            Vault.at(str(path), None),
            owner=_OWNER,
            network=_NETWORK,
            pool=Pool(_OWNER, _NETWORK),
            limits=Limits(None),
            clock=SystemClock(),
            supervisor=self.supervisor,
            gathering=Gathering(self.store, self.supervisor),
        )

    async def aclose(self) -> None:
        """Leave in order."""
        await self.journal.leave()
        await self.supervisor.aclose()
        await self.store.aclose()


def main() -> None:
    """Measure and print; a child measures its own part and prints that as JSON."""
    match sys.argv[1:]:
        case []:
            asyncio.run(_measure())
        case ["journal", place, number]:
            print(json.dumps(asyncio.run(_keyed(Path(place), number))))
        case ["plain", place, number]:
            print(json.dumps(_plain(Path(place), number)))
        case _:
            sys.exit("usage: python -m benchmarks.journal")


async def _measure() -> None:
    with tempfile.TemporaryDirectory(prefix="opengradient-journal-") as folder:
        bare, written = await _costs(Path(folder))
        print(f"a call without the journal       {bare.wall:8.3f} ms, CPU {bare.cpu:.3f} ms")
        print(f"a call with the journal          {written.wall:8.3f} ms, CPU {written.cpu:.3f} ms")
        print(f"the journal costs                {written.wall - bare.wall:8.3f} ms, target 0.05")
        print(f"  of the processor               {written.cpu - bare.cpu:8.3f} ms")
        for kind in ("journal", "plain"):
            pairs = sorted(await _together(kind, Path(folder) / f"{kind}.sqlite"))
            print(
                f"begin and end, durable, {kind:8} "
                f"median {_share(pairs, 0.5):.1f} ms, p99 {_share(pairs, 0.99):.1f} ms, "
                f"longest {pairs[-1]:.1f} ms"
            )


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


# Calls without a key


async def _costs(folder: Path) -> tuple[Cost, Cost]:
    """Return the median cost of a call without and with the journal, measured in turn."""
    books = Books(folder / "lines.sqlite")
    await books.journal.join()
    bare: list[Cost] = []
    written: list[Cost] = []
    for round_ in range(_ROUNDS):
        bare.append(await _calls(_bare_call))
        written.append(await _calls(_journalled(books.journal, round_)))
        await books.journal.flushed()
    await books.aclose()
    return _median(bare), _median(written)


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
    )


async def _calls(call: Callable[[int], Awaitable[None]]) -> Cost:
    numbers = iter(range(_CALLS))

    async def worker() -> None:
        for number in numbers:
            await call(number)

    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(_CONCURRENCY)))
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Cost(wall / _CALLS * 1e3, cpu / _CALLS * 1e3)


async def _bare_call(_number: int) -> None:
    _work()
    await asyncio.sleep(_ANSWER)
    _work()


def _journalled(journal: PaymentJournal, round_: int) -> Callable[[int], Awaitable[None]]:
    async def call(number: int) -> None:
        record = _record(f"{round_}-{number}")
        journal.begin(record)
        await _bare_call(number)
        record.state, record.cost, record.ended_at = CallState.SERVED, 900, time.time()
        journal.change(record)

    return call


def _record(name: str, key: str | None = None) -> CallRecord:
    return CallRecord(
        id=name,
        fingerprint="f" * 64,
        route="/v1/chat/completions",
        model="gpt-5",
        started_at=time.time(),
        key=key,
        nonce=2**255,
        attempts=1,
        estimate=10**15,
    )


def _work() -> None:
    sum(range(_WORK))


# Calls with a key


async def _together(kind: str, place: Path) -> list[float]:
    """Return the milliseconds of every pair that four processes wrote at the same time."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.journal", kind, str(place), str(number)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(_PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        await process.stdout.readline()  # it is ready
    found = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    return [pair for said, _ in found for pair in json.loads(said)]


async def _keyed(place: Path, name: str) -> list[float]:
    """Admit and finish calls one after the other; return the milliseconds of each."""
    books = Books(place)
    await books.journal.join()
    _wait_for_the_others()
    pairs: list[float] = []
    for number in range(_PAIRS):
        started = time.perf_counter()
        admission = await books.journal.admit(_record(f"{name}-{number}", f"{name}-{number}"))
        record = admission.record
        record.state, record.cost, record.ended_at = CallState.SERVED, 900, time.time()
        await books.journal.finish(record, _REPLY)
        pairs.append((time.perf_counter() - started) * 1e3)
    await books.aclose()
    return pairs


def _plain(place: Path, name: str) -> list[float]:
    """Do the same as a plain program: each write a transaction, with sqlite3's own waiting."""
    with closing(sqlite3.connect(place, timeout=30, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS call (id TEXT PRIMARY KEY, reply TEXT)")
        _wait_for_the_others()
        pairs: list[float] = []
        for number in range(_PAIRS):
            started = time.perf_counter()
            key = f"{name}-{number}"
            _write(connection, "INSERT INTO call (id) VALUES (?)", key)
            _write(connection, "UPDATE call SET reply = ? WHERE id = ?", _REPLY.decode(), key)
            pairs.append((time.perf_counter() - started) * 1e3)
    return pairs


def _write(connection: sqlite3.Connection, statement: str, *values: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(statement, values)
    connection.execute("COMMIT")


def _wait_for_the_others() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()

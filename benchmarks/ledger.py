"""What the ledger costs: ``python -m benchmarks.ledger [--receipts N]``.

Measured is how much longer a call takes at concurrency 50 when its receipt is recorded; how many
receipts a second are written in bulk, durable, sealed and chained; and how long queries take over
all of them (a million, unless it is said otherwise). Beside them a plain program writes the same
rows with sqlite3: without a chain, without sealing.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opengradient_sdk._core.clock import SystemClock
from opengradient_sdk._core.gathering import Gathering
from opengradient_sdk._core.store import SqliteStore, Value
from opengradient_sdk._core.tasks import Supervisor
from opengradient_sdk._core.vault import Vault
from opengradient_sdk.ledger import (
    AuthorizationFacts,
    Content,
    DataState,
    DataStatus,
    Ledger,
    Receipt,
    ReceiptQuery,
)
from opengradient_sdk.ledger.entries import encoded
from opengradient_sdk.ledger.lines import row_of
from opengradient_sdk.ledger.receipt_json import receipt_to_json
from opengradient_sdk.ledger.schema import SCHEMA
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.types import Address, Amount, Bytes32
from opengradient_sdk.verification import Check, CheckStatus, Evidence, SignedFields

_CONCURRENCY: Final = 50
_CALLS: Final = 5_000
_ROUNDS: Final = 5
_WORK: Final = 15_000
"""Additions before and after the answer, about 0.2 ms each: a client's own work on a call."""
_ANSWER: Final = 0.02
"""Seconds until the answer comes."""
_BULK: Final = 20_000
"""Receipts that are recorded in one go."""
_PART: Final = 256
"""Receipts between two looks at what else is to be done: 20 ms."""
_REPEATS: Final = 15
_SESSION: Final = 25
"""Calls on one authorization."""
_OWNER: Final = Address("0x" + "ab" * 20)
_NETWORK: Final = "eip155:31337"
_START: Final = 1_800_000_000.0
_MODELS: Final = tuple(f"maker/model-{number}" for number in range(8))
_BUILDS: Final = tuple(Bytes32(bytes([number]) * 32) for number in range(1, 11))
_NODES: Final = tuple(Bytes32(bytes([100 + number]) * 32) for number in range(20))
_EVIDENCE: Final = Evidence(
    tuple(
        Check(name, CheckStatus.PASSED, f"the {name} holds", "registry at block 12345 of chain 7")
        for name in ("fields", "request_hash", "output_hash", "signature", "tee_id", "registry")
    )
)
_CONTENT: Final = Content(
    {"model": _MODELS[0], "messages": [{"role": "user", "content": "Why? " * 80}]}, "Because. " * 60
)
_SIGNED: Final = SignedFields("01" * 32, "aa" * 32, "bb" * 32, 1_800_000_000, "c2ln" * 86)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call took, in milliseconds: of the wall clock, and of the processor."""

    wall: float
    cpu: float


class Books:
    """A ledger as a client has it, on a file."""

    def __init__(self, path: Path) -> None:
        self.supervisor = Supervisor()
        self.store = SqliteStore(path, SCHEMA)
        self.ledger = Ledger(
            self.store,
            Vault.at(str(path)),
            owner=_OWNER,
            network=_NETWORK,
            clock=SystemClock(),
            gathering=Gathering(self.store, self.supervisor),
        )

    async def aclose(self) -> None:
        """Leave in order."""
        await self.ledger.aclose()
        await self.supervisor.aclose()
        await self.store.aclose()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger")
    parser.add_argument("--receipts", type=int, default=1_000_000)
    asyncio.run(_measure(parser.parse_args().receipts))


async def _measure(receipts: int) -> None:
    print(f"$ python -m benchmarks.ledger --receipts {receipts}")
    with tempfile.TemporaryDirectory(prefix="opengradient-ledger-") as folder:
        bare, recorded = await _calls_cost(Path(folder) / "calls.sqlite")
        print(f"a call, nothing recorded        {bare.wall:9.3f} ms   CPU {bare.cpu:.3f} ms")
        print(
            f"a call, its receipt recorded    {recorded.wall:9.3f} ms   CPU {recorded.cpu:.3f} ms"
        )
        print(f"the ledger costs                {recorded.wall - bare.wall:9.3f} ms   target 0.1")
        place = Path(folder) / "bulk.sqlite"
        await _bulk_and_queries(place, receipts)
        print(f"its file                        {_megabytes(place):9.0f} MB")
        plain = Path(folder) / "plain.sqlite"
        _plain(plain, receipts)
        print(f"its file                        {_megabytes(plain):9.0f} MB")


def _megabytes(place: Path) -> float:
    return place.stat().st_size / 1e6


# Calls


async def _calls_cost(place: Path) -> tuple[Cost, Cost]:
    """Return the median cost of a call without and with its receipt, measured in turn."""
    books = Books(place)
    numbers = iter(range(10**9))
    bare: list[Cost] = []
    recorded: list[Cost] = []

    async def record() -> None:
        await _bare_call()
        books.ledger.require_writable()
        books.ledger.record(_receipt(next(numbers)))

    async def make() -> None:
        await _bare_call()
        _receipt(next(numbers))

    for _ in range(_ROUNDS):
        bare.append(await _calls(make))
        recorded.append(await _calls(record))
        await books.ledger.flushed()
    await books.aclose()
    return _median(bare), _median(recorded)


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
    )


async def _calls(call: Callable[[], Awaitable[None]]) -> Cost:
    numbers = iter(range(_CALLS))

    async def worker() -> None:
        for _ in numbers:
            await call()

    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(_CONCURRENCY)))
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Cost(wall / _CALLS * 1e3, cpu / _CALLS * 1e3)


async def _bare_call() -> None:
    sum(range(_WORK))
    await asyncio.sleep(_ANSWER)
    sum(range(_WORK))


# Many receipts, and questions about them


async def _bulk_and_queries(place: Path, receipts: int) -> None:
    books = Books(place)
    rates: list[float] = []
    for start in range(0, receipts, _BULK):
        made = [_receipt(number) for number in range(start, min(start + _BULK, receipts))]
        started = time.perf_counter()
        for part in range(0, len(made), _PART):
            for receipt in made[part : part + _PART]:
                books.ledger.record(receipt)
            await asyncio.sleep(0)  # what is recorded can be written meanwhile
        await books.ledger.flushed()
        rates.append(len(made) / (time.perf_counter() - started))
    print(
        f"recorded in bulk, durable       {statistics.median(rates):9.0f} receipts/s, target 10000"
        f" (first {rates[0]:.0f}, last {rates[-1]:.0f})"
    )
    for name, query in _queries(receipts):
        await _time(f"select, {name}, 100", lambda query=query: books.ledger.select(query))
    for name, query in _queries(receipts):
        await _time(f"count, {name}", lambda query=query: books.ledger.count(query))
    await _time("get", lambda: books.ledger.get(f"rcpt_{_random(receipts // 2)}"))
    await books.aclose()


def _queries(receipts: int) -> Iterator[tuple[str, ReceiptQuery]]:
    middle, week = _START + receipts / 2, receipts / 10
    for name, members in (
        ("by model", {"model": _MODELS[3]}),
        ("by tag", {"tag": "tag-7"}),
        ("by build", {"pcr_hashes": (_BUILDS[4],)}),
        ("by model and build", {"model": _MODELS[3], "pcr_hashes": (_BUILDS[9],)}),
    ):
        yield name, ReceiptQuery(since=middle, until=middle + week, limit=100, **members)
    yield "by build, of all", ReceiptQuery(pcr_hashes=(_BUILDS[4],), limit=100)


async def _time(name: str, ask: Callable[[], Awaitable[object]]) -> None:
    taken: list[float] = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - started) * 1e3)
    print(f"{name:32}{statistics.median(taken):9.2f} ms")


def _random(number: int) -> str:
    """Return what looks like the random digits of an id."""
    return f"{(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128:032x}"


def _receipt(number: int) -> Receipt:
    build = _BUILDS[number % len(_BUILDS)]
    return Receipt(
        id=f"rcpt_{_random(number)}",
        route="/v1/chat/completions",
        model=_MODELS[number % 7 % len(_MODELS)],
        tag=f"tag-{number % 50}" if number % 3 == 0 else None,
        created_at=_START + number,
        latency=0.75,
        tee_id=_NODES[number % len(_NODES)],
        endpoint="https://node.example",
        pcr_hash=build,
        signed=_SIGNED,
        cost=Amount(10**15 + number),
        authorization=_facts(number // _SESSION),
        payment=_OPEN,
        data=_DATA,
        uncovered=("tee_timestamp", "usage"),
        evidence=_EVIDENCE,
        content=_CONTENT,
    )


def _facts(session: int) -> AuthorizationFacts:
    return AuthorizationFacts(
        owner=_OWNER,
        network=_NETWORK,
        nonce=2**255 + session,
        max_amount=_CAP,
        recipient=_OWNER,
        facilitator=_OWNER,
        deadline=1_800_000_300,
        served=_CAP,
        calls=3,
        unpriced=0,
        resent=0,
        scheme="upto",
        asset=_OWNER,
        spender=_OWNER,
        valid_after=1_800_000_000,
    )


_CAP: Final = Amount(10**17)
_OPEN: Final = PaymentStatus(PaymentState.OPEN, "signed; the chain has not been asked yet")
_DATA: Final = DataStatus(DataState.PROMISED, "batch", "the node was asked for it", 1_800_001_800.0)


# A plain program


def _plain(place: Path, receipts: int) -> None:
    """Write the same rows as a plain program would, with the same indexes and the same fsync."""
    tables = [step for step in SCHEMA.steps if "ledger_receipt" in step]
    rates: list[float] = []
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        for step in (
            *tables,
            "CREATE TABLE receipt (id TEXT PRIMARY KEY, body TEXT, content TEXT)",
        ):
            connection.execute(step)
        for start in range(0, receipts, _BULK):
            made = [_receipt(number) for number in range(start, min(start + _BULK, receipts))]
            started = time.perf_counter()
            for part in range(0, len(made), 512):
                _write(connection, made[part : part + 512])
            rates.append(len(made) / (time.perf_counter() - started))
        print(f"a plain program, the same rows  {statistics.median(rates):9.0f} receipts/s")
        _time_plain(connection, receipts)


def _write(connection: sqlite3.Connection, receipts: Iterable[Receipt]) -> None:
    rows: list[tuple[Value, ...]] = []
    bodies: list[tuple[str, str, str]] = []
    for receipt in receipts:
        members = receipt_to_json(receipt)
        assert receipt.content is not None
        content = encoded([receipt.content.request, receipt.content.output])
        rows.append((*row_of(members), "", 0))
        bodies.append((receipt.id, encoded(members), content))
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT INTO ledger_receipt (id, owner, network, created_at, route, model, tag, run,"
        " tee_id, pcr_hash, nonce, cost, writer, seq)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    connection.executemany("INSERT INTO receipt VALUES (?, ?, ?)", bodies)
    connection.execute("COMMIT")


def _time_plain(connection: sqlite3.Connection, receipts: int) -> None:
    for name, query in _queries(receipts):
        condition, values = query.condition(_OWNER, _NETWORK)
        statement = (
            "SELECT receipt.body, receipt.content FROM ledger_receipt AS found JOIN receipt"
            f" ON receipt.id = found.id WHERE {condition} ORDER BY created_at LIMIT 100"
        )
        taken: list[float] = []
        for _ in range(_REPEATS):
            started = time.perf_counter()
            connection.execute(statement, values).fetchall()
            taken.append((time.perf_counter() - started) * 1e3)
        print(f"{f'plain, {name}, 100 rows':32}{statistics.median(taken):9.2f} ms")


if __name__ == "__main__":
    main()

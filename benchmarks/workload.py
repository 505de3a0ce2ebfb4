"""What both clients are put through, in a process of each's own. Standard library only."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import ssl
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

PAID_ROUTE = "/v1/chat/completions"
WARM_UP = 30
SIGNATURES = 100
WARM_CALLS = 400
THROUGHPUT_CALLS = 1500
CONCURRENCY = 50
SLOW_SECONDS = 1.0
BURSTS = 3


class Client(Protocol):
    """One client, adapted."""

    async def call(self) -> None:
        """Make one paid call."""
        ...

    def signing(self, challenge: str) -> Callable[[], Awaitable[object]]:
        """Parse a ``PAYMENT-REQUIRED`` header; return what makes one signed payment for it."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...


class Node:
    """The node's own counts, and its one switch; asked only between measurements."""

    def __init__(self, endpoint: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        parts = urlsplit(endpoint)
        assert parts.hostname is not None
        self._http = http.client.HTTPSConnection(parts.hostname, parts.port, context=context)

    def challenge(self) -> str:
        """Return the ``PAYMENT-REQUIRED`` header that an unpaid request is answered with."""
        self._http.request("POST", PAID_ROUTE, "{}")
        answer = self._http.getresponse()
        answer.read()
        header = answer.getheader("PAYMENT-REQUIRED")
        assert header is not None
        return header

    def books(self) -> Books:
        """Return the counts so far."""
        said = json.loads(self._ask("GET", "/stats"))
        requests = said["requests"]
        return Books(requests.get(PAID_ROUTE, 0), sum(requests.values()), said["payments"])

    def set_delay(self, seconds: float) -> None:
        """Let every paid answer take this long from now on."""
        self._ask("POST", "/delay", str(seconds))

    def _ask(self, method: str, path: str, body: str | None = None) -> bytes:
        self._http.request(method, path, body)
        return self._http.getresponse().read()


class Books:
    """Requests on the paid route, requests in all, and distinct payments."""

    def __init__(self, paid: int, all_: int, payments: int) -> None:
        self.paid, self.all, self.payments = paid, all_, payments

    def since(self, before: Books) -> Books:
        """Return what has been added."""
        return Books(
            self.paid - before.paid, self.all - before.all, self.payments - before.payments
        )


async def measure(open_client: Callable[[], Client]) -> dict[str, Any]:
    """Put a client through everything; milliseconds, counts and calls per second, by name."""
    node = Node(os.environ["BENCH_NODE"])
    found: dict[str, Any] = {}
    client = open_client()
    for _ in range(WARM_UP):
        await client.call()
    found |= {"sign_ms": await _each(client.signing(node.challenge()), SIGNATURES)}
    found |= await _warm_calls(client, node)
    found |= await _throughput(client)
    await client.close()
    bursts = [await _burst(open_client, node) for _ in range(BURSTS)]
    found |= {f"burst_{name}": _median(bursts, name) for name in bursts[0]}
    node.set_delay(SLOW_SECONDS)
    try:
        slow = await _burst(open_client, node)
    finally:
        node.set_delay(0)
    found |= {f"slow_{name}": value for name, value in slow.items()}
    return found


async def _warm_calls(client: Client, node: Node) -> dict[str, float]:
    before, cpu = node.books(), time.process_time()
    wall = await _each(client.call, WARM_CALLS)
    cpu = time.process_time() - cpu
    requests = node.books().since(before).all
    return {
        "warm_ms": wall,
        "warm_cpu_ms": cpu / WARM_CALLS * 1e3,
        "warm_requests": requests / WARM_CALLS,
    }


async def _throughput(client: Client) -> dict[str, float]:
    async def worker() -> None:
        for _ in range(THROUGHPUT_CALLS // CONCURRENCY):
            await client.call()

    await asyncio.gather(*(client.call() for _ in range(CONCURRENCY)))  # opens the connections
    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return {"calls_per_second": THROUGHPUT_CALLS / (time.perf_counter() - started)}


async def _burst(open_client: Callable[[], Client], node: Node) -> dict[str, float]:
    """50 calls at once on a client that has made none; it has been constructed before."""
    before, client = node.books(), open_client()
    started = time.perf_counter()
    await asyncio.gather(*(client.call() for _ in range(CONCURRENCY)))
    wall = time.perf_counter() - started
    await client.close()
    books = node.books().since(before)
    return {
        "ms": wall * 1e3,
        "paid_requests": books.paid,
        "requests": books.all,
        "payments": books.payments,
    }


async def _each(work: Callable[[], Awaitable[object]], times: int) -> float:
    """Return the median milliseconds of one."""
    samples: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        await work()
        samples.append(time.perf_counter() - started)
    return statistics.median(samples) * 1e3


def _median(found: list[dict[str, float]], name: str) -> float:
    return statistics.median(each[name] for each in found)

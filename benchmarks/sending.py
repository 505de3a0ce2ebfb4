"""What both senders are put through, in a process of each's own: transfers from one account.

The clock runs from the first signature to the last receipt in hand, on a chain of one-second
blocks. It starts wherever in a second it happens to start: the end is always at a block.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

KEY: Final = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""The first account that anvil gives ether to."""
SENDER: Final = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
FRIEND: Final = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
GAS: Final = 21_000
FEE: Final = 10**10
TIP: Final = 10**9
PATIENCE: Final = 300.0
"""Seconds until a transaction counts as lost."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to send: what it is called in the measurements, and the work itself."""

    key: str
    send: Callable[[int], Awaitable[int]]
    """Sends so many and returns how many receipts of success it has in its hands."""


def measured(rpc_url: str, way: Way, count: int) -> str:
    """Send ``count`` transfers in this ``way``; return the rate and the CPU of each as JSON.

    Raises:
        RuntimeError: Not all of them are on the chain, which is asked past whatever sent them.
    """
    return json.dumps(asyncio.run(_measured(rpc_url, way, count)))


async def _measured(rpc_url: str, way: Way, count: int) -> dict[str, float]:
    before, cpu, started = sent_so_far(rpc_url), time.process_time(), time.perf_counter()
    succeeded = await way.send(count)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    mined = sent_so_far(rpc_url) - before
    if not succeeded == mined == count:
        raise RuntimeError(f"{way.key}: {count} wanted, {succeeded} confirmed, {mined} mined")
    return {way.key: count / wall, f"{way.key}_cpu_ms": cpu / count * 1e3}


def sent_so_far(rpc_url: str) -> int:
    """Return how many transactions of the account are in the chain."""
    return int(str(ask(rpc_url, "eth_getTransactionCount", SENDER, "latest")), 16)


def ask(rpc_url: str, method: str, *params: object) -> object:
    """Return the result of one JSON-RPC call, over a connection of its own."""
    call: Mapping[str, object] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(rpc_url, json.dumps(call).encode(), headers)
    with urllib.request.urlopen(request) as response:
        result: object = json.load(response)["result"]
    return result

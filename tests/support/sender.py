"""One of several processes that send from one account: ``python sender.py '{…}'``.

Every intent is a transfer of its own number in wei, so that it is recognised on the chain. All of
them are executed at once, and what becomes of each is a line of JSON on standard output, written
the moment it is known: a killed process has said what it knew.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from opengradient_sdk._core.http import HttpClient
from opengradient_sdk._core.store import open_store
from opengradient_sdk.chain import Chain, Rpc
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.errors import OpenGradientError, Spent
from opengradient_sdk.profiles import ChainProfile
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, TxRequest

FRIEND = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
GAS = 21_000
PAUSE = 0.5


@dataclass(frozen=True)
class Orders:
    """What a process is to do: send the intents ``first`` … ``first + count - 1``.

    With ``ids`` each has a request id, which is the same in every process that is given it.
    ``again`` is how often a request is made anew after an error that says nothing was spent.
    ``rpc_timeout`` is how long an answer is waited for (seconds): what comes later comes too late.
    """

    rpc_url: str
    chain_id: int
    store: str
    key: str
    first: int
    count: int
    ids: bool
    rpc_timeout: float = 10.0
    timeout: float = 300.0
    block_time: float = 1.0
    again: int = 5

    def as_json(self) -> str:
        """Return it as the process takes it."""
        return json.dumps(asdict(self))


async def carry_out(orders: Orders) -> None:
    """Execute all intents at once; return when something is known of each."""
    async with _chain(orders) as chain:
        intents = range(orders.first, orders.first + orders.count)
        await asyncio.gather(*(_fulfil(chain, orders, intent) for intent in intents))


@asynccontextmanager
async def _chain(orders: Orders) -> AsyncIterator[Chain]:
    """Open the chain as ``Chain.connect`` does, with a time-out of its own."""
    http, store = HttpClient(), open_store(orders.store, SCHEMA)
    try:
        async with Chain(
            Rpc([orders.rpc_url], http, chain_id=orders.chain_id, timeout=orders.rpc_timeout),
            profile=ChainProfile("stress", orders.chain_id, (), orders.block_time),
            signer=LocalSigner.from_key(orders.key),
            store=store,
            on_event=_told,
        ) as chain:
            yield chain
    finally:
        await http.aclose()
        await store.aclose()


def _told(event: object) -> None:
    """Say what happens to a transaction after it was sent."""
    _say(event=type(event).__name__)


async def _fulfil(chain: Chain, orders: Orders, intent: int) -> None:
    request = TxRequest(to=FRIEND, value=intent, gas=GAS)
    request_id = f"intent-{intent}" if orders.ids else None
    for attempt in range(orders.again + 1):
        try:
            receipt = await chain.execute(request, request_id=request_id, timeout=orders.timeout)
        except OpenGradientError as error:
            last = attempt == orders.again or not error.retryable or error.spent is not Spent.NO
            _say(intent=intent, error=f"{type(error).__name__}: {error}", last=last)
            if last:
                return
            await asyncio.sleep(PAUSE)
        else:
            _say(intent=intent, hash=str(receipt.hash), succeeded=receipt.succeeded)
            return


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    asyncio.run(carry_out(Orders(**json.loads(sys.argv[1]))))

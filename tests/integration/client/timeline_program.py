"""A process that reads the registry's history into a store: URL, chain id, registry, place."""

from __future__ import annotations

import asyncio
import sys

from opengradient_sdk._core.clock import SystemClock
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk._core.store import open_store
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.ledger.timeline import SCHEMA, RegistryHistory
from opengradient_sdk.types import Address


async def main(url: str, chain_id: str, registry: str, place: str) -> None:
    http, store = HttpClient(), open_store(place, SCHEMA)
    history = RegistryHistory(
        [Rpc([url], http)],
        Address(registry),
        chain_id=int(chain_id),
        store=store,
        clock=SystemClock(),
    )
    for _ in range(5):
        await history.sync()
    await store.aclose()
    await http.aclose()
    assert not {"web3", "eth_account"} & set(sys.modules), "the reading loads web3"


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""Who watches the relay in tests: a customer, two endpoints of its chain, and a blob store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from support.lying_rpc import Lie, LyingRpc

from opengradient_sdk import DataStatus, Devnet, Receipt
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.ledger.data import BlobReader, DataWatcher
from opengradient_sdk.ledger.data.blobs import Unreadable

from .kit import Customer, CustomerFactory

T = TypeVar("T")

PAST_DUE = 2_000
FINALITY = 9


class CountingBlobs(BlobReader):
    """A reader that notes which blobs it was asked for."""

    def __init__(self, http: HttpClient, urls: Sequence[str]) -> None:
        super().__init__(http, urls)
        self.asked: list[str] = []

    async def read(self, blob_id: str, accept: Callable[[bytes], T]) -> T | Unreadable:
        self.asked.append(blob_id)
        return await super().read(blob_id, accept)


@dataclass
class Observatory:
    """A customer whose hashes are promised to be settled, and two endpoints of the relay's chain.

    Both are honest until ``liar`` is told otherwise. ``watcher`` asks both of them.
    """

    net: Devnet
    buyer: Customer
    rpcs: tuple[Rpc, Rpc]
    liar: LyingRpc
    blobs: CountingBlobs
    watcher: DataWatcher

    async def ask(self, **changes: Any) -> Receipt:
        return (await self.buyer.ask(**changes)).receipt

    async def settled(self) -> Receipt:
        """The receipt of an answer whose batch is on chain."""
        receipt = await self.ask()
        await self.net.advance(300)
        return receipt

    async def status(self, receipt: Receipt, lie: Lie | None = None) -> DataStatus:
        self.liar.lie, self.liar.told = lie, 0
        status = await self.watcher.status(receipt)
        assert bool(self.liar.told) is (lie is not None)
        return status

    def another_watcher(self, **changes: Any) -> DataWatcher:
        """One that has seen nothing yet."""
        arguments = {
            "rpcs": self.rpcs,
            "relay": self.net.profile.settlement_relay,
            "blobs": self.blobs,
            "clock": self.net.clock,
        }
        return DataWatcher(**arguments | changes)


@asynccontextmanager
async def observatory(net: Devnet, customer: CustomerFactory) -> AsyncIterator[Observatory]:
    """One on this network, whose customer's hashes go into batches."""
    async with AsyncExitStack() as stack:
        url, chain_id = net.registry_chain.rpc_url, net.profile.registry.chain_id
        honest, liar = [await stack.enter_async_context(LyingRpc(url)) for _ in range(2)]
        http = HttpClient()
        stack.push_async_callback(http.aclose)
        first, second = (Rpc([proxy.url], http, chain_id=chain_id) for proxy in (honest, liar))
        blobs = CountingBlobs(http, net.profile.blob_urls)
        watcher = DataWatcher((first, second), net.profile.settlement_relay, blobs, net.clock)
        yield Observatory(net, await customer(), (first, second), liar, blobs, watcher)
        await net.advance(0)  # where a test has moved the clock alone, heartbeats are due


def with_data(receipt: Receipt, status: DataStatus) -> Receipt:
    """The receipt as it is kept once this is known."""
    return replace(receipt, data=status)

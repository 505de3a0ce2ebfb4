"""Servers that a test plays by hand: endpoints of the relay's chain, and blob stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk._core.clock import Clock
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.devnet.facilitator.blobs import BlobStore
from opengradient_sdk.ledger import Receipt
from opengradient_sdk.ledger.data import BlobReader, DataWatcher
from opengradient_sdk.types import Bytes32

from .mock_relay import BORN, CHAIN_ID, RELAY, MockRelayChain, batch_of, leaf_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


@dataclass
class MockBlobStore:
    """Blobs over HTTP; ``status`` other than 200 is what every GET is answered with."""

    blobs: BlobStore = field(default_factory=BlobStore)
    status: int = 200
    asked: list[str] = field(default_factory=list[str])
    headers: list[Any] = field(default_factory=list[Any])
    gives: bytes | None = None

    async def handle(self, request: web.Request) -> web.Response:
        blob_id = request.path.removeprefix("/v1/blobs/")
        self.asked.append(blob_id)
        self.headers.append(request.headers)
        blob = self.blobs.get(blob_id) if self.gives is None else self.gives
        if self.status != 200:
            return web.Response(status=self.status)
        return web.Response(status=404) if blob is None else web.Response(body=blob)


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """Starts servers, each with one handler for everything; returns their URLs."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return "http://{}:{}".format(*runner.addresses[0][:2])

    yield start
    for runner in runners:
        await runner.cleanup()


@dataclass
class Scene:
    """Two endpoints, a blob store, and a watcher of them; the clock is where the chains end."""

    chains: tuple[MockRelayChain, MockRelayChain]
    rpcs: tuple[Rpc, Rpc]
    store: MockBlobStore
    reader: BlobReader
    clock: HandClock
    watcher: DataWatcher

    def again(self, **changes: Any) -> DataWatcher:
        """A watcher that has seen nothing yet."""
        known: dict[str, Any] = {
            "rpcs": self.rpcs,
            "relay": RELAY,
            "blobs": self.reader,
            "clock": self.clock,
        }
        return DataWatcher(**known | changes)

    def settle(self, number: int, batch: tuple[bytes, int, bytes], **changes: Any) -> None:
        """Write a batch down on both chains."""
        for chain in self.chains:
            chain.settle_batch(number, *batch, **changes)

    def settled_in(self, number: int, *receipts: Receipt) -> tuple[Bytes32, int, bytes]:
        """Put a batch of these receipts' hashes on both chains, and its blob into the store."""
        batch = batch_of(self.store.blobs, *map(leaf_of, receipts))
        self.settle(number, batch)
        return batch

    def calls(self) -> int:
        return sum(len(chain.calls) for chain in self.chains)

    def extend(self, blocks: int, *, finalized: int | None = None) -> None:
        """Let both chains and the clock go on."""
        for chain in self.chains:
            chain.length += blocks
            chain.finalized = finalized if finalized is not None else chain.finalized
        self.clock.advance(2.0 * blocks)


@pytest.fixture
async def scene(http: HttpClient, serve: Callable[[Handler], Awaitable[str]]) -> Scene:
    chains = MockRelayChain(), MockRelayChain()
    urls = [await serve(chain.handle) for chain in chains]
    first, second = (Rpc([url], http, chain_id=CHAIN_ID) for url in urls)
    store = MockBlobStore()
    reader = BlobReader(http, [await serve(store.handle)])
    clock = HandClock(float(BORN + 200))
    typed: Clock = clock
    watcher = DataWatcher((first, second), RELAY, reader, typed)
    return Scene(chains, (first, second), store, reader, clock, watcher)

"""What the tests of the registry's history share: readers of it, and servers that make it hard."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from support.lying_rpc import LyingRpc

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk._core.store import open_store
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.devnet.node import devnet_pcrs, pcr_hash
from opengradient_sdk.ledger.receipt import Receipt
from opengradient_sdk.ledger.timeline import (
    SCHEMA,
    RegistryHistory,
    Timeline,
)

FIRST, SECOND = (pcr_hash(devnet_pcrs(build)) for build in ("devnet-1", "devnet-2"))


FINALITY = 8


class Reader:
    """One process's view of the history, on a store that may be shared."""

    def __init__(self, net: Devnet, place: str, *urls: str, **options: Any) -> None:
        self.net = net
        self.http = HttpClient()
        self.store = open_store(place, SCHEMA)
        urls = urls or (net.registry_chain.rpc_url,)
        options = {"chain_id": net.registry_chain.chain_id, "first_block": 0} | options
        self.history = RegistryHistory(
            [Rpc([url], self.http) for url in urls],
            net.profile.tee_registry,
            store=self.store,
            clock=net.clock,
            **options,
        )

    async def now(self) -> Timeline:
        """Read what is new, and return all of it."""
        await self.history.sync()
        return await self.history.timeline()

    async def aclose(self) -> None:
        await self.store.aclose()
        await self.http.aclose()


class StingyRpc(LyingRpc):
    """A server that hands out the logs of at most ``most`` blocks at once, as many do."""

    most = 5
    refused = 0

    def _falsified(self, call: Any, answer: Any) -> Any:
        if call["method"] != "eth_getLogs":
            return answer
        first, last = (int(call["params"][0][end], 16) for end in ("fromBlock", "toBlock"))
        if last - first < self.most:
            return answer
        self.refused += 1
        error = {"code": -32005, "message": "query returned more than 10000 results"}
        return {"jsonrpc": "2.0", "id": answer["id"], "error": error}


class ForkingRpc(LyingRpc):
    """A server whose head is another block each time it is asked for by number."""

    asked = 0

    def _falsified(self, call: Any, answer: Any) -> Any:
        if call["method"] == "eth_getBlockByNumber" and call["params"][0].startswith("0x"):
            self.asked += 1
            answer["result"]["hash"] = "0x" + self.asked.to_bytes(32).hex()
        return answer


@asynccontextmanager
async def reading(net: Devnet, place: str = ":memory:", *urls: str, **options: Any) -> Any:
    reader = Reader(net, place, *urls, **options)
    try:
        yield reader
    finally:
        await reader.aclose()


async def answered(net: Devnet, **arguments: Any) -> Receipt:
    """Ask the network a question."""
    async with AsyncOpenGradient(
        signer=net.accounts[0], network=net.profile, store=":memory:", **arguments
    ) as og:
        return (await og.chat.create(model="gpt-5", messages="hi", max_tokens=9)).receipt


async def moment(net: Devnet) -> float:
    """Let a minute pass on chain, and return the middle of it."""
    await net.advance(60)
    block = await net.registry_chain.request("eth_getBlockByNumber", ["latest", False])
    return int(block["timestamp"], 16) - 30


class ShrinkingRpc(LyingRpc):
    """A server that is ``behind`` so many blocks."""

    behind = 0

    def _falsified(self, call: Any, answer: Any) -> Any:
        return answer

    async def _said(self, call: Any) -> Any:
        if call["method"] == "eth_getBlockByNumber" and call["params"][0] == "latest":
            now = await super()._said(call)
            number = int(now["result"]["number"], 16) - self.behind
            call = {**call, "params": [hex(number), False]}
        return await super()._said(call)

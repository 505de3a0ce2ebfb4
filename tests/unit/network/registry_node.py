"""A JSON-RPC node that serves a registry's answers over real HTTP and misbehaves on request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from opengradient_sdk.types import Address, Bytes32, hex_to_bytes, keccak256

CHAIN_ID = 10740
ADDRESS = Address("0x703cB174AEadB35D611858369B4b1111dC9Abda6")
VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "assets/vectors/registry_getActiveTEEs.json").read_text()
)


def answer(name: str, *, july: bool = True) -> bytes:
    """The return data of a published case."""
    abi = "with_ohttpConfig" if july else "without_ohttpConfig"
    case = next(c for c in VECTORS["cases"] if (c["name"], c["abi"]) == (name, abi))
    return hex_to_bytes(case["return_data"])


def two_nodes(*, july: bool = True) -> bytes:
    """The return data of the published pair, whose second key has a byte too many, mended."""
    data = answer("two", july=july)
    extra = bytes.fromhex("78").ljust(25, b"\0")  # behind 294 bytes of key, in its padding
    at = data.rindex((295).to_bytes(32, "big"))
    key = data[at + 32 : at + 32 + 294]
    assert data[at + 32 + 294 :].startswith(extra)
    key = key[:40] + bytes([key[40] ^ 1]) + key[41:]  # a number of its own
    return data[:at] + (294).to_bytes(32, "big") + key + bytes(26) + data[at + 32 + 320 :]


def block_hash(number: int, fork: str = "") -> Bytes32:
    """The hash of a block of the served chain, or of a fork of it."""
    return Bytes32(keccak256(f"{fork}{number}".encode()))


@dataclass
class Node:
    """What one node says. ``asked`` is every ``eth_call``'s block parameter."""

    data: bytes = field(default_factory=two_nodes)
    head: int = 100
    fork: str = ""
    chain_id: int = CHAIN_ID
    takes_hashes: bool = True
    reorg_after_call: bool = False
    dies_at_call: bool = False
    error: dict[str, Any] | None = None
    status: int = 200
    url: str = ""
    asked: list[Any] = field(default_factory=list)
    heads_asked: int = 0
    hold: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def result(self, method: str, params: list[Any]) -> dict[str, Any]:
        if method == "eth_chainId":
            return {"result": hex(self.chain_id)}
        if method == "eth_getBlockByNumber":
            self.heads_asked += params[0] == "latest"
            return {
                "result": self.block(self.head if params[0] == "latest" else int(params[0], 16))
            }
        assert method == "eth_call", method
        assert (params[0]["to"], params[0]["data"]) == (ADDRESS, VECTORS["call"]["data"])
        self.asked.append(params[1])
        if self.error:
            return {"error": self.error}
        if isinstance(params[1], dict) and not self.takes_hashes:
            return {"error": {"code": -32602, "message": "invalid argument 1: not a block number"}}
        if self.reorg_after_call:
            self.fork = "reorganised"
        return {"result": "0x" + self.data.hex()}

    def block(self, number: int) -> dict[str, Any]:
        return {
            "number": hex(number),
            "hash": str(block_hash(number, self.fork)),
            "timestamp": hex(1_784_200_000 + number),
        }

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.reached.set()
        if self.hold is not None:
            await self.hold.wait()
        calls = body if isinstance(body, list) else [body]
        dying = self.dies_at_call and any(call["method"] == "eth_call" for call in calls)
        if self.status != 200 or dying:
            return web.Response(status=500 if dying else self.status)
        answers = [
            {"jsonrpc": "2.0", "id": call["id"], **self.result(call["method"], call["params"])}
            for call in calls
        ]
        return web.json_response(answers if isinstance(body, list) else answers[0])


@asynccontextmanager
async def serving(*nodes: Node) -> AsyncIterator[None]:
    """Serve each node on a port of its own."""
    runners: list[web.AppRunner] = []
    try:
        for node in nodes:
            app = web.Application()
            app.router.add_post("/", node.handle)
            runner = web.AppRunner(app, handler_cancellation=True)
            runners.append(runner)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            node.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield
    finally:
        for runner in runners:
            await runner.cleanup()

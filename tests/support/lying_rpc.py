"""A JSON-RPC server that stands between the SDK and a node, and lies about what the node says.

    async with LyingRpc(net.chain.rpc_url) as proxy:
        proxy.lie = Lie.NO_LOGS

Calls and errors pass as they are; only results are falsified, and only those that the lie is
about. The lie may be changed at any time; ``told`` counts the falsified results.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from enum import Enum
from typing import Any, Final

import aiohttp
from aiohttp import web

Json = dict[str, Any]

_STRANGE: Final = "0x" + "66" * 32
_EVERY_BIT: Final = "0x" + "ff" * 32
_NO_BIT: Final = "0x" + "00" * 32
_OLD: Final = "0x1"
_REFUSED: Final = {"code": -32602, "message": "invalid argument 1: hex string expected"}


class Lie(Enum):
    """What is said that is not so."""

    NO_LOGS = "there are no events"
    NO_RECEIPT = "there are no receipts"
    ANOTHER_TIME = "blocks are an hour later"
    ANOTHER_HASH = "blocks that are asked for by number have another hash"
    ANOTHER_AMOUNT = "events, and calldata with them, move one atom more"
    ALL_USED = "every nonce is used"
    NONE_USED = "no nonce is used"
    OLD_HEAD = "the chain has just begun"
    NO_EIP_1898 = "state as of a block hash is not understood"
    DOWN = "the server answers nothing but an error page"


class LyingRpc:
    """The proxy, listening on a port of its own while its ``async with`` block runs."""

    def __init__(self, upstream_url: str, lie: Lie | None = None) -> None:
        self.lie = lie
        self.told = 0
        self.url = ""
        self._upstream_url = upstream_url

    async def __aenter__(self) -> LyingRpc:
        async with AsyncExitStack() as stack:
            self._upstream = await stack.enter_async_context(aiohttp.ClientSession())
            app = web.Application()
            app.router.add_post("/{tail:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = "http://{}:{}".format(*runner.addresses[0][:2])
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _handle(self, request: web.Request) -> web.Response:
        if self.lie is Lie.DOWN:
            self.told += 1
            return web.Response(status=502, text="bad gateway")
        body = json.loads(await request.read())
        calls: list[Json] = body if isinstance(body, list) else [body]
        said = [await self._said(call) for call in calls]
        return web.json_response(said if isinstance(body, list) else said[0])

    async def _said(self, call: Json) -> Json:
        async with self._upstream.post(self._upstream_url, json=call) as response:
            honest: Json = await response.json(content_type=None)
        said = self._falsified(call, json.loads(json.dumps(honest)))
        self.told += said != honest
        return said

    def _falsified(self, call: Json, answer: Json) -> Json:
        method, params = call["method"], call["params"]
        result = answer.get("result")
        match self.lie, method:
            case Lie.NO_LOGS, "eth_getLogs":
                answer["result"] = []
            case Lie.NO_RECEIPT, "eth_getTransactionReceipt":
                answer["result"] = None
            case Lie.ALL_USED, "eth_call":
                answer["result"] = _EVERY_BIT
            case Lie.NONE_USED, "eth_call":
                answer["result"] = _NO_BIT
            case Lie.NO_EIP_1898, "eth_call" if isinstance(params[1], dict):
                del answer["result"]
                answer["error"] = _REFUSED
            case Lie.ANOTHER_TIME, "eth_getBlockByNumber" | "eth_getBlockByHash" if result:
                result["timestamp"] = hex(int(result["timestamp"], 16) + 3600)
            case Lie.ANOTHER_HASH, "eth_getBlockByNumber" if params[0].startswith("0x"):
                result["hash"] = _STRANGE
            case Lie.OLD_HEAD, "eth_getBlockByNumber" if not params[0].startswith("0x"):
                result["number"] = _OLD
                result["timestamp"] = _OLD
            case Lie.OLD_HEAD, "eth_call":
                answer["result"] = _NO_BIT
            case Lie.ANOTHER_AMOUNT, "eth_getTransactionByHash" if result:
                result["input"] = _one_more(result["input"], 2 + 8 + 4 * 64)
            case Lie.ANOTHER_AMOUNT, "eth_getTransactionReceipt" if result:
                for log in result["logs"]:
                    log["data"] = _one_more(log["data"], 2)
            case _:
                pass
        return answer


def _one_more(data: str, at: int) -> str:
    """Return hex data with the 32-byte number at character ``at`` one higher."""
    number = data[at : at + 64]
    return data if len(number) < 64 else f"{data[:at]}{int(number, 16) + 1:064x}{data[at + 64 :]}"

"""A fake program with keys, for what real ones do only when they are broken or hostile.

It signs with eth_account whatever JSON it is sent, so that an honest answer shows that the request
was complete. Which methods it has, and what becomes of an answer, is up to the test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from eth_account import Account

from .test_local import ADDRESS, KEY

Method = Callable[[Any], Any]


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the test
    """A JSON-RPC error that the program answers with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}


def signed_transaction(params: Any) -> str:
    members = {name: value for name, value in params[0].items() if name != "from"}
    if members["type"] == "0x0":
        del members["type"]  # eth_account takes a legacy transaction for one if it has none
    return "0x" + Account.sign_transaction(members, KEY).raw_transaction.hex()


def signed_typed_data(params: Any) -> str:
    address, data = params
    assert address == ADDRESS
    message = json.loads(data) if isinstance(data, str) else data
    return "0x" + Account.sign_typed_data(KEY, full_message=message).signature.hex()


@dataclass
class FakeSigner:
    """What the program does; ``asked`` are the requests it got."""

    methods: dict[str, Method] = field(
        default_factory=lambda: {
            "eth_accounts": lambda _: [ADDRESS.lower()],
            "eth_signTransaction": signed_transaction,
            "eth_signTypedData_v4": signed_typed_data,
        }
    )
    reply: web.Response | None = None
    hangs: bool = False
    url: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body["method"])
        self.headers.append(dict(request.headers))
        self.paths.append(request.path_qs)
        if self.hangs:
            await asyncio.Event().wait()
        if self.reply is not None:
            return self.reply
        answer = {"jsonrpc": "2.0", "id": body["id"]}
        method = self.methods.get(body["method"])
        try:
            if method is None:
                raise Refusal(-32601, "the method is not there")
            return web.json_response({**answer, "result": method(body["params"])})
        except Refusal as refusal:
            return web.json_response({**answer, "error": refusal.error}, status=400)


@asynccontextmanager
async def serving(signer: FakeSigner) -> AsyncIterator[FakeSigner]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", signer.handle)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        signer.url = f"http://127.0.0.1:{port}"
        yield signer
    finally:
        await runner.cleanup()

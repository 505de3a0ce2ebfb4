"""A JSON-RPC server that answers as it is told, and misbehaves on request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain import Rpc

CHAIN_ID = 31337


def failing(code: int, message: str, data: object = None) -> dict[str, Any]:
    """An answer's error member."""
    error: dict[str, Any] = {"code": code, "message": message}
    return {"__error__": error if data is None else {**error, "data": data}}


class Node:
    """What a test says it is. ``requests`` holds the methods of each HTTP request."""

    def __init__(self) -> None:
        self.results: dict[str, Any] = {"eth_chainId": hex(CHAIN_ID)}
        self.http: list[Callable[[], Awaitable[web.StreamResponse]] | web.Response] = []
        self.always: Callable[[], web.Response] | None = None
        self.takes_batches = True
        self.requests: list[list[str]] = []
        self.bodies: list[Any] = []
        self.headers: list[Any] = []
        self.url = ""

    @property
    def methods(self) -> list[str]:
        return [method for request in self.requests for method in request]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        calls = body if isinstance(body, list) else [body]
        self.bodies.append(body)
        self.headers.append(request.headers)
        self.requests.append([call["method"] for call in calls])
        if self.always is not None:
            return self.always()
        if self.http:
            scripted = self.http.pop(0)
            return scripted if isinstance(scripted, web.Response) else await scripted()
        if isinstance(body, list) and not self.takes_batches:
            error = {"code": -32600, "message": "batch requests are not supported"}
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": error})
        answers = [self._answer(call) for call in calls]
        # the order of a batch's answers is free: only the ids count
        return web.json_response(answers[::-1] if isinstance(body, list) else answers[0])

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        result = self.results[call["method"]]
        if callable(result):
            result = result(*call["params"])
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
        if isinstance(result, dict) and "__error__" in result:
            return {**answer, "error": result["__error__"]}
        return {**answer, "result": result}


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture
async def start_node() -> AsyncIterator[Callable[[], Awaitable[Node]]]:
    runners: list[web.AppRunner] = []

    async def start() -> Node:
        node = Node()
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/{tail:.*}", node.handle)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        node.url = "http://{}:{}".format(*runner.addresses[0][:2])
        return node

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def node(start_node: Callable[[], Awaitable[Node]]) -> Node:
    return await start_node()


@pytest.fixture
def rpc_to(http: HttpClient) -> Callable[..., Rpc]:
    def connect(*nodes: Node, **options: Any) -> Rpc:
        urls: Sequence[str] = [node.url for node in nodes]
        return Rpc(urls, http, **{"chain_id": CHAIN_ID, "timeout": 5.0, **options})

    return connect


@pytest.fixture
def rpc(node: Node, rpc_to: Callable[..., Rpc]) -> Rpc:
    return rpc_to(node)


@pytest.fixture
def fails() -> Callable[..., dict[str, Any]]:
    return failing

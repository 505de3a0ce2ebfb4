"""The proxy that the stress tests trust to misbehave."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from support import faulty_rpc
from support.faulty_rpc import FaultyRpc, Trouble

SEND = "eth_sendRawTransaction"
COUNT = "eth_getTransactionCount"


class Node:
    """Answers the number of times that a method was called, as a quantity."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.asked = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        answers = [self._answer(call) for call in (body if isinstance(body, list) else [body])]
        return web.json_response(answers[::-1] if isinstance(body, list) else answers[0])

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        self.methods.append(call["method"])
        self.asked.set()
        count = self.methods.count(call["method"])
        return {"jsonrpc": "2.0", "id": call["id"], "result": hex(count + 1000)}


@asynccontextmanager
async def serving(node: Node) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/", node.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
async def upstream(node: Node) -> AsyncIterator[str]:
    async with serving(node) as url:
        yield url


def call(method: str, number: int = 0) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": []}


async def ask(url: str, body: object, timeout: float = 5.0) -> tuple[int, Any]:
    wait = aiohttp.ClientTimeout(total=timeout)
    async with (
        aiohttp.ClientSession(timeout=wait) as session,
        session.post(url, json=body) as response,
    ):
        text = await response.text()
        return response.status, json.loads(text) if text.startswith(("{", "[")) else text


async def test_without_a_rate_everything_passes(node: Node, upstream: str) -> None:
    async with FaultyRpc(upstream) as proxy:
        _, one = await ask(proxy.url, call("a", 7))
        _, many = await ask(proxy.url, [call("a", 1), call("b", 2)])
    assert (one["id"], one["result"]) == (7, "0x3e9")
    assert [(answer["id"], answer["result"]) for answer in many] == [(1, "0x3ea"), (2, "0x3e9")]
    assert proxy.counts.total() == 0
    assert (proxy.exchanges, proxy.calls) == (2, 3)


@pytest.mark.parametrize(
    ("trouble", "forwarded"), [(Trouble.DROP, []), (Trouble.CUT_AFTER, [SEND])]
)
async def test_a_connection_is_cut_before_or_after_the_node_has_heard(
    trouble: Trouble, forwarded: list[str], node: Node, upstream: str
) -> None:
    async with FaultyRpc(upstream) as proxy:
        proxy.inject(trouble)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await ask(proxy.url, call(SEND))
        assert node.methods == forwarded
        assert proxy.counts == {trouble: 1, Trouble.TWICE: 0, Trouble.NONCE_LIE: 0}
        assert (await ask(proxy.url, call("a")))[0] == 200


async def test_a_late_answer_comes_when_the_client_has_given_up(node: Node, upstream: str) -> None:
    async with FaultyRpc(upstream, patience=60.0) as proxy:
        proxy.inject(Trouble.LATE)
        with pytest.raises(TimeoutError):
            await ask(proxy.url, call(SEND), timeout=0.3)
        assert node.methods == [SEND]


async def test_a_late_answer_comes_to_the_very_patient(upstream: str) -> None:
    async with FaultyRpc(upstream, patience=0.01) as proxy:
        proxy.inject(Trouble.LATE)
        assert (await ask(proxy.url, call(SEND)))[1]["result"] == "0x3e9"


async def test_a_delay_changes_nothing_else(node: Node, upstream: str) -> None:
    async with FaultyRpc(upstream, delay=0.01) as proxy:
        proxy.inject(Trouble.DELAY)
        assert (await ask(proxy.url, call("a")))[1]["result"] == "0x3e9"
        assert proxy.counts[Trouble.DELAY] == 1


async def test_the_second_answer_is_returned(node: Node, upstream: str) -> None:
    async with FaultyRpc(upstream) as proxy:
        proxy.inject(Trouble.TWICE)
        _, answers = await ask(proxy.url, [call(SEND, 1), call("a", 2)])
    assert [answer["result"] for answer in answers] == ["0x3ea", "0x3ea"]
    assert sorted(node.methods) == ["a", "a", SEND, SEND]


async def test_nonces_are_lied_about_and_nothing_else_is(node: Node, upstream: str) -> None:
    async with FaultyRpc(upstream) as proxy:
        proxy.inject(Trouble.NONCE_LIE)
        _, answers = await ask(proxy.url, [call(COUNT, 1), call("a", 2), call(SEND, 3)])
        assert proxy.counts[Trouble.NONCE_LIE] == 2
    count, other, sent = answers
    assert 1 <= abs(int(count["result"], 16) - 1001) <= 3
    assert other["result"] == "0x3e9"
    assert (sent["id"], sent["error"]["message"]) == (3, "nonce too low")
    assert SEND not in node.methods


async def test_too_many_requests_names_a_wait(node: Node, upstream: str) -> None:
    async with FaultyRpc(upstream, retry_after="3") as proxy, aiohttp.ClientSession() as session:
        proxy.inject(Trouble.HTTP_429)
        async with session.post(proxy.url, json=call("a")) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "3")
    assert node.methods == []


async def test_a_gateway_that_timed_out_has_forwarded(node: Node, upstream: str) -> None:
    statuses = []
    async with FaultyRpc(upstream) as proxy:
        for _ in range(24):
            proxy.inject(Trouble.HTTP_5XX)
            statuses.append((await ask(proxy.url, call("a")))[0])
    assert set(statuses) == {500, 502, 503, 504}
    assert len(node.methods) == statuses.count(504)


async def test_an_order_waits_for_its_method(upstream: str) -> None:
    async with FaultyRpc(upstream) as proxy:
        proxy.inject(Trouble.HTTP_429, Trouble.HTTP_429, method=SEND)
        assert (await ask(proxy.url, call("a")))[0] == 200
        assert (await ask(proxy.url, [call("a", 1), call(SEND, 2)]))[0] == 429
        assert (await ask(proxy.url, call(SEND)))[0] == 429
        assert (await ask(proxy.url, call(SEND)))[0] == 200


async def _history(upstream: str, seed: int) -> list[object]:
    faults = [Trouble.HTTP_429, Trouble.NONCE_LIE]
    async with FaultyRpc(upstream, rate=0.6, seed=seed, faults=faults) as proxy:
        return [(await ask(proxy.url, call(SEND)))[0] for _ in range(40)] + [dict(proxy.counts)]


async def test_a_seed_is_a_history(upstream: str) -> None:
    assert await _history(upstream, 1) == await _history(upstream, 1) != await _history(upstream, 2)


async def test_the_rate_is_shared_by_the_faults(upstream: str) -> None:
    faults = (Trouble.HTTP_429, Trouble.TWICE)
    async with FaultyRpc(upstream, rate=0.5, seed=1, faults=faults) as proxy:
        for _ in range(200):
            await ask(proxy.url, [call("a", number) for number in range(10)])
    assert 30 < proxy.counts[Trouble.HTTP_429] < 70  # 50 expected of 200 exchanges
    assert 400 < proxy.counts[Trouble.TWICE] < 600  # 500 expected of 2,000 calls
    assert set(proxy.counts) <= {*faults, Trouble.NONCE_LIE}
    assert proxy.counts[Trouble.NONCE_LIE] == 0


async def test_the_rate_can_be_turned_down(upstream: str) -> None:
    async with FaultyRpc(upstream, rate=1.0, faults=[Trouble.HTTP_429]) as proxy:
        assert (await ask(proxy.url, call("a")))[0] == 429
        proxy.rate = 0.0
        assert (await ask(proxy.url, call("a")))[0] == 200


async def test_a_dead_node_is_a_bad_gateway() -> None:
    async with FaultyRpc("http://127.0.0.1:1") as proxy:
        assert (await ask(proxy.url, call("a")))[0] == 502


async def test_it_ends_while_somebody_waits_for_a_late_answer(node: Node, upstream: str) -> None:
    async with FaultyRpc(upstream, patience=600.0) as proxy:
        proxy.inject(Trouble.LATE)
        waiting = asyncio.create_task(ask(proxy.url, call(SEND), timeout=60.0))
        await node.asked.wait()
    with pytest.raises(aiohttp.ClientError):
        await waiting


async def test_it_runs_as_a_process_of_its_own(upstream: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(faulty_rpc.__file__)),
        upstream,
        *("--rate", "1", "--faults", "http_429"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    assert (await ask(url, call("a")))[0] == 429
    counts, _ = await process.communicate(b"")
    assert process.returncode == 0
    assert json.loads(counts)["http_429"] == 1

"""Which endpoint is asked, how often, and what is told about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk.chain import Rpc, health
from opengradient_sdk.chain.health import Pulse, Standing
from opengradient_sdk.chain.node_errors import Fault
from opengradient_sdk.errors import FeeTooLowError, RpcError

Start = Callable[[], Awaitable[Any]]
Connect = Callable[..., Rpc]
SEND = ("eth_sendRawTransaction", ["0x02"])


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock that endpoints rest by."""
    clock = [1000.0]
    monkeypatch.setattr(health, "monotonic", lambda: clock[0])
    return clock


async def two(start_node: Start) -> tuple[Any, Any]:
    first, second = await start_node(), await start_node()
    first.results["eth_blockNumber"] = second.results["eth_blockNumber"] = "0x64"
    return first, second


async def test_a_recovered_endpoint_is_preferred_again(
    start_node: Start, rpc_to: Connect, now: list[float]
) -> None:
    first, second = await two(start_node)
    rpc = rpc_to(first, second)
    first.always = lambda: web.Response(status=503)
    await rpc.block_number()
    assert [one.healthy for one in rpc.health()] == [False, True]
    assert rpc.health()[0].resting_for == 5.0
    first.always = None
    now[0] += 6
    await rpc.block_number()
    assert len(first.requests) == 2
    assert rpc.health()[0].healthy
    assert rpc.health()[0].failures == 0


async def test_each_failed_trial_doubles_the_rest(
    start_node: Start, rpc_to: Connect, now: list[float]
) -> None:
    first, second = await two(start_node)
    rpc = rpc_to(first, second)
    first.always = lambda: web.Response(status=503)
    rests = []
    for _ in range(6):
        await rpc.block_number()
        rests.append(rpc.health()[0].resting_for)
        now[0] += rests[-1] + 1
    assert rests == [5, 10, 20, 40, 60, 60]
    assert rpc.health()[0].failures == 6


async def test_one_exchange_at_a_time_tries_a_failing_endpoint(
    start_node: Start, rpc_to: Connect, now: list[float]
) -> None:
    first, second = await two(start_node)
    rpc = rpc_to(first, second)
    first.always = lambda: web.Response(status=503)
    await rpc.block_number()
    first.always, tried, released = None, asyncio.Event(), asyncio.Event()

    async def hang() -> web.StreamResponse:
        tried.set()
        await released.wait()
        return web.Response(status=503)

    first.http = [hang]
    now[0] += 6
    trial = asyncio.create_task(rpc.block_number())
    await tried.wait()
    assert await rpc.block_number() == 100
    assert not trial.done()
    released.set()
    assert await trial == 100
    assert len(first.requests) == 2


async def test_a_server_names_the_rest_itself(
    start_node: Start, rpc_to: Connect, now: list[float]
) -> None:
    first, second = await two(start_node)
    first.http = [web.Response(status=429, headers={"Retry-After": "30"})]
    rpc = rpc_to(first, second)
    await rpc.block_number()
    assert rpc.health()[0].resting_for == 30


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("Sun, 22 Nov 2026 17:00:20 GMT", 20),
        ("Sun, 22 Nov 2026 16:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 17:00:20 -0000", 20),
        ("3600", 60),
    ],
)
async def test_a_date_is_read_by_the_servers_clock(
    asked: str, seconds: float, start_node: Start, rpc_to: Connect, now: list[float]
) -> None:
    first, second = await two(start_node)
    headers = {"Retry-After": asked, "Date": "Sun, 22 Nov 2026 17:00:00 GMT"}
    first.http = [web.Response(status=429, headers=headers)]
    rpc = rpc_to(first, second)
    await rpc.block_number()
    assert rpc.health()[0].resting_for == seconds


async def test_a_wait_that_nobody_can_read_is_an_ordinary_rest(
    start_node: Start, rpc_to: Connect, now: list[float]
) -> None:
    first, second = await two(start_node)
    first.http = [web.Response(status=429, headers={"Retry-After": "soon"})]
    rpc = rpc_to(first, second)
    await rpc.block_number()
    assert rpc.health()[0].resting_for == 5


async def test_an_endpoint_that_lags_behind_is_asked_last(
    start_node: Start, rpc_to: Connect, now: list[float]
) -> None:
    first, second = await two(start_node)
    rpc = rpc_to(first, second)
    first.http = [web.Response(status=503)]
    assert await rpc.block_number() == 100  # the second one's
    first.results["eth_blockNumber"] = hex(90)
    now[0] += 6
    assert await rpc.block_number() == 90
    assert rpc.health()[0].is_behind
    assert not rpc.health()[0].healthy
    assert await rpc.block_number() == 100
    now[0] += 6
    first.results["eth_blockNumber"] = hex(101)
    assert await rpc.block_number() == 101
    assert [one.is_behind for one in rpc.health()] == [False, False]


async def test_the_latest_block_says_how_far_an_endpoint_is(node: Any, rpc: Rpc) -> None:
    node.results["eth_getBlockByNumber"] = lambda at, _: {
        "number": hex(200 if at == "latest" else 7)
    }
    for block in ("latest", "finalized"):
        await rpc.call("eth_getBlockByNumber", [block, False])
    assert rpc.health()[0].head == 200


async def test_health_is_for_people(node: Any, rpc: Rpc) -> None:
    (before,) = rpc.health()
    assert (before.name, before.healthy, before.latency) == (node.url, True, None)
    node.results["eth_blockNumber"] = "0x7"
    await rpc.block_number()
    (after,) = rpc.health()
    assert after.latency is not None
    assert after.latency > 0
    assert after.head == 7


def test_latency_is_smoothed() -> None:
    pulse = Pulse()
    for seconds in (1.0, 2.0, 2.0):
        pulse.succeeded(seconds)
    latency = pulse.health("x").latency
    assert latency is not None
    assert 1.0 < latency < 2.0


def test_many_failures_at_once_are_one_bad_moment(now: list[float]) -> None:
    pulse = Pulse()
    for _ in range(50):
        pulse.failed()
    assert pulse.health("x").resting_for == 5
    assert pulse.health("x").failures == 50
    assert pulse.standing is Standing.FAILING


async def test_a_definite_refusal_is_taken_to_nobody_else(
    start_node: Start, rpc_to: Connect, fails: Any
) -> None:
    first, second = await two(start_node)
    first.results["eth_sendRawTransaction"] = fails(-32000, "transaction underpriced")
    second.results["eth_sendRawTransaction"] = "0x12"
    with pytest.raises(FeeTooLowError):
        await rpc_to(first, second).send_raw_transaction(b"\x02")
    assert second.requests == []


@pytest.mark.parametrize(
    ("lost", "proven"),
    [
        (web.Response(status=504), False),
        (web.Response(status=500, text="oops"), False),
        (web.Response(status=429), True),
    ],
    ids=["a gateway gave up", "nobody knows", "not let in"],
)
async def test_a_refusal_after_a_lost_answer_proves_nothing(
    lost: web.Response, proven: bool, start_node: Start, rpc_to: Connect, fails: Any
) -> None:
    first, second = await two(start_node)
    first.http = [lost]
    second.results["eth_sendRawTransaction"] = fails(-32000, "insufficient funds")
    (outcome,) = await rpc_to(first, second).outcomes([SEND])
    assert isinstance(outcome, Fault)
    assert outcome.refuses_transaction is proven


async def test_what_was_accepted_once_stays_accepted(node: Any, rpc: Rpc, fails: Any) -> None:
    sent = iter(["0x11", fails(-32016, "over rate limit"), fails(-32000, "nonce too low"), "0x22"])
    node.results["eth_sendRawTransaction"] = lambda _: next(sent)
    assert await rpc.outcomes([SEND, ("eth_sendRawTransaction", ["0x03"])]) == ["0x11", "0x22"]


async def test_who_can_only_half_answer_is_believed_when_nobody_can_do_more(
    node: Any, rpc: Rpc, fails: Any
) -> None:
    node.results |= {"good": 1, "bad": fails(-32000, "header not found")}
    good, bad = await rpc.outcomes([("good", []), ("bad", [])])
    assert good == 1
    assert isinstance(bad, Fault)
    with pytest.raises(RpcError, match="header not found"):
        await rpc.call("bad")

"""Watching over HTTP: items, outages, and how it ends."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk.chain import Rpc
from opengradient_sdk.chain.contracts import Event
from opengradient_sdk.chain.logs import Cursor, mined_logs
from opengradient_sdk.chain.watch import Watch, watch
from opengradient_sdk.errors import ConfigurationError, ReorgError, RpcError, WrongChainError
from opengradient_sdk.types import Bytes32

from .forked_chain import TOKEN, TOPIC, ForkedChain, ForkedRpc


@dataclasses.dataclass(frozen=True)
class Ping:
    count: int


PING = Event("Ping(uint256 count)", Ping)
PONG = Event("Pong(uint256 count)", Ping)
INDEXED = Event("Ping(uint256 indexed count)", Ping)


@pytest.fixture
def chain(node: Any) -> ForkedChain:
    """A chain with one ping in each of its three blocks, spoken of by the node."""
    chain = ForkedChain()
    chain.mine(1, 1, 1)
    answers = ForkedRpc(chain)
    for method in ("eth_getBlockByNumber", "eth_getBlockByHash", "eth_getLogs"):
        node.results[method] = getattr(answers, method)
    return chain


@pytest.fixture
def look(rpc: Rpc) -> Callable[..., Watch[Any]]:
    def look(*events: Event[Any], **options: Any) -> Watch[Any]:
        return watch(rpc, *events, **{"from_block": 0, "block_time": 0.02, **options})

    return look


async def some(items: Watch[Any], count: int) -> list[Any]:
    return [await asyncio.wait_for(anext(items), 10) for _ in range(count)]


async def test_items_are_what_the_logs_say(chain: ForkedChain, look: Any) -> None:
    items = await some(look(PING), 3)
    assert [item.event for item in items] == [Ping(1), Ping(2), Ping(3)]
    assert [item.log.block_number for item in items] == [1, 2, 3]
    assert items[2].cursor == Cursor(3, Bytes32(chain.chain[3].hash), 0)
    assert not items[2].removed


async def test_the_filter_says_events_addresses_and_topics(
    chain: ForkedChain, look: Any, node: Any
) -> None:
    await some(look(PING, PONG, addresses=TOKEN), 1)
    await some(look(PING, topics=[TOPIC, None, TOPIC]), 1)
    asked = [
        call["params"][0]
        for body in node.bodies
        for call in (body if isinstance(body, list) else [body])
        if call["method"] == "eth_getLogs"
    ]
    assert asked[0]["address"] == [TOKEN]
    assert asked[0]["topics"] == [[str(TOPIC), str(PONG.topic)]]
    assert asked[-1]["topics"] == [[str(TOPIC)], None, [str(TOPIC)]]


async def test_without_events_an_item_is_the_log(chain: ForkedChain, look: Any) -> None:
    (item,) = await some(look(), 1)
    assert item.event is item.log


async def test_what_only_shares_the_topic_is_left_out(
    chain: ForkedChain, look: Any, node: Any
) -> None:
    polled = asyncio.Event()
    heads = node.results["eth_getBlockByNumber"]

    def head(number: str, full: bool) -> Any:
        if len(node.requests) > 10:
            polled.set()
        return heads(number, full)

    node.results["eth_getBlockByNumber"] = head
    waiting = asyncio.create_task(anext(look(INDEXED)))
    await asyncio.wait_for(polled.wait(), 10)
    assert not waiting.done()
    waiting.cancel()
    (item,) = await some(look(INDEXED, PING), 1)
    assert item.event == Ping(1)


async def test_removed_items_come_before_the_new_ones(
    chain: ForkedChain, look: Any, caplog: pytest.LogCaptureFixture
) -> None:
    items = look(PING)
    await some(items, 3)
    chain.reorg(2, 1, 2)
    with caplog.at_level(logging.WARNING, "opengradient_sdk.chain"):
        found = await some(items, 6)
    assert [(item.removed, item.event.count) for item in found] == [
        (True, 3), (True, 2), (False, 2), (False, 3), (False, 3), (False, 4),
    ]  # fmt: skip
    assert "took back 2 events" in caplog.text


async def test_it_goes_on_behind_a_cursor(chain: ForkedChain, look: Any) -> None:
    second = (await some(look(PING), 2))[1]
    (third,) = await some(look(PING, after=Cursor.parse(str(second.cursor))), 1)
    assert third.event == Ping(3)


async def test_an_outage_is_waited_for_and_said_once(
    chain: ForkedChain, look: Any, node: Any, caplog: pytest.LogCaptureFixture
) -> None:
    items = look(PING)
    await some(items, 3)
    seen, often = len(node.requests), asyncio.Event()

    def fail() -> web.Response:
        if len(node.requests) == seen + 10:  # several rounds of an `Rpc`
            often.set()
        return web.Response(status=500)

    with caplog.at_level(logging.WARNING, "opengradient_sdk.chain"):
        node.always = fail
        chain.mine(1)
        waiting = asyncio.create_task(anext(items))
        await asyncio.wait_for(often.wait(), 20)
        node.always = None
        assert (await asyncio.wait_for(waiting, 20)).event == Ping(4)
    said = [record.getMessage() for record in caplog.records]
    assert [text.startswith("watching events") for text in said] == [True, True]


async def test_a_wait_that_is_cancelled_loses_nothing(chain: ForkedChain, look: Any) -> None:
    items = look(PING)
    found = []
    for delay in range(200):
        try:
            found.append(await asyncio.wait_for(anext(items), delay / 10_000))
        except TimeoutError:
            continue
        if len(found) == 3:
            break
    assert [item.event for item in found] == [Ping(1), Ping(2), Ping(3)]


async def test_readers_share_the_items(chain: ForkedChain, look: Any) -> None:
    items = look(PING)
    found = await asyncio.wait_for(asyncio.gather(*(anext(items) for _ in range(3))), 10)
    assert sorted(item.event.count for item in found) == [1, 2, 3]


async def test_closing_ends_it_also_for_those_who_wait(chain: ForkedChain, look: Any) -> None:
    items = look(PING, from_block=None, block_time=600)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(items), 0.1)
    waiting = asyncio.create_task(anext(items))
    await asyncio.sleep(0)
    await items.aclose()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, 10)
    assert [item async for item in items] == []


async def test_leaving_the_loop_leaves_no_task(chain: ForkedChain, look: Any) -> None:
    before = asyncio.all_tasks()
    async for item in look(PING):
        if item.event == Ping(2):
            break
    new = {repr(task.get_coro()) for task in asyncio.all_tasks() - before}
    assert not [task for task in new if "RequestHandler" not in task], "but the server's own"


async def test_another_chain_is_an_error(chain: ForkedChain, node: Any, rpc_to: Any) -> None:
    node.results["eth_chainId"] = "0x1"
    with pytest.raises(WrongChainError):
        await anext(watch(rpc_to(node), PING))


async def test_a_node_that_does_not_do_logs_is_an_error(
    chain: ForkedChain, look: Any, node: Any, fails: Any
) -> None:
    node.results["eth_getLogs"] = fails(-32601, "the method eth_getLogs does not exist")
    with pytest.raises(RpcError, match="does not exist"):
        await asyncio.wait_for(anext(look(PING)), 10)


async def test_what_cannot_be_taken_back_is_an_error(chain: ForkedChain, look: Any) -> None:
    forgotten = Cursor(2, Bytes32(b"\x09" * 32), 0)
    with pytest.raises(ReorgError, match="block 2"):
        await anext(look(PING, after=forgotten))


def test_no_confirmation_is_refused_at_once(look: Any) -> None:
    with pytest.raises(ConfigurationError, match="0 confirmations"):
        look(PING, confirmations=0)


@pytest.mark.parametrize("text", ["", "7", "7:0x12:1", "x:0x" + "11" * 32 + ":1", "a:b:c:d"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cursor|bytes|invalid|hex"):
        Cursor.parse(text)


def test_cursors_as_text() -> None:
    for cursor in (Cursor(7, TOPIC, 2), Cursor(7, TOPIC)):
        assert Cursor.parse(str(cursor)) == cursor


def test_a_log_of_no_block_has_no_place() -> None:
    raw = ForkedChain()
    raw.mine(1)
    log = raw.chain[1].log(0)
    (mined,) = mined_logs([log])
    assert Cursor.behind(mined).index == 0
    with pytest.raises(ValueError, match="hash of its block"):
        mined_logs([{**log, "blockHash": None}])
    with pytest.raises(ValueError, match="no place"):
        Cursor.behind(dataclasses.replace(mined, block_hash=None))

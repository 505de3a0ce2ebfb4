"""Calls of one moment: one request, one answer each, and nobody suffers for somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk.chain import Rpc
from opengradient_sdk.errors import NonceError, RevertedError, RpcError
from opengradient_sdk.types import Address

ALICE = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")


@pytest.fixture
async def rpc(node: Any, rpc_to: Callable[..., Rpc]) -> Rpc:
    rpc = rpc_to(node)
    await rpc.call("eth_chainId")
    node.requests.clear()
    node.bodies.clear()
    node.results |= {
        "echo": lambda value: value,
        "eth_blockNumber": "0x7",
        "eth_getBalance": lambda address, _: hex(int(address, 16) % 97),
    }
    return rpc


class Gate:
    """Holds back the node's next answer until it is opened."""

    def __init__(self, node: Any) -> None:
        self.asked, self.opened = asyncio.Event(), asyncio.Event()
        node.http = [self._answer]

    async def _answer(self) -> web.StreamResponse:
        self.asked.set()
        await self.opened.wait()
        return web.Response(status=503)


async def test_what_is_asked_in_one_moment_travels_together_in_the_order_of_asking(
    node: Any, rpc: Rpc
) -> None:
    answers = await asyncio.gather(
        rpc.call("echo", [1]), rpc.block_number(), rpc.batch([("echo", [2]), ("echo", [3])])
    )
    assert answers == [1, 7, [2, 3]]
    assert [call["params"] for call in node.bodies[0]] == [[1], [], [2], [3]]
    assert len(node.bodies) == 1


async def test_what_is_asked_one_after_the_other_does_not(node: Any, rpc: Rpc) -> None:
    assert [await rpc.call("echo", [number]) for number in range(2)] == [0, 1]
    assert [isinstance(body, list) for body in node.bodies] == [False, False]


async def test_equal_reads_are_asked_once(node: Any, rpc: Rpc) -> None:
    one, two, three = await asyncio.gather(
        rpc.get_balance(ALICE), rpc.get_balance(ALICE), rpc.get_balance(BOB)
    )
    assert one == two
    assert three == int(BOB, 16) % 97
    assert node.requests == [["eth_getBalance", "eth_getBalance"]]


async def test_a_transaction_is_sent_as_often_as_it_is_sent(node: Any, rpc: Rpc) -> None:
    node.results["eth_sendRawTransaction"] = "0x12"
    await asyncio.gather(rpc.send_raw_transaction(b"\x02"), rpc.send_raw_transaction(b"\x02"))
    assert node.requests == [["eth_sendRawTransaction"] * 2]


async def test_the_calls_of_a_filter_are_never_shared(node: Any, rpc: Rpc) -> None:
    node.results["eth_getFilterChanges"] = []
    await asyncio.gather(*(rpc.call("eth_getFilterChanges", ["0x1"]) for _ in range(2)))
    assert node.requests == [["eth_getFilterChanges"] * 2]


async def test_a_hundred_calls_at_most_are_one_request(node: Any, rpc: Rpc) -> None:
    answers = await asyncio.gather(*(rpc.call("echo", [number]) for number in range(201)))
    assert answers == list(range(201))
    assert sorted(len(request) for request in node.requests) == [1, 100, 100]


async def test_one_calls_error_is_its_own(node: Any, rpc: Rpc, fails: Any) -> None:
    node.results |= {
        "eth_call": fails(3, "execution reverted", "0x"),
        "eth_sendRawTransaction": fails(-32000, "nonce too low"),
    }
    good, reverted, refused = await asyncio.gather(
        rpc.block_number(),
        rpc.eth_call(ALICE, b""),
        rpc.send_raw_transaction(b"\x02"),
        return_exceptions=True,
    )
    assert good == 7
    assert isinstance(reverted, RevertedError)
    assert isinstance(refused, NonceError)
    assert len(node.requests) == 1


async def test_only_what_the_endpoint_could_not_answer_is_asked_again(
    node: Any, rpc: Rpc, fails: Any
) -> None:
    said = iter([fails(-32016, "over rate limit"), "0x5"])
    node.results["eth_gasPrice"] = lambda: next(said)
    first, second = await asyncio.gather(rpc.call("eth_gasPrice"), rpc.call("echo", [1]))
    assert (first, second) == ("0x5", 1)
    assert node.requests == [["eth_gasPrice", "echo"], ["eth_gasPrice"]]


async def test_a_call_that_cannot_be_answered_keeps_nobody_waiting(
    node: Any, rpc: Rpc, fails: Any
) -> None:
    released = asyncio.Event()
    node.results["eth_getCode"] = fails(-32000, "header not found")
    troubled = asyncio.create_task(rpc.get_code(ALICE))
    untroubled = asyncio.create_task(rpc.block_number())

    async def hold() -> web.StreamResponse:
        await released.wait()
        return web.Response(status=503)

    untroubled.add_done_callback(lambda _: node.http.append(hold))
    assert await untroubled == 7
    assert not troubled.done()
    released.set()
    with pytest.raises(RpcError, match="header not found"):
        await troubled


async def test_when_the_exchange_fails_everybody_has_an_error_of_their_own(
    node: Any, rpc: Rpc
) -> None:
    node.always = lambda: web.Response(status=500, text="oops")
    calls = [rpc.call("echo", [number]) for number in range(3)]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in errors] == [RpcError] * 3
    assert len({id(error) for error in errors}) == 3
    assert all("HTTP 500" in str(error) for error in errors)
    errors[0].hint = "changed"
    assert errors[1].hint != "changed"


async def test_a_failed_batch_is_one_error(node: Any, rpc: Rpc) -> None:
    node.always = lambda: web.Response(status=500, text="oops")
    with pytest.raises(RpcError, match="HTTP 500"):
        await rpc.batch([("echo", [1]), ("echo", [2])])


async def test_a_cancelled_caller_takes_only_itself_out(node: Any, rpc: Rpc) -> None:
    gate = Gate(node)
    leaving, staying = (asyncio.create_task(rpc.block_number()) for _ in range(2))
    await gate.asked.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    gate.opened.set()
    assert await staying == 7


async def test_with_the_last_caller_the_exchange_ends(node: Any, rpc: Rpc) -> None:
    before = asyncio.all_tasks()
    gate = Gate(node)
    callers = [asyncio.create_task(rpc.call("echo", [number])) for number in range(3)]
    await gate.asked.wait()
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    left = {task.get_name() for task in asyncio.all_tasks() - before}
    assert "rpc batch" not in left
    gate.opened.set()


async def test_who_is_cancelled_before_it_is_sent_is_not_asked_for(node: Any, rpc: Rpc) -> None:
    leaving = asyncio.create_task(rpc.call("echo", [1]))
    staying = asyncio.create_task(rpc.call("echo", [2]))
    asyncio.get_running_loop().call_soon(leaving.cancel)
    assert await staying == 2
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert [call["params"] for body in node.bodies for call in _calls(body)] in ([[2]], [[1], [2]])


def _calls(body: Any) -> list[Any]:
    return body if isinstance(body, list) else [body]


async def test_what_json_cannot_carry_spoils_nobodys_batch(node: Any, rpc: Rpc) -> None:
    bad, good = await asyncio.gather(
        rpc.call("echo", [object()]), rpc.call("echo", [1]), return_exceptions=True
    )
    assert isinstance(bad, TypeError)
    assert good == 1


async def test_an_explicit_list_is_a_batch_of_its_own(node: Any, rpc: Rpc) -> None:
    listed, alone = await asyncio.gather(
        rpc.outcomes([("echo", [1]), ("eth_blockNumber", [])]), rpc.call("echo", [2])
    )
    assert (listed, alone) == ([1, "0x7"], 2)
    assert sorted(node.requests) == [["echo"], ["echo", "eth_blockNumber"]]


async def test_one_endpoint_answers_the_whole_list(
    start_node: Callable[[], Awaitable[Any]], rpc_to: Callable[..., Rpc], fails: Any
) -> None:
    lagging, good = await start_node(), await start_node()
    lagging.results |= {"a": 1, "b": fails(-32000, "header not found")}
    good.results |= {"a": 10, "b": 20}
    assert await rpc_to(lagging, good).outcomes([("a", []), ("b", [])]) == [10, 20]


async def test_nothing_is_asked_for_nothing(node: Any, rpc: Rpc) -> None:
    assert await rpc.outcomes([]) == await rpc.batch([]) == []
    assert node.requests == []

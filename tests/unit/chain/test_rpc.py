"""JSON-RPC over real HTTP, against servers that misbehave."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain import Rpc
from opengradient_sdk.errors import (
    ConfigurationError,
    NonceError,
    RevertedError,
    RpcError,
    WrongChainError,
)
from opengradient_sdk.types import Address, Bytes32

ALICE = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
HASH = Bytes32(b"\x12" * 32)
BLOCK = {"number": "0x7", "hash": str(HASH), "timestamp": "0x65", "baseFeePerGas": "0x9"}


async def test_the_chain_id_costs_no_round_trip(node: Any, rpc: Rpc) -> None:
    node.results["eth_blockNumber"] = "0x7"
    assert await rpc.block_number() == 7
    assert await rpc.block_number() == 7
    assert node.requests == [["eth_chainId", "eth_blockNumber"], ["eth_blockNumber"]]


async def test_a_wrong_chain_is_refused_with_both_ids(
    node: Any, rpc_to: Callable[..., Rpc]
) -> None:
    node.results["eth_blockNumber"] = "0x7"
    with pytest.raises(WrongChainError, match="serves chain 31337, not chain 8453"):
        await rpc_to(node, chain_id=8453).block_number()


async def test_the_chain_says_its_id_where_none_is_configured(
    node: Any, rpc_to: Callable[..., Rpc]
) -> None:
    assert await rpc_to(node, chain_id=None).chain_id() == 31337


async def test_a_second_endpoint_of_another_chain_is_refused_when_it_is_needed(
    start_node: Callable[[], Awaitable[Any]], rpc_to: Callable[..., Rpc]
) -> None:
    good, other = await start_node(), await start_node()
    good.results["eth_blockNumber"] = other.results["eth_blockNumber"] = "0x7"
    other.results["eth_chainId"] = "0x1"
    rpc = rpc_to(good, other, chain_id=None)
    await rpc.block_number()
    good.always = lambda: web.Response(status=503)
    with pytest.raises(WrongChainError, match="serves chain 1, not chain 31337"):
        await rpc.block_number()


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=503),
        web.Response(status=429),
        web.Response(status=500, text="oops"),
        web.Response(status=301, headers={"Location": "http://127.0.0.1:1/"}),
        web.Response(text="<html>not json</html>"),
        web.json_response({"jsonrpc": "2.0", "id": 0}),
        web.json_response([{"jsonrpc": "2.0", "id": 0, "result": "0x7a69"}]),
        web.json_response(["nonsense", "nonsense"]),
        web.json_response({"id": 0, "error": {"code": -32016, "message": "over rate limit"}}),
    ],
    ids=str,
)
async def test_a_failing_endpoint_is_passed_over_and_then_rested(
    answer: web.Response, start_node: Callable[[], Awaitable[Any]], rpc_to: Callable[..., Rpc]
) -> None:
    bad, good = await start_node(), await start_node()
    bad.always = lambda: web.Response(
        status=answer.status, body=answer.body, headers=answer.headers
    )
    good.results["eth_blockNumber"] = "0x7"
    rpc = rpc_to(bad, good)
    assert await rpc.block_number() == 7
    assert await rpc.block_number() == 7
    assert len(bad.requests) == 1
    assert len(good.requests) == 2


async def test_a_dead_endpoint_is_passed_over(node: Any, http: HttpClient) -> None:
    node.results["eth_blockNumber"] = "0x7"
    rpc = Rpc(["http://127.0.0.1:1", node.url], http, chain_id=31337)
    assert await rpc.block_number() == 7


async def test_a_cut_connection_is_retried_at_the_same_endpoint(node: Any, rpc: Rpc) -> None:
    async def cut() -> web.StreamResponse:
        response = web.Response(body=b"x" * 10)
        response.content_length = 100
        return response

    node.http = [cut, web.Response(status=502)]
    node.results["eth_blockNumber"] = "0x7"
    assert await rpc.block_number() == 7
    assert len(node.requests) == 3


async def test_when_nobody_answers_the_error_names_everybody(
    start_node: Callable[[], Awaitable[Any]], rpc_to: Callable[..., Rpc]
) -> None:
    one, two = await start_node(), await start_node()
    one.always = lambda: web.Response(status=503)
    two.always = lambda: web.Response(text="no json")
    with pytest.raises(RpcError) as caught:
        await rpc_to(one, two).block_number()
    message = str(caught.value)
    assert f"{one.url}: HTTP 503" in message
    assert f"{two.url}: no JSON" in message
    assert caught.value.code is None
    assert len(one.requests) == len(two.requests) == 3


async def test_an_endpoint_that_never_answers_is_waited_for_once(
    node: Any, rpc_to: Callable[..., Rpc]
) -> None:
    released = asyncio.Event()

    async def hang() -> web.StreamResponse:
        await released.wait()
        return web.Response()

    node.http = [hang]
    with pytest.raises(RpcError, match=r"no answer within 1\.0 s"):
        await rpc_to(node, timeout=1.0).block_number()
    released.set()
    assert len(node.requests) == 1


async def test_a_server_may_ask_for_a_wait(node: Any, rpc: Rpc) -> None:
    node.http = [web.Response(status=429, headers={"Retry-After": "0"})]
    node.results["eth_blockNumber"] = "0x7"
    assert await rpc.block_number() == 7


async def test_a_server_that_takes_no_batches_is_asked_one_by_one(node: Any, rpc: Rpc) -> None:
    node.takes_batches = False
    node.results |= {"eth_blockNumber": "0x7", "eth_gasPrice": "0x8"}
    assert await rpc.batch([("eth_blockNumber", []), ("eth_gasPrice", [])]) == ["0x7", "0x8"]
    assert await rpc.batch([("eth_gasPrice", []), ("eth_blockNumber", [])]) == ["0x8", "0x7"]
    assert [len(request) for request in node.requests] == [3, 1, 1, 1, 1, 1]


async def test_long_batches_are_split(node: Any, rpc: Rpc) -> None:
    await rpc.call("eth_chainId")
    node.results["echo"] = lambda value: value
    for ask in (rpc.batch, rpc.outcomes):
        node.requests.clear()
        answers = await ask([("echo", [number]) for number in range(250)])
        assert answers == list(range(250))
        assert sorted(len(request) for request in node.requests) == [50, 100, 100]


async def test_an_error_of_the_node_is_not_retried(node: Any, rpc: Rpc, fails: Any) -> None:
    node.results["eth_blockNumber"] = fails(-32601, "Method not found")
    with pytest.raises(RpcError, match="Method not found") as caught:
        await rpc.block_number()
    assert caught.value.code == -32601
    assert len(node.requests) == 1


async def test_outcomes_keep_each_calls_own_error(node: Any, rpc: Rpc, fails: Any) -> None:
    node.results |= {"good": 1, "bad": fails(-32000, "nope")}
    first, second = await rpc.outcomes([("good", []), ("bad", [])])
    assert first == 1
    assert getattr(second, "message", None) == "nope"


async def test_a_revert_is_decoded(node: Any, rpc: Rpc, fails: Any) -> None:
    node.results["eth_call"] = fails(3, "execution reverted", "0x756688fe")
    with pytest.raises(RevertedError) as caught:
        await rpc.eth_call(ALICE, b"\x01")
    assert caught.value.reason == "InvalidNonce()"
    assert caught.value.data.hex() == "756688fe"


@pytest.mark.parametrize(
    ("block", "expected"),
    [("latest", "latest"), (7, "0x7"), (HASH, {"blockHash": str(HASH)})],
)
async def test_calls_at_a_tag_a_number_and_a_hash(
    node: Any, rpc: Rpc, block: Any, expected: object
) -> None:
    node.results["eth_call"] = lambda message, at: "0x01"
    assert await rpc.eth_call(ALICE, b"\xab", block, value=3) == b"\x01"
    call = node.bodies[0][1]
    assert call["params"] == [{"data": "0xab", "to": str(ALICE), "value": "0x3"}, expected]


async def test_blocks_by_tag_and_by_hash(node: Any, rpc: Rpc) -> None:
    node.results |= {"eth_getBlockByNumber": BLOCK, "eth_getBlockByHash": BLOCK}
    block = await rpc.get_block("latest")
    assert (block.number, block.hash, block.timestamp, block.base_fee) == (7, HASH, 101, 9)
    assert await rpc.get_block(HASH) == block
    node.results["eth_getBlockByNumber"] = None
    with pytest.raises(RpcError, match="there is no block 9"):
        await rpc.get_block(9)


async def test_what_is_not_there_is_none(node: Any, rpc: Rpc) -> None:
    node.results |= {"eth_getTransactionReceipt": None, "eth_getTransactionByHash": None}
    assert await rpc.get_receipt(HASH) is None
    assert await rpc.get_transaction(HASH) is None


@pytest.mark.parametrize("nonsense", [None, 7, "seven", "0x", "0xzz", [], {}, "0x" + "f" * 65])
async def test_nonsense_is_an_error_that_names_the_endpoint(
    node: Any, rpc: Rpc, nonsense: object
) -> None:
    node.results["eth_blockNumber"] = nonsense
    with pytest.raises(RpcError, match="not a block number") as caught:
        await rpc.block_number()
    assert node.url in str(caught.value)


async def test_a_broken_receipt_is_an_error(node: Any, rpc: Rpc) -> None:
    node.results["eth_getTransactionReceipt"] = {"blockHash": "0x12", "status": "0x1"}
    with pytest.raises(RpcError, match="not a receipt"):
        await rpc.get_receipt(HASH)


async def test_sending_what_the_node_already_has_succeeds(node: Any, rpc: Rpc, fails: Any) -> None:
    node.results["eth_sendRawTransaction"] = fails(-32000, "already known")
    await rpc.send_raw_transaction(b"\x02")
    node.results["eth_sendRawTransaction"] = fails(-32000, "nonce too low")
    with pytest.raises(NonceError):
        await rpc.send_raw_transaction(b"\x02")


async def test_a_login_in_the_url_is_sent_and_never_shown(
    node: Any, http: HttpClient, fails: Any
) -> None:
    url = node.url.replace("http://", "http://user:s%C3%A4cret@") + "/v3/k3y?token=t0ken"
    rpc = Rpc([url], http)
    node.results["eth_blockNumber"] = "0x7"
    await rpc.block_number()
    login = base64.b64decode(node.headers[0]["Authorization"].removeprefix("Basic "))
    assert login.decode() == "user:säcret"

    node.results["eth_blockNumber"] = fails(-32601, "no")
    with pytest.raises(RpcError) as refused:
        await rpc.block_number()
    node.always = lambda: web.Response(status=503)
    with pytest.raises(RpcError) as down:
        await rpc.block_number()
    shown = f"{rpc!r} {refused.value} {refused.value.url} {down.value} {down.value.url}"
    assert not any(secret in shown for secret in ("user", "cret", "k3y", "t0ken"))
    assert f"{node.url}/…" in shown


@pytest.mark.parametrize("url", ["", "ws://127.0.0.1", "localhost:8545", "http://", "http://h:x"])
def test_an_unusable_url_is_refused_at_once_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"not an http\(s\) URL"):
        Rpc([url], HttpClient())


def test_no_endpoint_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="no RPC endpoint"):
        Rpc([], HttpClient())


@pytest.mark.parametrize("said", ["x", None])
async def test_no_usable_chain_id_is_no_usable_endpoint(node: Any, rpc: Rpc, said: object) -> None:
    node.results |= {"eth_chainId": said, "eth_blockNumber": "0x7"}
    with pytest.raises(RpcError, match="no usable chain id"):
        await rpc.block_number()


async def test_a_list_is_no_answer_to_one_call(node: Any, rpc: Rpc) -> None:
    await rpc.chain_id()
    node.results["eth_blockNumber"] = "0x7"
    await rpc.block_number()
    node.http = [web.json_response([1]), web.json_response(None)]
    assert await rpc.block_number() == 7
    assert len(node.requests) == 4


async def test_cancellation_goes_through(node: Any, rpc: Rpc) -> None:
    arrived, released = asyncio.Event(), asyncio.Event()

    async def hang() -> web.StreamResponse:
        arrived.set()
        await released.wait()
        return web.Response()

    node.http = [hang]
    call = asyncio.create_task(rpc.block_number())
    await arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    released.set()

"""Many reads at one block: what is asked, in how many requests, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk.chain import Rpc
from opengradient_sdk.chain.abi import encode
from opengradient_sdk.chain.contracts import Erc20, Multicall3, Read
from opengradient_sdk.chain.contracts.multicall import AGGREGATE3, MULTICALL3
from opengradient_sdk.chain.reads import read_many
from opengradient_sdk.errors import ChainError, ConfigurationError, RevertedError, RpcError
from opengradient_sdk.types import Address, Bytes32, bytes_to_hex, hex_to_bytes

TOKEN = Address("0x" + "aa" * 20)
OWNER = Address("0x" + "bb" * 20)
NOWHERE = Address("0x" + "cc" * 20)
PINNED = Bytes32(b"\x05" * 32)
REFUSED = encode(["string"], ["paused"])
ERROR = bytes.fromhex("08c379a0") + REFUSED


class State:
    """A chain's state: what each contract answers to each calldata, and whether it reverts."""

    def __init__(self, *, multicall: bool = True) -> None:
        self.multicall = multicall
        self.answers: dict[tuple[Address, bytes], tuple[bool, bytes]] = {}
        self.blocks: list[Any] = []

    def says(self, read: Read[Any], data: bytes, *, succeeds: bool = True) -> Read[Any]:
        self.answers[read.target, read.data] = (succeeds, data)
        return read

    def answer(self, message: dict[str, str], block: Any) -> Any:
        self.blocks.append(block)
        target, data = Address(message["to"]), hex_to_bytes(message["data"])
        if target != MULTICALL3:
            succeeds, answer = self.answers.get((target, data), (True, b""))
            if not succeeds:
                return {"__error__": {"code": 3, "message": "execution reverted",
                                      "data": bytes_to_hex(answer)}}  # fmt: skip
            return bytes_to_hex(answer)
        if not self.multicall:
            return "0x"
        (calls,) = AGGREGATE3.decode_args(data)
        results = [self.answers.get((to, asked), (True, b"")) for to, _, asked in calls]
        return bytes_to_hex(encode(["(bool,bytes)[]"], [results]))


@pytest.fixture(params=[True, False], ids=["multicall", "batch"])
def state(request: pytest.FixtureRequest, node: Any) -> State:
    return serve(node, State(multicall=request.param))


@pytest.fixture
def with_multicall(node: Any) -> State:
    return serve(node, State())


def serve(node: Any, state: State) -> State:
    node.results["eth_call"] = state.answer
    node.results["eth_getBalance"] = lambda account, _: hex(int(account[-2:], 16))
    node.results["eth_getBlockByNumber"] = {
        "number": "0x7", "hash": str(PINNED), "timestamp": "0x1",
    }  # fmt: skip
    return state


def number(value: int) -> bytes:
    return encode(["uint256"], [value])


async def test_results_have_their_types_and_order(state: State, rpc: Rpc) -> None:
    token, multicall = Erc20(rpc, TOKEN), Multicall3(rpc)
    reads = [
        state.says(token.balance_of(OWNER), number(5)),
        state.says(token.symbol(), encode(["string"], ["OPG"])),
        state.says(multicall.eth_balance(OWNER), number(0xBB)),
        state.says(token.allowance(OWNER, NOWHERE), number(7)),
    ]
    assert await read_many(rpc, reads) == [5, "OPG", 0xBB, 7]
    assert await read_many(rpc, []) == []


async def test_a_hundred_balances_and_allowances_are_one_request(
    with_multicall: State, node: Any, rpc: Rpc
) -> None:
    token = Erc20(rpc, TOKEN)
    accounts = [Address(f"0x{n:040x}") for n in range(100)]
    reads = [with_multicall.says(token.balance_of(a), number(n)) for n, a in enumerate(accounts)]
    reads += [with_multicall.says(token.allowance(a, OWNER), number(1)) for a in accounts]
    assert await read_many(rpc, reads) == [*range(100), *[1] * 100]
    assert len(node.requests) == 1
    assert with_multicall.blocks == ["latest"]


async def test_long_lists_are_split_at_one_pinned_block(state: State, node: Any, rpc: Rpc) -> None:
    token = Erc20(rpc, TOKEN)
    accounts = [Address(f"0x{n:040x}") for n in range(1200)]
    reads = [state.says(token.balance_of(a), number(n)) for n, a in enumerate(accounts)]
    assert await read_many(rpc, reads) == [*range(1200)]
    pinned = {"blockHash": str(PINNED)}
    assert all(block == pinned for block in state.blocks)
    if state.multicall:
        assert len(state.blocks) == 3
        assert len(node.requests) == 2


async def test_a_block_is_passed_on(with_multicall: State, rpc: Rpc) -> None:
    read = with_multicall.says(Erc20(rpc, TOKEN).decimals(), encode(["uint8"], [18]))
    assert await read_many(rpc, [read], block=7) == [18]
    assert await read_many(rpc, [read], block=PINNED) == [18]
    assert with_multicall.blocks == ["0x7", {"blockHash": str(PINNED)}]


async def test_what_is_pending_is_not_pinned(node: Any, rpc: Rpc) -> None:
    state = serve(node, State(multicall=False))
    read = state.says(Erc20(rpc, TOKEN).decimals(), encode(["uint8"], [18]))
    assert await read_many(rpc, [read], block="pending") == [18]
    assert state.blocks == ["pending", "pending"]


async def test_failed_reads_are_errors_in_their_places(state: State, rpc: Rpc) -> None:
    token = Erc20(rpc, TOKEN)
    reads = [
        state.says(token.balance_of(OWNER), ERROR, succeeds=False),
        Erc20(rpc, NOWHERE).balance_of(OWNER),
        state.says(token.total_supply(), b"\x01"),
        state.says(token.decimals(), encode(["uint8"], [18])),
    ]
    refused, missing, strange, good = await read_many(rpc, reads, allow_failure=True)
    assert isinstance(refused, RevertedError)
    assert (refused.reason, refused.data) == ("paused", ERROR)
    assert refused.short_message == f"{TOKEN} refuses balanceOf(address): paused"
    assert isinstance(missing, ChainError)
    assert f"no contract answers balanceOf at {NOWHERE}" in missing.short_message
    assert isinstance(strange, ChainError)
    assert "as expected" in strange.short_message
    assert good == 18
    with pytest.raises(RevertedError, match="paused"):
        await read_many(rpc, reads)


async def test_a_batch_that_is_refused_as_a_whole_is_asked_one_by_one(
    with_multicall: State, node: Any, rpc: Rpc
) -> None:
    def answer(message: dict[str, str], block: Any) -> Any:
        if Address(message["to"]) == MULTICALL3:
            return {"__error__": {"code": -32000, "message": "out of gas"}}
        return with_multicall.answer(message, block)

    node.results["eth_call"] = answer
    read = with_multicall.says(Erc20(rpc, TOKEN).balance_of(OWNER), number(5))
    assert await read_many(rpc, [read, read]) == [5, 5]
    assert with_multicall.blocks == [{"blockHash": str(PINNED)}] * 2


async def test_a_node_that_fails_is_an_rpc_error(node: Any, rpc: Rpc) -> None:
    serve(node, State(multicall=False))
    node.results["eth_call"] = lambda message, _: (
        "0x" if Address(message["to"]) == MULTICALL3
        else {"__error__": {"code": -32000, "message": "the disk is full"}}
    )  # fmt: skip
    read = Erc20(rpc, TOKEN).decimals()
    (outcome,) = await read_many(rpc, [read], allow_failure=True)
    assert isinstance(outcome, RpcError)
    with pytest.raises(RpcError, match="disk is full"):
        await read_many(rpc, [read])


async def test_another_contract_in_its_place_is_noticed(
    with_multicall: State, node: Any, rpc: Rpc
) -> None:
    read = Erc20(rpc, TOKEN).decimals()
    node.results["eth_call"] = bytes_to_hex(encode(["(bool,bytes)[]"], [[]]))
    with pytest.raises(ChainError, match="0 of 1"):
        await read_many(rpc, [read])
    node.results["eth_call"] = "0x01"
    with pytest.raises(ChainError, match="aggregate3"):
        await read_many(rpc, [read])


async def test_reads_that_do_not_belong_together_are_refused(
    with_multicall: State, node: Any, rpc: Rpc, rpc_to: Any
) -> None:
    here, there = Erc20(rpc, TOKEN), Erc20(rpc_to(node), TOKEN)
    with pytest.raises(ConfigurationError, match="another chain"):
        await read_many(rpc, [here.decimals(), there.decimals()])
    with pytest.raises(ConfigurationError, match="names block 6"):
        await read_many(rpc, [here.decimals(block=6)], block=7)
    assert not node.requests

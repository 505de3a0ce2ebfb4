"""A chain without an account answers questions; how, the tests of reads and watch show."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.executing import BOB, PROFILE

from opengradient_sdk.chain import Chain, Rpc
from opengradient_sdk.chain.contracts import Erc20
from opengradient_sdk.chain.reading import ReadableChain
from opengradient_sdk.errors import ConfigurationError, RevertedError

TOKEN = BOB
WORD = "0x" + f"{42:064x}"


@pytest.fixture
def chain(node: Any, rpc: Rpc) -> ReadableChain:
    block = {"number": "0x5", "hash": "0x" + "05" * 32, "parentHash": "0x" + "04" * 32}
    node.results |= {
        # no Multicall3 there: the reads are one JSON-RPC batch
        "eth_call": lambda message, _: WORD if message["to"].lower() == TOKEN.lower() else "0x",
        "eth_getBlockByNumber": {**block, "timestamp": "0x1", "gasLimit": "0x1c9c380"},
    }
    return ReadableChain(rpc, PROFILE)


async def test_a_call_is_answered_as_of_the_block_that_was_named(
    chain: ReadableChain, node: Any
) -> None:
    blocks: list[Any] = []
    node.results["eth_call"] = lambda _, block: blocks.append(block) or WORD
    assert await chain.read(TOKEN, b"\x01") == bytes.fromhex(WORD[2:])
    assert await chain.read(TOKEN, b"\x01", 5) == bytes.fromhex(WORD[2:])
    assert blocks == ["latest", "0x5"]


async def test_a_call_that_reverts_says_why(chain: ReadableChain, node: Any, fails: Any) -> None:
    reason = "0x08c379a0" + f"{32:064x}" + f"{2:064x}" + b"no".hex().ljust(64, "0")
    node.results["eth_call"] = fails(3, "execution reverted", reason)
    with pytest.raises(RevertedError) as caught:
        await chain.read(TOKEN, b"\x01")
    assert caught.value.reason == "no"


async def test_many_reads_are_answered_in_order(chain: ReadableChain, node: Any) -> None:
    token = Erc20(chain.rpc, TOKEN)
    reads = [token.balance_of(BOB), token.total_supply()]
    assert await chain.read_many(reads) == [42, 42]
    assert await chain.read_many([]) == []


async def test_a_read_that_fails_is_raised_unless_it_is_allowed(
    chain: ReadableChain, node: Any, fails: Any
) -> None:
    token = Erc20(chain.rpc, TOKEN)
    node.results["eth_call"] = fails(3, "execution reverted", "0x")
    with pytest.raises(RevertedError):
        await chain.read_many([token.total_supply()])
    (outcome,) = await chain.read_many([token.total_supply()], allow_failure=True)
    assert isinstance(outcome, RevertedError)


async def test_reads_of_another_chain_are_refused(
    chain: ReadableChain, node: Any, rpc_to: Any
) -> None:
    with pytest.raises(ConfigurationError, match="another chain"):
        await chain.read_many([Erc20(rpc_to(node), TOKEN).total_supply()])


async def test_nothing_is_watched_with_less_than_a_confirmation(chain: ReadableChain) -> None:
    with pytest.raises(ConfigurationError):
        chain.watch(confirmations=0)


async def test_watching_asks_nothing_before_somebody_waits(chain: ReadableChain, node: Any) -> None:
    watch = chain.watch(addresses=TOKEN)
    await watch.aclose()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(watch), 30)
    assert node.requests == []


async def test_a_chain_without_a_signer_reads_and_executes_nothing(node: Any, rpc: Rpc) -> None:
    node.results["eth_call"] = WORD
    async with Chain(rpc, profile=PROFILE) as chain:
        assert await chain.read(TOKEN, b"") == bytes.fromhex(WORD[2:])
        for asked in (chain.execute_many([]), chain.reserved()):
            with pytest.raises(ConfigurationError, match="there is no signer"):
                await asked

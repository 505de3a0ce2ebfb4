"""The chain's time is the clock's."""

from __future__ import annotations

import pytest

from opengradient_sdk._core.clock import SystemClock
from opengradient_sdk.devnet.contracts import addresses, artifacts
from opengradient_sdk.devnet.evm import JsonRpcError, PyEvm

STRANGER = "0x" + "22" * 20
MULTICALL = artifacts.load("Multicall3")


async def time_of(chain, tag="latest"):
    return int((await chain.ask("eth_getBlockByNumber", tag, False))["timestamp"], 16)


async def time_seen_by_a_contract(chain, block="latest"):
    data = MULTICALL.encode_call("getCurrentBlockTimestamp")
    call = {"to": addresses.MULTICALL3, "data": "0x" + data.hex()}
    return int(await chain.ask("eth_call", call, block), 16)


async def test_300_transactions_leave_the_chain_at_the_clocks_time(chain):
    nonce = await chain.nonce()
    batch = [
        {
            "jsonrpc": "2.0",
            "id": n,
            "method": "eth_sendRawTransaction",
            "params": [chain.raw(nonce=nonce + n, to=STRANGER, value=1, gas=21_000)],
        }
        for n in range(300)
    ]
    answers = await chain.post(batch)
    assert all("result" in answer for answer in answers)
    assert abs(await time_of(chain) - chain.clock.now()) <= 2


async def test_a_mined_block_has_the_time_the_clock_was_moved_to(chain):
    chain.clock.advance(5000)
    await chain.evm.mine()
    assert abs(await time_of(chain) - chain.clock.now()) <= 2
    chain.clock.advance(100)
    await chain.evm.mine(2)
    assert abs(await time_of(chain) - chain.clock.now()) <= 2


async def test_a_call_sees_the_clock_and_not_the_age_of_the_newest_block(pyevm):
    before = await time_of(pyevm)
    pyevm.clock.advance(3600)
    for tag in ("latest", "pending"):
        assert abs(await time_seen_by_a_contract(pyevm, tag) - pyevm.clock.now()) <= 2
    assert await time_of(pyevm) == before
    assert await time_seen_by_a_contract(pyevm, "0x0") == before


async def test_time_can_be_moved_over_json_rpc(chain):
    before = await time_of(chain)
    await chain.ask("evm_increaseTime", 1000)
    await chain.ask("evm_mine")
    assert 1000 <= await time_of(chain) - before <= 1003


async def test_the_next_block_can_be_given_its_time(pyevm):
    wanted = await time_of(pyevm) + 12345
    await pyevm.ask("evm_setNextBlockTimestamp", wanted)
    await pyevm.ask("evm_mine", hex(1))
    assert await time_of(pyevm) == wanted
    assert abs(pyevm.clock.now() - wanted) <= 2
    assert (await pyevm.refused("evm_setNextBlockTimestamp", 1))["code"] == -32602
    assert (await pyevm.refused("evm_increaseTime", -1))["code"] == -32602


async def test_a_clock_that_cannot_be_moved_is_not_moved():
    evm = PyEvm(chain_id=1, alloc={}, clock=SystemClock())
    await evm.start()
    try:
        for method in ("evm_increaseTime", "evm_setNextBlockTimestamp"):
            with pytest.raises(JsonRpcError, match="cannot be moved"):
                await evm.request(method, [2**40])
    finally:
        await evm.stop()


async def test_blocks_by_hash_are_known_to_the_evm(pyevm):
    await pyevm.evm.mine(3)
    data = "0x" + MULTICALL.encode_call("getBlockHash", 2).hex()
    seen = await pyevm.ask("eth_call", {"to": addresses.MULTICALL3, "data": data}, "latest")
    block = await pyevm.ask("eth_getBlockByNumber", "0x2", False)
    assert seen == block["hash"]
    number = {
        "to": addresses.MULTICALL3,
        "data": "0x" + MULTICALL.encode_call("getBlockNumber").hex(),
    }
    assert int(await pyevm.ask("eth_call", number, "latest"), 16) == 3

"""Filters tell what is new since they were last asked."""

from __future__ import annotations

ALICE = "0x" + "aa" * 20


async def test_a_log_filter_tells_every_log_once(chain):
    await chain.transfer(ALICE, 1)
    name = await chain.ask("eth_newFilter", {})
    await chain.transfer(ALICE, 2)
    (log,) = await chain.ask("eth_getFilterChanges", name)
    assert int(log["data"], 16) == 2
    assert await chain.ask("eth_getFilterChanges", name) == []


async def test_a_log_filter_can_be_asked_for_everything(pyevm):
    await pyevm.transfer(ALICE, 1)
    name = await pyevm.ask("eth_newFilter", {"fromBlock": "earliest"})
    await pyevm.transfer(ALICE, 2)
    logs = await pyevm.ask("eth_getFilterLogs", name)
    assert [int(log["data"], 16) for log in logs] == [1, 2]


async def test_a_block_filter_tells_every_block_once(chain):
    name = await chain.ask("eth_newBlockFilter")
    await chain.evm.mine(2)
    blocks = [await chain.ask("eth_getBlockByNumber", n, False) for n in ("0x1", "0x2")]
    assert await chain.ask("eth_getFilterChanges", name) == [b["hash"] for b in blocks]
    assert await chain.ask("eth_getFilterChanges", name) == []


async def test_a_transaction_filter_tells_every_transaction_once(pyevm):
    name = await pyevm.ask("eth_newPendingTransactionFilter")
    receipt = await pyevm.transfer(ALICE, 1)
    assert await pyevm.ask("eth_getFilterChanges", name) == [receipt["transactionHash"]]
    assert await pyevm.ask("eth_getFilterChanges", name) == []


async def test_a_filter_that_is_gone_is_not_found(pyevm):
    name = await pyevm.ask("eth_newBlockFilter")
    assert (await pyevm.refused("eth_getFilterLogs", name))["message"] == "filter not found"
    assert await pyevm.ask("eth_uninstallFilter", name) is True
    assert await pyevm.ask("eth_uninstallFilter", name) is False
    assert (await pyevm.refused("eth_getFilterChanges", name))["message"] == "filter not found"


async def test_the_oldest_filter_makes_room(pyevm):
    first = await pyevm.ask("eth_newBlockFilter")
    for _ in range(1000):
        last = await pyevm.evm.request("eth_newBlockFilter")
    assert (await pyevm.refused("eth_getFilterChanges", first))["message"] == "filter not found"
    assert await pyevm.ask("eth_getFilterChanges", last) == []

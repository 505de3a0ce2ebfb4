"""``eth_getLogs`` finds exactly what was asked for."""

from __future__ import annotations

import pytest

from opengradient_sdk.devnet.contracts import addresses, artifacts

OPG = artifacts.load("OPG")
TRANSFER = "0x" + OPG.topic("Transfer").hex()
APPROVAL = "0x" + OPG.topic("Approval").hex()
ALICE, BOB = "0x" + "aa" * 20, "0x" + "bb" * 20


def topic(address):
    return "0x" + "00" * 12 + address[2:].lower()


@pytest.fixture
async def history(chain):
    """Block 1: transfer to Alice; 2: transfer to Bob; 3: approval of Alice; 4: nothing."""
    receipts = [
        await chain.transfer(ALICE, 1),
        await chain.transfer(BOB, 2),
        await chain.send(data=OPG.encode_call("approve", ALICE, 3)),
    ]
    await chain.evm.mine()
    return receipts


async def found(chain, **criteria):
    """Return the amounts in the logs that were found."""
    criteria.setdefault("fromBlock", "earliest")
    if "blockHash" in criteria:
        del criteria["fromBlock"]
    return [int(log["data"], 16) for log in await chain.ask("eth_getLogs", criteria)]


async def test_by_address_and_topics(chain, history):
    assert await found(chain) == [1, 2, 3]
    assert await found(chain, address=addresses.OPG) == [1, 2, 3]
    assert await found(chain, address=[BOB, addresses.OPG]) == [1, 2, 3]
    assert await found(chain, address=BOB) == []
    assert await found(chain, topics=[TRANSFER]) == [1, 2]
    assert await found(chain, topics=[[TRANSFER, APPROVAL]]) == [1, 2, 3]
    assert await found(chain, topics=[None, topic(chain.address)]) == [1, 2, 3]
    assert await found(chain, topics=[TRANSFER, None, topic(BOB)]) == [2]
    assert await found(chain, topics=[None, None, [topic(ALICE), topic(BOB)]]) == [1, 2, 3]
    assert await found(chain, topics=[TRANSFER, topic(BOB)]) == []


async def test_by_range_and_block(chain, history):
    assert await found(chain, fromBlock="0x2") == [2, 3]
    assert await found(chain, fromBlock="0x1", toBlock="0x2") == [1, 2]
    assert await found(chain, fromBlock="latest") == []
    assert await found(chain, blockHash=history[1]["blockHash"]) == [2]


async def test_a_log_says_where_it_is(chain, history):
    logs = await chain.ask("eth_getLogs", {"fromBlock": "0x2", "toBlock": "0x2"})
    assert logs == history[1]["logs"]
    (log,) = logs
    assert log["transactionHash"] == history[1]["transactionHash"]
    assert (log["blockNumber"], log["logIndex"], log["removed"]) == ("0x2", "0x0", False)


async def test_impossible_questions_are_refused(pyevm):
    async def code(**criteria):
        return (await pyevm.refused("eth_getLogs", criteria))["code"]

    await pyevm.evm.mine(3)
    assert await code(fromBlock="0x3", toBlock="0x1") == -32602
    assert await code(blockHash="0x" + "00" * 32) == -32000
    assert await code(blockHash="0x" + "00" * 32, fromBlock="0x0") == -32602
    assert await code(topics=[None] * 5) == -32602
    assert await code(topics=["0x12"]) == -32602
    assert await code(address="0x12") == -32602
    assert await pyevm.ask("eth_getLogs", {"fromBlock": "0x9", "toBlock": "0x99"}) == []


async def test_a_log_with_fewer_topics_than_positions_is_not_found(pyevm):
    await pyevm.transfer(ALICE, 1)
    assert await found(pyevm, topics=[None] * 3) == [1]
    assert await found(pyevm, topics=[None] * 4) == []


async def test_many_logs_of_one_transaction_are_numbered(pyevm):
    # LOG0 three times
    receipt = await pyevm.send(to="", data=bytes.fromhex("60006000a060006000a060006000a0"))
    assert [log["logIndex"] for log in receipt["logs"]] == ["0x0", "0x1", "0x2"]
    assert [log["topics"] for log in receipt["logs"]] == [[], [], []]

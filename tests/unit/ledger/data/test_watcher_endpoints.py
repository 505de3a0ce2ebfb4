"""What endpoints that lie, lag, break or change their minds can make of a settlement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.errors import ChainError
from opengradient_sdk.ledger import DataState, Receipt

from .conftest import Scene
from .mock_relay import batch_of, leaf_of, promised


@pytest.fixture
def receipt() -> Receipt:
    return promised()


async def test_an_invented_event_settles_nothing(scene: Scene, receipt: Receipt) -> None:
    batch = batch_of(scene.store.blobs, leaf_of(receipt))
    scene.chains[1].settle_batch(30, *batch)
    status = await scene.watcher.status(receipt)
    assert (status.state, status.proof) == (DataState.PROMISED, None)
    assert "contradict each other" in status.reason
    assert "shows no such event" in status.reason


async def test_nor_does_it_hide_the_real_one(scene: Scene, receipt: Receipt) -> None:
    batch = batch_of(scene.store.blobs, leaf_of(receipt))
    scene.chains[1].settle_batch(30, *batch)
    scene.settled_in(40, receipt)
    status = await scene.watcher.status(receipt)
    assert status.state is DataState.FINAL
    assert status.proof is not None
    assert status.proof.block_number == 40


async def test_one_that_lags_leaves_it_settled(scene: Scene, receipt: Receipt) -> None:
    scene.settled_in(70, receipt)
    scene.chains[1].length = scene.chains[1].finalized = 60
    status = await scene.watcher.status(receipt)
    assert status.state is DataState.SETTLED
    assert status.proof is not None
    assert status.proof.rpcs == (scene.rpcs[0].names[0],)
    assert status.searched_to == 60


@pytest.mark.parametrize(
    "change",
    [
        {"address": "0x" + "77" * 20},
        {"blockHash": None},
        {"blockNumber": hex(5)},
        {"data": "0x00"},
        {"topics": ["0x" + "00" * 32]},
    ],
    ids=str,
)
async def test_nonsense_is_no_word(scene: Scene, receipt: Receipt, change: dict[str, Any]) -> None:
    scene.settled_in(30, receipt)
    strange = {**scene.chains[1].logs[0], **change}
    scene.chains[1]._found = lambda _: {"result": [strange]}  # type: ignore[method-assign]
    status = await scene.watcher.status(receipt)
    assert status.state is DataState.SETTLED
    assert f"{scene.rpcs[1].names[0]} could not be asked" in status.reason


async def test_an_event_whose_block_is_another_one(scene: Scene, receipt: Receipt) -> None:
    batch = batch_of(scene.store.blobs, leaf_of(receipt))
    for chain in scene.chains:
        chain.settle_batch(30, *batch, blockHash="0x" + "99" * 32)
    status = await scene.watcher.status(receipt)
    assert status.state is DataState.PROMISED
    assert "which is not in its chain" in status.reason
    scene.chains[1].length, scene.chains[1].finalized = 25, None
    assert "has not reached block 30" in (await scene.watcher.status(receipt)).reason
    alone = await scene.again(rpcs=scene.rpcs[:1]).status(receipt)
    assert "the RPC endpoint contradicts itself" in alone.reason


async def test_one_that_is_lost_between_two_questions(scene: Scene, receipt: Receipt) -> None:
    scene.settled_in(30, receipt)
    chain = scene.chains[1]

    def lose() -> None:
        if any(call[1] == [hex(30), False] for call in chain.calls):
            chain.errors["eth_getBlockByNumber"] = {"code": -32000, "message": "gone fishing"}

    chain.before["eth_getBlockByNumber"] = lose
    status = await scene.watcher.status(receipt)
    assert status.state is DataState.SETTLED
    assert status.proof is not None
    assert status.proof.rpcs == (scene.rpcs[0].names[0],)


async def test_one_that_alone_is_lost_takes_nothing_back(scene: Scene, receipt: Receipt) -> None:
    scene.settled_in(30, receipt)
    settled = replace(await scene.watcher.status(receipt), state=DataState.SETTLED)
    chain, alone = scene.chains[0], scene.again(rpcs=scene.rpcs[0])
    refusal = {"code": -32000, "message": "gone fishing"}
    chain.before["eth_getBlockByNumber"] = lambda: (
        chain.errors.update({"eth_getBlockByNumber": refusal})
        if chain.calls[-1][1] == [hex(30), False]
        else None
    )
    status = await alone.status(receipt)
    assert status.state is DataState.PROMISED
    assert "could not be confirmed" in status.reason
    assert "gone fishing" in status.reason
    chain.errors.clear()
    assert await alone.status(replace(receipt, data=settled)) == settled


async def test_logs_that_a_node_writes_down_later_are_not_missed(
    scene: Scene, receipt: Receipt
) -> None:
    scene.extend(0, finalized=100)  # final at once
    assert (await scene.watcher.status(receipt)).state is DataState.PROMISED
    scene.settled_in(90, receipt)
    assert (await scene.watcher.status(receipt)).state is DataState.FINAL


async def test_an_unknown_relay_takes_nothing_back(scene: Scene, receipt: Receipt) -> None:
    scene.settled_in(90, receipt)
    settled = await scene.watcher.status(receipt)
    assert settled.state is DataState.SETTLED
    blind = scene.again(relay=None)
    assert await blind.status(replace(receipt, data=settled)) is settled
    assert "not known on this network" in (await blind.status(receipt)).reason


async def test_a_chain_that_is_replaced_while_it_is_read(scene: Scene, receipt: Receipt) -> None:
    scene.settled_in(30, receipt)
    chain = scene.chains[1]
    chain.forked_at = 69

    def once() -> None:
        if chain.ranges()[-1][0] == 69 and not chain.fork:
            chain.fork = "once"

    chain.before["eth_getLogs"] = once
    assert (await scene.watcher.status(receipt)).state is DataState.FINAL
    assert chain.ranges().count((69, 100)) == 2

    def always() -> None:
        chain.fork += "!"

    chain.before["eth_getLogs"] = always
    status = await scene.watcher.status(receipt)
    assert status.state is DataState.SETTLED
    assert "was replaced each time" in status.reason


async def test_a_reorg_takes_it_back(scene: Scene, receipt: Receipt) -> None:
    scene.settled_in(90, receipt)
    settled = await scene.watcher.status(receipt)
    assert settled.state is DataState.SETTLED
    for chain in scene.chains:
        chain.fork, chain.forked_at = "other", 85
        chain.logs.clear()
    known = replace(receipt, data=settled)
    lost = await scene.watcher.status(known)
    assert (lost.state, lost.proof) == (DataState.PROMISED, None)
    assert "block 90 (0x" in lost.reason
    assert "is no longer in the chain" in lost.reason
    scene.settled_in(95, receipt)
    moved = await scene.watcher.status(known)
    assert moved.state is DataState.SETTLED
    assert moved.proof is not None
    assert moved.proof.block_number == 95
    assert "block 90, 0x" in moved.reason


async def test_a_promise_is_not_called_broken_by_a_chain_that_stands_still(
    scene: Scene, receipt: Receipt
) -> None:
    scene.clock.advance(10_000)
    status = await scene.watcher.status(receipt)
    assert status.state is DataState.PROMISED
    assert f"{scene.rpcs[1].names[0]} has seen no block after 100, 20" in status.reason
    scene.extend(300)
    assert (await scene.watcher.status(receipt)).state is DataState.OVERDUE


async def test_a_promise_is_not_called_broken_while_one_says_nothing(
    scene: Scene, receipt: Receipt
) -> None:
    scene.extend(5_000)
    scene.chains[1].errors["eth_getBlockByNumber"] = {"code": -1, "message": "gone fishing"}
    status = await scene.watcher.status(receipt)
    assert status.state is DataState.PROMISED
    assert "gone fishing" in status.reason
    del scene.chains[1].errors["eth_getBlockByNumber"]
    assert (await scene.watcher.status(receipt)).state is DataState.OVERDUE


async def test_who_has_not_reached_the_block_takes_nothing_back(
    scene: Scene, receipt: Receipt
) -> None:
    scene.settled_in(90, receipt)
    settled = await scene.watcher.status(receipt)
    for chain in scene.chains:
        chain.length, chain.finalized = 85, 80
    assert await scene.watcher.status(replace(receipt, data=settled)) == settled


async def test_nobody_can_be_asked(scene: Scene, receipt: Receipt) -> None:
    for chain in scene.chains:
        chain.errors["eth_getLogs"] = {"code": -32000, "message": "gone fishing"}
    with pytest.raises(ChainError, match=r"gone fishing.*gone fishing"):
        await scene.watcher.status(receipt)
    for chain in scene.chains:
        chain.errors["eth_getBlockByNumber"] = {"code": -32000, "message": "no heads"}
    with pytest.raises(ChainError, match="no heads"):
        await scene.again(rpcs=scene.rpcs[0]).status(receipt)

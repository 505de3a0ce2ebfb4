"""Watching the relay: what is asked, how often, and what endpoints can make of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.ledger import DataState, DataStatus, Receipt
from opengradient_sdk.ledger.data import DataWatcher
from opengradient_sdk.ledger.data.wanted import SEARCHED_AFTER_DUE
from opengradient_sdk.types import Bytes32

from .conftest import Scene
from .mock_relay import BLOCK_TIME, RELAY, batch_of, leaf_of, promised

LATE_BLOCKS = int(SEARCHED_AFTER_DUE) // BLOCK_TIME


@pytest.fixture
def receipt() -> Receipt:
    return promised()


class TestAsking:
    """What is asked for, and how often."""

    async def test_the_search_begins_before_the_block_of_the_call(
        self, scene: Scene, receipt: Receipt
    ) -> None:
        status = await scene.watcher.status(receipt)
        assert (status.state, status.searched_to) == (DataState.PROMISED, 100)
        assert [chain.ranges() for chain in scene.chains] == [[(12, 68), (69, 100)]] * 2

    async def test_finalized_blocks_are_read_once(self, scene: Scene, receipt: Receipt) -> None:
        await scene.watcher.status(receipt)
        scene.extend(20, finalized=85)
        for chain in scene.chains:
            chain.calls.clear()
        await scene.watcher.status(receipt)
        assert scene.chains[0].ranges() == [(69, 85), (86, 120)]

    async def test_an_older_receipt_adds_what_is_missing(self, scene: Scene) -> None:
        await scene.watcher.status(promised(1, at_block=40))
        scene.chains[0].calls.clear()
        await scene.watcher.statuses([promised(2, at_block=10), promised(3, at_block=50)])
        assert scene.chains[0].ranges() == [(2, 31), (69, 100)]

    async def test_without_a_finalized_block_everything_is_read_again(
        self, scene: Scene, receipt: Receipt
    ) -> None:
        for chain in scene.chains:
            chain.finalized = None
        scene.settled_in(30, receipt)
        for _ in range(2):
            assert (await scene.watcher.status(receipt)).state is DataState.SETTLED
        assert scene.chains[0].ranges() == [(12, 100)] * 2

    async def test_a_range_that_is_too_large_is_halved(
        self, scene: Scene, receipt: Receipt
    ) -> None:
        for chain in scene.chains:
            chain.most_blocks = 30
        scene.settled_in(30, receipt)
        assert (await scene.watcher.status(receipt)).state is DataState.FINAL

    async def test_long_ranges_are_read_in_pieces(self, scene: Scene, receipt: Receipt) -> None:
        scene.extend(20_000, finalized=20_000)
        scene.settled_in(19_000, receipt)
        assert (await scene.watcher.status(receipt)).state is DataState.FINAL
        lengths = [last - first + 1 for first, last in scene.chains[0].ranges()]
        assert max(lengths) == 5_000

    async def test_many_receipts_are_one_search(self, scene: Scene) -> None:
        receipts = [promised(number) for number in range(50)]
        scene.settled_in(30, *receipts[:20])
        scene.settled_in(31, *receipts[20:40])
        found = await scene.watcher.statuses(receipts)
        states = [status.state for status in found]
        assert states == [DataState.FINAL] * 40 + [DataState.PROMISED] * 10
        assert len(scene.store.asked) == 2
        assert len(scene.chains[0].ranges()) == 2

    async def test_who_asks_meanwhile_shares_the_next_look(self, scene: Scene) -> None:
        receipts = [promised(number) for number in range(40)]
        scene.settled_in(30, *receipts)
        found = await asyncio.gather(*(scene.watcher.status(one) for one in receipts))
        assert {status.state for status in found} == {DataState.FINAL}
        assert len(scene.store.asked) == 1
        heads = [call for call in scene.chains[0].calls if call[1] == ["finalized", False]]
        assert len(heads) == 2  # the first one's, and one for all who came meanwhile

    async def test_who_gives_up_leaves_the_others_their_answer(self, scene: Scene) -> None:
        receipts = [promised(number) for number in range(3)]
        scene.settled_in(30, *receipts)
        waiting = [asyncio.create_task(scene.watcher.status(one)) for one in receipts]
        await asyncio.sleep(0)
        waiting[0].cancel()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert [one.state for one in found[1:] if isinstance(one, DataStatus)] == [
            DataState.FINAL
        ] * 2

    async def test_nothing_to_look_for_asks_nobody(self, scene: Scene, receipt: Receipt) -> None:
        done = [
            replace(receipt, data=replace(receipt.data, state=DataState.NONE)),
            replace(receipt, data=replace(receipt.data, state=DataState.FINAL)),
            replace(receipt, data=replace(receipt.data, mode="private")),
            replace(receipt, registered=None),
            replace(receipt, signed=None),
        ]
        found = await scene.watcher.statuses(done)
        assert [status.state for status in found] == [one.data.state for one in done]
        assert "block at the time of the call is not known" in found[3].reason
        assert "was forgotten" in found[4].reason
        assert await scene.watcher.statuses([]) == []
        assert scene.calls() == 0

    async def test_a_statement_that_can_stand_in_no_batch(
        self, scene: Scene, receipt: Receipt
    ) -> None:
        assert receipt.signed is not None
        broken = replace(receipt, signed=replace(receipt.signed, signature="?"))
        status = await scene.watcher.status(broken)
        assert status.state is DataState.PROMISED
        assert "can stand in no batch" in status.reason

    async def test_one_that_stays_overdue_is_looked_for_for_a_day(
        self, scene: Scene, receipt: Receipt
    ) -> None:
        blocks = 2 * LATE_BLOCKS
        scene.extend(blocks, finalized=blocks)
        scene.settled_in(LATE_BLOCKS // 2, promised(2))
        scene.settled_in(LATE_BLOCKS + 5_000, receipt)
        status = await scene.watcher.status(receipt)
        assert status.state is DataState.OVERDUE
        assert "(1 read)" in status.reason
        assert status.searched_to is not None
        assert LATE_BLOCKS < status.searched_to < LATE_BLOCKS + 3_600
        assert len(scene.store.asked) == 1
        for chain in scene.chains:
            chain.calls.clear()
        assert await scene.watcher.status(replace(receipt, data=status)) == status
        assert scene.chains[0].ranges() == []
        assert len(scene.chains[0].calls) == 3  # its heads, and whether the chain is the same

    async def test_where_the_day_ends_is_looked_for_again_while_it_can_change(
        self, scene: Scene, receipt: Receipt
    ) -> None:
        scene.extend(2 * LATE_BLOCKS)
        first, again = [await scene.watcher.status(receipt) for _ in range(2)]
        assert first == again
        assert first.searched_to is not None
        probe = ("eth_getBlockByNumber", [hex(first.searched_to), False])
        assert scene.chains[0].calls.count(probe) == 2

    async def test_one_that_comes_late_is_found(self, scene: Scene, receipt: Receipt) -> None:
        scene.extend(20_000)
        overdue = await scene.watcher.status(receipt)
        assert overdue.state is DataState.OVERDUE
        scene.extend(10, finalized=20_100)
        scene.settled_in(20_105, receipt)
        found = await scene.watcher.status(replace(receipt, data=overdue))
        assert found.state is DataState.SETTLED

    def test_no_endpoint(self, scene: Scene) -> None:
        with pytest.raises(ConfigurationError, match="no RPC endpoint"):
            DataWatcher((), RELAY, scene.reader, scene.clock)


class TestBlobs:
    """Batches behind the roots."""

    async def test_a_blob_that_is_missing_is_asked_for_again_later(
        self, scene: Scene, receipt: Receipt
    ) -> None:
        batch = scene.settled_in(30, receipt)
        blob_id = batch[2].decode()
        blob = scene.store.blobs.get(blob_id)
        assert blob is not None
        scene.store.status = 404
        for _ in range(2):
            assert (await scene.watcher.status(receipt)).proof is None
        assert scene.store.asked == [blob_id]
        scene.store.status = 200
        scene.clock.advance(31)
        assert (await scene.watcher.status(receipt)).state is DataState.FINAL

    async def test_stores_that_are_away_are_not_asked_for_every_batch(
        self, scene: Scene, receipt: Receipt
    ) -> None:
        for number in range(40):
            scene.settled_in(30 + number, promised(100 + number))
        scene.store.status = 503
        status = await scene.watcher.status(receipt)
        assert len(scene.store.asked) <= 8
        assert "503" in status.reason
        assert "nor can those of 37 other batches" in status.reason
        scene.store.status = 200
        scene.clock.advance(31)
        assert "(40 read)" in (await scene.watcher.status(receipt)).reason

    async def test_a_found_one_ends_the_search(self, scene: Scene, receipt: Receipt) -> None:
        scene.settled_in(30, receipt)
        for number in range(20):
            scene.settled_in(31 + number, promised(100 + number))
        assert (await scene.watcher.status(receipt)).state is DataState.FINAL
        assert len(scene.store.asked) <= 8

    async def test_of_two_batches_the_first_counts(self, scene: Scene, receipt: Receipt) -> None:
        scene.settled_in(30, receipt)
        scene.settled_in(31, receipt, promised(2))
        status = await scene.watcher.status(receipt)
        assert status.proof is not None
        assert status.proof.block_number == 30

    async def test_an_id_that_is_no_text(self, scene: Scene, receipt: Receipt) -> None:
        root, size, _ = batch_of(scene.store.blobs, leaf_of(receipt))
        scene.settle(30, (root, size, b"\xff\xfe"))
        status = await scene.watcher.status(receipt)
        assert "'0xfffe' cannot be read (that is no blob's id)" in status.reason

    async def test_a_kept_path_that_leads_nowhere_is_not_believed(
        self, scene: Scene, receipt: Receipt
    ) -> None:
        scene.settled_in(30, receipt, promised(2))
        known = await scene.watcher.status(receipt)
        assert known.proof is not None
        wrong = replace(known.proof, proof=(Bytes32(bytes(32)),))
        kept = replace(known, state=DataState.SETTLED, proof=wrong)
        again = await scene.again().status(replace(receipt, data=kept))
        assert again.proof == known.proof


class TestIndividual:
    """Settlements of one answer each, by the node that made it."""

    async def test_exactly_this_statement(self, scene: Scene) -> None:
        receipt = promised(mode="individual")
        leaf = leaf_of(receipt)
        for chain in scene.chains:
            chain.settle_individually(30, replace(leaf, signature=b"another"), b"x")
            chain.settle_individually(31, replace(leaf, timestamp=leaf.timestamp + 1), b"x")
            chain.settle_individually(32, leaf_of(promised(2)), b"x")
        assert (await scene.watcher.status(receipt)).state is DataState.PROMISED
        for chain in scene.chains:
            chain.settle_individually(33, leaf, b"blob")
        found = await scene.again().status(receipt)
        assert found.state is DataState.FINAL
        assert found.proof is not None
        proof = found.proof
        assert (proof.mode, proof.block_number, proof.blob_id) == ("individual", 33, "blob")
        assert (proof.merkle_root, proof.leaf_hash, proof.batch_size) == (None, None, None)
        assert scene.store.asked == []

    async def test_both_kinds_at_once(self, scene: Scene) -> None:
        receipts = [
            promised(1),
            promised(2, mode="individual"),
            promised(3, mode="individual"),
            promised(4, mode="individual"),
        ]
        scene.settled_in(30, *receipts)  # one that was to be settled on its own is not, by this
        for chain in scene.chains:
            for number in (1, 2):
                chain.settle_individually(40 + number, leaf_of(receipts[number]), b"blob")
        found = await scene.watcher.statuses(receipts)
        states = [status.state for status in found]
        assert states == [DataState.FINAL] * 3 + [DataState.PROMISED]

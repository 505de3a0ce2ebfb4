"""Whether promised hashes come on chain: a real facilitator, a real relay, and who watches them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from support.lying_rpc import Lie

from opengradient_sdk import DataState, Devnet
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain.contracts import SettlementRelay
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.ledger.data import BlobReader, DataWatcher
from opengradient_sdk.verification import batch_leaf_of, verify_proof

from .kit import CustomerFactory, new_customer
from .observing import FINALITY, PAST_DUE, CountingBlobs, Observatory, observatory, with_data


@pytest.fixture
async def sky(net: Devnet, customer: CustomerFactory) -> AsyncIterator[Observatory]:
    async with observatory(net, customer) as one:
        yield one


class TestBatch:
    """Hashes that go into a Merkle batch."""

    async def test_they_are_promised_then_settled_then_final(self, sky: Observatory) -> None:
        receipt = await sky.ask()
        promised = await sky.status(receipt)
        assert (promised.state, promised.proof) == (DataState.PROMISED, None)
        assert "promised until 20" in promised.reason
        assert promised.due_at == receipt.data.due_at
        await sky.net.advance(300)
        settled = await sky.status(receipt)
        assert settled.state is DataState.SETTLED
        assert "a reorg could still take back" in settled.reason
        await sky.net.mine(FINALITY)
        final = await sky.status(with_data(receipt, settled))
        assert final.state is DataState.FINAL
        assert "every RPC calls finalized" in final.reason
        assert final.proof == settled.proof

    async def test_the_proof_names_what_is_on_chain(self, sky: Observatory) -> None:
        receipt = await sky.settled()
        proof = (await sky.status(receipt)).proof
        assert proof is not None
        assert proof.rpcs == (sky.rpcs[0].names[0], sky.rpcs[1].names[0])
        block = await sky.rpcs[0].get_block(proof.block_hash)
        assert (block.number, block.timestamp) == (proof.block_number, proof.block_timestamp)
        mined = await sky.rpcs[0].get_receipt(proof.transaction)
        assert mined is not None
        (log,) = [log for log in mined.logs if log.index == proof.log_index]
        batch = SettlementRelay.BATCH_SETTLEMENT.decode(log)
        assert (batch.merkle_root, batch.batch_size) == (proof.merkle_root, proof.batch_size)
        assert batch.blob_id.decode() == proof.blob_id

    async def test_the_relay_agrees_on_every_path(self, sky: Observatory) -> None:
        receipts = [await sky.ask(messages=f"question {n}") for n in range(3)]
        await sky.net.advance(300)
        relay = SettlementRelay(sky.rpcs[0], sky.net.profile.settlement_relay)
        for receipt, status in zip(receipts, await sky.watcher.statuses(receipts), strict=True):
            proof = status.proof
            assert proof is not None
            assert receipt.signed is not None
            assert proof.leaf_hash == batch_leaf_of(receipt.signed).hash
            assert proof.merkle_root is not None
            assert len(proof.proof) >= 1
            verify_proof(proof.leaf_hash, proof.proof, proof.merkle_root)
            path, root = list(proof.proof), proof.merkle_root
            assert await relay.is_proof_valid(path, root, proof.leaf_hash)
            assert not await relay.is_proof_valid(path[:-1], root, proof.leaf_hash)

    async def test_a_batch_costs_one_blob_however_many_ask(self, sky: Observatory) -> None:
        receipts = [await sky.ask(messages=f"number {n}") for n in range(23)]
        await sky.net.advance(300)
        sky.blobs.asked.clear()
        watcher = sky.another_watcher()
        found = await watcher.statuses(receipts)
        assert {status.state for status in found} == {DataState.SETTLED}
        roots = {status.proof.merkle_root for status in found if status.proof}
        assert 2 <= len(roots) <= 4  # at most twenty in one; what had come then goes along
        assert len(sky.blobs.asked) == len(set(sky.blobs.asked))
        asked = len(sky.blobs.asked)
        again = await asyncio.gather(*(watcher.status(receipt) for receipt in receipts))
        assert list(again) == found
        assert len(sky.blobs.asked) == asked

    async def test_what_is_final_is_not_asked_again(self, sky: Observatory) -> None:
        receipt = await sky.settled()
        await sky.net.mine(FINALITY)
        final = await sky.status(receipt)
        assert final.state is DataState.FINAL
        sky.liar.lie = Lie.DOWN
        assert await sky.watcher.status(with_data(receipt, final)) is final
        assert sky.liar.told == 0

    async def test_a_kept_proof_needs_no_blob(self, sky: Observatory) -> None:
        receipt = await sky.settled()
        settled = await sky.status(receipt)
        await sky.net.mine(FINALITY)
        http = HttpClient()
        no_blobs = sky.another_watcher(blobs=BlobReader(http, ()))
        assert (await no_blobs.status(with_data(receipt, settled))).state is DataState.FINAL
        forgotten = replace(with_data(receipt, settled), signed=None)
        assert (await no_blobs.status(forgotten)).state is DataState.FINAL
        assert (await no_blobs.status(receipt)).state is DataState.PROMISED
        await http.aclose()

    async def test_the_same_leaf_twice_is_settled_once(self, sky: Observatory) -> None:
        sky.net.facilitator.faults.duplicate_leaf = True
        status = await sky.status(await sky.settled())
        assert status.state is DataState.SETTLED
        assert status.proof is not None
        assert status.proof.batch_size == 2


class TestNotSettled:
    """Promises that are not kept, or not so that anybody could tell."""

    async def test_nothing_was_to_be_settled(
        self, sky: Observatory, customer: CustomerFactory
    ) -> None:
        sky.buyer = await customer(settlement="private")
        receipt = await sky.ask()
        status = await sky.watcher.status(receipt)
        assert (status.state, status.mode) == (DataState.NONE, "private")

    async def test_a_lost_record_becomes_overdue(self, sky: Observatory) -> None:
        sky.net.facilitator.faults.lose_records = True
        receipt = await sky.settled()
        assert (await sky.status(receipt)).state is DataState.PROMISED
        await sky.net.advance(PAST_DUE)
        overdue = await sky.status(receipt)
        assert (overdue.state, overdue.proof) == (DataState.OVERDUE, None)
        assert "and not kept" in overdue.reason
        assert overdue.searched_to == await sky.rpcs[0].block_number()

    async def test_a_record_is_overdue_only_when_the_chain_has_passed(
        self, sky: Observatory
    ) -> None:
        sky.net.facilitator.faults.lose_records = True
        receipt = await sky.ask()
        sky.net.clock.advance(PAST_DUE)
        waiting = await sky.status(receipt)
        assert waiting.state is DataState.PROMISED
        assert "has seen no block after" in waiting.reason
        await sky.net.mine()
        assert (await sky.status(receipt)).state is DataState.OVERDUE

    async def test_an_overdue_one_can_still_be_settled(self, sky: Observatory) -> None:
        sky.net.facilitator.faults.blobs_unavailable = True
        receipt = await sky.settled()
        await sky.net.advance(PAST_DUE)
        overdue = await sky.status(receipt)
        assert overdue.state is DataState.OVERDUE
        assert "503" in overdue.reason
        sky.net.facilitator.faults.blobs_unavailable = False
        await sky.net.advance(60)
        settled = await sky.status(with_data(receipt, overdue))
        assert settled.state in (DataState.SETTLED, DataState.FINAL)

    @pytest.mark.parametrize(
        ("fault", "why"),
        [
            ({"batch_blob": "missing"}, "answers 404"),
            ({"batch_blob": "corrupted"}, "the blob is not that of a batch"),
            ({"batch_blob": "another"}, "its root is 0x"),
            ({"batch_blob": "unnamed"}, "that is no blob's id"),
            ({"wrong_batch_size": True}, "it has 1 leaves, on chain they are 2"),
        ],
        ids=lambda value: str(value),
    )
    async def test_a_root_without_its_blob_proves_nothing(
        self, sky: Observatory, fault: dict[str, Any], why: str
    ) -> None:
        for name, value in fault.items():
            setattr(sky.net.facilitator.faults, name, value)
        receipt = await sky.settled()
        size = 2 if "wrong_batch_size" in fault else 1
        for state, seconds in ((DataState.PROMISED, PAST_DUE), (DataState.OVERDUE, 0)):
            status = await sky.status(receipt)
            assert (status.state, status.proof) == (state, None)
            assert f"a batch of {size} in block " in status.reason
            assert "could hold it" in status.reason
            assert why in status.reason
            await sky.net.advance(seconds)

    async def test_somebody_elses_batch_is_not_ours(self, sky: Observatory) -> None:
        sky.net.facilitator.faults.lose_records = True
        receipt = await sky.ask(messages="lost")
        await sky.net.advance(1)
        sky.net.facilitator.faults.lose_records = False
        await sky.ask(messages="kept")
        await sky.net.advance(300)
        status = await sky.status(receipt)
        assert status.state is DataState.PROMISED
        assert "no batch with this answer (1 read)" in status.reason

    async def test_a_network_whose_relay_is_not_known(self, sky: Observatory) -> None:
        receipt = await sky.settled()
        status = await sky.another_watcher(relay=None).status(receipt)
        assert status.state is DataState.PROMISED
        assert status.reason == "the relay's address is not known on this network"


@pytest.mark.anvil
async def test_a_reorg_takes_a_batch_back() -> None:
    """anvil drops the block of the batch: what was settled is only promised, until it comes again.

    The path that was kept proves the hashes in the other block too.
    """
    async with Devnet(evm="anvil", accounts=1) as net, new_customer(net) as buyer:
        receipt = (await buyer.ask()).receipt
        await net.advance(300)
        http = HttpClient()
        try:
            chain, relay = net.registry_chain, net.profile.settlement_relay
            rpc = Rpc([chain.rpc_url], http, chain_id=chain.chain_id)
            blobs = CountingBlobs(http, net.profile.blob_urls)
            watcher = DataWatcher(rpc, relay, blobs, net.clock)
            settled = await watcher.status(receipt)
            assert settled.state is DataState.SETTLED
            assert settled.proof is not None
            sent = await rpc.get_transaction(settled.proof.transaction)
            assert sent is not None
            depth = await rpc.block_number() - settled.proof.block_number + 1
            await chain.request("anvil_reorg", [depth, []])
            known = with_data(receipt, settled)
            lost = await watcher.status(known)
            assert (lost.state, lost.proof) == (DataState.PROMISED, None)
            assert f"block {settled.proof.block_number} (0x" in lost.reason
            assert "is no longer in the chain" in lost.reason
            await net.mine()
            again = {"from": sent.sender, "to": sent.to, "data": "0x" + sent.data.hex()}
            await chain.request("anvil_impersonateAccount", [sent.sender])
            await chain.request("eth_sendTransaction", [again])
            await net.mine()
            asked = len(blobs.asked)
            moved = await watcher.status(known)
            assert moved.state is DataState.SETTLED
            assert moved.proof is not None
            assert moved.proof.block_hash != settled.proof.block_hash
            assert "which held it, is gone" in moved.reason
            assert len(blobs.asked) == asked
        finally:
            await http.aclose()

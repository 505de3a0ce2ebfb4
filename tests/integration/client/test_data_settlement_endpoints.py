"""The relay's word through two endpoints, one of which lies, and settlements of single answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.lying_rpc import Lie

from opengradient_sdk import DataState, Devnet
from opengradient_sdk.errors import ChainError
from opengradient_sdk.ledger.data import individual_blob_check
from opengradient_sdk.verification import CheckStatus

from .kit import CustomerFactory
from .observing import FINALITY, PAST_DUE, Observatory, observatory, with_data


@pytest.fixture
async def sky(net: Devnet, customer: CustomerFactory) -> AsyncIterator[Observatory]:
    async with observatory(net, customer) as one:
        yield one


@pytest.fixture
async def loner(sky: Observatory, customer: CustomerFactory) -> Observatory:
    """One whose answers are settled each on its own."""
    return replace(sky, buyer=await customer(settlement="individual"))


class TestTwoEndpoints:
    """One of the two lies, or is away."""

    @pytest.mark.parametrize("lie", [Lie.NO_LOGS, Lie.ANOTHER_TIME])
    async def test_a_contradiction_is_never_settled(self, sky: Observatory, lie: Lie) -> None:
        receipt = await sky.settled()
        await sky.net.mine(FINALITY)
        status = await sky.status(receipt, lie)
        assert (status.state, status.proof) == (DataState.PROMISED, None)
        assert "the RPC endpoints contradict each other" in status.reason
        for rpc in sky.rpcs:
            assert rpc.names[0] in status.reason

    async def test_nor_is_an_event_in_another_block(self, sky: Observatory) -> None:
        receipt = await sky.settled()
        await sky.net.mine(FINALITY)
        status = await sky.status(receipt, Lie.ANOTHER_HASH)
        assert status.state is not DataState.FINAL
        assert sky.rpcs[1].names[0] in status.reason

    @pytest.mark.parametrize("lie", [Lie.OLD_HEAD, Lie.DOWN])
    async def test_one_that_is_behind_or_away_keeps_it_from_being_final(
        self, sky: Observatory, lie: Lie
    ) -> None:
        receipt = await sky.settled()
        await sky.net.mine(FINALITY)
        status = await sky.status(receipt, lie)
        assert status.state is DataState.SETTLED
        assert status.proof is not None
        assert status.proof.rpcs == (sky.rpcs[0].names[0],)
        assert (await sky.status(receipt)).state is DataState.FINAL

    @pytest.mark.parametrize("lie", [Lie.OLD_HEAD, Lie.DOWN])
    async def test_or_overdue(self, sky: Observatory, lie: Lie) -> None:
        sky.net.facilitator.faults.lose_records = True
        receipt = await sky.settled()
        await sky.net.advance(PAST_DUE)
        status = await sky.status(receipt, lie)
        assert status.state is DataState.PROMISED
        assert sky.rpcs[1].names[0] in status.reason

    async def test_nobody_answers(self, sky: Observatory) -> None:
        receipt = await sky.ask()
        sky.liar.lie = Lie.DOWN
        alone = sky.another_watcher(rpcs=sky.rpcs[1])
        with pytest.raises(ChainError, match="502"):
            await alone.status(receipt)
        both = sky.another_watcher(rpcs=(sky.rpcs[1], sky.rpcs[1]))
        with pytest.raises(ChainError, match="no RPC of the relay's chain could be asked"):
            await asyncio.gather(*(both.status(receipt) for _ in range(3)))


class TestIndividual:
    """Answers that are settled each on its own, in public."""

    async def test_the_event_carries_the_statement(self, loner: Observatory) -> None:
        receipt = await loner.ask()
        await loner.net.advance(1)
        settled = await loner.status(receipt)
        assert settled.state is DataState.SETTLED
        proof = settled.proof
        assert proof is not None
        assert (proof.mode, proof.merkle_root, proof.proof) == ("individual", None, ())
        await loner.net.mine(FINALITY)
        assert (await loner.status(receipt)).state is DataState.FINAL
        check = await individual_blob_check(with_data(receipt, settled), loner.blobs)
        assert check is not None
        assert check.status is CheckStatus.PASSED

    async def test_a_streams_blob_has_only_its_last_frame(self, loner: Observatory) -> None:
        async with loner.buyer.client.chat.stream(**loner.buyer.question()) as stream:
            receipt = (await stream.get_final_reply()).receipt
        await loner.net.advance(1)
        receipt = with_data(receipt, await loner.status(receipt))
        assert receipt.data.state is DataState.SETTLED
        check = await individual_blob_check(receipt, loner.blobs)
        assert check is not None
        assert check.status is CheckStatus.NOT_CHECKED
        assert "the last frame" in check.reason

    async def test_a_planned_transaction_that_never_comes(self, loner: Observatory) -> None:
        loner.net.facilitator.faults.lose_records = True
        receipt = await loner.ask()
        await loner.net.advance(PAST_DUE)
        status = await loner.status(receipt)
        assert status.state is DataState.OVERDUE
        assert "no settlement of this answer" in status.reason

    async def test_another_statement_of_the_node_is_not_ours(self, loner: Observatory) -> None:
        receipt = await loner.ask()
        await loner.net.advance(1)
        assert receipt.signed is not None
        other = replace(receipt, signed=replace(receipt.signed, signature="AAAA"))
        assert (await loner.status(other)).state is DataState.PROMISED

    async def test_a_batch_has_no_blob_of_its_own(self, sky: Observatory) -> None:
        receipt = await sky.settled()
        receipt = with_data(receipt, await sky.status(receipt))
        assert await individual_blob_check(receipt, sky.blobs) is None

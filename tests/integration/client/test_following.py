"""A policy with ``Settled``: promises are followed in the background, and breaking one costs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest
from support.lying_rpc import Lie, LyingRpc

from opengradient_sdk import (
    DataState,
    Devnet,
    OpenGradient,
    Receipt,
)
from opengradient_sdk.client.events import DataResolved, NodeLeft
from opengradient_sdk.errors import LedgerError, RpcError
from opengradient_sdk.ledger.data.wanted import Wanted
from opengradient_sdk.ledger.data.witness import RelayWitness, View
from opengradient_sdk.payments.settlement.testimony import Silent
from opengradient_sdk.verification import Conclusion

from .following_kit import (
    WATCHED,
    SetsEvent,
    data_of,
    following,
    later,
    looked,
    quick,
    resolved,
    sets,
    told_of,
)
from .kit import Customer, CustomerFactory, new_customer
from .observing import FINALITY, PAST_DUE


class TestKept:
    """Promises that are kept."""

    async def test_a_promise_is_followed_until_it_is_final(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        buyer = await customer(require=WATCHED)
        receipt = (await buyer.ask()).receipt
        assert receipt.data.state is DataState.PROMISED  # returned at once
        found = await looked(buyer)
        assert (found.promised, found.followed, found.pending) == (1, 1, 1)
        await later(net, 300)
        found = await looked(buyer)
        assert (found.settled, found.pending) == (1, 0)
        assert await data_of(buyer, receipt) is DataState.SETTLED
        await net.mine(FINALITY)
        await looked(buyer)
        assert await data_of(buyer, receipt) is DataState.FINAL
        assert resolved(buyer) == [(receipt.id, DataState.SETTLED)]
        assert await told_of(buyer, receipt) == 2
        await looked(buyer)
        assert await told_of(buyer, receipt) == 2

    async def test_all_that_is_open_is_one_search(
        self, net: Devnet, customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        buyer = await customer(require=WATCHED)
        receipts = [(await buyer.ask(messages=f"question {n}")).receipt for n in range(5)]
        await later(net, 300)
        searches: list[int] = []
        testify = RelayWitness.testify

        async def counted(witness: RelayWitness, wanted: Sequence[Wanted]) -> View | Silent:
            searches.append(len(wanted))
            return await testify(witness, wanted)

        monkeypatch.setattr(RelayWitness, "testify", counted)
        assert (await looked(buyer)).settled == 5
        assert searches == [5]
        assert {await data_of(buyer, one) for one in receipts} == {DataState.SETTLED}

    async def test_an_individual_settlement_brings_its_blob(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        buyer = await customer(require=WATCHED, settlement="individual")
        receipt = (await buyer.ask()).receipt
        await later(net, 1)
        assert (await looked(buyer)).settled == 1
        known = await buyer.client.receipts.get(receipt.id)
        check = known.evidence.get("data_blob")
        assert check is not None
        assert check.reason == "it holds the question and the answer that the node signed"

    async def test_the_background_does_it_unasked(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        told = asyncio.Event()
        buyer = await customer(
            require=WATCHED, network=quick(net.profile), on_event=sets(told, DataResolved)
        )
        receipt = (await buyer.ask()).receipt
        await later(net, 300)
        await net.mine(FINALITY)
        await told.wait()
        task = following(buyer)._task
        assert task is not None
        await task  # nothing is open, so it ends by itself
        assert await data_of(buyer, receipt) is DataState.FINAL

    async def test_the_twin_without_await_has_it_too(self, net: Devnet) -> None:
        def asked() -> tuple[int, int]:
            with OpenGradient(
                signer=net.accounts[0], network=net.profile, store=":memory:", require=WATCHED
            ) as client:
                client.chat.create(**Customer.question())
                before = client.verification.statistics().settlement.followed
                return before, client.verification.refresh().settlement.pending

        assert await asyncio.to_thread(asked) == (1, 1)


class TestBroken:
    """Promises that are not kept, or not so that anybody could tell."""

    async def test_the_node_is_left_when_it_is_overdue(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        net.facilitator.faults.lose_records = True
        buyer = await customer(require=WATCHED)
        receipts = [(await buyer.ask(messages=text)).receipt for text in ("one", "two")]
        await later(net, PAST_DUE)
        statistics = await buyer.client.verification.refresh()
        found = statistics.settlement.by_node[receipts[0].tee_id]
        assert (found.followed, found.overdue, found.pending) == (2, 2, 0)
        assert found.conclusion(0.5) is Conclusion.NOTICED
        assert "did not settle 2 of 2" in statistics.explain()
        assert resolved(buyer) == [(one.id, DataState.OVERDUE) for one in receipts]
        (left,) = buyer.events_of(NodeLeft)  # once for all that it broke
        assert left.tee_id == receipts[0].tee_id
        assert "its hashes were not settled: promised until 20" in left.reason
        assert buyer.client._work.core.health.complaint(left.tee_id) == left.reason
        assert await data_of(buyer, receipts[0]) is DataState.OVERDUE
        assert following(buyer)._open == {}

    async def test_a_node_is_not_accused_of_a_blob_that_nobody_hands_out(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        net.facilitator.faults.blobs_unavailable = True
        buyer = await customer(require=WATCHED)
        receipt = (await buyer.ask()).receipt
        await later(net, 300)
        await later(net, PAST_DUE)
        found = await looked(buyer)
        assert await data_of(buyer, receipt) is DataState.OVERDUE  # as far as anybody can see
        assert (found.pending, found.overdue, found.unclear) == (1, 0, 1)
        assert found.conclusion(1) is Conclusion.INCONCLUSIVE
        assert buyer.events_of(NodeLeft) == resolved(buyer) == []
        net.facilitator.faults.blobs_unavailable = False
        await later(net, 60)  # an unreadable blob is asked for again
        assert (await looked(buyer)).settled == 1

    async def test_what_stays_unclear_is_given_up_after_a_day(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        net.facilitator.faults.batch_blob = "missing"
        buyer = await customer(require=WATCHED)
        await buyer.ask()
        await later(net, 300)
        net.clock.advance(100_000)
        await net.mine()
        found = await looked(buyer)
        assert following(buyer)._open == {}
        assert (found.unclear, found.overdue) == (1, 0)
        await net.advance(0)  # heartbeats are due

    @pytest.mark.anvil
    async def test_a_reorg_takes_a_settlement_back(self) -> None:
        async with (
            Devnet(evm="anvil", accounts=1) as net,
            new_customer(net, require=WATCHED) as buyer,
        ):
            receipt = (await buyer.ask()).receipt
            await later(net, 300)
            assert (await looked(buyer)).settled == 1
            proof = (await buyer.client.receipts.get(receipt.id)).data.proof
            assert proof is not None
            chain, rpc = net.registry_chain, buyer.client._work.core.registry_rpc
            sent = await rpc.get_transaction(proof.transaction)
            assert sent is not None
            depth = await rpc.block_number() - proof.block_number + 1
            await chain.request("anvil_reorg", [depth, []])
            found = await looked(buyer)
            assert (found.settled, found.pending) == (0, 1)
            assert await data_of(buyer, receipt) is DataState.PROMISED
            await net.mine()
            again = {"from": sent.sender, "to": sent.to, "data": "0x" + sent.data.hex()}
            await chain.request("anvil_impersonateAccount", [sent.sender])
            await chain.request("eth_sendTransaction", [again])
            await net.mine()
            assert (await looked(buyer)).settled == 1
            states = [state for _, state in resolved(buyer)]
            assert states == [DataState.SETTLED, DataState.PROMISED, DataState.SETTLED]


class TestOutages:
    """The chain or the store is away for a while."""

    async def test_an_outage_of_the_chain_is_survived(
        self, net: Devnet, customer: CustomerFactory, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with LyingRpc(net.registry_chain.rpc_url) as proxy:
            told, waits = asyncio.Event(), asyncio.Event()
            buyer = await customer(
                require=WATCHED,
                network=quick(net.profile, rpc_urls=(proxy.url,)),
                on_event=sets(told, DataResolved),
            )
            await buyer.ask()
            client_log = logging.getLogger("opengradient_sdk.client")
            with caplog.at_level(logging.INFO, client_log.name):
                client_log.addHandler(handler := SetsEvent(waits, "1 promised settlements wait"))
                proxy.lie = Lie.DOWN
                await waits.wait()
                assert (await buyer.ask(messages="still answered")).text
                client_log.removeHandler(handler)
            proxy.lie = None
            await later(net, 300)
            await told.wait()

    async def test_one_receipt_that_cannot_be_read_hides_no_other(
        self, net: Devnet, customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        buyer = await customer(require=WATCHED)
        first, second = [(await buyer.ask(messages=text)).receipt for text in ("one", "two")]
        await later(net, 300)
        ledger = buyer.client._work.core.ledger
        get = ledger.get

        async def changed(receipt_id: str) -> Receipt:
            if receipt_id == first.id:
                raise LedgerError("somebody changed it", hint="verify")
            return await get(receipt_id)

        monkeypatch.setattr(ledger, "get", changed)
        with pytest.raises(LedgerError, match="somebody changed it"):
            await looked(buyer)
        assert await data_of(buyer, second) is DataState.SETTLED
        monkeypatch.undo()
        assert (await looked(buyer)).settled == 2

    async def test_who_looks_by_hand_is_told_of_an_outage(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        async with LyingRpc(net.registry_chain.rpc_url) as proxy:
            registry = replace(net.profile.registry, rpc_urls=(proxy.url,))
            buyer = await customer(require=WATCHED, network=replace(net.profile, registry=registry))
            await buyer.ask()
            proxy.lie = Lie.DOWN
            with pytest.raises(RpcError, match="502"):
                await buyer.client.verification.refresh()

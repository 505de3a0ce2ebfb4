"""Promises that several clients of one wallet and store follow, at once or after each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.stores import DURABLE, location

from opengradient_sdk import (
    AllOf,
    Assurance,
    DataState,
    Devnet,
    Receipt,
    Settled,
)
from opengradient_sdk.client.events import NodeLeft
from opengradient_sdk.errors import LedgerError
from opengradient_sdk.ledger.data import DataWatcher
from opengradient_sdk.ledger.data.wanted import Wanted
from opengradient_sdk.ledger.data.watcher import Word
from opengradient_sdk.ledger.query import ReceiptQuery

from .following_kit import (
    WATCHED,
    data_of,
    following,
    later,
    looked,
    resolved,
    told_of,
)
from .kit import CustomerFactory, after, beside
from .observing import FINALITY, PAST_DUE


@pytest.fixture(params=DURABLE)
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """A store that clients share, one after the other or at once, and its key."""
    store = location(request.param, request, tmp_path)
    return {"store": store, "store_key": tmp_path / "key"}


class TestSeveralClients:
    """Clients of one wallet on one store."""

    async def test_the_next_client_takes_up_what_was_left_open(
        self, net: Devnet, customer: CustomerFactory, shared: dict[str, Any]
    ) -> None:
        first = await customer(require=WATCHED, **shared)
        receipt = (await first.ask()).receipt
        second = await after(customer, first, require=WATCHED, **shared)
        assert (await second.client.receipts.get(receipt.id)).unresolved[-1].startswith("data: ")
        await later(net, 300)
        assert (await looked(second)).settled == 1
        assert resolved(second) == [(receipt.id, DataState.SETTLED)]
        third = await after(customer, second, require=WATCHED, **shared)
        assert (await looked(third)).settled == 1
        assert resolved(third) == []  # it was settled before
        assert await told_of(third, receipt) == 1

    async def test_a_promise_that_was_broken_meanwhile_is_found(
        self, net: Devnet, customer: CustomerFactory, place: str
    ) -> None:
        net.facilitator.faults.lose_records = True
        first = await customer(require=WATCHED, store=place)
        receipt = (await first.ask()).receipt
        await first.client.aclose()
        await later(net, PAST_DUE)
        second = await after(customer, first, require=WATCHED, store=place)
        assert (await looked(second)).overdue == 1
        assert resolved(second) == [(receipt.id, DataState.OVERDUE)]
        assert len(second.events_of(NodeLeft)) == 1

    async def test_two_may_follow_the_same_promise(
        self, net: Devnet, customer: CustomerFactory, shared: dict[str, Any]
    ) -> None:
        first = await customer(require=WATCHED, **shared)
        receipt = (await first.ask()).receipt
        await first.client._work.core.ledger.flushed()
        second = await beside(customer, first, require=WATCHED, **shared)
        assert (await looked(second)).pending == 1
        await later(net, 300)
        for one in (first, second, first):
            assert (await looked(one)).settled == 1
            await one.client._work.core.ledger.flushed()
        assert await told_of(first, receipt) == 1
        for one in (first, second):
            assert resolved(one) == [(receipt.id, DataState.SETTLED)]

    async def test_what_a_refresh_has_found_is_not_written_again(
        self, net: Devnet, customer: CustomerFactory
    ) -> None:
        buyer = await customer(require=WATCHED)
        receipt = (await buyer.ask()).receipt
        await later(net, 300)
        await buyer.client.receipts.wait(receipt, data=DataState.SETTLED)
        written = await told_of(buyer, receipt)
        assert (await looked(buyer)).settled == 1
        assert await told_of(buyer, receipt) == written

    async def test_what_a_refresh_finds_meanwhile_is_not_taken_back(
        self, net: Devnet, customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        buyer = await customer(require=WATCHED)
        receipt = (await buyer.ask()).receipt
        await later(net, 300)
        watcher = buyer.client._work.core.data_watcher
        words = DataWatcher.words

        async def outdated(wanted: Sequence[Wanted]) -> Sequence[Word]:
            """By the time they are heard, the chain and a refresh have gone on."""
            heard = await words(watcher, wanted)
            assert [word.status.state for word in heard] == [DataState.SETTLED]
            await net.mine(FINALITY)
            await buyer.client.receipts.refresh(receipt)
            return heard

        monkeypatch.setattr(watcher, "words", outdated)
        assert (await looked(buyer)).settled == 1
        assert await data_of(buyer, receipt) is DataState.FINAL
        assert following(buyer)._open == {}

    async def test_a_store_that_fails_in_between_is_read_on_and_nothing_counted_twice(
        self,
        net: Devnet,
        customer: CustomerFactory,
        place: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("opengradient_sdk.client.following._PAGE", 2)
        first = await customer(require=WATCHED, store=place)
        for number in range(5):
            await first.ask(messages=f"question {number}")
        second = await after(customer, first, require=WATCHED, store=place)
        ledger = second.client._work.core.ledger
        select, asked = ledger.select, 0

        async def fails_once(query: ReceiptQuery) -> tuple[Receipt, ...]:
            nonlocal asked
            asked += 1
            if asked == 2:
                raise LedgerError("the store is away", hint="wait")
            return await select(query)

        monkeypatch.setattr(ledger, "select", fails_once)
        with pytest.raises(LedgerError, match="the store is away"):
            await looked(second)
        assert (await looked(second)).followed == 5

    async def test_stored_answers_that_the_policy_refuses_are_not_followed(
        self, net: Devnet, customer: CustomerFactory, place: str
    ) -> None:
        first = await customer(require=WATCHED, store=place)
        await first.ask()
        demanding = AllOf(Assurance.ATTESTED, Settled())
        second = await after(customer, first, require=demanding, trust=net.trust, store=place)
        assert (await looked(second)).promised == 0

    async def test_pages_are_read_until_everything_was_seen(
        self,
        net: Devnet,
        customer: CustomerFactory,
        place: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("opengradient_sdk.client.following._PAGE", 2)
        first = await customer(require=WATCHED, store=place)
        for number in range(5):
            await first.ask(messages=f"question {number}")
        second = await after(customer, first, require=WATCHED, store=place)
        assert (await looked(second)).followed == 5
        assert (await looked(second)).followed == 5

    async def test_the_oldest_are_left_alone_when_there_are_too_many(
        self,
        net: Devnet,
        customer: CustomerFactory,
        place: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("opengradient_sdk.client.following._PAGE", 2)
        monkeypatch.setattr("opengradient_sdk.client.following._PAGES", 2)
        first = await customer(require=WATCHED, store=place)
        receipts = [(await first.ask(messages=f"question {n}")).receipt for n in range(5)]
        second = await after(customer, first, require=WATCHED, store=place)
        await looked(second)
        # a page begins with the last one of the page before, which may not be alone at its time
        assert set(following(second)._open) == {one.id for one in receipts[-3:]}

    async def test_what_was_forgotten_cannot_be_followed(
        self, net: Devnet, customer: CustomerFactory, place: str
    ) -> None:
        first = await customer(require=WATCHED, store=place)
        receipt = (await first.ask()).receipt
        await first.client.receipts.forget(receipt)
        second = await after(customer, first, require=WATCHED, store=place)
        assert (await looked(second)).promised == 0

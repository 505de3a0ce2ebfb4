"""Between signed and final: what a restart, another process and a dropped pool change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.desk import Desk, open_desk
from support.scripted_chain import ScriptedChain

from opengradient_sdk._core.store import Store, open_store
from opengradient_sdk.chain.outbox.events import (
    Announcer,
    NonceBlocked,
    TransactionResent,
    TransactionsTakenOver,
)
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.chain.outbox.slots import SlotState
from opengradient_sdk.chain.pending import PendingTx
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import LedgerError, ReplacedError


@pytest.fixture
def chain(node: Any) -> ScriptedChain:
    return ScriptedChain(node)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(str(tmp_path / "book.sqlite"), SCHEMA)
    yield store
    await store.aclose()


@pytest.fixture
async def desk(chain: ScriptedChain, rpc: Rpc, store: Store) -> AsyncIterator[Desk]:
    async with open_desk(rpc, store=store) as desk:
        yield desk


async def at_rest(desk: Desk) -> None:
    """Return when the poller has ended by itself."""
    polling = desk.outbox._tracker._polling
    assert polling is not None
    await polling


async def test_the_journal_learns_how_deep_they_are(chain: ScriptedChain, desk: Desk) -> None:
    pending = await desk.sent()
    chain.mine()
    receipt = await pending.wait()
    await chain.looked()
    slot = await desk.slot(0)
    assert slot.state is SlotState.MINED
    assert slot.inclusion is not None
    assert slot.inclusion.block_hash == receipt.block_hash
    chain.empty(10)
    await chain.looked(3)
    assert (await desk.slot(0)).state is SlotState.MINED  # eleven deep
    chain.empty()
    await at_rest(desk)
    assert (await desk.slot(0)).state is SlotState.FINAL


async def test_nothing_is_asked_when_nothing_is_left(
    node: Any, chain: ScriptedChain, desk: Desk
) -> None:
    pending = await desk.sent()
    chain.mine(blocks=12)
    await pending.wait(confirmations=12)
    await at_rest(desk)
    asked = len(node.requests)
    assert (await desk.sent()).nonce == 1  # and starts again
    assert len(node.requests) > asked


async def test_a_dropped_one_is_sent_again_and_said(chain: ScriptedChain, desk: Desk) -> None:
    pending = await desk.sent()
    chain.drop()
    while pending.hash not in chain.pool:
        await chain.looked()
    await chain.looked()
    assert desk.named(TransactionResent) == [TransactionResent(pending.hash, 0)]
    chain.mine()
    assert (await pending.wait()).hash == pending.hash


async def test_one_that_the_node_still_has_is_not_called_dropped(
    chain: ScriptedChain, desk: Desk
) -> None:
    await desk.sent()
    while len(chain.received) < 3:
        await chain.looked()
    assert desk.named(TransactionResent) == []


async def test_dropped_ones_are_sent_lowest_first(chain: ScriptedChain, desk: Desk) -> None:
    sent = [await desk.sent() for _ in range(5)]
    chain.drop()
    chain.received.clear()
    while len(chain.received) < 5:
        await chain.looked()
    assert chain.received[:5] == [one.hash for one in sent]


async def test_a_dead_holders_transactions_are_taken_over(
    chain: ScriptedChain, rpc: Rpc, store: Store
) -> None:
    async with open_desk(rpc, store=store) as dead:
        on_their_way = [await dead.sent() for _ in range(3)]
        unsent = await dead.signed()  # journalled, and killed before a byte was sent
    chain.drop()
    chain.received.clear()
    async with open_desk(rpc, store=store) as heir:
        mine = await heir.sent()
        assert mine.nonce == 4
        while len(chain.pool) < 5:
            await chain.looked()
        hashes = {one.hash for one in on_their_way} | {unsent.hash}
        assert {*chain.pool} == hashes | {mine.hash}
        (event,) = heir.named(TransactionsTakenOver)
        assert set(event.hashes) == hashes
        chain.mine(*sorted(chain.pool, key=lambda hash: chain.pool[hash].tx.nonce))
        await mine.wait()
        await chain.looked()
        states = {slot.state for slot in await heir.journal.slots(await heir.account())}
        assert states == {SlotState.MINED}


@pytest.mark.parametrize("cap", [None, 7 * 10**9])
async def test_a_taken_over_one_keeps_the_cap_that_its_caller_set(
    chain: ScriptedChain, rpc: Rpc, store: Store, cap: int | None
) -> None:
    async with open_desk(rpc, store=store) as dead:
        await dead.sent(fee_cap=cap)
    async with open_desk(rpc, store=store) as heir:
        followed = await heir.outbox.follow_slot(await heir.slot(0))
        assert followed._slot.fee_cap == cap


async def test_a_slot_of_the_journal_is_followed(
    chain: ScriptedChain, rpc: Rpc, store: Store, desk: Desk
) -> None:
    first = await desk.sent()
    second = await first.replace()
    async with open_desk(rpc, store=store) as other:
        joined = await other.outbox.follow_slot(await other.slot(0))
        assert joined.hash == first.hash  # what the slot is for, whichever price is mined
        chain.mine(second.hash)
        assert (await joined.wait()).hash == second.hash


async def test_a_slot_whose_transaction_was_cancelled_says_so(
    chain: ScriptedChain, rpc: Rpc, store: Store, desk: Desk
) -> None:
    cancelling = await (await desk.sent()).cancel()
    chain.mine(cancelling.hash)
    await cancelling.wait()
    async with open_desk(rpc, store=store) as other:
        with pytest.raises(ReplacedError) as caught:
            await (await other.outbox.follow_slot(await other.slot(0))).wait()
        assert caught.value.by == cancelling.hash


async def test_another_process_that_repriced_it_is_found_out(
    chain: ScriptedChain, rpc: Rpc, store: Store, desk: Desk
) -> None:
    pending = await desk.sent()
    async with open_desk(rpc, store=store) as other:
        watched = other.outbox.follow(pending.signed)
        second = await pending.replace()
        chain.mine(second.hash)
        assert (await watched.wait()).hash == second.hash


async def test_a_journal_that_fails_keeps_nobody_waiting(
    chain: ScriptedChain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise LedgerError("the disk is full")

    pending = await desk.sent()
    monkeypatch.setattr(desk.journal, "mined", fails)
    chain.mine()
    assert (await pending.wait()).hash == pending.hash
    assert (await desk.slot(0)).state is SlotState.SENDING
    monkeypatch.undo()
    while (await desk.slot(0)).state is not SlotState.MINED:  # told as soon as it listens
        await chain.looked()


async def test_closing_tells_the_journal_what_it_has_seen(
    chain: ScriptedChain, rpc: Rpc, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise LedgerError("locked")

    async with open_desk(rpc, store=store) as desk:
        pending = await desk.sent()
        monkeypatch.setattr(desk.journal, "mined", fails)
        chain.mine()
        await pending.wait()
        monkeypatch.undo()
        await desk.outbox.aclose()
        assert (await desk.slot(0)).state is SlotState.MINED


async def test_a_mistake_of_ours_leaves_nobody_waiting(
    chain: ScriptedChain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    pending = await desk.sent()
    monkeypatch.setattr(desk.outbox._tracker._looks, "look", broken)
    with pytest.raises(ZeroDivisionError):
        await pending.wait()
    monkeypatch.undo()
    chain.mine()
    assert (await pending.wait()).hash == pending.hash


async def test_five_hundred_at_once(chain: ScriptedChain, desk: Desk) -> None:
    signed = [await desk.signed() for _ in range(500)]
    outcomes = await asyncio.gather(*(desk.outbox.post([one]) for one in signed))
    pending = [one for outcome in outcomes for one in outcome if isinstance(one, PendingTx)]
    waiting = [asyncio.create_task(one.wait(confirmations=2)) for one in pending]
    chain.mine(*(one.hash for one in signed), blocks=2)
    receipts = await asyncio.gather(*waiting)
    assert [one.hash for one in receipts] == [one.hash for one in signed]


def test_a_listener_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    Announcer(broken).say(NonceBlocked(5, behind=4))
    assert "nonce 5 waits for nonce 4" in caplog.text
    assert "on_event failed for NonceBlocked" in caplog.text

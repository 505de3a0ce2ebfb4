"""What becomes of a holder's slots when it dies or leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk._core.store import Db, Store, open_store
from opengradient_sdk.chain.outbox.journal import TxJournal
from opengradient_sdk.chain.outbox.page import ALIVE_FOR
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.chain.outbox.slots import Account, Leased, SlotState
from opengradient_sdk.errors import ConfigurationError, NonceError

from .makers import ACCOUNT, FRIEND, included, kill, signed


@pytest.fixture(params=DURABLE)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(location(request.param, request, tmp_path), SCHEMA)
    yield store
    await store.aclose()


@pytest.fixture
def alice(store: Store) -> TxJournal:
    return TxJournal(store, holder="alice")


@pytest.fixture
def bob(store: Store) -> TxJournal:
    return TxJournal(store, holder="bob")


@pytest.fixture
async def busy(alice: TxJournal) -> None:
    """Let Alice have a slot in every state: mined, sending, kept, a sponsor's, leased."""
    await alice.lease(ACCOUNT, 5, count=0)
    await alice.sign(ACCOUNT, [signed(0), signed(1)], sending=True)
    await alice.mined(ACCOUNT, [included(signed(0))])
    await alice.sign(ACCOUNT, [signed(2)], sending=False)
    await alice.sign(ACCOUNT, [signed(3)], sending=False, sponsored=True)


async def holders(store: Store) -> dict[str, float]:
    """Return the seconds for which each holder has to live."""

    def read(db: Db) -> dict[str, float]:
        rows = db.execute("SELECT id, alive_until FROM nonce_holder")
        return {holder: until - db.now() for holder, until in rows}

    return await store.run(read)


@pytest.mark.usefixtures("busy")
async def test_nothing_is_taken_from_the_living(bob: TxJournal) -> None:
    assert await bob.take_over(ACCOUNT) == []
    assert await bob.lease(ACCOUNT) == Leased((5,), behind=(2, 3))


@pytest.mark.usefixtures("busy")
async def test_what_the_dead_were_sending_is_taken_over_with_its_bytes(
    store: Store, bob: TxJournal
) -> None:
    await kill(store, "alice")
    taken = await bob.take_over(ACCOUNT)
    assert [(slot.nonce, slot.state) for slot in taken] == [
        (0, SlotState.MINED),
        (1, SlotState.SENDING),
        (3, SlotState.SIGNED),
    ]
    assert [slot.attempts[0].signed for slot in taken] == [signed(0), signed(1), signed(3)]
    assert {slot.holder for slot in taken} == {"bob"}
    assert await bob.take_over(ACCOUNT) == []


@pytest.mark.usefixtures("busy")
async def test_what_the_dead_had_in_hand_is_leased_again_and_said(
    store: Store, alice: TxJournal, bob: TxJournal
) -> None:
    await kill(store, "alice")
    assert await bob.lease(ACCOUNT, 3) == Leased((2, 4, 5), (signed(2).hash,), behind=(3,))
    with pytest.raises(NonceError):
        await alice.sign(ACCOUNT, [signed(4)], sending=True)
    await bob.sign(ACCOUNT, [signed(2, value=1)], sending=True)
    with pytest.raises(NonceError):
        await alice.send(ACCOUNT, [signed(2)])
    await alice.give_back(ACCOUNT, [2, 4])
    slot = await bob.slot(ACCOUNT, 4)
    assert slot is not None
    assert (slot.state, slot.holder) == (SlotState.LEASED, "bob")


@pytest.mark.usefixtures("busy")
async def test_leaving_frees_leases_and_leaves_the_rest_to_others(
    store: Store, alice: TxJournal, bob: TxJournal
) -> None:
    await alice.leave()
    slot = await bob.slot(ACCOUNT, 4)
    assert slot is not None
    assert slot.state is SlotState.FREE
    assert [slot.nonce for slot in await bob.take_over(ACCOUNT)] == [0, 1, 3]
    assert await bob.lease(ACCOUNT) == Leased((2,), (signed(2).hash,))
    await bob.take_over(ACCOUNT)
    assert set(await holders(store)) == {"bob"}  # the dead are forgotten once nothing is theirs


async def test_who_leaves_with_nothing_is_forgotten_at_once(store: Store, alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    await alice.lease(Account("1-00000000", FRIEND), count=0)
    await alice.leave()
    assert await holders(store) == {}
    await alice.leave()


@pytest.mark.usefixtures("busy")
async def test_a_holder_that_wakes_up_again_is_alive(
    store: Store, alice: TxJournal, bob: TxJournal
) -> None:
    await kill(store, "alice")
    await alice.renew()
    assert await bob.take_over(ACCOUNT) == []
    assert (await holders(store))["alice"] == pytest.approx(ALIVE_FOR, abs=ALIVE_FOR / 2)


async def test_every_lease_is_a_sign_of_life(store: Store, alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    for nonce in range(1, 3):
        await kill(store, "alice")
        assert await alice.lease(ACCOUNT) == Leased((nonce,))
        assert (await holders(store))["alice"] > 0


async def test_many_slots_are_taken_over_at_once(
    store: Store, alice: TxJournal, bob: TxJournal
) -> None:
    transactions = [signed(nonce) for nonce in range(600)]
    await alice.lease(ACCOUNT, 600, count=0)
    await alice.sign(ACCOUNT, transactions, sending=True)
    await kill(store, "alice")
    taken = await bob.take_over(ACCOUNT)
    assert [slot.attempts[0].signed for slot in taken] == transactions


async def test_leaving_a_store_that_was_not_used_makes_none(tmp_path: Path) -> None:
    place = tmp_path / "book.sqlite"
    store = open_store(place, SCHEMA)
    await TxJournal(store).leave()
    await store.aclose()
    assert not place.exists()


async def test_leaving_a_store_that_cannot_be_used_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = open_store(tmp_path / "file" / "book.sqlite", SCHEMA)
    journal = TxJournal(store, holder="carol")
    with pytest.raises(ConfigurationError):
        await journal.lease(ACCOUNT, 1, count=0)
    await journal.leave()  # closing must not hide why it failed
    await store.aclose()
    assert "the nonces of carol could not be given back" in caplog.text

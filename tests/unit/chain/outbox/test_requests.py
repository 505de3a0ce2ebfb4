"""A request id never becomes two transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk._core.store import Store, open_store
from opengradient_sdk.chain.outbox.journal import TxJournal
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.chain.outbox.slots import (
    Account,
    AttemptKind,
    Blocked,
    Known,
    Leased,
    Overtaken,
    RequestKey,
    SlotState,
)
from opengradient_sdk.errors import RequestConflictError, Spent

from .makers import ACCOUNT, included, kill, signed

RENT = RequestKey("rent", "f1")
FOOD = RequestKey("food", "f2")


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


async def sent(journal: TxJournal, request: RequestKey, *, count: int | None = None) -> int:
    """Bring a request's transaction to ``SENDING``; return its nonce."""
    leased = await journal.lease_for(ACCOUNT, request, count=count)
    assert isinstance(leased, Leased)
    (nonce,) = leased.nonces
    await journal.sign(ACCOUNT, [signed(nonce)], sending=True)
    return nonce


async def known(journal: TxJournal, request: RequestKey) -> tuple[int, SlotState]:
    found = await journal.lease_for(ACCOUNT, request)
    assert isinstance(found, Known)
    return found.slot.nonce, found.slot.state


async def test_a_new_id_is_leased_a_nonce(alice: TxJournal) -> None:
    assert await alice.lease_for(ACCOUNT, RENT) is None
    assert await alice.lease_for(ACCOUNT, RENT, count=4) == Leased((4,))
    assert await alice.lease_for(ACCOUNT, FOOD) == Leased((5,))


async def test_what_is_being_built_sent_or_mined_is_joined(
    alice: TxJournal, bob: TxJournal
) -> None:
    await alice.lease_for(ACCOUNT, RENT, count=0)
    assert await known(bob, RENT) == (0, SlotState.LEASED)
    await alice.sign(ACCOUNT, [signed(0)], sending=True)
    assert await known(bob, RENT) == (0, SlotState.SENDING)
    await alice.mined(ACCOUNT, [included(signed(0))])
    assert await known(bob, RENT) == (0, SlotState.MINED)
    await alice.final(ACCOUNT, [0])
    found = await bob.lease_for(ACCOUNT, RENT)
    assert isinstance(found, Known)
    assert [attempt.signed for attempt in found.slot.attempts] == [signed(0)]


async def test_an_id_of_another_transaction_is_refused(alice: TxJournal) -> None:
    await sent(alice, RENT, count=0)
    with pytest.raises(RequestConflictError, match="'rent' was used before") as error:
        await alice.lease_for(ACCOUNT, RequestKey("rent", "f9"))
    assert error.value.spent is Spent.NO
    assert await known(alice, RENT) == (0, SlotState.SENDING)


async def test_ids_are_of_one_account(alice: TxJournal) -> None:
    await sent(alice, RENT, count=0)
    elsewhere = Account("1-00000000", ACCOUNT.address)
    assert await alice.lease_for(elsewhere, RENT, count=7) == Leased((7,))


async def test_a_lease_without_bytes_is_forgotten_with_its_holder(
    store: Store, alice: TxJournal, bob: TxJournal
) -> None:
    await alice.lease_for(ACCOUNT, RENT, count=0)
    await alice.lease_for(ACCOUNT, FOOD)
    await kill(store, "alice")
    assert await bob.lease_for(ACCOUNT, FOOD, count=0) == Leased((0,))  # no gap below it
    assert await bob.lease_for(ACCOUNT, RENT) == Leased((1,))


async def test_refused_bytes_get_a_second_chance_at_their_nonce_only(alice: TxJournal) -> None:
    await sent(alice, RENT, count=0)
    await sent(alice, FOOD)
    await alice.refused(ACCOUNT, signed(1).hash)
    assert await alice.lease_for(ACCOUNT, FOOD) == Leased((1,))
    await alice.sign(ACCOUNT, [signed(1, value=1)], sending=True)
    assert await known(alice, FOOD) == (1, SlotState.SENDING)


async def test_what_a_dead_holder_signed_and_kept_is_superseded_at_its_nonce(
    store: Store, alice: TxJournal, bob: TxJournal
) -> None:
    await alice.lease_for(ACCOUNT, RENT, count=0)
    await alice.sign(ACCOUNT, [signed(0)], sending=False)
    assert await known(bob, RENT) == (0, SlotState.SIGNED)
    await kill(store, "alice")
    assert await bob.lease_for(ACCOUNT, RENT, count=0) == Leased((0,), (signed(0).hash,))


async def test_while_another_transaction_has_the_nonce_the_id_must_wait(
    alice: TxJournal,
) -> None:
    await sent(alice, RENT, count=0)
    await alice.refused(ACCOUNT, signed(0).hash)
    await alice.lease(ACCOUNT, count=0)
    assert await alice.lease_for(ACCOUNT, RENT) == Blocked(0)
    await alice.sign(ACCOUNT, [signed(0, value=1)], sending=True)
    assert await alice.lease_for(ACCOUNT, RENT) == Blocked(0)
    await alice.mined(ACCOUNT, [included(signed(0, value=1))])
    assert await alice.lease_for(ACCOUNT, RENT, count=1) == Leased((1,))


async def test_an_id_whose_nonce_was_freed_by_another_gets_it_back(alice: TxJournal) -> None:
    await sent(alice, RENT, count=0)
    await alice.refused(ACCOUNT, signed(0).hash)
    await alice.lease(ACCOUNT, count=0)
    await alice.sign(ACCOUNT, [signed(0, value=1)], sending=True)
    await alice.refused(ACCOUNT, signed(0, value=1).hash)
    assert await alice.lease_for(ACCOUNT, RENT, count=0) == Leased((0,))


async def test_refused_bytes_that_were_mined_all_the_same_are_the_request(
    alice: TxJournal,
) -> None:
    await sent(alice, RENT, count=0)
    await alice.refused(ACCOUNT, signed(0).hash)
    await alice.lease(ACCOUNT, count=0)
    await alice.sign(ACCOUNT, [signed(0, value=1)], sending=True)
    await alice.mined(ACCOUNT, [included(signed(0))])
    assert await known(alice, RENT) == (0, SlotState.MINED)


async def test_the_one_whose_nonce_it_was_is_not_taken_for_mined(alice: TxJournal) -> None:
    await sent(alice, RENT, count=0)
    await alice.refused(ACCOUNT, signed(0).hash)
    leased = await alice.lease_for(ACCOUNT, FOOD, count=0)
    assert leased == Leased((0,))
    await alice.sign(ACCOUNT, [signed(0, value=1)], sending=True)
    await alice.mined(ACCOUNT, [included(signed(0))])  # the rent, which had been refused
    assert await known(alice, RENT) == (0, SlotState.MINED)
    assert await alice.lease_for(ACCOUNT, FOOD, count=1) == Leased((1,))


async def test_a_nonce_that_is_taken_frees_the_id(alice: TxJournal) -> None:
    await sent(alice, RENT, count=0)
    await alice.taken(ACCOUNT, [0])
    assert await alice.lease_for(ACCOUNT, RENT, count=1) == Leased((1,))


async def test_a_cancelled_id_stays_cancelled(alice: TxJournal) -> None:
    await sent(alice, RENT, count=0)
    await alice.attempt(ACCOUNT, signed(0, value=1), AttemptKind.CANCEL)
    await alice.mined(ACCOUNT, [included(signed(0, value=1))])
    await alice.final(ACCOUNT, [0])
    assert await known(alice, RENT) == (0, SlotState.FINAL)


async def test_a_nonce_that_the_chain_has_passed_must_be_looked_into(alice: TxJournal) -> None:
    await sent(alice, RENT, count=0)
    await alice.refused(ACCOUNT, signed(0).hash)
    assert await alice.lease_for(ACCOUNT, RENT) is None
    found = await alice.lease_for(ACCOUNT, RENT, count=3)
    assert isinstance(found, Overtaken)
    assert [attempt.signed for attempt in found.slot.attempts] == [signed(0)]
    await alice.lease(ACCOUNT, count=3)
    assert isinstance(await alice.lease_for(ACCOUNT, RENT), Overtaken)  # it is not forgotten


async def test_a_gap_filler_makes_the_id_wait(alice: TxJournal) -> None:
    await sent(alice, RENT, count=0)
    await sent(alice, FOOD)
    await alice.refused(ACCOUNT, signed(0).hash)
    assert await alice.gaps(ACCOUNT, 0, 64) == (0,)
    await alice.attempt(ACCOUNT, signed(0, value=5), AttemptKind.FILLER)
    assert await alice.lease_for(ACCOUNT, RENT) == Blocked(0)
    await alice.mined(ACCOUNT, [included(signed(0, value=5))])
    assert await alice.lease_for(ACCOUNT, RENT) == Leased((2,))


async def test_one_id_asked_for_at_once_is_leased_once(alice: TxJournal, bob: TxJournal) -> None:
    asked = [one.lease_for(ACCOUNT, RENT, count=0) for one in (alice, bob) * 20]
    found = await asyncio.gather(*asked)
    assert [one for one in found if isinstance(one, Leased)] == [Leased((0,))]
    assert sum(isinstance(one, Known) for one in found) == 39


async def test_what_is_known_of_a_request_is_read_without_a_lease(
    alice: TxJournal, bob: TxJournal
) -> None:
    assert await bob.known(ACCOUNT, RENT) is None
    await alice.lease_for(ACCOUNT, RENT, count=0)
    assert await bob.known(ACCOUNT, RENT) is None  # nothing is signed
    await alice.sign(ACCOUNT, [signed(0)], sending=True)
    for _ in range(2):
        found = await bob.known(ACCOUNT, RENT)
        assert found is not None
        assert [one.signed for one in found.slot.attempts] == [signed(0)]
        await alice.mined(ACCOUNT, [included(signed(0))])
    with pytest.raises(RequestConflictError):
        await bob.known(ACCOUNT, RequestKey("rent", "f9"))


async def test_refused_bytes_are_not_known_of_a_request(alice: TxJournal) -> None:
    await sent(alice, RENT, count=0)
    await alice.refused(ACCOUNT, signed(0).hash)
    assert await alice.known(ACCOUNT, RENT) is None
    assert len(await alice.slots(ACCOUNT)) == 1

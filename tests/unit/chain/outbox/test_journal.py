"""The book of nonces: what each state allows, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
from support.stores import ALL, location

from opengradient_sdk._core.store import Store, open_store
from opengradient_sdk.chain.outbox.journal import TxJournal
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.chain.outbox.slots import Account, AttemptKind, Leased, SlotState
from opengradient_sdk.errors import NonceError, Spent
from opengradient_sdk.types import SignedTx

from .makers import ACCOUNT, FRIEND, expire, included, kill, signed

FREE, LEASED, SIGNED, SENDING = (
    SlotState.FREE,
    SlotState.LEASED,
    SlotState.SIGNED,
    SlotState.SENDING,
)
MINED, FINAL, TAKEN = SlotState.MINED, SlotState.FINAL, SlotState.TAKEN


@pytest.fixture(params=ALL)
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


async def nonces(leased: Awaitable[Leased | None]) -> tuple[int, ...]:
    got = await leased
    assert got is not None
    return got.nonces


async def state(journal: TxJournal, nonce: int) -> SlotState | None:
    slot = await journal.slot(ACCOUNT, nonce)
    return slot.state if slot else None


async def sending(journal: TxJournal, *transactions: SignedTx) -> None:
    """Bring transactions from lease to ``SENDING``."""
    count = transactions[0].tx.nonce
    got = await nonces(journal.lease(ACCOUNT, len(transactions), count=count))
    assert got == tuple(one.tx.nonce for one in transactions)
    await journal.sign(ACCOUNT, transactions, sending=True)


# Leases


async def test_the_chains_count_is_asked_for_while_nothing_is_open(alice: TxJournal) -> None:
    assert await alice.lease(ACCOUNT) is None
    assert await alice.slots(ACCOUNT) == []
    assert await nonces(alice.lease(ACCOUNT, count=5)) == (5,)
    assert await nonces(alice.lease(ACCOUNT)) == (6,)


async def test_a_count_is_not_used_while_a_nonce_is_open(alice: TxJournal, bob: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=5)
    assert await nonces(bob.lease(ACCOUNT, count=90)) == (6,)


async def test_many_nonces_come_at_once_and_ascending(alice: TxJournal) -> None:
    assert await nonces(alice.lease(ACCOUNT, 700, count=3)) == tuple(range(3, 703))


async def test_accounts_and_chains_have_pages_of_their_own(alice: TxJournal) -> None:
    elsewhere = Account("31337-00000000", ACCOUNT.address)
    for account in (ACCOUNT, elsewhere, Account(ACCOUNT.chain, FRIEND)):
        assert await nonces(alice.lease(account, count=0)) == (0,)


async def test_the_lowest_free_nonce_is_leased_first(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, 5, count=0)
    await alice.give_back(ACCOUNT, [3, 1])
    assert await nonces(alice.lease(ACCOUNT, 3)) == (1, 3, 5)


async def test_a_nonce_seen_in_a_block_is_never_leased_again(alice: TxJournal) -> None:
    await sending(alice, signed(0), signed(1))
    await alice.mined(ACCOUNT, [included(signed(0)), included(signed(1))])
    await alice.final(ACCOUNT, [0])
    assert await nonces(alice.lease(ACCOUNT, count=1)) == (2,)  # an endpoint that lags


async def test_free_nonces_that_the_chain_has_passed_are_forgotten(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, 4, count=0)
    await alice.give_back(ACCOUNT, range(4))
    assert await nonces(alice.lease(ACCOUNT, 2, count=2)) == (2, 3)
    assert [slot.nonce for slot in await alice.slots(ACCOUNT)] == [2, 3]


async def test_a_count_that_was_too_high_is_corrected(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, 2, count=100)
    await alice.give_back(ACCOUNT, [100, 101])
    assert await nonces(alice.lease(ACCOUNT, 3, count=99)) == (99, 100, 101)
    assert await nonces(alice.lease(ACCOUNT)) == (102,)


async def test_nonces_below_one_that_was_adopted_are_leased_first(alice: TxJournal) -> None:
    await alice.send(ACCOUNT, [signed(3), signed(4)])
    assert await alice.lease(ACCOUNT) is None  # the chain's count was never heard
    assert await nonces(alice.lease(ACCOUNT, 4, count=1)) == (1, 2, 5, 6)


async def test_what_was_given_back_is_not_ours_to_sign(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    await alice.give_back(ACCOUNT, [0])
    with pytest.raises(NonceError, match="lease of the nonce 0 has expired") as error:
        await alice.sign(ACCOUNT, [signed(0)], sending=True)
    assert error.value.spent is Spent.NO
    assert (await alice.slot(ACCOUNT, 0)).attempts == ()  # type: ignore[union-attr]


async def test_only_ones_own_is_given_back(alice: TxJournal, bob: TxJournal) -> None:
    await alice.lease(ACCOUNT, 2, count=0)
    await alice.sign(ACCOUNT, [signed(1)], sending=True)
    await bob.give_back(ACCOUNT, [0, 1, 77])
    await alice.give_back(ACCOUNT, [1])
    assert [slot.state for slot in await bob.slots(ACCOUNT)] == [LEASED, SENDING]


async def test_a_lease_expires_by_itself(store: Store, alice: TxJournal, bob: TxJournal) -> None:
    await alice.lease(ACCOUNT, 2, count=0)
    await expire(store, ACCOUNT, 0)
    assert await nonces(bob.lease(ACCOUNT)) == (0,)
    with pytest.raises(NonceError, match="expired"):
        await alice.sign(ACCOUNT, [signed(0)], sending=True)


async def test_an_expired_lease_that_nobody_wanted_can_still_be_signed(
    store: Store, alice: TxJournal
) -> None:
    await alice.lease(ACCOUNT, count=0)
    await expire(store, ACCOUNT, 0)
    await alice.sign(ACCOUNT, [signed(0)], sending=True)
    assert await nonces(alice.lease(ACCOUNT)) == (1,)


async def test_a_lease_says_which_lower_nonces_are_signed_and_not_sent(
    alice: TxJournal, bob: TxJournal
) -> None:
    await alice.lease(ACCOUNT, 4, count=0)
    await alice.sign(ACCOUNT, [signed(0), signed(2)], sending=False)
    await alice.sign(ACCOUNT, [signed(1)], sending=True)
    leased = await bob.lease(ACCOUNT)
    assert leased == Leased((4,), behind=(0, 2))


# From signed to sent


async def test_signing_is_all_or_nothing(alice: TxJournal, bob: TxJournal) -> None:
    await alice.lease(ACCOUNT, 2, count=0)
    await bob.lease(ACCOUNT)
    with pytest.raises(NonceError, match="nonce 2"):
        await alice.sign(ACCOUNT, [signed(0), signed(2)], sending=True)
    assert [slot.state for slot in await alice.slots(ACCOUNT)] == [LEASED] * 3


async def test_signed_bytes_come_back_as_they_were(alice: TxJournal) -> None:
    await sending(alice, signed(4, value=9))
    (slot,) = await alice.slots(ACCOUNT, SENDING)
    (attempt,) = slot.attempts
    assert attempt.signed == signed(4, value=9)
    assert (attempt.kind, attempt.refused, attempt.discarded) == ("ORIGINAL", False, False)
    assert (slot.holder, slot.sponsored, slot.inclusion) == ("alice", False, None)


async def test_signing_the_same_again_is_harmless(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    for _ in range(2):
        await alice.sign(ACCOUNT, [signed(0)], sending=False)
    with pytest.raises(NonceError):
        await alice.sign(ACCOUNT, [signed(0, value=1)], sending=False)
    assert len((await alice.slots(ACCOUNT))[0].attempts) == 1


async def test_one_nonce_is_not_signed_for_twice_at_once(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    with pytest.raises(NonceError, match="same nonce"):
        await alice.sign(ACCOUNT, [signed(0), signed(0, value=1)], sending=True)
    with pytest.raises(NonceError, match="same nonce"):
        await alice.send(ACCOUNT, [signed(0), signed(0, value=1)])


async def test_what_was_signed_can_be_sent(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    await alice.sign(ACCOUNT, [signed(0)], sending=False)
    assert await state(alice, 0) is SIGNED
    for _ in range(2):
        assert await alice.send(ACCOUNT, [signed(0)]) == ()
    (slot,) = await alice.slots(ACCOUNT)
    assert (slot.state, len(slot.attempts)) == (SENDING, 1)


async def test_a_stranger_signature_is_adopted(alice: TxJournal, bob: TxJournal) -> None:
    await alice.lease(ACCOUNT, 2, count=0)
    await alice.give_back(ACCOUNT, [1])
    await bob.send(ACCOUNT, [signed(0), signed(1), signed(2)])
    assert [slot.state for slot in await bob.slots(ACCOUNT)] == [SENDING] * 3
    assert {slot.holder for slot in await bob.slots(ACCOUNT)} == {"bob"}
    with pytest.raises(NonceError):
        await alice.sign(ACCOUNT, [signed(0, value=1)], sending=True)


async def test_what_is_being_sent_keeps_its_nonce(alice: TxJournal, bob: TxJournal) -> None:
    await sending(alice, signed(0))
    for journal in (alice, bob):
        with pytest.raises(NonceError, match="another transaction has the nonce 0"):
            await journal.send(ACCOUNT, [signed(1), signed(0, value=1)])
    assert await state(alice, 1) is None


async def test_what_is_signed_and_kept_must_be_discarded_first(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    await alice.sign(ACCOUNT, [signed(0)], sending=False)
    with pytest.raises(NonceError, match="discard it"):
        await alice.send(ACCOUNT, [signed(0, value=1)])
    await alice.give_back(ACCOUNT, [0])
    await alice.send(ACCOUNT, [signed(0, value=1)])
    (slot,) = await alice.slots(ACCOUNT)
    assert [attempt.discarded for attempt in slot.attempts] == [True, False]


async def test_a_nonce_in_a_block_is_used(alice: TxJournal) -> None:
    await sending(alice, signed(0), signed(1))
    await alice.mined(ACCOUNT, [included(signed(0)), included(signed(1))])
    await alice.final(ACCOUNT, [0])
    await alice.taken(ACCOUNT, [2])
    assert await alice.send(ACCOUNT, [signed(0), signed(1)]) == ()
    for nonce in range(3):
        with pytest.raises(NonceError, match="already used"):
            await alice.send(ACCOUNT, [signed(nonce, value=1)])
        with pytest.raises(NonceError, match="already used"):
            await alice.claim(ACCOUNT, nonce)
    assert [slot.state for slot in await alice.slots(ACCOUNT)] == [FINAL, MINED, TAKEN]


@pytest.mark.parametrize("nonce", [-1, 2**63])
async def test_a_nonce_no_account_reaches_is_refused(alice: TxJournal, nonce: int) -> None:
    with pytest.raises(NonceError, match="no account reaches"):
        await alice.claim(ACCOUNT, nonce)


# A nonce that the caller names


async def test_a_named_nonce_supersedes_what_was_signed_and_says_so(
    alice: TxJournal, bob: TxJournal
) -> None:
    await alice.lease(ACCOUNT, count=0)
    await alice.sign(ACCOUNT, [signed(0)], sending=False, sponsored=True)
    assert await bob.claim(ACCOUNT, 0) == (signed(0).hash,)
    await bob.sign(ACCOUNT, [signed(0, value=1)], sending=True)
    with pytest.raises(NonceError):
        await alice.send(ACCOUNT, [signed(0)])


async def test_a_named_nonce_may_be_ones_own_lease_or_unknown(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    assert await alice.claim(ACCOUNT, 0) == ()
    assert await alice.claim(ACCOUNT, 9) == ()
    await alice.sign(ACCOUNT, [signed(0), signed(9)], sending=True)


async def test_a_named_nonce_is_not_taken_from_others(alice: TxJournal, bob: TxJournal) -> None:
    await alice.lease(ACCOUNT, 2, count=0)
    await alice.sign(ACCOUNT, [signed(0)], sending=True)
    with pytest.raises(NonceError, match="being sent"):
        await alice.claim(ACCOUNT, 0)
    with pytest.raises(NonceError, match="another process"):
        await bob.claim(ACCOUNT, 1)


# Replacements


async def test_another_attempt_is_written_down_beside_the_first(alice: TxJournal) -> None:
    await sending(alice, signed(0))
    await alice.attempt(ACCOUNT, signed(0, value=1), AttemptKind.REPRICED)
    await alice.attempt(ACCOUNT, signed(0, value=2), AttemptKind.CANCEL)
    (slot,) = await alice.slots(ACCOUNT)
    assert [one.signed for one in slot.attempts] == [signed(0, value) for value in range(3)]
    assert [one.kind for one in slot.attempts] == ["ORIGINAL", "REPRICED", "CANCEL"]


async def test_an_attempt_for_what_is_kept_or_leased_sends_it(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, 2, count=0)
    await alice.sign(ACCOUNT, [signed(0)], sending=False, sponsored=True)
    await alice.attempt(ACCOUNT, signed(0, value=1), AttemptKind.CANCEL)
    await alice.attempt(ACCOUNT, signed(1), AttemptKind.FILLER)
    assert [slot.state for slot in await alice.slots(ACCOUNT)] == [SENDING, SENDING]


async def test_nothing_is_replaced_that_is_not_waiting(alice: TxJournal, bob: TxJournal) -> None:
    await sending(alice, signed(0))
    await alice.lease(ACCOUNT, 2)
    await alice.give_back(ACCOUNT, [2])
    await alice.mined(ACCOUNT, [included(signed(0))])
    for nonce in (0, 1, 2, 3):  # mined, on lease to another, free, unknown
        with pytest.raises(NonceError, match="is waiting to be mined"):
            await bob.attempt(ACCOUNT, signed(nonce, value=1), AttemptKind.REPRICED)


async def test_a_nonce_is_free_when_all_its_attempts_were_refused(alice: TxJournal) -> None:
    await sending(alice, signed(0), signed(1))
    await alice.attempt(ACCOUNT, signed(0, value=1), AttemptKind.REPRICED)
    await alice.refused(ACCOUNT, signed(0, value=1).hash)
    assert await state(alice, 0) is SENDING
    await alice.refused(ACCOUNT, signed(0).hash)
    assert await state(alice, 0) is FREE
    again = await alice.lease(ACCOUNT)
    assert again == Leased((0,), ())  # refused bytes are nobody's news
    slot = await alice.slot(ACCOUNT, 0)
    assert slot is not None
    assert [attempt.refused for attempt in slot.attempts] == [True, True]


async def test_refused_bytes_that_are_wanted_again_are_sent(alice: TxJournal) -> None:
    await sending(alice, signed(0))
    await alice.refused(ACCOUNT, signed(0).hash)
    await alice.send(ACCOUNT, [signed(0)])
    (slot,) = await alice.slots(ACCOUNT, SENDING)
    assert [(one.signed, one.refused) for one in slot.attempts] == [(signed(0), False)]


async def test_a_refusal_of_what_nobody_knows_changes_nothing(alice: TxJournal) -> None:
    await sending(alice, signed(0))
    await alice.refused(ACCOUNT, signed(5).hash)
    await alice.mined(ACCOUNT, [included(signed(0))])
    await alice.refused(ACCOUNT, signed(0).hash)
    await alice.reorged(ACCOUNT, [])
    assert await state(alice, 0) is MINED


# What the chain says


async def test_a_refused_transaction_may_have_been_mined(alice: TxJournal) -> None:
    await sending(alice, signed(0))
    await alice.refused(ACCOUNT, signed(0).hash)
    await alice.mined(ACCOUNT, [included(signed(0), block=7)])
    (slot,) = await alice.slots(ACCOUNT, MINED)
    assert slot.inclusion == included(signed(0), block=7)
    assert slot.holder == "alice"


async def test_a_block_that_is_given_up_makes_it_pending_again(alice: TxJournal) -> None:
    await sending(alice, signed(0), signed(1))
    await alice.mined(ACCOUNT, [included(signed(0)), included(signed(1))])
    await alice.final(ACCOUNT, [0])
    await alice.reorged(ACCOUNT, [0, 1])
    assert await state(alice, 0) is FINAL
    (slot,) = await alice.slots(ACCOUNT, SENDING)
    assert (slot.nonce, slot.inclusion) == (1, None)
    await alice.refused(ACCOUNT, signed(1).hash)
    assert await nonces(alice.lease(ACCOUNT, count=1)) == (1,)


async def test_what_a_sponsor_had_is_his_again_after_a_reorg(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    await alice.sign(ACCOUNT, [signed(0)], sending=False, sponsored=True)
    await alice.mined(ACCOUNT, [included(signed(0))])
    await alice.reorged(ACCOUNT, [0])
    (slot,) = await alice.slots(ACCOUNT)
    assert (slot.state, slot.sponsored) == (SIGNED, True)


async def test_discarded_bytes_are_not_sent_again_after_a_reorg(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    await alice.sign(ACCOUNT, [signed(0)], sending=False)
    await alice.give_back(ACCOUNT, [0])
    await alice.mined(ACCOUNT, [included(signed(0))])  # somebody else sent them
    await alice.reorged(ACCOUNT, [0])
    assert await state(alice, 0) is FREE


async def test_final_is_final(alice: TxJournal) -> None:
    await sending(alice, signed(0))
    await alice.mined(ACCOUNT, [included(signed(0))])
    await alice.final(ACCOUNT, [0])
    await alice.mined(ACCOUNT, [included(signed(0, value=1), block=200)])
    await alice.taken(ACCOUNT, [0])
    (slot,) = await alice.slots(ACCOUNT)
    assert (slot.state, slot.inclusion) == (FINAL, included(signed(0)))
    assert slot.attempts == ()  # nobody can ask for the bytes


async def test_only_what_is_mined_becomes_final(alice: TxJournal) -> None:
    await sending(alice, signed(0))
    await alice.final(ACCOUNT, [0])
    (slot,) = await alice.slots(ACCOUNT)
    assert (slot.state, len(slot.attempts)) == (SENDING, 1)


async def test_a_nonce_that_is_not_ours_is_passed(alice: TxJournal) -> None:
    await sending(alice, signed(0))
    await alice.taken(ACCOUNT, [0, 1])
    assert await nonces(alice.lease(ACCOUNT, count=1)) == (2,)


async def test_what_is_mined_without_a_slot_is_remembered(alice: TxJournal) -> None:
    await alice.mined(ACCOUNT, [included(signed(6))])
    assert await nonces(alice.lease(ACCOUNT, count=2)) == (7,)


async def test_a_chain_that_went_back_is_believed(alice: TxJournal) -> None:
    await sending(alice, *(signed(nonce) for nonce in range(4)))
    await alice.mined(ACCOUNT, [included(signed(nonce)) for nonce in range(4)])
    await alice.final(ACCOUNT, [0, 1, 2])
    await alice.rewound(ACCOUNT, 1)
    assert [slot.state for slot in await alice.slots(ACCOUNT)] == [FINAL, FREE, FREE, FREE]
    assert await alice.lease(ACCOUNT, 4, count=1) == Leased((1, 2, 3, 4), (signed(3).hash,))


# Gaps


async def test_gaps_below_what_is_being_sent_are_leased(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, 3, count=2)
    await alice.give_back(ACCOUNT, [3])
    await alice.send(ACCOUNT, [signed(8)])
    assert await alice.gaps(ACCOUNT, 2, 64) == (3, 5, 6, 7)  # 2 and 4 are being built
    assert await alice.gaps(ACCOUNT, 2, 64) == ()
    await alice.attempt(ACCOUNT, signed(3), AttemptKind.FILLER)
    assert await state(alice, 3) is SENDING


async def test_gaps_are_filled_a_few_at_a_time(alice: TxJournal) -> None:
    await alice.send(ACCOUNT, [signed(2**40)])
    assert await alice.gaps(ACCOUNT, 5, 3) == (5, 6, 7)
    assert await alice.gaps(ACCOUNT, 5, 2) == (8, 9)


async def test_there_is_no_gap_below_what_is_mined(alice: TxJournal) -> None:
    await alice.send(ACCOUNT, [signed(6), signed(9)])
    await alice.mined(ACCOUNT, [included(signed(6))])
    assert await alice.gaps(ACCOUNT, 3, 64) == (7, 8)  # an endpoint that lags


async def test_without_anything_to_send_there_is_no_gap(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, 3, count=0)
    await alice.give_back(ACCOUNT, [0, 1])
    assert await alice.gaps(ACCOUNT, 0, 64) == ()


async def test_what_the_dead_left_is_a_gap(store: Store, alice: TxJournal, bob: TxJournal) -> None:
    await alice.lease(ACCOUNT, 3, count=0)
    await alice.sign(ACCOUNT, [signed(0)], sending=False)
    await alice.sign(ACCOUNT, [signed(1)], sending=False, sponsored=True)
    await bob.send(ACCOUNT, [signed(3)])
    assert await bob.gaps(ACCOUNT, 0, 64) == ()
    await kill(store, "alice")
    assert await bob.gaps(ACCOUNT, 0, 64) == (0, 2)


# Reading


async def test_slots_are_found_by_state_and_in_order(alice: TxJournal) -> None:
    await alice.lease(ACCOUNT, 3, count=0)
    await alice.sign(ACCOUNT, [signed(1)], sending=True)
    await alice.give_back(ACCOUNT, [2])
    assert [slot.nonce for slot in await alice.slots(ACCOUNT)] == [0, 1, 2]
    assert [slot.nonce for slot in await alice.slots(ACCOUNT, FREE, LEASED)] == [0, 2]
    assert await alice.slot(ACCOUNT, 3) is None


async def test_the_next_known_nonce_is_above_what_is_open_or_used(alice: TxJournal) -> None:
    assert await alice.next_known(ACCOUNT) == 0
    await alice.lease(ACCOUNT, 3, count=4)
    assert await alice.next_known(ACCOUNT) == 7
    await alice.give_back(ACCOUNT, [5, 6])
    assert await alice.next_known(ACCOUNT) == 5
    await alice.taken(ACCOUNT, [5])
    assert await alice.next_known(ACCOUNT) == 6


async def test_the_highest_mined_slot_is_found(alice: TxJournal) -> None:
    assert await alice.highest_mined(ACCOUNT) is None
    await sending(alice, signed(0), signed(1), signed(2))
    await alice.mined(ACCOUNT, [included(signed(0)), included(signed(1))])
    await alice.taken(ACCOUNT, [3])
    top = await alice.highest_mined(ACCOUNT)
    assert top is not None
    assert (top.nonce, top.inclusion) == (1, included(signed(1)))


async def test_many_tasks_never_share_a_nonce(alice: TxJournal, bob: TxJournal) -> None:
    await alice.lease(ACCOUNT, count=0)
    one_each = [nonces(one.lease(ACCOUNT)) for one in (alice, bob) * 100]
    several = [nonces(one.lease(ACCOUNT, 5)) for one in (alice, bob) * 10]
    got = [nonce for part in await asyncio.gather(*one_each, *several) for nonce in part]
    assert sorted(got) == list(range(1, 301))


async def test_a_journal_shows_its_holder(alice: TxJournal, store: Store) -> None:
    assert repr(alice) == "TxJournal(holder='alice')"
    assert TxJournal(store).holder != TxJournal(store).holder

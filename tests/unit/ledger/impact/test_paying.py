"""Which authorizations paid for touched calls, and what the ledger knows of them."""

from __future__ import annotations

import pytest

from opengradient_sdk._core.store import Db, Store
from opengradient_sdk.errors import LedgerError
from opengradient_sdk.ledger.impact import Calls, impact, paying
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.types import Amount

from ...payments.makers import CAP, NOW, OWNER, PAYEE
from .makers import AS_OF, OF_B, A, B, Writing, answered, impact_of, with_calls

OPEN = PaymentStatus(PaymentState.OPEN, "not settled yet")
SETTLED = PaymentStatus(PaymentState.SETTLED, "settled in block 9", amount=Amount(70_000))


async def test_the_cap_is_known_before_the_chain_was_asked(store: Store) -> None:
    found = await impact_of(store, with_calls(answered(1, build=B, nonce=5), 3))
    (payment,) = found.payments
    assert (payment.owner, payment.nonce) == (OWNER, 5)
    assert payment.network == "eip155:31337"
    assert payment.recipient == PAYEE
    assert payment.cap == Amount(CAP)
    assert payment.charged is None
    assert not payment.settled
    assert payment.outputs == Calls(1, Amount(1500))
    # one has a receipt, and of two others the client has counted that they were made
    assert (payment.session, payment.receipts, payment.others) == (3, 1, 2)
    assert payment.told_at == NOW + 1


async def test_the_newest_word_of_the_chain_counts(store: Store) -> None:
    writing = Writing(store)
    receipt = answered(1, build=B)
    writing.add(receipt)
    writing.paid(receipt, SETTLED, at=NOW + 60, calls=9)
    writing.paid(receipt, OPEN, at=NOW + 50, calls=8)
    await writing.write()
    found = await impact(store, OF_B, as_of=AS_OF)
    (payment,) = found.payments
    assert payment.status == SETTLED
    assert payment.settled
    assert payment.charged == found.charged == Amount(70_000)
    assert payment.session == 9


async def test_a_reorg_takes_a_charge_back(store: Store) -> None:
    writing = Writing(store)
    receipt = answered(1, build=B)
    writing.add(receipt)
    writing.paid(receipt, SETTLED, at=NOW + 50)
    writing.paid(receipt, OPEN, at=NOW + 60)
    await writing.write()
    (payment,) = (await impact(store, OF_B, as_of=AS_OF)).payments
    assert payment.charged is None
    assert not payment.settled


@pytest.mark.parametrize("state", [PaymentState.NOT_CHARGED, PaymentState.CANCELLED])
async def test_what_can_not_be_charged_costs_nothing(store: Store, state: PaymentState) -> None:
    writing = Writing(store)
    receipt = answered(1, build=B)
    writing.add(receipt)
    writing.paid(receipt, PaymentStatus(state, "its nonce is used up"), at=NOW + 50)
    await writing.write()
    (payment,) = (await impact(store, OF_B, as_of=AS_OF)).payments
    assert payment.charged == Amount(0)
    assert payment.settled


async def test_one_session_can_pay_for_both_and_for_others(store: Store) -> None:
    found = await impact_of(
        store,
        answered(1, build=B, nonce=1),
        answered(2, 1, nonce=1, cost=None),
        answered(3, nonce=1),
        answered(4, 1, nonce=2),
        with_calls(answered(5, build=B, nonce=1), 4),
    )
    shared, other = found.payments
    assert shared.outputs == Calls(2, Amount(3000))
    assert shared.downstream == Calls(1, Amount(0), unpriced=1)
    assert (shared.receipts, shared.session, shared.others) == (4, 4, 1)
    assert other.outputs == Calls()
    assert other.downstream == Calls(1, Amount(1500))
    assert found.output_payments == (shared,)
    assert found.downstream_payments == (shared, other)


async def test_other_calls_are_counted_as_they_are_now(store: Store) -> None:
    writing = Writing(store)
    receipt = answered(1, build=B)
    writing.add(receipt)
    writing.paid(receipt, SETTLED, at=NOW + 60, calls=1)
    # calls that were recorded after the chain's word, one of them by another client
    writing.add(answered(2), answered(3), answered(4, nonce=2))
    await writing.write()
    (payment,) = (await impact(store, OF_B, as_of=AS_OF)).payments
    assert (payment.session, payment.receipts, payment.others) == (1, 3, 2)
    assert payment.told_at == NOW + 60


async def test_sessions_far_apart_are_counted_apart(store: Store) -> None:
    found = await impact_of(
        store,
        *(answered(n, build=B, nonce=1) for n in (1, 2)),
        *(answered(n, build=B, nonce=2) for n in (900, 1700)),
        *(answered(n, nonce=3) for n in (5, 1000)),
        answered(50_000, build=B, nonce=4),
        answered(50_100, nonce=4),
    )
    counted = {payment.nonce: (payment.receipts, payment.others) for payment in found.payments}
    assert counted == {1: (2, 0), 2: (2, 0), 4: (2, 1)}


async def test_of_too_many_the_count_is_as_of_the_chains_word(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paying, "_MOST_COUNTED", 1)
    found = await impact_of(
        store, with_calls(answered(1, build=B, nonce=1), 3), answered(2, build=B, nonce=2)
    )
    assert [(each.receipts, each.others) for each in found.payments] == [(None, 2), (None, 0)]
    assert all(each.told_at is not None for each in found.payments)


async def test_what_is_not_touched_paid_for_nothing_here(store: Store) -> None:
    found = await impact_of(store, answered(1, build=B, nonce=1), answered(2, build=A, nonce=2))
    assert [payment.nonce for payment in found.payments] == [1]


async def test_payments_come_in_the_order_of_their_first_call(store: Store) -> None:
    found = await impact_of(
        store, answered(2, build=B, nonce=1), answered(1, build=B, nonce=9), answered(3, 2, nonce=4)
    )
    assert [payment.nonce for payment in found.payments] == [9, 1, 4]


async def test_an_authorization_without_entries_is_named_all_the_same(store: Store) -> None:
    writing = Writing(store)
    writing.add(answered(1, build=B))
    writing.entries.clear()
    await writing.write()
    (payment,) = (await impact(store, OF_B, as_of=AS_OF)).payments
    assert payment.nonce == 1
    assert payment.cap is payment.charged is payment.status is payment.recipient is None
    assert payment.session is payment.told_at is None
    assert (payment.receipts, payment.others) == (1, 0)
    assert not payment.settled


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", '{"data": {}}', '{"data": {"authorization": {"max_amount": "x"}}}', "null"],
)
async def test_an_entry_that_cannot_be_read_says_so(store: Store, body: str) -> None:
    def spoil(db: Db) -> None:
        db.execute("UPDATE ledger_entry SET body = ?", (body,))

    await impact_of(store, answered(1, build=B))
    await store.run(spoil)
    with pytest.raises(LedgerError, match="'rcpt_1' cannot be read") as error:
        await impact(store, OF_B, as_of=AS_OF)
    assert "ogsdk ledger verify" in error.value.hint

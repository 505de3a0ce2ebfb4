"""What the chain says afterwards, and what a receipt makes of it."""

from __future__ import annotations

import asyncio

import pytest

from opengradient_sdk import Amount, CheckStatus, DataState, Devnet, PaymentState, Receipt
from opengradient_sdk.client.events import NodeLeft, PaymentResolved
from opengradient_sdk.errors import (
    LedgerError,
    NoNodeAvailableError,
    PaymentOutcomeUnknownError,
    SettlementPendingError,
)

from .kit import CAP, Customer, CustomerFactory

SETTLED = (PaymentState.SETTLED, PaymentState.FINAL)


@pytest.fixture
async def buyer(customer: CustomerFactory) -> Customer:
    return await customer()


async def refreshed(buyer: Customer, receipt: Receipt) -> Receipt:
    return await buyer.client.receipts.refresh(receipt)


def charge_of(receipt: Receipt) -> CheckStatus:
    check = receipt.evidence.get("charge")
    assert check is not None
    return check.status


async def test_waiting_for_a_settlement(buyer: Customer, net: Devnet) -> None:
    reply = await buyer.ask()
    waiting = asyncio.create_task(buyer.client.receipts.wait(reply.receipt, timeout=30))
    await net.advance(130)
    receipt = await waiting
    assert receipt.payment.state in SETTLED
    assert receipt.payment.amount == receipt.cost
    assert receipt.payment.transaction is not None
    assert charge_of(receipt) is CheckStatus.PASSED
    assert await buyer.client.receipts.get(receipt.id) == receipt


async def test_waiting_ends_the_session(buyer: Customer, net: Devnet) -> None:
    first = await buyer.ask()
    await net.advance(130)
    await buyer.client.receipts.wait(first.receipt.id)
    second = await buyer.ask()
    assert second.receipt.authorization.nonce != first.receipt.authorization.nonce


async def test_a_settlement_becomes_final(buyer: Customer, net: Devnet) -> None:
    reply = await buyer.ask()
    await net.advance(130)
    settled = await refreshed(buyer, reply.receipt)
    assert settled.payment.state is PaymentState.SETTLED
    assert any("a reorg could still take back" in item for item in settled.unresolved)
    await net.mine(9)
    final = await buyer.client.receipts.wait(settled, payment=PaymentState.FINAL)
    assert final.payment.state is PaymentState.FINAL
    assert final.payment.chain_id == net.profile.payments.chain_id
    assert not any("payment" in item for item in final.unresolved)
    assert "finalized block" in final.explain()
    (entry,) = await buyer.journal()
    assert (entry.state, entry.charged) == (PaymentState.FINAL, final.payment.amount)


async def test_all_calls_of_a_session_are_one_charge(buyer: Customer, net: Devnet) -> None:
    replies = [await buyer.ask(messages="hi" * n) for n in (1, 20, 300)]
    await net.advance(130)
    receipts = [await refreshed(buyer, reply.receipt) for reply in replies]
    total = sum(receipt.cost.atoms for receipt in receipts if receipt.cost)
    assert {receipt.payment.amount for receipt in receipts} == {Amount(total)}
    assert {charge_of(receipt) for receipt in receipts} == {CheckStatus.PASSED}
    assert {receipt.authorization.calls for receipt in receipts} == {3}
    assert buyer.book is not None
    assert buyer.book.settled == total
    assert len(buyer.events_of(PaymentResolved)) == 1


async def test_an_overcharge_is_a_failed_check_with_its_evidence(
    buyer: Customer, net: Devnet
) -> None:
    net.nodes[0].faults.overcharge = 10**15
    reply = await buyer.ask()
    await net.advance(130)
    receipt = await refreshed(buyer, reply.receipt)
    check = receipt.evidence.get("charge")
    assert check is not None
    assert check.status is CheckStatus.FAILED
    assert str(receipt.payment.transaction) in check.source
    assert receipt.payment.amount is not None
    assert receipt.cost is not None
    assert receipt.payment.amount.atoms == receipt.cost.atoms + 10**15
    assert any("charge" in item for item in receipt.unresolved)
    assert "failed: charge" in receipt.explain()
    assert buyer.events_of(NodeLeft)
    with pytest.raises(NoNodeAvailableError):
        await buyer.ask()


async def test_a_charge_that_cannot_be_compared_is_not_called_wrong(
    buyer: Customer, net: Devnet
) -> None:
    reply = await buyer.ask(web_search=True)
    await net.advance(130)
    receipt = await refreshed(buyer, reply.receipt)
    assert charge_of(receipt) is CheckStatus.NOT_CHECKED


async def test_a_call_that_was_served_unseen_makes_nobody_a_cheat(
    customer: CustomerFactory, net: Devnet
) -> None:
    buyer = await customer(on_ambiguous="raise")
    reply = await buyer.ask()
    net.nodes[0].faults.drop_after_work = True
    with pytest.raises(PaymentOutcomeUnknownError):
        await buyer.ask()
    await net.advance(130)
    receipt = await refreshed(buyer, reply.receipt)
    assert receipt.payment.amount is not None
    assert receipt.cost is not None
    assert receipt.payment.amount.atoms == 2 * receipt.cost.atoms
    assert charge_of(receipt) is CheckStatus.NOT_CHECKED
    assert not buyer.events_of(NodeLeft)


async def test_a_stream_nobody_has_read_to_its_end_is_no_overcharge(
    buyer: Customer, net: Devnet
) -> None:
    reply = await buyer.ask()
    async with buyer.client.chat.stream(**buyer.question()) as stream:
        async for _ in stream.text_stream:
            pass
        await net.advance(130)  # the node has billed it, and settles
        assert charge_of(await refreshed(buyer, reply.receipt)) is CheckStatus.PENDING
        await stream.get_final_reply()
    assert charge_of(await refreshed(buyer, reply.receipt)) is CheckStatus.PASSED


async def test_a_cap_that_nobody_collects_comes_back(buyer: Customer, net: Devnet) -> None:
    net.facilitator.faults.settle_fails = True
    reply = await buyer.ask()
    await net.advance(130)
    open_still = await refreshed(buyer, reply.receipt)
    assert open_still.payment.state is PaymentState.OPEN
    assert await buyer.exposed() == CAP
    await net.advance(200)
    expired = await refreshed(buyer, reply.receipt)
    assert expired.payment.state is PaymentState.OPEN
    assert "not yet in a finalized block" in expired.payment.reason
    await net.mine(9)
    receipt = await buyer.client.receipts.wait(reply.receipt)
    assert receipt.payment.state is PaymentState.NOT_CHARGED
    assert receipt.payment.amount == Amount(0)
    assert charge_of(receipt) is CheckStatus.PASSED
    assert await buyer.exposed() == 0


async def test_waiting_gives_up_in_time_and_says_that_it_may_still_happen(
    buyer: Customer,
) -> None:
    reply = await buyer.ask()
    with pytest.raises(SettlementPendingError, match="not settled within") as error:
        await buyer.client.receipts.wait(reply.receipt, timeout=0.05)
    assert "wait again" in error.value.hint
    assert error.value.retryable


async def test_only_an_end_can_be_waited_for(buyer: Customer) -> None:
    reply = await buyer.ask()
    with pytest.raises(ValueError, match="cannot be waited for"):
        await buyer.client.receipts.wait(reply.receipt, payment=PaymentState.OPEN)


async def test_somebody_elses_receipt_is_not_known(customer: CustomerFactory) -> None:
    one, two = await customer(), await customer()
    reply = await one.ask()
    for question in (two.client.receipts.get, two.client.receipts.refresh):
        with pytest.raises(LedgerError, match=reply.receipt.id):
            await question(reply.receipt.id)


async def test_a_receipt_explains_itself(buyer: Customer, net: Devnet) -> None:
    receipt = (await buyer.ask()).receipt
    told = receipt.explain()
    for sentence in (
        f"Model gpt-5 was asked on node {net.nodes[0].tee_id}",
        f"at most 0.1 OPG to {net.nodes[0].pay_to} on {net.profile.payments.caip2}",
        f"this call: computed cost {receipt.cost}",
        "The session has served 1 call(s)",
        "Payment is open",
        "Proven about the answer: REGISTERED",
        "passed: signature",
        "passed: registry",
        "Not covered by any proof: ",
        "Still open: payment: up to 0.1 OPG: ",
        "Still open: data: the node promised",
    ):
        assert sentence in told
    assert receipt.data.state is DataState.PROMISED
    assert buyer.lives[0].authorization.header not in told
    for secret in buyer.secrets:
        assert secret not in told
        assert secret not in repr(receipt)


async def test_the_accounts_balance(customer: CustomerFactory, net: Devnet) -> None:
    buyers = [await customer() for _ in range(3)]
    for buyer in buyers:
        await asyncio.gather(*(buyer.ask() for _ in range(4)))
    await net.advance(130)
    for buyer in buyers:
        receipts = [
            await refreshed(buyer, receipt) for receipt in await buyer.client.receipts.list()
        ]
        assert buyer.book is not None
        assert buyer.book.balanced
        assert receipts[0].payment.amount == Amount(buyer.book.settled)
        assert await buyer.exposed() == 0

"""One receipt for each answer, none for what was not answered; and what is open is said."""

from __future__ import annotations

import pytest

from opengradient_sdk import Devnet
from opengradient_sdk.client.config import Trust
from opengradient_sdk.devnet.faults import inject
from opengradient_sdk.errors import (
    BudgetExceededError,
    OpenGradientError,
    StreamInterruptedError,
    VerificationError,
)
from opengradient_sdk.ledger.receipt import Receipt
from opengradient_sdk.payments.journal import CallState
from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import Assurance, CheckStatus

from .kit import CAP, Customer, CustomerFactory


async def only(buyer: Customer) -> Receipt:
    """The only receipt of this wallet."""
    (receipt,) = await buyer.client.receipts.list()
    return receipt


async def states(buyer: Customer) -> list[CallState]:
    """How the calls on the one authorization ended, as the journal has it."""
    (entry,) = await buyer.journal()
    journal = buyer.client._work.core.journal
    await journal.flushed()
    return [call.state for call in await journal.calls(entry.nonce)]


async def test_an_answer_that_proves_nothing_has_one_with_what_failed(
    net: Devnet, customer: CustomerFactory
) -> None:
    buyer = await customer()
    async with inject(net, "wrong-proof"):
        with pytest.raises(VerificationError) as error:
            await buyer.ask()
    receipt = await only(buyer)
    assert receipt.id == error.value.receipt_id
    assert receipt.cost == error.value.amount
    assert receipt.assurance is Assurance.UNVERIFIED
    failed = [c.name for c in receipt.evidence.checks if c.status is CheckStatus.FAILED]
    assert len(failed) == 1
    assert [item.split(":")[0] for item in receipt.unresolved] == ["payment", "data", *failed]
    assert receipt.authorization.calls == 1
    assert await states(buyer) == [CallState.SERVED]


async def test_a_stream_that_is_cut_has_none_and_its_session_says_so(
    net: Devnet, customer: CustomerFactory
) -> None:
    buyer = await customer()
    whole = (await buyer.ask()).receipt
    async with inject(net, "cut-stream"):
        with pytest.raises(StreamInterruptedError):
            async with buyer.client.chat.stream(**buyer.question()) as stream:
                await stream.get_final_reply()
    assert (await only(buyer)).id == whole.id
    assert await states(buyer) == [CallState.SERVED, CallState.UNKNOWN]
    (life,) = buyer.client.payments.unresolved
    assert (life.calls, life.unpriced, life.in_flight) == (2, 1, 0)

    await net.advance(130)
    settled = await buyer.client.receipts.wait(whole)

    charge = next(check for check in settled.evidence.checks if check.name == "charge")
    assert charge.status is CheckStatus.NOT_CHECKED
    assert "1 call(s) of unknown cost" in charge.reason


async def test_a_stream_that_is_left_has_none(net: Devnet, customer: CustomerFactory) -> None:
    buyer = await customer()
    async with buyer.client.chat.stream(**buyer.question()) as stream:
        await anext(aiter(stream.text_stream))
    assert await buyer.client.receipts.list() == ()
    assert await states(buyer) == [CallState.UNKNOWN]
    (life,) = buyer.client.payments.unresolved
    assert (life.calls, life.unpriced) == (1, 1)


@pytest.mark.parametrize("fault", ["error-5xx", "garbage-answer", "cut-response"])
async def test_what_is_no_answer_has_none_and_its_cap_is_open(
    net: Devnet, customer: CustomerFactory, fault: str
) -> None:
    buyer = await customer(on_ambiguous="raise")
    async with inject(net, fault):
        with pytest.raises(OpenGradientError):
            await buyer.ask()
    assert await buyer.client.receipts.list() == ()
    (state,) = await states(buyer)
    assert state is (CallState.FAILED if fault == "error-5xx" else CallState.UNKNOWN)
    assert len(buyer.client.payments.unresolved) == 1
    assert await buyer.exposed() == CAP


async def test_a_repeated_answer_has_the_first_ones(customer: CustomerFactory) -> None:
    buyer = await customer()
    replies = [await buyer.ask(idempotency_key="order-17") for _ in range(3)]
    receipt = await only(buyer)
    assert {reply.receipt.id for reply in replies} == {receipt.id}
    assert receipt.authorization.calls == 1
    assert buyer.client.verification.statistics().answers == 1


async def test_a_copy_that_was_sent_again_has_one_and_says_what_it_may_cost(
    net: Devnet, customer: CustomerFactory
) -> None:
    buyer = await customer()
    async with inject(net, "cut-response"):
        reply = await buyer.ask()
    receipt = await only(buyer)
    assert receipt.id == reply.receipt.id
    assert receipt.resent == receipt.authorization.resent == 1
    assert any("may have been billed" in item for item in receipt.unresolved)
    assert await states(buyer) == [CallState.SERVED]


async def test_what_was_refused_before_it_was_paid_has_none(customer: CustomerFactory) -> None:
    buyer = await customer(budget="0.15 OPG")
    block = buyer.client.with_budget("0.1 OPG", per_call=1)
    async with block as poor:
        with pytest.raises(BudgetExceededError):
            await poor.chat.create(**buyer.question())
    assert await buyer.client.receipts.list() == ()
    await buyer.assert_nothing_happened()


async def test_no_node_of_an_accepted_build_has_none(
    net: Devnet, customer: CustomerFactory
) -> None:
    elsewhere = Trust(measurements=frozenset({Bytes32(b"\x07" * 32)}))
    buyer = await customer(trust=elsewhere)
    with pytest.raises(OpenGradientError):
        await buyer.ask()
    assert await buyer.client.receipts.list() == ()
    await buyer.assert_nothing_happened()

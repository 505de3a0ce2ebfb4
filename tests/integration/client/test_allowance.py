"""Permit2's allowance, without being asked for: none, sponsored, or by a transaction."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk import Amount, Devnet, PaymentRules, PaymentState
from opengradient_sdk.errors import AllowanceError, PolicyRejectedError

from .kit import CAP, Customer, CustomerFactory


async def allowance_of(buyer: Customer) -> int:
    contracts = buyer.client.contracts
    return await contracts.opg.allowance(buyer.signer.address, contracts.permit2.address)


def unsponsored(challenge: dict[str, Any]) -> dict[str, Any]:
    return {**challenge, "extensions": {}}


async def test_a_wallet_without_coin_pays(customer: CustomerFactory, net: Devnet) -> None:
    buyer = await customer(budget="0.5 OPG")
    reply = await buyer.ask()
    assert len(buyer.signer.transactions) == 1
    assert await allowance_of(buyer) == 0  # it travels with the payment
    await net.advance(130)
    receipt = await buyer.client.receipts.refresh(reply.receipt)
    assert receipt.payment.state in (PaymentState.SETTLED, PaymentState.FINAL)
    assert receipt.payment.amount == receipt.cost
    charged = receipt.payment.amount.atoms if receipt.payment.amount else 0
    assert await allowance_of(buyer) == 5 * CAP - charged  # bounded by the budget
    assert (await buyer.client.wallet.balances()).opg.atoms == 100 * CAP - charged


async def test_the_sponsored_approval_is_signed_once_for_all_routes(
    customer: CustomerFactory, net: Devnet
) -> None:
    buyer = await customer()
    await buyer.ask()
    await buyer.client.completions.create(model="gpt-5", prompt="Once")
    assert len(buyer.signer.transactions) == 1
    await net.advance(130)
    book = buyer.book
    assert book is not None
    assert (book.open, book.settled) == (0, book.served)


async def test_enough_is_left_alone(customer: CustomerFactory) -> None:
    buyer = await customer(eth="1")
    assert await buyer.client.wallet.ensure_allowance() == Amount.parse("2 OPG")
    assert len(buyer.signer.transactions) == 1
    assert await buyer.client.wallet.ensure_allowance() == Amount.parse("2 OPG")
    await buyer.ask()
    assert len(buyer.signer.transactions) == 1
    assert await allowance_of(buyer) == 20 * CAP


async def test_where_nobody_sponsors_an_approval_is_sent(
    customer: CustomerFactory, net: Devnet
) -> None:
    net.nodes[0].faults.challenge = unsponsored
    buyer = await customer(eth="1")
    reply = await buyer.ask()
    assert await allowance_of(buyer) == 20 * CAP
    await net.advance(130)
    receipt = await buyer.client.receipts.refresh(reply.receipt)
    assert receipt.payment.amount == receipt.cost


async def test_where_nobody_sponsors_and_there_is_no_coin_nothing_is_signed(
    customer: CustomerFactory, net: Devnet
) -> None:
    net.nodes[0].faults.challenge = unsponsored
    buyer = await customer()
    with pytest.raises(AllowanceError):
        await buyer.ask()
    await buyer.assert_nothing_happened()


async def test_an_allowance_is_what_was_asked_for(customer: CustomerFactory) -> None:
    buyer = await customer(eth="1")
    assert await buyer.client.wallet.ensure_allowance("0.25 OPG") == Amount.parse("0.25 OPG")
    assert await allowance_of(buyer) == CAP * 5 // 2


async def test_an_allowance_is_never_more_than_the_rules_let_it_be(
    customer: CustomerFactory,
) -> None:
    buyer = await customer(eth="1", rules=PaymentRules(max_approval=3 * CAP))
    with pytest.raises(PolicyRejectedError) as error:
        await buyer.client.wallet.ensure_allowance("0.4 OPG")
    assert "max_approval" in error.value.hint
    assert await buyer.client.wallet.ensure_allowance() == Amount(3 * CAP)


async def test_a_rule_below_one_cap_is_told_instead_of_a_useless_approval(
    customer: CustomerFactory,
) -> None:
    buyer = await customer(eth="1", rules=PaymentRules(max_approval=CAP // 2))
    with pytest.raises(PolicyRejectedError):
        await buyer.client.wallet.ensure_allowance()
    assert await allowance_of(buyer) == 0

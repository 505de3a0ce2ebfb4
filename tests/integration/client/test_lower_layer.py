"""Every step of a call, and every step of a transaction, by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opengradient_sdk import Address, Amount, Devnet, PaymentState, TxRequest
from opengradient_sdk.chain.contracts import Erc20, Transfer
from opengradient_sdk.client.resources.payments import Challenge
from opengradient_sdk.errors import (
    BudgetExceededError,
    ConfigurationError,
    InsufficientFundsError,
    PolicyRejectedError,
    RevertedError,
)
from opengradient_sdk.network.connection import NodeConnection
from opengradient_sdk.payments import Authorization
from opengradient_sdk.verification import SignedFields, read_chat_answer, verify_answer

from .kit import CAP, CHAT, Customer, CustomerFactory

REQUEST = {"model": "openai/gpt-5", "messages": "hi", "max_tokens": 64}
BODY = {
    "model": "gpt-5",
    "messages": [{"role": "user", "content": "hi"}],
    "temperature": 0.0,
    "max_tokens": 64,
}


@pytest.fixture
async def buyer(customer: CustomerFactory) -> Customer:
    return await customer(eth="1")


async def send(buyer: Customer, challenge: Challenge, authorization: Authorization) -> bytes:
    """POST the request with the payment header over a pinned connection of one's own."""
    core = buyer.client._work.core
    connection = NodeConnection(core.http, challenge.node, core.clock)
    answer = await connection.post(
        CHAT,
        json.dumps(BODY).encode(),
        {"PAYMENT-SIGNATURE": authorization.header, "X-SETTLEMENT-TYPE": "batch"},
        timeout=10,
    )
    assert answer.status == 200
    return answer.body


class TestPayments:
    """challenge → authorize → send → verify → status."""

    async def test_a_call_by_hand(self, buyer: Customer, net: Devnet) -> None:
        payments = buyer.client.payments
        challenge = await payments.challenge(None, REQUEST)
        assert challenge.node.tee_id == net.nodes[0].tee_id
        (offer,) = challenge.offers
        assert (offer.scheme, offer.amount, offer.route) == ("upto", CAP, CHAT)
        assert "erc20ApprovalGasSponsoring" in challenge.extensions
        assert buyer.signer.count == 0
        payments.check(offer, challenge.node.payment_address)

        authorization = await payments.authorize(offer)
        assert authorization.max_amount == CAP
        assert authorization.typed_data.message["nonce"] == authorization.nonce
        assert authorization.recipient == net.nodes[0].pay_to
        (life,) = payments.unresolved
        assert life.authorization is authorization
        assert (await payments.status(authorization)).state is PaymentState.OPEN

        body = json.loads(await send(buyer, challenge, authorization))
        output = read_chat_answer(body)
        fields = SignedFields.from_json(body)
        evidence = verify_answer(
            request_body=BODY,
            answer_fields=fields,
            output_text=output.signed_text,
            public_key_der=challenge.node.public_key_der,
            expected_tee_id=challenge.node.tee_id,
            now=net.clock.now(),
        )
        assert not evidence.failed
        assert "You said: hi" in output.text

        await net.advance(130)
        status = await payments.status(authorization)
        assert status.state is PaymentState.SETTLED
        assert status.amount == Amount(buyer.served)
        assert payments.unresolved == ()

    async def test_a_cap_made_by_hand_is_joined_by_no_call(self, buyer: Customer) -> None:
        challenge = await buyer.client.payments.challenge(None, REQUEST)
        authorization = await buyer.client.payments.authorize(challenge.offers[0])
        reply = await buyer.ask()
        assert reply.receipt.authorization.nonce != authorization.nonce
        assert await buyer.exposed() == 2 * CAP

    async def test_a_cancelled_cap_cannot_be_collected(self, buyer: Customer, net: Devnet) -> None:
        payments = buyer.client.payments
        challenge = await payments.challenge(None, REQUEST)
        authorization = await payments.authorize(challenge.offers[0])
        await send(buyer, challenge, authorization)
        status = await payments.cancel(authorization)
        assert status.state is PaymentState.CANCELLED
        assert await buyer.exposed() == 0
        await net.advance(130)
        assert (await payments.status(authorization)).state is PaymentState.CANCELLED
        assert (await buyer.client.wallet.balances()).opg == Amount.parse("10 OPG")
        assert await buyer.client.contracts.permit2.is_nonce_used(
            buyer.signer.address, authorization.nonce
        )

    async def test_what_was_collected_first_stays_collected(
        self, buyer: Customer, net: Devnet
    ) -> None:
        reply = await buyer.ask()
        (life,) = buyer.lives
        await net.advance(130)
        status = await buyer.client.payments.cancel(life.authorization)
        assert status.state is PaymentState.SETTLED
        assert status.amount == reply.receipt.cost

    async def test_cancelling_takes_coin_for_the_fee(self, customer: CustomerFactory) -> None:
        buyer = await customer()
        await buyer.ask()
        (life,) = buyer.lives
        with pytest.raises(InsufficientFundsError):
            await buyer.client.payments.cancel(life.authorization)
        assert await buyer.exposed() == CAP

    async def test_only_the_nodes_own_offer_can_be_signed(self, buyer: Customer) -> None:
        challenge = await buyer.client.payments.challenge(None, REQUEST)
        (offer,) = challenge.offers
        for forged, field in (
            (replace(offer, amount=1000 * CAP), "amount"),
            (replace(offer, pay_to="0x" + "bb" * 20), "payTo"),
            (replace(offer, scheme="exact"), "scheme"),
        ):
            with pytest.raises(PolicyRejectedError) as error:
                await buyer.client.payments.authorize(forged)
            assert error.value.field == field
        await buyer.assert_nothing_happened()

    async def test_the_budget_holds_by_hand_too(self, customer: CustomerFactory) -> None:
        buyer = await customer(budget="0.1 OPG")
        challenge = await buyer.client.payments.challenge(None, REQUEST)
        await buyer.client.payments.authorize(challenge.offers[0])
        with pytest.raises(BudgetExceededError):
            await buyer.client.payments.authorize(challenge.offers[0])
        await buyer.assert_exposed(1)

    async def test_completions_have_a_challenge_of_their_own(self, buyer: Customer) -> None:
        challenge = await buyer.client.payments.challenge(
            None, {"model": "gpt-5", "prompt": "Once"}
        )
        assert challenge.offers[0].route == "/v1/completions"

    async def test_nodes_are_named_by_record_id_or_endpoint(
        self, buyer: Customer, net: Devnet
    ) -> None:
        (record,) = await buyer.client.nodes.list()
        for name in (record, str(record.tee_id), record.endpoint):
            challenge = await buyer.client.payments.challenge(name, REQUEST)
            assert challenge.node == record

    async def test_a_request_with_strange_members_is_told_which_there_are(
        self, buyer: Customer
    ) -> None:
        with pytest.raises(ConfigurationError, match="'colour'") as error:
            await buyer.client.payments.challenge(None, {**REQUEST, "colour": "red"})
        assert "max_tokens" in error.value.hint

    async def test_somebody_elses_authorization_is_not_known(
        self, customer: CustomerFactory
    ) -> None:
        one, two = await customer(), await customer()
        await one.ask()
        (life,) = one.lives
        with pytest.raises(ConfigurationError, match="no client of this wallet"):
            await two.client.payments.status(life.authorization)


class TestChains:
    """build → sign → send → wait."""

    async def test_a_transaction_by_hand(self, buyer: Customer) -> None:
        chain, opg = buyer.client.chains.payments, buyer.client.contracts.opg
        friend = Address("0x" + "cc" * 20)
        before = await opg.balance_of(friend)
        prepared = await chain.build(opg.transfer(friend, 5))
        assert prepared.sender == buyer.signer.address
        assert prepared.gas > 21_000
        assert prepared.max_fee_per_gas > 0
        signed = await chain.sign(prepared)
        pending = await chain.send(signed)
        assert pending.hash == signed.hash
        receipt = await pending.wait(confirmations=1, timeout=10)
        assert receipt.succeeded
        assert Erc20.TRANSFER.decode(receipt.logs[0]) == Transfer(buyer.signer.address, friend, 5)
        assert await opg.balance_of(friend) == before + 5

    async def test_fields_that_the_caller_set_win(self, buyer: Customer) -> None:
        chain = buyer.client.chains.payments
        request = TxRequest(
            to=buyer.signer.address, gas=50_000, max_fee_per_gas=10**10, nonce=7, value=1
        )
        prepared = await chain.build(request)
        assert (prepared.gas, prepared.max_fee_per_gas, prepared.nonce) == (50_000, 10**10, 7)

    async def test_moving_opg_has_to_be_spelled_out(self, buyer: Customer) -> None:
        chain, opg = buyer.client.chains.payments, buyer.client.contracts.opg
        request = replace(opg.transfer(Address("0x" + "cc" * 20), 5), allow_spend=False)
        with pytest.raises(PolicyRejectedError) as error:
            await chain.execute(request)
        assert "allow_spend" in error.value.hint
        assert buyer.signer.transactions == []
        await chain.execute(TxRequest(to=buyer.signer.address, value=1))  # no nonce was lost

    async def test_what_would_revert_is_not_signed(self, buyer: Customer) -> None:
        opg = buyer.client.contracts.opg
        with pytest.raises(RevertedError):
            await buyer.client.chains.payments.execute(
                opg.transfer(Address("0x" + "cc" * 20), 10**30)
            )
        assert buyer.signer.transactions == []

    async def test_the_contracts_can_be_read(self, buyer: Customer, net: Devnet) -> None:
        contracts = buyer.client.contracts
        assert await contracts.opg.decimals() == 18
        assert await contracts.opg.balance_of(buyer.signer.address) == 100 * CAP
        assert not await contracts.permit2.is_nonce_used(buyer.signer.address, 1)
        assert contracts.settlement_relay.address == net.profile.settlement_relay
        assert contracts.tee_registry.address == net.profile.tee_registry
        assert contracts.upto_proxy.address == net.profile.upto_proxy

    async def test_one_chain_is_one_chain(self, buyer: Customer) -> None:
        assert buyer.client.chains.payments is buyer.client.chains.registry

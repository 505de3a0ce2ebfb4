"""What the published client signs on demand, asked of this one by a node of a Devnet: nothing.

And what it does sign beside payments: one sponsored approval, bounded in every respect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.node.shapes import JsonObject
from opengradient_sdk.errors import InvalidChallengeError, PolicyRejectedError
from opengradient_sdk.payments.extensions import eip2612_typed_data
from opengradient_sdk.payments.schemes import eip3009_typed_data, typed_data_for
from opengradient_sdk.signers import GuardedSigner
from opengradient_sdk.types import Address, TxRequest, TypedData

from .kit import CAP, Customer, CustomerFactory, refused

STRANGER = Address("0x" + "17" * 20)
USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"

Change = Callable[[JsonObject], JsonObject]


def offering(**members: Any) -> Change:
    """Rewrite members of the challenge's one offer."""
    return lambda challenge: {**challenge, "accepts": [challenge["accepts"][0] | members]}


def an_eip3009_transfer_of_usdc(challenge: JsonObject) -> JsonObject:
    """A million USDC to a stranger, valid for a year (the protocol notes, section 11, S1)."""
    return offering(
        scheme="exact",
        network="eip155:8453",
        asset=USDC,
        amount=str(10**12),
        payTo=STRANGER,
        maxTimeoutSeconds=31_536_000,
        extra={"name": "USD Coin", "version": "2"},
    )(challenge)


def an_eip2612_permit(challenge: JsonObject) -> JsonObject:
    """The offer as it is, with the allowance to be given by the token's own permit."""
    info = {"description": "gasless permits", "version": "1"}
    return {**challenge, "extensions": {"eip2612GasSponsoring": {"info": info}}}


def version_1(challenge: JsonObject) -> JsonObject:
    (offer,) = challenge["accepts"]
    return {"x402Version": 1, "accepts": [offer | {"maxAmountRequired": offer["amount"]}]}


DEMANDS: dict[str, tuple[Change, str, str, str]] = {
    "a thousand times the cap": (
        offering(amount=str(1000 * CAP)),
        "amount",
        "100 OPG",
        "at most 0.1 OPG",
    ),
    "another token": (offering(asset=USDC), "asset", USDC, "0xFbC2"),
    "another recipient": (offering(payTo=STRANGER), "payTo", STRANGER, "registered"),
    "EIP-3009 of USDC to a stranger": (an_eip3009_transfer_of_usdc, "scheme", "exact", "upto"),
    "exact by Permit2": (offering(scheme="exact"), "scheme", "exact", "upto"),
    "a year": (
        offering(maxTimeoutSeconds=31_536_000),
        "maxTimeoutSeconds",
        "31536000",
        "1 to 300 seconds",
    ),
}


@pytest.mark.parametrize(("change", "field", "asked", "allowed"), DEMANDS.values(), ids=DEMANDS)
async def test_what_the_published_client_signs_is_refused(
    net: Devnet, customer: CustomerFactory, change: Change, field: str, asked: str, allowed: str
) -> None:
    one = await customer(budget="1000 OPG", opg="500")
    net.nodes[0].faults.challenge = change
    with refused(PolicyRejectedError, f"{field} is {asked}", allowed, hint=" ") as caught:
        await one.ask()
    assert caught.error.field == field
    assert str(caught.error.asked) == asked
    assert allowed in str(caught.error.allowed)
    await one.assert_nothing_happened()


async def test_version_1_is_refused(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer()
    net.nodes[0].faults.challenge = version_1
    with refused(InvalidChallengeError, "version 1", hint="version 2"):
        await one.ask()
    await one.assert_nothing_happened()


async def test_an_eip2612_permit_is_not_signed_to_give_the_allowance(
    net: Devnet, customer: CustomerFactory
) -> None:
    """The published client emptied a wallet that had allowed nothing."""
    one = await customer(eth="1")
    net.nodes[0].faults.challenge = an_eip2612_permit
    assert (await one.ask()).text
    (payment,) = one.signer.typed_data
    assert payment.primary_type == "PermitWitnessTransferFrom"
    (approval,) = one.signer.transactions  # its own, bounded, at its own cost
    assert approval.to == net.profile.opg


async def test_every_objection_is_explained_and_nothing_is_signed(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.challenge = an_eip3009_transfer_of_usdc
    challenge = await one.client.payments.challenge(None, one.question())
    node = challenge.offers[0].node
    (verdict,) = one.client._work.core.policy.explain(challenge.offers, node.payment_address)
    assert not verdict.allowed
    assert [refusal.field for refusal in verdict.refusals] == [
        "scheme",
        "network",
        "asset",
        "extra.assetTransferMethod",
        "payTo",
        "maxTimeoutSeconds",
    ]
    assert USDC in str(verdict)
    await one.assert_nothing_happened()


async def requests(one: Customer) -> list[tuple[str, TypedData]]:
    """What an integration might bring to the signer of an open client, and the field it fails."""
    challenge = await one.client.payments.challenge(None, one.question())
    offer, profile, owner = challenge.offers[0], one.net.profile, one.signer.address
    now, chain_id = int(profile.clock.now()), profile.payments.chain_id
    payment = typed_data_for(offer, owner=owner, profile=profile, now=now)
    witness = {**witness_of(payment), "to": "everybody"}
    return [
        ("typed data", payment),
        (
            "message.witness.to",
            replace(payment, message={**payment.message, "witness": witness}),
        ),
        (
            "primaryType",
            eip3009_typed_data(offer, owner=owner, chain_id=chain_id, nonce=1, now=now),
        ),
        (
            "primaryType",
            eip2612_typed_data(
                offer,
                owner=owner,
                chain_id=chain_id,
                nonce=0,
                deadline=now + 60,
                permit2=profile.permit2,
            ),
        ),
    ]


def witness_of(data: TypedData) -> dict[str, object]:
    witness = data.message["witness"]
    assert isinstance(witness, dict)
    return witness


async def test_nothing_is_signed_by_hand_with_the_signer_of_the_client(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    signer = one.client._work.core.signer
    assert isinstance(signer, GuardedSigner)
    for field, data in await requests(one):
        with pytest.raises(PolicyRejectedError) as caught:
            await signer.sign_typed_data(data)
        assert caught.value.field == field
    await one.assert_nothing_happened()


async def test_the_promised_approval_is_bounded_and_takes_the_next_nonce(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(eth="1", budget="0.5 OPG")
    chain = one.client.chains.payments
    await chain.execute(TxRequest(to=STRANGER, value=1))
    await one.ask()
    approval = one.signer.transactions[-1]
    assert approval.nonce == await chain.rpc.transaction_count(one.signer.address) == 1
    assert approval.chain_id == net.profile.payments.chain_id
    assert (approval.to, approval.value) == (net.profile.opg, 0)
    assert int.from_bytes(approval.data[-32:], "big") == 5 * CAP
    assert approval.gas <= 100_000
    assert approval.gas * approval.max_fee_per_gas <= 10**15


async def test_the_promised_nonce_stays_leased_until_it_is_mined(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(eth="1")
    chain = one.client.chains.payments
    await one.ask()
    (promised,) = await chain.reserved()
    assert promised.nonce == 0
    built = await chain.build(TxRequest(to=STRANGER, value=1))
    assert built.nonce == 1
    await chain.discard(built)
    assert [slot.nonce for slot in await chain.reserved()] == [0]
    await net.advance(130)  # the node settles, and its facilitator sends the approval first
    assert await chain.rpc.transaction_count(one.signer.address) == 1
    sent = await chain.execute(TxRequest(to=STRANGER, value=1))
    transaction = await chain.rpc.get_transaction(sent.hash)
    assert transaction is not None
    assert transaction.nonce == 1
    assert await chain.reserved() == []


async def test_a_promise_is_superseded_by_the_transaction_that_names_its_nonce(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(eth="1")
    chain = one.client.chains.payments
    await one.ask()
    (promised,) = await chain.reserved()
    own = await chain.execute(TxRequest(to=STRANGER, value=1, nonce=promised.nonce))
    assert own.succeeded
    assert await chain.reserved() == []
    assert await chain.rpc.transaction_count(one.signer.address) == 1
    await net.advance(130)  # nobody can send the approval any more
    assert await chain.rpc.get_receipt(promised.attempts[-1].signed.hash) is None


async def test_nothing_but_the_bounded_approval_is_signed_at_a_mad_fee(
    net: Devnet, customer: CustomerFactory
) -> None:
    """An RPC endpoint that lies about fees gets no approval out of the wallet."""
    one = await customer(eth="1")
    chain = one.client.chains.payments
    approve = one.client.contracts.opg.approve(net.profile.permit2, CAP)
    dear = replace(approve, gas=100_000, max_fee_per_gas=10**11, max_priority_fee_per_gas=1)
    wasteful = replace(approve, gas=100_001)
    unlimited = one.client.contracts.opg.approve(net.profile.permit2, 2**256 - 1)
    for field, request in (("fee", dear), ("gas", wasteful), ("amount", unlimited)):
        with pytest.raises(PolicyRejectedError) as caught:
            await chain.execute(request)
        assert caught.value.field == field
    await one.assert_nothing_happened()
    assert (await chain.execute(replace(approve, gas=100_000))).succeeded

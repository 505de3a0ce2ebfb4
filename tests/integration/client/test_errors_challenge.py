"""Challenges that cannot be understood or must not be paid: nothing is signed for them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.node.shapes import JsonObject
from opengradient_sdk.errors import (
    InvalidChallengeError,
    PaymentRejectedError,
    PolicyRejectedError,
    Spent,
)
from opengradient_sdk.payments import PaymentRules
from opengradient_sdk.types import Address, Amount

from .kit import CAP, CHAT, CustomerFactory, refused

_STRANGER = Address("0x" + "17" * 20)

_Change = Callable[[JsonObject], JsonObject]


def offer(**members: Any) -> _Change:
    """Rewrite members of the challenge's one offer; ``None`` takes a member away."""

    def change(challenge: JsonObject) -> JsonObject:
        merged = challenge["accepts"][0] | members
        kept = {name: value for name, value in merged.items() if value is not None}
        return {**challenge, "accepts": [kept]}

    return change


def extra(**members: Any) -> _Change:
    """Rewrite members of the offer's ``extra``."""
    return lambda challenge: offer(extra=challenge["accepts"][0]["extra"] | members)(challenge)


_DEMANDS: dict[str, tuple[_Change, str, object, str, str]] = {
    "a thousand times the cap": (
        offer(amount=str(1000 * CAP)),
        "amount",
        "100 OPG",
        "at most 0.1 OPG",
        "max_authorization",
    ),
    "an atom more than the cap": (
        offer(amount=str(CAP + 1)),
        "amount",
        str(Amount(CAP + 1)),
        "at most 0.1 OPG",
        "max_authorization",
    ),
    "nothing": (offer(amount="0"), "amount", "0 OPG", "at most 0.1 OPG", "max_authorization"),
    "another asset": (offer(asset=_STRANGER), "asset", _STRANGER, "0xFbC2", "OPG"),
    "another network": (offer(network="eip155:1"), "network", "eip155:1", "eip155:31337", "OG_"),
    "another family of networks": (
        offer(network="solana:mainnet"),
        "network",
        "solana:mainnet",
        "eip155:31337",
        "OG_NETWORK",
    ),
    "another recipient": (offer(payTo=_STRANGER), "payTo", _STRANGER, "registered", "recipients"),
    "exact": (offer(scheme="exact"), "scheme", "exact", "upto", "schemes"),
    "EIP-3009": (
        extra(assetTransferMethod="eip3009"),
        "extra.assetTransferMethod",
        "eip3009",
        "permit2",
        "never signed",
    ),
    "no method": (
        extra(assetTransferMethod=None),
        "extra.assetTransferMethod",
        None,
        "permit2",
        "never signed",
    ),
    "a year": (
        offer(maxTimeoutSeconds=31_536_000),
        "maxTimeoutSeconds",
        31_536_000,
        "300 seconds",
        "max_lifetime",
    ),
}


@pytest.mark.parametrize("demand", _DEMANDS)
async def test_a_demand_beyond_the_rules_is_refused_unsigned(
    net: Devnet, customer: CustomerFactory, demand: str
) -> None:
    change, field, asked, allowed, hint = _DEMANDS[demand]
    one = await customer(budget="1000 OPG", opg="500")
    net.nodes[0].faults.challenge = change

    with refused(PolicyRejectedError, "refused to sign", field, hint=hint) as caught:
        await one.ask()

    assert caught.error.field == field
    assert caught.error.asked == asked
    assert allowed in str(caught.error.allowed)
    await one.assert_nothing_happened()

    net.nodes[0].faults.challenge = None
    assert (await one.ask()).text
    await one.assert_exposed(caps=1)


async def test_a_strange_facilitator_is_refused_by_an_allow_list(
    net: Devnet, customer: CustomerFactory
) -> None:
    rules = PaymentRules(facilitators=(net.facilitator.address,))
    one = await customer(rules=rules)
    net.nodes[0].faults.challenge = extra(facilitatorAddress=_STRANGER)

    with refused(PolicyRejectedError, _STRANGER, hint="facilitators") as caught:
        await one.ask()

    assert caught.error.field == "extra.facilitatorAddress"
    await one.assert_nothing_happened()

    net.nodes[0].faults.challenge = None
    assert (await one.ask()).text


async def test_what_is_meant_can_be_allowed_by_the_rule_that_the_hint_names(
    net: Devnet, customer: CustomerFactory
) -> None:
    asked = CAP + 1
    net.nodes[0].faults.challenge = offer(amount=str(asked))
    one = await customer(rules=PaymentRules(max_authorization=asked))

    with pytest.raises(PaymentRejectedError):  # the node itself wants its usual cap
        await one.ask()

    assert [life.cap for life in one.lives] == [asked, asked]


async def test_the_first_offer_that_the_rules_allow_is_taken(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()

    def several(challenge: JsonObject) -> JsonObject:
        good = challenge["accepts"][0]
        return {**challenge, "accepts": [{**good, "scheme": "exact"}, good]}

    net.nodes[0].faults.challenge = several

    assert (await one.ask()).text
    await one.assert_exposed(caps=1)


def _header(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


_MALFORMED: dict[str, tuple[str | _Change, str]] = {
    "no base64": ("{not base64}", "base64"),
    "no UTF-8": (base64.b64encode(b"\xff\xfe").decode(), "UTF-8"),
    "no JSON": (base64.b64encode(b"pay me").decode(), "not JSON"),
    "no object": (_header(["pay", "me"]), "object"),
    "an empty object": (_header({}), "accepts must be a list"),
    "no offer": (_header({"x402Version": 2, "accepts": []}), "no offer"),
    "a deep hole": (base64.b64encode(b'{"a":' + b"[" * 9000).decode(), "more than"),
    "an offer of text": (_header({"x402Version": 2, "accepts": ["upto"]}), "accepts[0]"),
    "a float as amount": (offer(amount=0.1), "accepts[0].amount"),
    "a number as amount": (offer(amount=CAP), "accepts[0].amount"),
    "a hex amount": (offer(amount="0x10"), "accepts[0].amount"),
    "a negative amount": (offer(amount="-1"), "accepts[0].amount"),
    "an amount beyond the EVM": (offer(amount=str(2**256)), "2^256"),
    "no recipient": (offer(payTo=None), "accepts[0].payTo"),
    "no lifetime": (offer(maxTimeoutSeconds=None), "maxTimeoutSeconds"),
    "half a second": (offer(maxTimeoutSeconds=0.5), "maxTimeoutSeconds"),
    "no facilitator": (extra(facilitatorAddress=None), "facilitator"),
    "a facilitator that is no address": (extra(facilitatorAddress="0x17"), "facilitatorAddress"),
    "version 1": (lambda c: {**c, "x402Version": 1}, "version 1"),
    "half a version": (lambda c: {**c, "x402Version": 2.5}, "x402Version"),
    "version 1 by its text": (lambda c: {**c, "x402Version": "1"}, "version 1"),
}


@pytest.mark.parametrize("slip", _MALFORMED)
async def test_a_challenge_that_cannot_be_understood_is_refused_unsigned(
    net: Devnet, customer: CustomerFactory, slip: str
) -> None:
    fault, words = _MALFORMED[slip]
    one = await customer()
    if isinstance(fault, str):
        net.nodes[0].faults.challenge_header = fault
    else:
        net.nodes[0].faults.challenge = fault

    with refused(InvalidChallengeError, words, hint="version 2" if "1" in words else "signed"):
        await one.ask()

    await one.assert_nothing_happened()

    net.nodes[0].faults.challenge_header = net.nodes[0].faults.challenge = None
    assert (await one.ask(node=net.nodes[0].endpoint)).text  # unasked it is avoided for a while
    await one.assert_exposed(caps=1)


async def test_a_402_without_a_challenge_is_no_offer(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.bare_402 = 1000

    with refused(
        InvalidChallengeError, "without saying how", "Session expired", hint="Nothing was signed"
    ):
        await one.ask()

    await one.assert_nothing_happened()


async def test_one_402_without_a_challenge_is_asked_again_where_the_node_was_named(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.bare_402 = 1

    assert (await one.ask(node=net.nodes[0].endpoint)).text

    await one.assert_exposed(caps=1)


async def test_a_node_that_asks_for_ever_gets_two_authorizations(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.never_pay = True
    before = net.nodes[0].requests[CHAT]

    with refused(
        PaymentRejectedError,
        "Payment required",
        spent=Spent.MAYBE,
        hint="reserved until the chain",
        secrets=lambda: one.secrets,
    ) as caught:
        await one.ask()

    assert caught.error.reason == "Payment required"
    assert caught.error.amount.atoms == CAP
    await one.assert_exposed(caps=2)
    assert one.book is None
    assert net.nodes[0].requests[CHAT] - before == 4  # two challenges, two payments


async def test_a_refused_permit_names_the_reason(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer()
    net.facilitator.faults.refuse = "permit2_insufficient_balance"

    with refused(
        PaymentRejectedError,
        "permit2_insufficient_balance",
        spent=Spent.MAYBE,
        hint="send it some",
        secrets=lambda: one.secrets,
    ) as caught:
        await one.ask()

    assert caught.error.reason == "permit2_insufficient_balance"
    await one.assert_exposed(caps=2)

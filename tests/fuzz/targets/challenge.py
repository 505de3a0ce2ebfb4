"""The 402 answer, and everything that is made of it before a signature."""

from __future__ import annotations

import base64
import json

from opengradient_sdk.errors import InvalidChallengeError, OpenGradientError, PolicyRejectedError
from opengradient_sdk.payments.challenge import (
    HEADER,
    BareRefusal,
    Offer,
    PaymentRequired,
    parse_402,
)
from opengradient_sdk.payments.extensions import eip2612_info, eip2612_typed_data
from opengradient_sdk.payments.journal.documents import from_document, to_document
from opengradient_sdk.payments.policy import PaymentPolicy
from opengradient_sdk.payments.rules import PaymentRules
from opengradient_sdk.payments.schemes import authorization_for, payable_offers, typed_data_for
from opengradient_sdk.profiles import MAINNET
from opengradient_sdk.types import Address, TypedData

from ._checks import check_error

NOW = 1_784_200_000
OWNER = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
PAYEE = Address("0x9deEBB5D1b22e4a6e027977CeAd13893A7E4cC1a")
_FACILITATOR = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
_RULES = (
    PaymentRules(),
    PaymentRules(schemes=("upto", "exact"), facilitators=(_FACILITATOR,)),
)
_SIGNATURE = b"\x5a" * 65


class _StoppedClock:
    def now(self) -> float:
        return float(NOW)


def run(data: bytes) -> None:
    """Read ``data`` as the document in a challenge header, and as the body of a bare refusal."""
    header = base64.b64encode(data).decode()
    for headers, body in (({HEADER: header}, b""), ({}, data)):
        try:
            answer = parse_402(headers, body)
        except InvalidChallengeError as error:
            check_error(error)
            continue
        if isinstance(answer, BareRefusal):
            answer.error.encode()
        else:
            _check_challenge(answer)


def _check_challenge(required: PaymentRequired) -> None:
    for rules in _RULES:
        _check_policy(required, rules)
    try:
        offers = payable_offers(required)
    except InvalidChallengeError as error:
        check_error(error)
        return
    for offer in offers:
        _check_offer(offer, required)


def _policy(rules: PaymentRules) -> PaymentPolicy:
    return PaymentPolicy(MAINNET, rules, max_approval=10**18, clock=_StoppedClock())


def _check_policy(required: PaymentRequired, rules: PaymentRules) -> None:
    policy = _policy(rules)
    verdicts = policy.explain(required.offers, PAYEE)
    for verdict in verdicts:
        str(verdict).encode()
    try:
        chosen = policy.choose(required.offers, PAYEE)
    except (PolicyRejectedError, InvalidChallengeError) as error:
        check_error(error)
        assert not any(verdict.allowed for verdict in verdicts), "refused and allowed at once"
    else:
        assert chosen in required.offers


def _check_offer(offer: Offer, required: PaymentRequired) -> None:
    try:
        data = typed_data_for(offer, owner=OWNER, profile=MAINNET, now=NOW, nonce=1)
    except InvalidChallengeError as error:
        check_error(error)
        return
    json.dumps(data.to_json())
    _check_echo(offer, required, data)
    _check_permit(offer)
    for rules in _RULES:
        _check_grant(offer, data, rules)


def _check_echo(offer: Offer, required: PaymentRequired, data: TypedData) -> None:
    authorization = authorization_for(offer, required, owner=OWNER, data=data, signature=_SIGNATURE)
    sent = json.loads(base64.b64decode(authorization.header))  # larger than what it answers
    assert json.dumps(sent["accepted"]) == json.dumps(offer.raw), "the echo is another offer"
    assert from_document(to_document(authorization)) == authorization, "it changes in the journal"


def _check_permit(offer: Offer) -> None:
    try:
        data = eip2612_typed_data(
            offer, owner=OWNER, chain_id=8453, nonce=0, deadline=NOW, permit2=MAINNET.permit2
        )
    except InvalidChallengeError as error:
        check_error(error)
        return
    data.digest()
    json.dumps(eip2612_info(data, _SIGNATURE))


def _check_grant(offer: Offer, data: TypedData, rules: PaymentRules) -> None:
    try:
        _policy(rules).grant(offer, PAYEE, data)
    except OpenGradientError as error:
        check_error(error)
        return
    _require_harmless(data, rules)


def _require_harmless(data: TypedData, rules: PaymentRules) -> None:
    """Raise where what was granted could move anything but a capped amount to the payee."""
    seen = json.loads(json.dumps(data.to_json()))
    domain, message = seen["domain"], seen["message"]
    assert domain == {"name": "Permit2", "chainId": 8453, "verifyingContract": MAINNET.permit2}
    assert message["permitted"]["token"] == MAINNET.opg
    assert 0 < int(message["permitted"]["amount"]) <= MAINNET.max_authorization
    assert message["witness"]["to"] == PAYEE
    proxies = {"upto": MAINNET.upto_proxy, "exact": MAINNET.exact_proxy}
    assert message["spender"] in {proxies[scheme] for scheme in rules.schemes}
    assert NOW < message["deadline"] <= NOW + MAINNET.max_lifetime

"""The rules: every member of an offer, and every transaction that could move OPG."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.chain.contracts import Erc20, Permit2, UptoProxy
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import (
    ConfigurationError,
    InvalidChallengeError,
    PolicyRejectedError,
    Spent,
)
from opengradient_sdk.payments._wire import encode_header
from opengradient_sdk.payments.challenge import Offer, parse_402
from opengradient_sdk.payments.policy import PaymentPolicy, PaymentRules
from opengradient_sdk.profiles import DEVNET, MAINNET
from opengradient_sdk.signers import GuardedSigner
from opengradient_sdk.types import Address, PreparedTx, TxRequest

from .makers import (
    CAP,
    FACILITATOR,
    OWNER,
    PAYEE,
    SIGNER,
    STRANGER,
    SteppedClock,
    an_offer,
)

APPROVAL = 10 * CAP
UNLIMITED = 2**256 - 1
PERMIT2_APPROVE = bytes.fromhex("87517c45")  # AllowanceTransfer.approve
INCREASE_ALLOWANCE = bytes.fromhex("39509351")
APPROVE = bytes.fromhex("095ea7b3")
TRANSFER_FROM = bytes.fromhex("23b872dd")


def a_policy(**rules: Any) -> PaymentPolicy:
    return PaymentPolicy(DEVNET, PaymentRules(**rules), max_approval=APPROVAL, clock=SteppedClock())


def refused(policy: PaymentPolicy, offer: Offer) -> PolicyRejectedError:
    with pytest.raises(PolicyRejectedError) as error:
        policy.check(offer, PAYEE)
    assert error.value.spent is Spent.NO
    assert error.value.hint
    assert error.value.field in str(error.value)
    return error.value


def test_an_honest_offer_passes() -> None:
    a_policy().check(an_offer(), PAYEE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scheme": "exact"}, "scheme"),
        ({"scheme": "subscription"}, "scheme"),
        ({"network": "eip155:1"}, "network"),
        ({"network": "base"}, "network"),
        ({"asset": STRANGER}, "asset"),
        ({"asset": "OPG"}, "asset"),
        ({"extra": {"assetTransferMethod": "eip3009"}}, "extra.assetTransferMethod"),
        ({"extra": {"assetTransferMethod": None}}, "extra.assetTransferMethod"),
        ({"amount": CAP + 1}, "amount"),
        ({"amount": 1000 * CAP}, "amount"),
        ({"amount": 0}, "amount"),
        ({"pay_to": STRANGER}, "payTo"),
        ({"pay_to": "gateway"}, "payTo"),
        ({"max_timeout_seconds": 301}, "maxTimeoutSeconds"),
        ({"max_timeout_seconds": 31_536_000}, "maxTimeoutSeconds"),
        # the schemes read zero as an hour
        ({"max_timeout_seconds": 0}, "maxTimeoutSeconds"),
    ],
)
def test_every_member_is_looked_at(changes: dict[str, Any], field: str) -> None:
    assert refused(a_policy(), an_offer(**changes)).field == field


def test_a_refusal_says_what_was_asked_and_what_is_allowed() -> None:
    error = refused(a_policy(), an_offer(amount=1000 * CAP))
    assert (error.asked, error.allowed) == ("100 OPG", "at most 0.1 OPG")
    assert f"max_authorization={1000 * CAP}" in error.hint


@pytest.mark.parametrize(
    ("rules", "changes"),
    [
        ({"max_authorization": 1000 * CAP}, {"amount": 1000 * CAP}),
        ({"max_lifetime": 3600}, {"max_timeout_seconds": 3600}),
        ({"recipients": (STRANGER,)}, {"pay_to": STRANGER}),
        ({"schemes": ("upto", "exact")}, {"scheme": "exact"}),
        ({"facilitators": (STRANGER, FACILITATOR)}, {}),
    ],
)
def test_what_the_owner_allows_passes(rules: dict[str, Any], changes: dict[str, Any]) -> None:
    a_policy(**rules).check(an_offer(**changes), PAYEE)


@pytest.mark.parametrize(
    ("rules", "changes", "field"),
    [
        ({"max_authorization": CAP - 1}, {}, "amount"),
        ({"max_lifetime": 60}, {}, "maxTimeoutSeconds"),
        ({"facilitators": (STRANGER,)}, {}, "extra.facilitatorAddress"),
        ({"facilitators": (STRANGER,)}, {"extra": {"facilitatorAddress": 5}}, "extra.facilitator"),
    ],
)
def test_owners_can_be_stricter_than_the_profile(
    rules: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    assert refused(a_policy(**rules), an_offer(**changes)).field.startswith(field)


@pytest.mark.parametrize("name", ["max_authorization", "max_lifetime", "max_approval"])
@pytest.mark.parametrize("limit", [0, -1, 0.5, "1", True, pytest.param(-(10**5000), id="huge")])
def test_a_limit_is_a_whole_number_above_zero(name: str, limit: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        PaymentRules(**{name: limit})


def test_the_gateway_of_the_profile_is_an_honest_recipient() -> None:
    policy = PaymentPolicy(MAINNET, PaymentRules(), max_approval=APPROVAL)
    offer = an_offer(
        network="eip155:8453", asset=MAINNET.opg.lower(), pay_to=MAINNET.recipients[0].lower()
    )
    policy.check(offer, PAYEE)


def test_the_first_offer_that_is_allowed_is_chosen() -> None:
    wrong, right = an_offer(network="eip155:1"), an_offer()
    assert a_policy().choose([wrong, right, an_offer()], PAYEE) is right


def test_when_none_is_allowed_the_first_refusal_tells_why() -> None:
    with pytest.raises(PolicyRejectedError) as error:
        a_policy().choose([an_offer(network="eip155:1"), an_offer(amount=0)], PAYEE)
    assert error.value.field == "network"


def test_a_challenge_without_offers_is_none() -> None:
    with pytest.raises(InvalidChallengeError, match="no offer"):
        a_policy().choose([], PAYEE)


@pytest.mark.parametrize("offer", [None, "upto", 5, []])
def test_an_offer_that_is_no_object_is_none(offer: object) -> None:
    header = encode_header({"x402Version": 2, "accepts": [offer]})
    with pytest.raises(InvalidChallengeError, match=r"accepts\[0\] must be an object"):
        parse_402({"PAYMENT-REQUIRED": header}, b"")


OPG = Erc20(Rpc(["http://localhost"], None), DEVNET.opg)  # type: ignore[arg-type]
PERMIT2 = Permit2(Rpc(["http://localhost"], None), DEVNET.permit2)  # type: ignore[arg-type]
PROXY = UptoProxy(Rpc(["http://localhost"], None), DEVNET.upto_proxy)  # type: ignore[arg-type]


def a_transaction(request: TxRequest, **changes: Any) -> PreparedTx:
    members: dict[str, Any] = {
        "chain_id": DEVNET.payments.chain_id,
        "sender": OWNER,
        "nonce": 0,
        "to": request.to,
        "data": request.data,
        "value": request.value,
        "gas": 100_000,
        "max_fee_per_gas": 1,
        "max_priority_fee_per_gas": 1,
        "allow_spend": request.allow_spend,
    }
    return PreparedTx(**{**members, **changes})


def words(selector: bytes, *numbers: int) -> bytes:
    return selector + b"".join(number.to_bytes(32, "big") for number in numbers)


def plainly(to: Address | None, data: bytes = b"") -> PreparedTx:
    return a_transaction(TxRequest(to=to, data=data))


PERMIT2_WORD = int(DEVNET.permit2, 16)
BURN = PERMIT2.invalidate_nonce(5).data

ALLOWED = {
    "the bound": plainly(DEVNET.opg, OPG.approve(DEVNET.permit2, APPROVAL).data),
    "no allowance at all": plainly(DEVNET.opg, OPG.approve(DEVNET.permit2, 0).data),
    "burning a nonce": plainly(DEVNET.permit2, BURN),
    "somebody else's contract": plainly(STRANGER, b"\x01\x02\x03\x04"),
    "a contract of one's own": plainly(None, b"\x60"),
    "the chain's own coin": a_transaction(TxRequest(to=STRANGER, value=10**18)),
    "a transfer that is meant": a_transaction(OPG.transfer(STRANGER, 1)),
    "another chain": a_transaction(
        TxRequest(to=DEVNET.opg, data=OPG.transfer(STRANGER, 1).data), chain_id=1
    ),
}

REFUSED = {
    "a transfer": (plainly(DEVNET.opg, OPG.transfer(STRANGER, 1).data), "transaction"),
    "a transferFrom": (plainly(DEVNET.opg, words(TRANSFER_FROM, 1, 2, 3)), "transaction"),
    "an approval at a mad fee": (
        a_transaction(OPG.approve(DEVNET.permit2, 1), max_fee_per_gas=10**12),
        "fee",
    ),
    "an approval with a padded spender": (
        plainly(DEVNET.opg, words(APPROVE, 1 << 255 | PERMIT2_WORD, 1)),
        "spender",
    ),
    "an approval that sends coin along": (
        a_transaction(replace(OPG.approve(DEVNET.permit2, 1), value=1)),
        "value",
    ),
    "an approval that takes more gas than approvals do": (
        a_transaction(OPG.approve(DEVNET.permit2, 1), gas=100_001),
        "gas",
    ),
    "a plain call of OPG": (plainly(DEVNET.opg), "transaction"),
    "a growing allowance": (plainly(DEVNET.opg, words(INCREASE_ALLOWANCE, PERMIT2_WORD, 1)), "tr"),
    "an approval over the bound": (
        plainly(DEVNET.opg, OPG.approve(DEVNET.permit2, APPROVAL + 1).data),
        "amount",
    ),
    "an unlimited approval": (
        plainly(DEVNET.opg, OPG.approve(DEVNET.permit2, UNLIMITED).data),
        "amount",
    ),
    "an approval of a stranger": (plainly(DEVNET.opg, OPG.approve(STRANGER, 1).data), "spender"),
    "an approval with something after it": (
        plainly(DEVNET.opg, OPG.approve(DEVNET.permit2, 1).data + b"\0"),
        "transaction",
    ),
    "an allowance inside Permit2": (
        plainly(DEVNET.permit2, words(PERMIT2_APPROVE, 1, 2, 3, 4)),
        "transaction",
    ),
    "burning sent to OPG": (plainly(DEVNET.opg, BURN), "transaction"),
    "a settlement by hand": (plainly(DEVNET.upto_proxy, b"\0\0\0\0"), "transaction"),
    "an exact settlement by hand": (plainly(DEVNET.exact_proxy, b"\0\0\0\0"), "transaction"),
}


@pytest.mark.parametrize("tx", ALLOWED.values(), ids=ALLOWED.keys())
async def test_transactions_that_spend_no_opg_pass(tx: PreparedTx) -> None:
    signed = await GuardedSigner(SIGNER, a_policy()).sign_transaction(tx)
    assert signed.tx == tx


@pytest.mark.parametrize(("tx", "field"), REFUSED.values(), ids=REFUSED.keys())
async def test_transactions_that_could_spend_opg_are_refused(tx: PreparedTx, field: str) -> None:
    with pytest.raises(PolicyRejectedError) as error:
        await GuardedSigner(SIGNER, a_policy()).sign_transaction(tx)
    assert error.value.field.startswith(field)
    assert error.value.hint


@pytest.mark.parametrize(("tx", "field"), REFUSED.values(), ids=REFUSED.keys())
async def test_saying_that_it_is_meant_is_enough(tx: PreparedTx, field: str) -> None:
    meant = replace(tx, allow_spend=True)
    assert (await GuardedSigner(SIGNER, a_policy()).sign_transaction(meant)).tx == meant, field


async def test_owners_choose_the_bound_of_approvals() -> None:
    assert a_policy().max_approval == APPROVAL
    assert a_policy(max_approval=1).max_approval == 1
    tx, _ = REFUSED["an approval over the bound"]
    await a_policy(max_approval=APPROVAL + 1).check_transaction(tx)
    with pytest.raises(PolicyRejectedError, match="at most"):
        await a_policy(max_approval=1).check_transaction(ALLOWED["the bound"])

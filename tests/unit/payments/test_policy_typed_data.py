"""What a wallet is asked to sign: exactly a granted payment, or it is refused by the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.errors import PolicyRejectedError, Spent
from opengradient_sdk.payments.challenge import Offer
from opengradient_sdk.payments.extensions import eip2612_typed_data
from opengradient_sdk.payments.schemes import eip3009_typed_data, typed_data_for
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.signers import GuardedSigner
from opengradient_sdk.types import TypedData

from .makers import CAP, FACILITATOR, NOW, OWNER, PAYEE, SIGNER, STRANGER, an_offer
from .test_policy import a_policy

DAY = 86_400


def typed(offer: Offer, *, now: float = NOW) -> TypedData:
    return typed_data_for(offer, owner=OWNER, profile=DEVNET, now=int(now), nonce=7)


def saying(path: str, value: object) -> TypedData:
    """A payment with one member of its message, or of a struct in it, changed."""
    data = typed(an_offer())
    return replace(data, message=changed(data.message, path.split("."), value))


def changed(message: Mapping[str, Any], path: list[str], value: object) -> dict[str, Any]:
    name, *rest = path
    return {**message, name: changed(message[name], rest, value) if rest else value}


def without(path: str) -> TypedData:
    data = typed(an_offer())
    *parents, last = path.split(".")
    if not parents:
        return replace(data, message={n: v for n, v in data.message.items() if n != last})
    inner: Any = data.message[parents[0]]
    kept = {name: value for name, value in inner.items() if name != last}
    return replace(data, message={**data.message, parents[0]: kept})


def in_domain(**changes: object) -> TypedData:
    data = typed(an_offer())
    return replace(data, domain={**data.domain, **changes})


def of_types(**changes: Any) -> TypedData:
    """A payment with a declared struct changed or added."""
    data = typed(an_offer())
    return replace(data, types=tuple((dict(data.types) | changes).items()))


EXACT = an_offer(scheme="exact")
TOKEN = an_offer(
    scheme="exact", extra={"assetTransferMethod": "eip3009", "name": "USD Coin", "version": "2"}
)
WITNESS = dict(typed(an_offer()).types)["Witness"]

DIFFERENT: dict[str, tuple[TypedData, str]] = {
    "another primary type": (replace(typed(an_offer()), primary_type="Witness"), "primaryType"),
    "a version in the domain": (
        replace(
            in_domain(version="1"),
            domain_type=(*typed(an_offer()).domain_type, ("version", "string")),
        ),
        "EIP712Domain",
    ),
    "the domain's members in another order": (
        replace(typed(an_offer()), domain_type=typed(an_offer()).domain_type[::-1]),
        "EIP712Domain",
    ),
    "a domain type that is no list of pairs": (
        replace(typed(an_offer()), domain_type=3),  # type: ignore[arg-type]
        "EIP712Domain",
    ),
    "a member of the domain that is not declared": (in_domain(salt=b"\1" * 32), "domain.salt"),
    "another name": (in_domain(name="Permit3"), "domain.name"),
    "another chain": (in_domain(chainId=1), "domain.chainId"),
    "a chain id as text": (in_domain(chainId="31337"), "domain.chainId"),
    "another contract": (in_domain(verifyingContract=STRANGER), "domain.verifyingContract"),
    "no contract": (in_domain(verifyingContract=None), "domain.verifyingContract"),
    "the witness of exact": (of_types(Witness=dict(typed(EXACT).types)["Witness"]), "types"),
    "the stale witness with bytes": (of_types(Witness=(*WITNESS, ("extra", "bytes"))), "types"),
    "a witness in another order": (of_types(Witness=WITNESS[::-1]), "types"),
    "a type more": (of_types(Other=(("to", "address"),)), "types"),
    "types that are no pairs": (replace(typed(an_offer()), types=({},)), "types"),  # type: ignore[arg-type]
    "types as a number": (replace(typed(an_offer()), types=9), "types"),  # type: ignore[arg-type]
    "another token": (saying("permitted.token", STRANGER), "message.permitted.token"),
    "an atom more": (saying("permitted.amount", CAP + 1), "message.permitted.amount"),
    "nothing": (saying("permitted.amount", 0), "message.permitted.amount"),
    "a float": (saying("permitted.amount", float(CAP)), "message.permitted.amount"),
    "an amount as text": (saying("permitted.amount", str(CAP)), "message.permitted.amount"),
    "a member of the token's more": (saying("permitted.extra", 1), "message.permitted.extra"),
    "another spender": (saying("spender", STRANGER), "message.spender"),
    "the exact proxy": (saying("spender", DEVNET.exact_proxy), "message.spender"),
    "a spender with a wrong checksum": (
        saying("spender", "0x" + DEVNET.upto_proxy[2:].swapcase()),
        "message.spender",
    ),
    "a negative nonce": (saying("nonce", -1), "message.nonce"),
    "a nonce that is too large": (saying("nonce", 1 << 256), "message.nonce"),
    "a truth as nonce": (saying("nonce", True), "message.nonce"),
    "a deadline that has passed": (saying("deadline", int(NOW)), "message.deadline"),
    "a second more": (saying("deadline", int(NOW) + 301), "message.deadline"),
    "for ever": (saying("deadline", 2**256 - 1), "message.deadline"),
    "valid in the future": (saying("witness.validAfter", int(NOW) + 1), "witness.validAfter"),
    "valid since yesterday": (saying("witness.validAfter", int(NOW) - DAY), "witness.validAfter"),
    "a recipient that is none": (saying("witness.to", "gateway"), "message.witness.to"),
    "no facilitator": (saying("witness.facilitator", ""), "message.witness.facilitator"),
    "a member of the witness more": (saying("witness.extra", b""), "message.witness.extra"),
    "a member more": (saying("from", OWNER), "message.from"),
    "a member with a line break": (saying("a\nb", 1), r"message.'a\nb'"),
    "a dotted member over a true one": (
        saying("permitted", {"token": DEVNET.opg, "amount": CAP, "x.y": 1}),
        "message.permitted.x.y",
    ),
    "text for a struct": (saying("permitted", "all"), "message.permitted.token"),
    "a list for a struct": (saying("witness", [PAYEE]), "message.witness.validAfter"),
    "no nonce": (without("nonce"), "message.nonce"),
    "no spender": (without("spender"), "message.spender"),
    "no recipient": (without("witness.to"), "message.witness.to"),
    "no message": (replace(typed(an_offer()), message=None), "message.permitted.token"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("data", "field"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_no_grant_for_data_that_differs_anywhere(data: TypedData, field: str) -> None:
    with pytest.raises(PolicyRejectedError) as error:
        a_policy().grant(an_offer(), PAYEE, data)
    assert field in error.value.field
    assert error.value.spent is Spent.NO
    assert error.value.field in str(error.value)
    assert "\n" not in error.value.short_message


@pytest.mark.parametrize(("data", "field"), DIFFERENT.values(), ids=DIFFERENT.keys())
async def test_nor_is_it_signed_for_whoever_asks(data: TypedData, field: str) -> None:
    with pytest.raises(PolicyRejectedError) as error:
        await GuardedSigner(SIGNER, a_policy()).sign_typed_data(data)
    assert field in error.value.field
    assert "client.payments.authorize" in error.value.hint


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"amount": CAP - 1}, "message.permitted.amount"),
        ({"pay_to": STRANGER}, "message.witness.to"),
        ({"extra": {"facilitatorAddress": STRANGER}}, "message.witness.facilitator"),
        ({"asset": STRANGER}, "message.permitted.token"),
        ({"network": "eip155:1"}, "domain.chainId"),
        ({"scheme": "exact"}, "types"),
        ({"max_timeout_seconds": 301}, "message.deadline"),
    ],
)
def test_no_grant_for_the_data_of_another_offer(other: dict[str, Any], field: str) -> None:
    with pytest.raises(PolicyRejectedError) as error:
        a_policy().grant(an_offer(), PAYEE, typed(an_offer(**other)))
    assert error.value.field == field


@pytest.mark.parametrize("late", [0, 1, 60])
def test_a_draft_may_be_a_little_old(late: int) -> None:
    a_policy().grant(an_offer(), PAYEE, typed(an_offer(), now=NOW - late))


@pytest.mark.parametrize("late", [61, -1, -DAY])
def test_a_draft_of_another_time_is_refused(late: int) -> None:
    with pytest.raises(PolicyRejectedError) as error:
        a_policy().grant(an_offer(), PAYEE, typed(an_offer(), now=NOW - late))
    assert error.value.field in ("message.deadline", "message.witness.validAfter")


def test_no_grant_for_an_offer_that_is_not_allowed() -> None:
    offer = an_offer(pay_to=STRANGER)
    with pytest.raises(PolicyRejectedError) as error:
        a_policy().grant(offer, PAYEE, typed(offer))
    assert error.value.field == "payTo"


def test_no_grant_for_an_offer_without_a_facilitator() -> None:
    with pytest.raises(PolicyRejectedError) as error:
        a_policy().grant(an_offer(extra={"facilitatorAddress": None}), PAYEE, typed(an_offer()))
    assert error.value.field == "extra.facilitatorAddress"


async def test_what_was_granted_is_signed_once() -> None:
    policy = a_policy()
    signer, offer = GuardedSigner(SIGNER, policy), an_offer()
    data = typed(offer)
    policy.grant(offer, PAYEE, data)
    assert await signer.sign_typed_data(data) == await SIGNER.sign_typed_data(data)
    with pytest.raises(PolicyRejectedError):
        await signer.sign_typed_data(data)


async def test_only_what_was_granted_is_signed() -> None:
    """Not even the same payment with another nonce."""
    policy = a_policy()
    policy.grant(an_offer(), PAYEE, typed(an_offer()))
    with pytest.raises(PolicyRejectedError, match="typed data") as error:
        await policy.check_typed_data(saying("nonce", 8))
    assert error.value.asked == (
        f"PermitWitnessTransferFrom of {CAP} atoms of {DEVNET.opg} to {PAYEE}"
    )
    assert error.value.allowed == "payments made from a checked offer"


async def test_a_grant_can_be_taken_back() -> None:
    policy = a_policy()
    data = typed(an_offer())
    policy.grant(an_offer(), PAYEE, data)
    policy.revoke(data)
    policy.revoke(data)
    with pytest.raises(PolicyRejectedError):
        await policy.check_typed_data(data)


async def test_an_exact_payment_that_is_allowed_is_made_to_the_exact_proxy() -> None:
    policy, data = a_policy(schemes=("upto", "exact")), typed(EXACT)
    policy.grant(EXACT, PAYEE, data)
    await policy.check_typed_data(data)
    assert data.message["spender"] == DEVNET.exact_proxy


async def test_the_allow_list_of_facilitators_holds_for_typed_data_too() -> None:
    data = typed(an_offer())
    with pytest.raises(PolicyRejectedError) as error:
        await a_policy(facilitators=(STRANGER,)).check_typed_data(data)
    assert (error.value.field, error.value.asked) == ("message.witness.facilitator", FACILITATOR)
    with pytest.raises(PolicyRejectedError, match="checked offer"):
        await a_policy(facilitators=(STRANGER, FACILITATOR)).check_typed_data(data)


def by_permit2(primary: str, message: dict[str, object]) -> TypedData:
    """A request that other applications make of Permit2; only its names matter here."""
    data = typed(an_offer())
    return replace(
        data, types=((primary, (("spender", "address"),)),), primary_type=primary, message=message
    )


OPG, SPENDER = str(DEVNET.opg), str(STRANGER)
DETAILS = {"token": OPG, "amount": 5, "expiration": 1, "nonce": 0}

STRANGE: dict[str, tuple[TypedData, str]] = {
    "EIP-3009": (
        eip3009_typed_data(TOKEN, owner=OWNER, chain_id=31337, nonce=1, now=int(NOW)),
        f"TransferWithAuthorization of {CAP} atoms of {OPG} to {PAYEE}",
    ),
    "EIP-2612": (
        eip2612_typed_data(
            TOKEN, owner=OWNER, chain_id=31337, nonce=0, deadline=1, permit2=DEVNET.permit2
        ),
        f"Permit of {CAP} atoms of {OPG} to {DEVNET.permit2}",
    ),
    "Permit2's allowance": (
        by_permit2("PermitSingle", {"details": DETAILS, "spender": SPENDER}),
        f"PermitSingle of 5 atoms of {OPG} to {SPENDER}",
    ),
    "Permit2's allowances": (
        by_permit2("PermitBatch", {"details": [DETAILS], "spender": SPENDER}),
        "PermitBatch for Permit2",
    ),
    "a Permit2 transfer without a witness": (
        by_permit2("PermitTransferFrom", {"permitted": DETAILS, "spender": SPENDER}),
        f"PermitTransferFrom of 5 atoms of {OPG} to {SPENDER}",
    ),
    "a transfer whose parts cannot be read": (
        by_permit2("PermitTransferFrom", {"permitted": "all of it"}),
        "PermitTransferFrom of None atoms of None to None",
    ),
    "a stranger's order": (
        TypedData(
            domain_type=(("name", "string"),),
            domain={"name": "Seaport"},
            types=(("OrderComponents", (("offerer", "address"),)),),
            primary_type="OrderComponents",
            message={"offerer": OWNER},
        ),
        "OrderComponents for Seaport",
    ),
    "a primary type that is none": (
        replace(typed(an_offer()), primary_type=["Permit"]),  # type: ignore[arg-type]
        "a list for Permit2",
    ),
}


@pytest.mark.parametrize(("data", "asked"), STRANGE.values(), ids=STRANGE.keys())
async def test_other_requests_are_refused_by_name(data: TypedData, asked: str) -> None:
    signer = GuardedSigner(SIGNER, a_policy(schemes=("upto", "exact")))
    with pytest.raises(PolicyRejectedError) as error:
        await signer.sign_typed_data(data)
    assert (error.value.field, error.value.asked) == ("primaryType", asked)
    assert error.value.allowed == "PermitWitnessTransferFrom of a checked offer"

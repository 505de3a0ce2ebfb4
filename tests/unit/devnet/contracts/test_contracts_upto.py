"""The upto proxy accepts every Permit2 signature of the vectors and refuses every changed one."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk.devnet.contracts import addresses, artifacts
from opengradient_sdk.types import Address

from .chainkit import NOW, STRANGER, Anvil, RevertedError, vectors
from .permits import Permit, sign_2612, upto

pytestmark = pytest.mark.anvil

CASES = [case for case in vectors("permit2_upto")["cases"] if "typed_data" in case]
ENOUGH = 2**256 - 1
OTHER = Address("0x" + "77" * 20)


def approve(chain: Anvil, permit: Permit, amount: int = ENOUGH) -> None:
    chain.send(permit.owner, permit.token, "OPG", "approve", addresses.PERMIT2, amount)


@pytest.fixture
def permit(chain: Anvil) -> Permit:
    """The first vector; its payer has approved Permit2."""
    permit = upto()
    approve(chain, permit)
    return permit


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_vectors_calldata_settles_once(chain: Anvil, case: dict[str, Any]) -> None:
    permit = upto(case["name"])
    chain.request("anvil_setChainId", case["typed_data"]["domain"]["chainId"])
    try:
        approve(chain, permit)
        facilitator = permit.facilitator
        assert facilitator is not None
        calldata = bytes.fromhex(case["settle_calldata_amount_12345"][2:])
        paid = chain.call(permit.token, "OPG", "balanceOf", permit.to)

        receipt = chain.send_raw(facilitator, addresses.UPTO_PROXY, calldata)

        assert chain.call(permit.token, "OPG", "balanceOf", permit.to) == paid + 12345
        assert chain.events(receipt, "X402UptoPermit2Proxy", "Settled") == [{}]
        assert chain.events(receipt, "OPG", "Transfer") == [
            {"from": permit.owner.lower(), "to": permit.to.lower(), "value": 12345}
        ]
        word = chain.call(
            addresses.PERMIT2, "Permit2", "nonceBitmap", permit.owner, permit.nonce >> 8
        )
        assert word == 1 << case["permit2_nonce_bit_pos"]
        assert permit.nonce >> 8 == int(case["permit2_nonce_word_pos"], 16)
        with pytest.raises(RevertedError) as second:
            chain.send_raw(facilitator, addresses.UPTO_PROXY, calldata)
        assert second.value.name == "InvalidNonce"
    finally:
        chain.request("anvil_setChainId", 8453)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_domain_is_that_of_the_vectors(chain: Anvil, case: dict[str, Any]) -> None:
    chain.request("anvil_setChainId", case["typed_data"]["domain"]["chainId"])
    try:
        separator = chain.call(addresses.PERMIT2, "Permit2", "DOMAIN_SEPARATOR")
        assert "0x" + separator.hex() == case["typed_data"]["domainSeparator"]
    finally:
        chain.request("anvil_setChainId", 8453)


SIGNED_MEMBERS = {
    "amount": 10**17 + 1,
    "token": addresses.PERMIT2,
    "nonce": 1,
    "deadline": NOW + 301,
    "to": OTHER,
    "facilitator": OTHER,
    "valid_after": NOW - 601,
    "owner": OTHER,
}


@pytest.mark.parametrize("member", SIGNED_MEMBERS)
def test_a_changed_member_is_not_what_was_signed(chain: Anvil, permit: Permit, member: str) -> None:
    with pytest.raises(RevertedError) as refused:
        permit.but(**{member: SIGNED_MEMBERS[member]}).settle(chain)
    assert refused.value.name == "InvalidSigner"


def flipped(signature: bytes, position: int) -> bytes:
    changed = bytearray(signature)
    changed[position] ^= 1
    return bytes(changed)


SIGNATURE = upto().signature
BAD_SIGNATURES = {
    "s changed": (flipped(SIGNATURE, 63), "InvalidSigner"),
    "v of the other parity": (SIGNATURE[:64] + bytes([55 - SIGNATURE[64]]), "InvalidSigner"),
    "v that is none": (SIGNATURE[:64] + b"\x1d", "InvalidSignature"),
    "zeros": (bytes(64) + b"\x1b", "InvalidSignature"),
    "too short": (SIGNATURE[:63], "InvalidSignatureLength"),
    "too long": (SIGNATURE + b"\0", "InvalidSignatureLength"),
    "none": (b"", "InvalidSignatureLength"),
    "another payer's": (upto("second-key").signature, "InvalidSigner"),
    "another chain's": (upto("og-devnet-10740").signature, "InvalidSigner"),
}


@pytest.mark.parametrize("case", BAD_SIGNATURES)
def test_a_corrupted_signature_is_refused(chain: Anvil, permit: Permit, case: str) -> None:
    signature, error = BAD_SIGNATURES[case]
    with pytest.raises(RevertedError) as refused:
        permit.but(signature=signature).settle(chain)
    assert refused.value.name == error


def test_a_compact_signature_is_as_good(chain: Anvil, permit: Permit) -> None:
    r, s, v = permit.signature[:32], permit.signature[32:64], permit.signature[64]
    packed = (int.from_bytes(s, "big") | (v - 27) << 255).to_bytes(32, "big")
    receipt = permit.but(signature=r + packed).settle(chain)
    assert chain.events(receipt, "X402UptoPermit2Proxy", "Settled") == [{}]


RETURNS_MAGIC = "0x631626ba7e60e01b5f5260205ff3"
RETURNS_ZERO = "0x60205ff3"


def test_an_account_with_code_answers_for_its_signature(chain: Anvil, permit: Permit) -> None:
    unsigned = permit.but(signature=b"whatever the account accepts")
    chain.request("anvil_setCode", permit.owner, RETURNS_ZERO)
    with pytest.raises(RevertedError) as refused:
        unsigned.settle(chain)
    assert refused.value.name == "InvalidContractSignature"
    chain.request("anvil_setCode", permit.owner, RETURNS_MAGIC)
    assert unsigned.settle(chain)["status"] == "0x1"


REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "more than the cap": ({}, {"charge": 10**17 + 1}, "AmountExceedsPermitted"),
    "nothing": ({}, {"charge": 0}, "InvalidAmount"),
    "not the facilitator": ({}, {"sender": STRANGER}, "UnauthorizedFacilitator"),
    "no owner": ({"owner": Address("0x" + "00" * 20)}, {}, "InvalidOwner"),
    "no recipient": ({"to": Address("0x" + "00" * 20)}, {}, "InvalidDestination"),
    "too early": ({"valid_after": NOW + 1000}, {}, "PaymentTooEarly"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_the_proxy_refuses(chain: Anvil, permit: Permit, case: str) -> None:
    changes, how, error = REFUSALS[case]
    with pytest.raises(RevertedError) as refused:
        permit.but(**changes).settle(chain, **how)
    assert (refused.value.name, refused.value.arguments) == (error, ())


def test_the_whole_cap_may_be_charged(chain: Anvil, permit: Permit) -> None:
    receipt = permit.settle(chain, charge=permit.amount)
    assert chain.events(receipt, "OPG", "Transfer")[0]["value"] == permit.amount


def test_the_deadline_is_the_last_second(chain: Anvil, permit: Permit) -> None:
    chain.set_time(permit.deadline)
    assert permit.settle(chain)["status"] == "0x1"


def test_after_the_deadline_it_has_expired(chain: Anvil, permit: Permit) -> None:
    chain.set_time(permit.deadline + 1)
    with pytest.raises(RevertedError) as refused:
        permit.settle(chain)
    assert refused.value.name == "SignatureExpired"
    assert refused.value.arguments == (permit.deadline,)


def test_the_payer_cancels(chain: Anvil, permit: Permit) -> None:
    word, mask = permit.nonce >> 8, 1 << (permit.nonce & 0xFF)
    receipt = chain.send(
        permit.owner, addresses.PERMIT2, "Permit2", "invalidateUnorderedNonces", word, mask
    )
    assert chain.events(receipt, "Permit2", "UnorderedNonceInvalidation") == [
        {"owner": permit.owner.lower(), "word": word, "mask": mask}
    ]
    with pytest.raises(RevertedError) as refused:
        permit.settle(chain)
    assert refused.value.name == "InvalidNonce"


@pytest.mark.parametrize("allowance", [0, 12344])
def test_without_allowance_the_token_refuses(chain: Anvil, permit: Permit, allowance: int) -> None:
    approve(chain, permit, allowance)
    with pytest.raises(RevertedError) as refused:
        permit.settle(chain)
    assert (refused.value.name, refused.value.arguments) == ("Error", ("TRANSFER_FROM_FAILED",))


def test_a_refused_settlement_leaves_the_nonce(chain: Anvil, permit: Permit) -> None:
    approve(chain, permit, 0)
    with pytest.raises(RevertedError):
        permit.settle(chain)
    approve(chain, permit)
    assert permit.settle(chain)["status"] == "0x1"


def test_only_the_signed_spender_may_use_it(chain: Anvil, permit: Permit) -> None:
    proxy = artifacts.load("X402UptoPermit2Proxy")
    kind = chain.call(addresses.UPTO_PROXY, proxy.name, "WITNESS_TYPE_STRING")
    assert kind == vectors("permit2_upto")["constants"]["upto_witness_typestring"]
    details = (permit.to, 12345)
    with pytest.raises(RevertedError) as refused:
        chain.send(
            STRANGER,
            addresses.PERMIT2,
            "Permit2",
            "permitWitnessTransferFrom",
            *(permit.terms, details, permit.owner, bytes(32), kind, permit.signature),
        )
    assert refused.value.name == "InvalidSigner"


def settle_with_permit(chain: Anvil, permit: Permit, permit2612: tuple[Any, ...]) -> dict[str, Any]:
    assert permit.facilitator is not None
    return chain.send(
        permit.facilitator,
        addresses.UPTO_PROXY,
        "X402UptoPermit2Proxy",
        "settleWithPermit",
        *(permit2612, permit.terms, 12345, permit.owner, permit.witness, permit.signature),
    )


def test_a_2612_permit_gives_the_allowance(chain: Anvil) -> None:
    permit = upto()
    permit2612 = sign_2612(permit, value=permit.amount, nonce=0, deadline=permit.deadline)
    receipt = settle_with_permit(chain, permit, permit2612)
    assert chain.events(receipt, "X402UptoPermit2Proxy", "SettledWithPermit") == [{}]
    assert chain.events(receipt, "X402UptoPermit2Proxy", "Settled") == []
    left = chain.call(addresses.OPG, "OPG", "allowance", permit.owner, addresses.PERMIT2)
    assert left == permit.amount - 12345


def test_a_failing_2612_permit_is_told_and_swallowed(chain: Anvil, permit: Permit) -> None:
    permit2612 = sign_2612(permit, value=permit.amount, nonce=7, deadline=permit.deadline)
    receipt = settle_with_permit(chain, permit, permit2612)
    [failure] = chain.events(receipt, "X402UptoPermit2Proxy", "EIP2612PermitFailedWithData")
    assert (failure["token"], failure["owner"]) == (permit.token.lower(), permit.owner.lower())
    assert artifacts.load("OPG").decode_error(failure["data"])[0] == "ERC2612InvalidSigner"
    assert chain.events(receipt, "X402UptoPermit2Proxy", "SettledWithPermit") == [{}]


def test_a_2612_permit_for_another_value_is_refused(chain: Anvil, permit: Permit) -> None:
    permit2612 = sign_2612(permit, value=permit.amount - 1, nonce=0, deadline=permit.deadline)
    with pytest.raises(RevertedError) as refused:
        settle_with_permit(chain, permit, permit2612)
    assert refused.value.name == "Permit2612AmountMismatch"

"""What is signed and sent, byte for byte as the reference client does."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk.errors import InvalidChallengeError
from opengradient_sdk.payments.challenge import PaymentRequired, parse_402
from opengradient_sdk.payments.schemes import (
    MISSING_FACILITATOR,
    Authorization,
    authorization_for,
    is_payable,
    new_nonce,
    payable_offers,
    typed_data_for,
)
from opengradient_sdk.payments.schemes._terms import chain_id_of
from opengradient_sdk.profiles import MAINNET
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address

VECTORS = Path(__file__).parents[2] / "assets" / "vectors"


def cases(name: str, *, failing: bool) -> list[Any]:
    every = json.loads((VECTORS / f"{name}.json").read_text())["cases"]
    return [pytest.param(c, id=f"{name}-{c['name']}") for c in every if ("error" in c) is failing]


def challenge_of(document: dict[str, Any]) -> PaymentRequired:
    header = base64.b64encode(json.dumps(document, ensure_ascii=False).encode()).decode()
    challenge = parse_402({"payment-required": header}, b"{}")
    assert isinstance(challenge, PaymentRequired)
    return challenge


async def pay(case: dict[str, Any]) -> Authorization:
    challenge = challenge_of(case["payment_required"])
    signer = LocalSigner.from_key(case["private_key"])
    offer = payable_offers(challenge)[0]
    data = typed_data_for(
        offer,
        owner=signer.address,
        profile=MAINNET,
        now=case["now"],
        nonce=int(case["urandom_32"], 16),
    )
    signature = await signer.sign_typed_data(data)
    return authorization_for(offer, challenge, owner=signer.address, data=data, signature=signature)


SUCCEEDING = [
    case
    for name in ("permit2_upto", "permit2_exact", "eip3009")
    for case in cases(name, failing=False)
]


@pytest.mark.parametrize("case", SUCCEEDING)
async def test_every_byte_is_the_reference_clients(case: dict[str, Any]) -> None:
    """Domain separator, struct hash, digest, signature, payload and header all match."""
    paid = await pay(case)
    expected = case["typed_data"]

    assert "0x" + paid.typed_data.domain_separator().hex() == expected["domainSeparator"]
    assert "0x" + paid.typed_data.struct_hash().hex() == expected["structHash"]
    assert "0x" + paid.typed_data.digest().hex() == expected["digest"]
    assert "0x" + paid.signature.hex() == case["signature"]
    assert base64.b64decode(paid.header).decode() == case["payload_json"]
    assert paid.header == case["header"]["PAYMENT-SIGNATURE"]
    assert dict(paid.typed_data.domain) == expected["domain"]


@pytest.mark.parametrize("case", SUCCEEDING)
async def test_an_authorization_says_what_was_signed(case: dict[str, Any]) -> None:
    paid = await pay(case)
    offered = case["payment_required"]["accepts"][0]

    assert paid.owner == case["address"]
    assert paid.network == offered["network"]
    assert paid.asset == Address(offered["asset"])
    assert paid.max_amount == int(offered["amount"])
    assert paid.recipient == Address(offered["payTo"])
    assert paid.nonce == int(case["urandom_32"], 16)
    assert paid.valid_after == case["now"] - 600
    assert paid.deadline == case["now"] + (offered["maxTimeoutSeconds"] or 3600)
    assert paid.scheme == offered["scheme"]
    if paid.scheme == "upto":
        assert paid.facilitator == Address(offered["extra"]["facilitatorAddress"])
        assert paid.spender == MAINNET.upto_proxy
    else:
        assert paid.facilitator is None
        by_permit2 = offered["extra"].get("assetTransferMethod") == "permit2"
        assert paid.spender == (MAINNET.exact_proxy if by_permit2 else paid.asset)


REFUSALS = {
    "missing-facilitatorAddress": MISSING_FACILITATOR,
    "bad-asset-length": "asset is no address",
    "unsupported-network": "upto on solana:mainnet",
    "unknown-scheme": "batch on eip155:8453",
    "unknown-asset-no-name": "EIP-712 name and version",
}


@pytest.mark.parametrize(
    "case", [*cases("permit2_upto", failing=True), *cases("eip3009", failing=True)]
)
async def test_what_the_reference_client_cannot_pay_is_an_invalid_challenge(
    case: dict[str, Any],
) -> None:
    with pytest.raises(InvalidChallengeError, match=REFUSALS[case["name"]]):
        await pay(case)


def upto_case() -> dict[str, Any]:
    vectors = json.loads((VECTORS / "permit2_upto.json").read_text())
    case: dict[str, Any] = vectors["cases"][0]
    return case


async def test_header_and_signature_are_not_printed() -> None:
    """They are worth the whole cap to whoever reads a log."""
    paid = await pay(upto_case())
    assert paid.header not in repr(paid)
    assert paid.signature.hex() not in repr(paid).lower()
    assert repr(paid.signature) not in repr(paid)


@pytest.mark.parametrize("member", ["asset", "payTo"])
async def test_an_address_with_a_mistyped_digit_is_refused(member: str) -> None:
    """The reference client signs it: the checksum is there to be looked at."""
    case = upto_case()
    offer = case["payment_required"]["accepts"][0]
    offer[member] = offer[member][:-1] + ("0" if offer[member][-1] != "0" else "1")
    with pytest.raises(InvalidChallengeError, match="checksum"):
        await pay(case)


@pytest.mark.parametrize("facilitator", [7, "0x12", ["0x"]])
async def test_a_facilitator_that_is_no_address_is_refused(facilitator: object) -> None:
    case = upto_case()
    case["payment_required"]["accepts"][0]["extra"]["facilitatorAddress"] = facilitator
    with pytest.raises(InvalidChallengeError, match="facilitatorAddress is no address"):
        await pay(case)


@pytest.mark.parametrize(
    "network", ["eip155", "eip155:", "eip155:0", "eip155:08453", "eip155:8453 ", "EIP155:8453"]
)
def test_a_network_that_is_no_evm_chain_cannot_be_paid(network: str) -> None:
    document = upto_case()["payment_required"]
    document["accepts"][0]["network"] = network
    challenge = challenge_of(document)
    assert not is_payable(challenge.offers[0])
    with pytest.raises(InvalidChallengeError, match="none of the node's offers"):
        payable_offers(challenge)
    with pytest.raises(InvalidChallengeError, match="not the name of an EVM chain"):
        chain_id_of(network)
    with pytest.raises(InvalidChallengeError, match="no way is known"):
        typed_data_for(challenge.offers[0], owner=Address("0x" + "11" * 20), profile=MAINNET, now=1)


def test_no_offers_at_all_is_said_so() -> None:
    document = upto_case()["payment_required"]
    document["accepts"] = []
    with pytest.raises(InvalidChallengeError, match="it makes none"):
        payable_offers(challenge_of(document))


def test_nonces_are_256_random_bits() -> None:
    drawn = {new_nonce() for _ in range(64)}
    assert len(drawn) == 64
    assert all(0 <= nonce < 1 << 256 for nonce in drawn)
    assert max(drawn).bit_length() > 240


def test_each_draft_draws_its_own_nonce() -> None:
    offer = challenge_of(upto_case()["payment_required"]).offers[0]
    owner = Address("0x" + "11" * 20)
    first, second = (
        typed_data_for(offer, owner=owner, profile=MAINNET, now=1_784_200_000) for _ in range(2)
    )
    assert first.message["nonce"] != second.message["nonce"]


def test_a_clock_near_its_zero_still_makes_a_window() -> None:
    offer = challenge_of(upto_case()["payment_required"]).offers[0]
    data = typed_data_for(offer, owner=Address("0x" + "11" * 20), profile=MAINNET, now=5)
    assert len(data.digest()) == 32
    assert data.message["deadline"] == 305


@pytest.mark.parametrize("extra", [{"name": 5}, {"name": "X", "version": 5}, {"name": ""}])
def test_a_token_name_that_is_no_text_is_refused(extra: dict[str, object]) -> None:
    document = upto_case()["payment_required"]
    document["accepts"][0] |= {"scheme": "exact", "extra": extra}
    offer = challenge_of(document).offers[0]
    with pytest.raises(InvalidChallengeError, match="EIP-712 name"):
        typed_data_for(offer, owner=Address("0x" + "11" * 20), profile=MAINNET, now=1)

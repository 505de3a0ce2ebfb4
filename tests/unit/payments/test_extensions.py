"""Sponsored allowances: what is handed over is exactly what was signed."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from opengradient_sdk.errors import SignerError
from opengradient_sdk.payments.challenge import PaymentRequired, parse_402
from opengradient_sdk.payments.extensions import (
    EIP2612,
    ERC20_APPROVAL,
    approve_call,
    eip2612_info,
    eip2612_typed_data,
    erc20_approval_info,
)
from opengradient_sdk.payments.schemes import authorization_for, typed_data_for
from opengradient_sdk.profiles import MAINNET
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, Bytes32, PreparedTx, SignedTx, keccak256

ASSETS = Path(__file__).parents[2] / "assets" / "vectors"
VECTORS = json.loads((ASSETS / "upto_extensions.json").read_text())
UNLIMITED = 2**256 - 1


def challenge_of(case: dict[str, Any]) -> PaymentRequired:
    document = {
        "x402Version": 2,
        "resource": case["payload"]["resource"],
        "accepts": [case["payload"]["accepted"]],
        "extensions": case["server_extensions"],
    }
    header = base64.b64encode(json.dumps(document).encode()).decode()
    challenge = parse_402({"PAYMENT-REQUIRED": header}, b"")
    assert isinstance(challenge, PaymentRequired)
    return challenge


async def attachment(case: dict[str, Any], challenge: PaymentRequired, signer: LocalSigner) -> Any:
    """Do what the case's client did, with its choices handed in."""
    if "eip2612_typed_data" in case:
        offer = challenge.offers[0]
        data = eip2612_typed_data(
            offer,
            owner=signer.address,
            chain_id=8453,
            nonce=case["chain_state"]["eip2612_nonce"],
            deadline=case["now"] + offer.max_timeout_seconds,
            permit2=MAINNET.permit2,
        )
        assert "0x" + data.digest().hex() == case["eip2612_typed_data"]["digest"]
        return eip2612_info(data, await signer.sign_typed_data(data))
    if "approve_tx" in case:
        signed = await signer.sign_transaction(approval(case, signer.address))
        assert str(signed.hash) == case["approve_tx_hash"]
        return erc20_approval_info(
            signed,
            owner=signer.address,
            asset=MAINNET.opg,
            spender=MAINNET.permit2,
            amount=UNLIMITED,
        )
    return None


def approval(case: dict[str, Any], owner: Address) -> PreparedTx:
    fees = case["chain_state"]["fees(maxFeePerGas,maxPriorityFeePerGas)"] or [10**9, 10**8]
    return PreparedTx(
        chain_id=8453,
        sender=owner,
        nonce=case["chain_state"]["tx_nonce"],
        to=MAINNET.opg,
        data=approve_call(MAINNET.permit2, UNLIMITED),
        value=0,
        gas=70_000,
        max_fee_per_gas=fees[0],
        max_priority_fee_per_gas=fees[1],
    )


def complete(case: dict[str, Any]) -> dict[str, Any]:
    """Return the case with what it shares with the first one, where it leaves that out."""
    shared = ("private_key", "now", "urandom_32")
    announced = {"server_extensions": case["payload"].get("extensions", {})}
    return {name: VECTORS["cases"][0][name] for name in shared} | announced | case


@pytest.mark.parametrize(
    "case",
    [complete(c) for c in VECTORS["cases"] if "payload" in c],
    ids=lambda case: case["name"],
)
async def test_a_sponsored_payment_is_the_reference_clients_byte_for_byte(
    case: dict[str, Any],
) -> None:
    signer = LocalSigner.from_key(case["private_key"])
    challenge = challenge_of(case)
    offer = challenge.offers[0]
    data = typed_data_for(
        offer,
        owner=signer.address,
        profile=MAINNET,
        now=case["now"],
        nonce=int(case["urandom_32"], 16),
    )
    paid = authorization_for(
        offer,
        challenge,
        owner=signer.address,
        data=data,
        signature=await signer.sign_typed_data(data),
        attached=await attachment(case, challenge, signer),
    )
    assert json.loads(base64.b64decode(paid.header)) == case["payload"]
    if "header" in case:
        assert paid.header == case["header"]["PAYMENT-SIGNATURE"]


def signed_from(raw: str) -> SignedTx:
    """Return what a wallet would have returned with these bytes."""
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    tx = PreparedTx(
        chain_id=fields["chainId"],
        sender=Address(Account.recover_transaction(raw)),
        nonce=fields["nonce"],
        to=Address.from_bytes(bytes(HexBytes(fields["to"]))),
        data=bytes(HexBytes(fields["data"])),
        value=fields["value"],
        gas=fields["gas"],
        max_fee_per_gas=fields["maxFeePerGas"],
        max_priority_fee_per_gas=fields["maxPriorityFeePerGas"],
    )
    return SignedTx(tx, bytes(HexBytes(raw)), Bytes32(keccak256(bytes(HexBytes(raw)))))


# What the reference facilitator refuses, or wrongly accepts, and the member we stop it at. Cases
# about the text of `info` cannot arise: ours is written from the transaction. Its chain is that of
# the `Chain` that built it.
STOPPED_AT = {
    "tx-wrong-target": "recipient",
    "tx-wrong-selector": "call",
    "tx-wrong-spender": "call",
    "tx-other-signer": "sender",
    "tx-short-calldata": "call",
    "tx-zero-amount-accepted": "call",
    "tx-with-value-accepted": "value",
}


@pytest.mark.parametrize(
    "case",
    [c for c in VECTORS["erc20_validation"] if c["name"] in STOPPED_AT],
    ids=lambda case: case["name"],
)
def test_another_transaction_than_the_approval_is_not_handed_over(case: dict[str, Any]) -> None:
    info = case["info"]
    with pytest.raises(SignerError, match=STOPPED_AT[case["name"]]):
        erc20_approval_info(
            signed_from(info["signedTransaction"]),
            owner=Address(info["from"]),
            asset=MAINNET.opg,
            spender=MAINNET.permit2,
            amount=UNLIMITED,
        )


def test_the_facilitators_good_case_is_what_we_write() -> None:
    (case,) = (c for c in VECTORS["erc20_validation"] if c["name"] == "ok")
    info = erc20_approval_info(
        signed_from(case["info"]["signedTransaction"]),
        owner=Address(case["info"]["from"]),
        asset=MAINNET.opg,
        spender=MAINNET.permit2,
        amount=UNLIMITED,
    )
    assert info == {ERC20_APPROVAL: {"info": case["info"]}}


async def test_a_bounded_approval_says_its_bound() -> None:
    case = VECTORS["cases"][0]
    signer = LocalSigner.from_key(case["private_key"])
    tx = replace(approval(case, signer.address), data=approve_call(MAINNET.permit2, 10**18))
    signed = await signer.sign_transaction(tx)
    terms = {"owner": signer.address, "asset": MAINNET.opg, "spender": MAINNET.permit2}
    info: Any = erc20_approval_info(signed, **terms, amount=10**18)
    assert info[ERC20_APPROVAL]["info"]["amount"] == str(10**18)
    with pytest.raises(SignerError, match="call"):
        erc20_approval_info(signed, **terms, amount=10**18 + 1)


async def test_a_transaction_of_another_type_is_not_handed_over() -> None:
    case = VECTORS["cases"][0]
    signer = LocalSigner.from_key(case["private_key"])
    signed = await signer.sign_transaction(approval(case, signer.address))
    legacy = replace(signed, raw=b"\xf8" + signed.raw[1:])
    with pytest.raises(SignerError, match="type"):
        erc20_approval_info(
            legacy,
            owner=signer.address,
            asset=MAINNET.opg,
            spender=MAINNET.permit2,
            amount=UNLIMITED,
        )


def test_the_permits_good_case_is_what_we_write() -> None:
    (good,) = (c for c in VECTORS["eip2612_validation"] if c["name"] == "ok")
    (case,) = (c for c in VECTORS["cases"] if c["name"] == "eip2612-needed")
    data = eip2612_typed_data(
        challenge_of(case).offers[0],
        owner=Address(good["info"]["from"]),
        chain_id=8453,
        nonce=int(good["info"]["nonce"]),
        deadline=int(good["info"]["deadline"]),
        permit2=MAINNET.permit2,
    )
    signature = bytes.fromhex(good["info"]["signature"][2:])
    assert eip2612_info(data, signature) == {EIP2612: {"info": good["info"]}}

"""The payment: did the payer sign exactly this authorization, and can the chain's word be true?

The digest is computed here from the claimed members alone, so that not one of them can be another
(EIP-712; Permit2 ``permitWitnessTransferFrom``; the protocol notes, sections 2.4 and 2.5).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from ...errors import SettlementError, SignatureError, SignerError
from ...signers._recover import recover_address
from ...types import keccak256
from .findings import Findings
from .form import AuthorizationPart, Bundle, NotChargedPart, PaymentPart

PERMIT2: Final = "0x000000000022d473030f116ddee9f6b43ac78ba3"
"""Permit2 has this address on every chain."""

_DOMAIN_TYPE: Final = b"EIP712Domain(string name,uint256 chainId,address verifyingContract)"
_TOKEN_TYPE: Final = b"TokenPermissions(address token,uint256 amount)"
_UPTO_TYPE: Final = b"Witness(address to,address facilitator,uint256 validAfter)"
_EXACT_TYPE: Final = b"Witness(address to,uint256 validAfter)"
_PRIMARY_TYPE: Final = (
    b"PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,"
    b"uint256 deadline,Witness witness)"
)
_COLLECTED: Final = ("settled", "final")


def check_payment(bundle: Bundle, findings: Findings) -> None:
    """Check the payer's signature, and what is said about the payment against what was signed.

    Raises:
        SignatureError: Another account signed, or something else was signed.
        SettlementError: What is claimed can never have happened on that authorization.
    """
    payment = bundle.payment
    _check_signature(payment, findings)
    _check_claims(payment, findings)


def permit2_digest(signed: AuthorizationPart) -> bytes:
    """Return the 32 bytes that the payer signs for a Permit2 authorization."""
    witness_type = _EXACT_TYPE if signed.facilitator is None else _UPTO_TYPE
    facilitator = b"" if signed.facilitator is None else _address(signed.facilitator)
    token = keccak256(
        _type_hash(_TOKEN_TYPE) + _address(signed.asset) + _number(int(signed.max_amount))
    )
    witness = keccak256(
        _type_hash(witness_type)
        + _address(signed.recipient)
        + facilitator
        + _number(signed.valid_after)
    )
    message = keccak256(
        _type_hash(_PRIMARY_TYPE + _TOKEN_TYPE + witness_type)
        + token
        + _address(signed.spender)
        + _number(int(signed.nonce))
        + _number(signed.deadline)
        + witness
    )
    return keccak256(b"\x19\x01" + _domain(_chain_id(signed)) + message)


def _check_signature(payment: PaymentPart, findings: Findings) -> None:
    signed, signature = payment.authorization, payment.signature
    if (signed.scheme == "upto") != (signed.facilitator is not None):
        reason = "upto names a facilitator, exact names none"
        raise findings.refusal(SignatureError, "payment_authorization", reason)
    if signature is None:
        reason = "the payer's signature is left out: what was authorized is a claim"
        findings.left_open("payment_authorization", reason)
        return
    try:
        payer = recover_address(permit2_digest(signed), bytes.fromhex(signature[2:]))
    except (SignerError, OverflowError) as error:
        raise findings.refusal(
            SignatureError, "payment_authorization", str(error).splitlines()[0]
        ) from None
    if payer.lower() != signed.owner:
        reason = f"{signed.owner} signed another authorization than this one"
        raise findings.refusal(SignatureError, "payment_authorization", reason)
    findings.passed(
        "payment_authorization",
        f"{signed.owner} authorized exactly this",
        "payment.authorization",
        "payment.signature",
    )


def _check_claims(payment: PaymentPart, findings: Findings) -> None:
    """Refuse what contradicts the authorization; the rest is for the chain to confirm."""
    signed, said = payment.authorization, payment.status
    chain_id = _chain_id(signed)
    if said.chain_id not in (None, chain_id):
        raise findings.refusal(SettlementError, "payment", f"seen on another chain than {chain_id}")
    if said.amount is not None and int(said.amount) > int(signed.max_amount):
        raise findings.refusal(SettlementError, "payment", "more was charged than was authorized")
    if said.state in _COLLECTED and said.transaction is None:
        raise findings.refusal(SettlementError, "payment", f"{said.state} without a transaction")
    if (said.proof is not None) != (said.state == "not charged"):
        reason = "a proof of not being charged belongs to that state, and to no other"
        raise findings.refusal(SettlementError, "payment", reason)
    if said.proof is not None and (reason := _contradiction(said.proof, signed)):
        raise findings.refusal(SettlementError, "payment", reason)
    heard = ", ".join(said.rpcs) or "nobody"
    findings.left_open("payment", f"{said.state}, claimed by {heard}; the chain can repeat it")


def _contradiction(proof: NotChargedPart, signed: AuthorizationPart) -> str:
    if proof.chain_id != _chain_id(signed) or proof.deadline != signed.deadline:
        return "the proof of not being charged is of another authorization"
    if proof.block_timestamp <= signed.deadline:
        return "a block that is no later than the deadline proves nothing"
    if int(proof.bitmap) >> (int(signed.nonce) & 0xFF) & 1:
        return "the bitmap shows the nonce as used"
    return ""


def _chain_id(signed: AuthorizationPart) -> int:
    return int(signed.network.removeprefix("eip155:"))


def _address(text: str) -> bytes:
    return bytes.fromhex(text[2:].rjust(64, "0"))


def _number(value: int) -> bytes:
    return value.to_bytes(32, "big")


@lru_cache(maxsize=64)
def _domain(chain_id: int) -> bytes:
    return keccak256(
        keccak256(_DOMAIN_TYPE) + keccak256(b"Permit2") + _number(chain_id) + _address(PERMIT2)
    )


@lru_cache(maxsize=8)
def _type_hash(text: bytes) -> bytes:
    return keccak256(text)

"""Receipts as plain JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from ..payments.status import NotChargedProof, PaymentState, PaymentStatus
from ..types import Address, Amount, Bytes32
from ..verification import Evidence, SignedFields
from .receipt import AuthorizationFacts, DataState, Receipt

_VERSION: Final = 1


def receipt_to_json(receipt: Receipt) -> dict[str, object]:
    """Return the receipt as JSON values; large numbers are decimal text. It holds no secret."""
    return {
        "version": _VERSION,
        "id": receipt.id,
        "route": receipt.route,
        "model": receipt.model,
        "tag": receipt.tag,
        "created_at": receipt.created_at,
        "latency": receipt.latency,
        "tee_id": str(receipt.tee_id),
        "endpoint": receipt.endpoint,
        "pcr_hash": str(receipt.pcr_hash),
        "signed": None if receipt.signed is None else asdict(receipt.signed),
        "cost": _atoms(receipt.cost),
        "authorization": _facts_to_json(receipt.authorization),
        "payment": _status_to_json(receipt.payment),
        "data": receipt.data.value,
        "uncovered": list(receipt.uncovered),
        "evidence": receipt.evidence.to_json(),
        "resent": receipt.resent,
        "maybe_billed": _atoms(receipt.maybe_billed),
        "as_of": receipt.as_of,
    }


def receipt_from_json(value: Mapping[str, Any]) -> Receipt:
    """Return the receipt that ``receipt_to_json`` wrote; it has no living authorization.

    Raises:
        ValueError: Not that form.
    """
    try:
        if value["version"] != _VERSION:
            raise ValueError(f"a receipt of version {value['version']!r}")
        signed = value["signed"]
        return Receipt(
            id=value["id"],
            route=value["route"],
            model=value["model"],
            tag=value["tag"],
            created_at=float(value["created_at"]),
            latency=float(value["latency"]),
            tee_id=Bytes32(value["tee_id"]),
            endpoint=value["endpoint"],
            pcr_hash=Bytes32(value["pcr_hash"]),
            signed=None if signed is None else SignedFields(**signed),
            cost=_amount(value["cost"]),
            authorization=_facts_from_json(value["authorization"]),
            payment=_status_from_json(value["payment"]),
            data=DataState(value["data"]),
            uncovered=tuple(value["uncovered"]),
            evidence=Evidence.from_json(value["evidence"]),
            resent=int(value["resent"]),
            maybe_billed=_amount(value["maybe_billed"]) or Amount(0),
            as_of=float(value["as_of"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a receipt: {error}") from error


def _facts_to_json(facts: AuthorizationFacts) -> dict[str, object]:
    return {
        "owner": facts.owner,
        "network": facts.network,
        "nonce": str(facts.nonce),
        "max_amount": _atoms(facts.max_amount),
        "recipient": facts.recipient,
        "facilitator": facts.facilitator,
        "deadline": facts.deadline,
        "served": _atoms(facts.served),
        "calls": facts.calls,
        "unpriced": facts.unpriced,
        "resent": facts.resent,
    }


def _facts_from_json(value: Mapping[str, Any]) -> AuthorizationFacts:
    facilitator = value["facilitator"]
    return AuthorizationFacts(
        owner=Address(value["owner"]),
        network=value["network"],
        nonce=int(value["nonce"]),
        max_amount=Amount(int(value["max_amount"])),
        recipient=Address(value["recipient"]),
        facilitator=None if facilitator is None else Address(facilitator),
        deadline=int(value["deadline"]),
        served=Amount(int(value["served"])),
        calls=int(value["calls"]),
        unpriced=int(value["unpriced"]),
        resent=int(value["resent"]),
    )


def _status_to_json(status: PaymentStatus) -> dict[str, object]:
    return {
        "state": status.state.value,
        "reason": status.reason,
        "amount": _atoms(status.amount),
        "transaction": None if status.transaction is None else str(status.transaction),
        "chain_id": status.chain_id,
        "block_number": status.block_number,
        "block_hash": None if status.block_hash is None else str(status.block_hash),
        "proof": None if status.proof is None else _proof_to_json(status.proof),
        "rpcs": list(status.rpcs),
        "disagreeing": list(status.disagreeing),
        "final": status.final,
    }


def _status_from_json(value: Mapping[str, Any]) -> PaymentStatus:
    transaction, block_hash, proof = value["transaction"], value["block_hash"], value["proof"]
    return PaymentStatus(
        PaymentState(value["state"]),
        value["reason"],
        amount=_amount(value["amount"]),
        transaction=None if transaction is None else Bytes32(transaction),
        chain_id=value["chain_id"],
        block_number=value["block_number"],
        block_hash=None if block_hash is None else Bytes32(block_hash),
        proof=None if proof is None else _proof_from_json(proof),
        rpcs=tuple(value["rpcs"]),
        disagreeing=tuple(value["disagreeing"]),
        final=bool(value["final"]),
    )


def _proof_to_json(proof: NotChargedProof) -> dict[str, object]:
    return {
        **asdict(proof),
        "block_hash": str(proof.block_hash),
        "bitmap": str(proof.bitmap),
        "rpcs": list(proof.rpcs),
    }


def _proof_from_json(value: Mapping[str, Any]) -> NotChargedProof:
    return NotChargedProof(
        chain_id=int(value["chain_id"]),
        block_number=int(value["block_number"]),
        block_hash=Bytes32(value["block_hash"]),
        block_timestamp=int(value["block_timestamp"]),
        deadline=int(value["deadline"]),
        bitmap=int(value["bitmap"]),
        rpcs=tuple(value["rpcs"]),
    )


def _atoms(amount: Amount | None) -> str | None:
    return None if amount is None else str(amount.atoms)


def _amount(text: str | None) -> Amount | None:
    return None if text is None else Amount(int(text))

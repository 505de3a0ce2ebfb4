"""Receipts as plain JSON values, and back.

What many receipts share, a node's record and its attestation document, is named by its SHA-256 and
kept beside them (``documents_of``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, cast, get_args

from .._core.json_in import parse_json
from ..network.records import NodeRecord
from ..payments.status import NotChargedProof, PaymentState, PaymentStatus
from ..types import Address, Amount, Bytes32
from ..verification import Evidence, SignedFields
from .data_status import DataMode, DataProof, DataState, DataStatus
from .facts import AttestedDocument, Content, RegistryFacts, named, record_document
from .receipt import AuthorizationFacts, Receipt

_VERSION: Final = 2

# few owners, contracts, nodes and builds stand behind many receipts
_address: Final = lru_cache(1024)(Address)
_bytes32: Final = lru_cache(1024)(Bytes32)


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
        "payment": payment_to_json(receipt.payment),
        "data": data_to_json(receipt.data),
        "uncovered": list(receipt.uncovered),
        "evidence": receipt.evidence.to_json(),
        "resent": receipt.resent,
        "maybe_billed": _atoms(receipt.maybe_billed),
        "as_of": receipt.as_of,
        "parents": list(receipt.parents),
        "run": receipt.run,
        "registered": None if receipt.registered is None else _registered(receipt.registered),
        "attested": None if receipt.attested is None else _attested(receipt.attested),
    }


def documents_of(receipt: Receipt) -> dict[str, bytes]:
    """Return the documents that ``receipt_to_json`` names, by their SHA-256 (hex)."""
    documents: dict[str, bytes] = {}
    if receipt.registered is not None:
        documents.update([record_document(receipt.registered.record)])
    if receipt.attested is not None:
        documents.update([named(receipt.attested.document)])
    return documents


def receipt_from_json(
    value: Mapping[str, Any],
    documents: Mapping[str, bytes] = MappingProxyType({}),
    *,
    signed: SignedFields | None = None,
    content: Content | None = None,
) -> Receipt:
    """Return the receipt that ``receipt_to_json`` wrote; it has no living authorization.

    What a document is missing for (``registered``, ``attested``) is ``None``. ``signed`` and
    ``content`` are what was kept apart from it: then the form itself says ``null`` of ``signed``.

    Raises:
        ValueError: Not that form.
    """
    try:
        if value["version"] != _VERSION:
            raise ValueError(f"a receipt of version {value['version']!r}")
        if value["signed"] is not None:
            signed = SignedFields(**value["signed"])
        return Receipt(
            id=value["id"],
            route=value["route"],
            model=value["model"],
            tag=value["tag"],
            created_at=float(value["created_at"]),
            latency=float(value["latency"]),
            tee_id=_bytes32(value["tee_id"]),
            endpoint=value["endpoint"],
            pcr_hash=_bytes32(value["pcr_hash"]),
            signed=signed,
            cost=_amount(value["cost"]),
            authorization=_facts_from_json(value["authorization"]),
            payment=payment_from_json(value["payment"]),
            data=data_from_json(value["data"]),
            uncovered=tuple(value["uncovered"]),
            evidence=Evidence.from_json(value["evidence"]),
            resent=int(value["resent"]),
            maybe_billed=_amount(value["maybe_billed"]) or Amount(0),
            as_of=float(value["as_of"]),
            parents=tuple(value["parents"]),
            run=value["run"],
            registered=_registered_from(value["registered"], documents),
            attested=_attested_from(value["attested"], documents),
            content=content,
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
        "scheme": facts.scheme,
        "asset": facts.asset,
        "spender": facts.spender,
        "valid_after": facts.valid_after,
    }


def _facts_from_json(value: Mapping[str, Any]) -> AuthorizationFacts:
    facilitator = value["facilitator"]
    return AuthorizationFacts(
        owner=_address(value["owner"]),
        network=value["network"],
        nonce=int(value["nonce"]),
        max_amount=Amount(int(value["max_amount"])),
        recipient=_address(value["recipient"]),
        facilitator=None if facilitator is None else _address(facilitator),
        deadline=int(value["deadline"]),
        served=Amount(int(value["served"])),
        calls=int(value["calls"]),
        unpriced=int(value["unpriced"]),
        resent=int(value["resent"]),
        scheme=value["scheme"],
        asset=_address(value["asset"]),
        spender=_address(value["spender"]),
        valid_after=int(value["valid_after"]),
    )


def _registered(facts: RegistryFacts) -> dict[str, object]:
    return {
        "chain_id": facts.chain_id,
        "registry": facts.registry,
        "block_number": facts.block_number,
        "block_hash": str(facts.block_hash),
        "block_timestamp": facts.block_timestamp,
        "rpcs": list(facts.rpcs),
        "record": record_document(facts.record)[0],
    }


def _registered_from(
    value: Mapping[str, Any] | None, documents: Mapping[str, bytes]
) -> RegistryFacts | None:
    if value is None or (document := documents.get(value["record"])) is None:
        return None
    return RegistryFacts(
        chain_id=int(value["chain_id"]),
        registry=_address(value["registry"]),
        block_number=int(value["block_number"]),
        block_hash=_bytes32(value["block_hash"]),
        block_timestamp=int(value["block_timestamp"]),
        rpcs=tuple(value["rpcs"]),
        record=_record_in(document),
    )


@lru_cache(maxsize=256)
def _record_in(document: bytes) -> NodeRecord:
    return NodeRecord.from_json(cast(Mapping[str, Any], parse_json(document)))


def _attested(facts: AttestedDocument) -> dict[str, object]:
    return {
        "document": named(facts.document)[0],
        "nonce": facts.nonce.hex(),
        "verified_at": facts.verified_at,
        "pcr_hash": str(facts.pcr_hash),
    }


def _attested_from(
    value: Mapping[str, Any] | None, documents: Mapping[str, bytes]
) -> AttestedDocument | None:
    if value is None or (document := documents.get(value["document"])) is None:
        return None
    return AttestedDocument(
        document,
        nonce=bytes.fromhex(value["nonce"]),
        verified_at=float(value["verified_at"]),
        pcr_hash=_bytes32(value["pcr_hash"]),
    )


def data_to_json(status: DataStatus) -> dict[str, object]:
    """Return the chain's word on the hashes as JSON values."""
    return {
        "state": status.state.value,
        "mode": status.mode,
        "reason": status.reason,
        "due_at": status.due_at,
        "searched_to": status.searched_to,
        "proof": None if status.proof is None else data_proof_to_json(status.proof),
    }


def data_from_json(value: Mapping[str, Any]) -> DataStatus:
    """Return the status that ``data_to_json`` wrote."""
    if value["mode"] not in get_args(DataMode):
        raise ValueError(f"a settlement of mode {value['mode']!r}")
    proof = value["proof"]
    return DataStatus(
        DataState(value["state"]),
        cast(DataMode, value["mode"]),
        value["reason"],
        due_at=None if value["due_at"] is None else float(value["due_at"]),
        proof=None if proof is None else data_proof_from_json(proof),
        searched_to=value["searched_to"],
    )


def data_proof_to_json(proof: DataProof) -> dict[str, object]:
    """Return the proof as JSON values."""
    return {
        "mode": proof.mode,
        "chain_id": proof.chain_id,
        "relay": proof.relay,
        "transaction": str(proof.transaction),
        "log_index": proof.log_index,
        "block_number": proof.block_number,
        "block_hash": str(proof.block_hash),
        "block_timestamp": proof.block_timestamp,
        "blob_id": proof.blob_id,
        "rpcs": list(proof.rpcs),
        "merkle_root": None if proof.merkle_root is None else str(proof.merkle_root),
        "batch_size": proof.batch_size,
        "leaf_hash": None if proof.leaf_hash is None else str(proof.leaf_hash),
        "proof": [str(node) for node in proof.proof],
    }


def data_proof_from_json(value: Mapping[str, Any]) -> DataProof:
    """Return the proof that ``data_proof_to_json`` wrote."""
    if value["mode"] not in ("batch", "individual"):
        raise ValueError(f"a proof of mode {value['mode']!r}")
    root, leaf = value["merkle_root"], value["leaf_hash"]
    return DataProof(
        value["mode"],
        chain_id=int(value["chain_id"]),
        relay=_address(value["relay"]),
        transaction=Bytes32(value["transaction"]),
        log_index=int(value["log_index"]),
        block_number=int(value["block_number"]),
        block_hash=Bytes32(value["block_hash"]),
        block_timestamp=int(value["block_timestamp"]),
        blob_id=value["blob_id"],
        rpcs=tuple(value["rpcs"]),
        merkle_root=None if root is None else Bytes32(root),
        batch_size=value["batch_size"],
        leaf_hash=None if leaf is None else Bytes32(leaf),
        proof=tuple(Bytes32(node) for node in value["proof"]),
    )


def payment_to_json(status: PaymentStatus) -> dict[str, object]:
    """Return the chain's word on a payment as JSON values."""
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


def payment_from_json(value: Mapping[str, Any]) -> PaymentStatus:
    """Return the status that ``payment_to_json`` wrote."""
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

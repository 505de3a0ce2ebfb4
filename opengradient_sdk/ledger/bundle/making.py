"""Making a bundle of a receipt."""

from __future__ import annotations

import base64
from typing import Final

from ...errors import ConfigurationError, LedgerError, OpenGradientError, VerificationError
from ...types import bytes_to_hex
from ...verification import (
    Mode,
    SignedFields,
    canonical_chat_request,
    canonical_completion_request,
    request_hashes,
)
from ..data_status import DataState, DataStatus
from ..facts import AttestedDocument, Content, RegistryFacts
from ..receipt import AuthorizationFacts, Receipt
from ..receipt_json import data_to_json, payment_to_json
from .findings import Findings
from .reading import SCHEMA, read_bundle

_FACTS: Final = ("scheme", "network", "asset", "owner", "spender", "recipient", "facilitator")


def make_bundle(
    receipt: Receipt,
    *,
    content: Content | None,
    signed: SignedFields | None,
    payment_signature: bytes | None,
    include_request: bool = True,
    include_output: bool = True,
) -> dict[str, object]:
    """Return a receipt with its evidence as one document of JSON values; see ``verify_bundle``.

    **Money**: until its deadline, a payment signature is worth the whole cap to its facilitator,
    and whoever has the bundle has the signature. There is no clock here: give it only when that
    deadline has passed (``Ledger.payment_signature`` gives it out no sooner). **Trust**: nothing is
    checked here but the form.

    Args:
        receipt: The call.
        content: Question and answer, ``None`` where they are forgotten.
        signed: The node's own statement, ``None`` where it is forgotten.
        payment_signature: The payer's 65 bytes, ``None`` to leave them out.
        include_request: Whether the request is part of it; its hash is, either way.
        include_output: Whether the answer's text is part of it; its hash is, either way.

    Raises:
        LedgerError: The receipt holds something that a bundle cannot.
    """
    try:
        canonical = _canonical(content if include_request else None, signed)
    except ConfigurationError as error:
        raise _not_exportable(receipt, error) from error
    bundle: dict[str, object] = {
        "schema": SCHEMA,
        "id": receipt.id,
        "created_at": receipt.created_at,
        "as_of": receipt.as_of,
        "run": receipt.run,
        "parents": list(receipt.parents),
        "call": {"route": receipt.route, "model": receipt.model},
        "request": {"canonical": canonical},
        "output": {"text": content.output if content is not None and include_output else None},
        "statement": None if signed is None else _statement(signed),
        "registry": None if receipt.registered is None else _registry(receipt.registered),
        "attestation": None if receipt.attested is None else _attestation(receipt.attested),
        "payment": _payment(receipt, payment_signature),
        "data": _data(receipt.data),
        "uncovered": list(receipt.uncovered),
    }
    try:
        read_bundle(bundle, Findings())
    except VerificationError as error:
        raise _not_exportable(receipt, error) from error
    return bundle


def _not_exportable(receipt: Receipt, error: OpenGradientError) -> LedgerError:
    return LedgerError(
        f"receipt {receipt.id} cannot be exported: {error.short_message}",
        hint="It holds something that the bundle's format has no place for.",
    )


def _canonical(content: Content | None, signed: SignedFields | None) -> str | None:
    """Return the request's text in the form that the node hashed, else in the first one."""
    if content is None:
        return None
    body = content.request
    if "messages" not in body:
        return canonical_completion_request(body)
    modes = {digest.hex(): mode for mode, digest in request_hashes(body)}
    signed_hash = "" if signed is None else signed.request_hash
    return canonical_chat_request(body, modes.get(signed_hash, Mode.JULY))


def _statement(signed: SignedFields) -> dict[str, object]:
    return {
        "tee_id": _hex(signed.tee_id),
        "request_hash": _hex(signed.request_hash),
        "output_hash": _hex(signed.output_hash),
        "timestamp": signed.timestamp,
        "signature": signed.signature,
    }


def _registry(facts: RegistryFacts) -> dict[str, object]:
    record = facts.record.to_json()
    return {
        "chain_id": facts.chain_id,
        "registry": facts.registry.lower(),
        "block_number": facts.block_number,
        "block_hash": str(facts.block_hash),
        "block_timestamp": facts.block_timestamp,
        "rpcs": list(facts.rpcs),
        "record": {
            **record,
            "owner": facts.record.owner.lower(),
            "payment_address": facts.record.payment_address.lower(),
        },
    }


def _attestation(facts: AttestedDocument) -> dict[str, object]:
    return {
        "document": base64.b64encode(facts.document).decode(),
        "nonce": bytes_to_hex(facts.nonce),
        "verified_at": facts.verified_at,
    }


def _payment(receipt: Receipt, signature: bytes | None) -> dict[str, object]:
    facts = receipt.authorization
    if facts.spender == facts.asset:
        signature = None  # EIP-3009: signed for a token's own domain, which no receipt names
    return {
        "authorization": _authorization(facts),
        "signature": None if signature is None else bytes_to_hex(signature),
        "session": {
            "served": str(facts.served.atoms),
            "calls": facts.calls,
            "unpriced": facts.unpriced,
            "resent": facts.resent,
        },
        "status": payment_to_json(receipt.payment),
    }


def _authorization(facts: AuthorizationFacts) -> dict[str, object]:
    texts: dict[str, object] = {
        name: None if (value := getattr(facts, name)) is None else value.lower() for name in _FACTS
    }
    return texts | {
        "max_amount": str(facts.max_amount.atoms),
        "nonce": str(facts.nonce),
        "valid_after": facts.valid_after,
        "deadline": facts.deadline,
    }


def _data(status: DataStatus) -> dict[str, object]:
    value = data_to_json(status)
    if status.state not in (DataState.SETTLED, DataState.FINAL):
        return {**value, "proof": None}  # what was taken back proves nothing
    proof = value["proof"]
    if isinstance(proof, dict) and status.proof is not None:
        value["proof"] = {**proof, "relay": status.proof.relay.lower()}
    return value


def _hex(digits: str) -> str:
    return "0x" + digits.removeprefix("0x")

"""ATTESTED: a node's hardware attestation, asked for and verified by this client."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from .._core.clock import Clock
from ..errors import AttestationError, ConfigurationError, NetworkError
from ..ledger.facts import AttestedDocument
from ..network.connection import NodeConnection
from ..network.records import NodeRecord
from ..types import Bytes32
from ..verification.evidence import Check, CheckStatus, Evidence
from .config import Trust

if TYPE_CHECKING:
    from ..verification import AttestationFacts

MAX_PROOF_AGE: Final = 3600.0
"""Seconds of the client's clock for which a verified document is taken without asking again."""

_NAME: Final = "attestation"
_NONCE_BYTES: Final = 20
_NOT_ASKED: Final = Check(
    _NAME,
    CheckStatus.NOT_CHECKED,
    "the registry's word is taken; require=Assurance.ATTESTED checks the document itself",
)


class Attesting:
    """Verifies nodes' attestation documents, one an hour for each key, certificate and build.

    Callers that come while a node is asked share its answer, good or bad. When the one who asked
    is cancelled, the next in line asks.
    """

    def __init__(self, trust: Trust, clock: Clock, *, max_age: float = MAX_PROOF_AGE) -> None:
        self._trust = trust
        self._clock = clock
        self._max_age = max_age
        self._proofs: dict[_Enclave, _Proof] = {}
        self._questions: dict[_Enclave, _Question] = {}

    async def prove(self, connection: NodeConnection) -> None:
        """Make sure that an enclave of an accepted build holds the node's key and certificate.

        **Money**: free. **Trust**: verifies the document under the root in ``trust`` (AWS Nitro's
        by default), made for a nonce of ours, fresh by the client's clock, of the build that the
        registry lists and ``trust`` accepts. A document verified up to an hour ago will do.

        Raises:
            AttestationError: The document does not prove it; the message names node and step.
            NetworkError: The node gave none.
            ConfigurationError: ``trust`` accepts no build.
        """
        await self._proof(connection)

    async def prove_later(
        self, connection: NodeConnection, *, signed_at: float
    ) -> tuple[Check, AttestedDocument]:
        """Return what a document says about the key of an answer that is already here.

        **Money**: free. **Trust**: as ``prove``. A document made after the answer proves that the
        key is in such an enclave when the document is made. That it was there before follows from
        the build: its key is made inside and never leaves.

        Args:
            connection: To the node that answered, with the record that it had then.
            signed_at: Unix seconds of the enclave's clock: when the answer was signed.

        Raises:
            AttestationError: The document does not prove it; the message names node and step.
            NetworkError: The node is gone (a restart makes a new key), or gave no document.
            ConfigurationError: ``trust`` accepts no build.
        """
        proof = await self._proof(connection)
        return _later(proof, signed_at), proof.document

    def check(self, record: NodeRecord) -> Check:
        """Return what is known about the attestation of a node; its source says since when."""
        proof = self._proofs.get(_enclave(record))
        return _NOT_ASKED if proof is None else proof.check

    def document(self, record: NodeRecord) -> AttestedDocument | None:
        """Return the document that was last verified of a node."""
        proof = self._proofs.get(_enclave(record))
        return None if proof is None else proof.document

    async def _proof(self, connection: NodeConnection) -> _Proof:
        enclave = _enclave(connection.record)
        if (known := self._fresh(enclave)) is not None:
            return known
        self._require_accepted(connection.record)
        question = self._questions.setdefault(enclave, _Question())
        async with question.asking:
            if question.answer is None:  # also when the one who asked before was cancelled
                question.answer = await self._answer(connection)
                del self._questions[enclave]
        if isinstance(question.answer, _Proof):
            return question.answer
        raise question.answer

    def _fresh(self, enclave: _Enclave) -> _Proof | None:
        proof = self._proofs.get(enclave)
        if proof is None:
            return None
        age = self._clock.now() - proof.document.verified_at
        return proof if 0 <= age < self._max_age else None

    async def _answer(self, connection: NodeConnection) -> _Proof | AttestationError | NetworkError:
        """Ask and verify; a failure is returned, as several may wait for it."""
        record = connection.record
        nonce = secrets.token_bytes(_NONCE_BYTES)
        try:
            encoded = await connection.attestation(nonce)
            # in a thread: five signatures on P-384 and, the first time, an import
            proof = await asyncio.to_thread(
                _verified, record, encoded, nonce, self._clock.now(), self._trust
            )
        except AttestationError as error:
            return _of_node(record, error)
        except NetworkError as error:
            return error
        self._proofs[_enclave(record)] = proof
        return proof

    def _require_accepted(self, record: NodeRecord) -> None:
        """Refuse before the node is asked what no document could prove."""
        accepted = self._trust.measurements
        if not accepted:
            raise ConfigurationError(
                "an attestation proves a build, and trust accepts none",
                hint="Pass trust=Trust(measurements=frozenset({Bytes32(pcr_hash), …})).",
            )
        if record.pcr_hash not in accepted:
            finding = f"pcr: the registry says build {record.pcr_hash}, which is not accepted"
            raise _of_node(record, _not_valid(finding, "the measurements in trust"))


class _Enclave(NamedTuple):
    """What a document is about. Heartbeats and payment addresses change; these make a new node."""

    public_key_der: bytes
    tls_certificate_der: bytes
    pcr_hash: Bytes32


@dataclass(frozen=True, slots=True)
class _Proof:
    """A verified document. ``made_at`` is Unix seconds of the hypervisor's clock."""

    document: AttestedDocument
    made_at: float
    check: Check


@dataclass(slots=True, eq=False)
class _Question:
    """One question to a node, and its answer for everybody who waits."""

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    answer: _Proof | AttestationError | NetworkError | None = None


def _enclave(record: NodeRecord) -> _Enclave:
    return _Enclave(record.public_key_der, record.tls_certificate_der, record.pcr_hash)


def _verified(record: NodeRecord, encoded: str, nonce: bytes, now: float, trust: Trust) -> _Proof:
    from ..verification import (
        AWS_NITRO_ROOT_PEM,
        attestation_from_base64,
        verify_attestation,
    )

    raw = attestation_from_base64(encoded)
    facts = verify_attestation(
        raw,
        tls_certificate_der=record.tls_certificate_der,
        signing_key_der=record.public_key_der,
        now=now,
        root=trust.attestation_root or AWS_NITRO_ROOT_PEM,
        nonce=nonce,
        expected_pcr_hashes=trust.measurements,
    )
    _require_registered_build(facts, record)
    document = AttestedDocument(raw, nonce, now, facts.pcr_hash)
    return _Proof(document, facts.timestamp_ms / 1000, _passed(facts, document, trust))


def _passed(facts: AttestationFacts, document: AttestedDocument, trust: Trust) -> Check:
    root = "the root in trust" if trust.attestation_root else "the AWS Nitro root"
    return Check(
        _NAME,
        CheckStatus.PASSED,
        f"an enclave of build {facts.pcr_hash} holds the key and the certificate",
        f"document made at {facts.timestamp_ms / 1000:.3f} by {facts.module_id[:80]!r} "
        f"for nonce {document.nonce.hex()}, pcr hash {facts.pcr_hash}, under {root}, "
        f"verified at {document.verified_at:.3f}",
    )


def _later(proof: _Proof, signed_at: float) -> Check:
    """Return the check for an answer that may be older than the document."""
    later = proof.made_at - signed_at
    if later <= 0:
        return proof.check
    reason = (
        f"{proof.check.reason}; shown {later:.0f} s after the answer, by the same key: "
        "an accepted build makes its key inside and never lets it out"
    )
    return replace(proof.check, reason=reason)


def _require_registered_build(facts: AttestationFacts, record: NodeRecord) -> None:
    if facts.pcr_hash != record.pcr_hash:
        raise _not_valid(
            f"pcr: it is of build {facts.pcr_hash}, the registry says {record.pcr_hash}",
            "the attestation document and the registry",
        )


def _not_valid(finding: str, source: str) -> AttestationError:
    return AttestationError(
        f"the attestation is not valid: {finding}",
        evidence=Evidence((Check(_NAME, CheckStatus.FAILED, finding, source),)),
    )


def _of_node(record: NodeRecord, error: AttestationError) -> AttestationError:
    """Return the error with the node in it."""
    named = AttestationError(
        f"node {record.tee_id}: {error.short_message}",
        hint="Asking cost nothing. Do not trust this node's key or certificate; use another node.",
        evidence=error.evidence,
    )
    named.__cause__ = error
    return named

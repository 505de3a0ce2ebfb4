"""ATTESTED: a node's hardware attestation, asked for and verified before anything is paid."""

from __future__ import annotations

import secrets

from .._core.clock import Clock
from ..errors import AttestationError
from ..ledger.facts import AttestedDocument
from ..network.connection import NodeConnection
from ..network.records import NodeRecord
from ..verification.evidence import Check, CheckStatus
from .config import Trust

_NONCE_BYTES = 20
_NOT_ASKED = Check(
    "attestation",
    CheckStatus.NOT_CHECKED,
    "the registry's word is taken; require=Assurance.ATTESTED checks the document itself",
)


class Attesting:
    """Verifies nodes' attestation documents, once per node, key and certificate."""

    def __init__(self, trust: Trust, clock: Clock) -> None:
        self._trust = trust
        self._clock = clock
        self._proven: dict[NodeRecord, tuple[Check, AttestedDocument]] = {}

    async def prove(self, connection: NodeConnection) -> None:
        """Make sure that an enclave of an accepted build holds the node's key and certificate.

        **Money**: free. **Trust**: verifies the document under the root in ``trust`` (AWS Nitro's
        by default), made for a fresh nonce, against the measurements in ``trust``.

        Raises:
            AttestationError: The document does not prove it.
            NetworkError: The node gave none.
        """
        from ..verification import (
            AWS_NITRO_ROOT_PEM,
            attestation_from_base64,
            verify_attestation,
        )

        record = connection.record
        if record in self._proven:
            return
        nonce = secrets.token_bytes(_NONCE_BYTES)
        raw = attestation_from_base64(await connection.attestation(nonce))
        now = self._clock.now()
        facts = verify_attestation(
            raw,
            tls_certificate_der=record.tls_certificate_der,
            signing_key_der=record.public_key_der,
            now=now,
            root=self._trust.attestation_root or AWS_NITRO_ROOT_PEM,
            nonce=nonce,
            expected_pcr_hashes=self._trust.measurements,
        )
        if facts.pcr_hash != record.pcr_hash:
            raise AttestationError(
                f"node {record.tee_id} attests build {facts.pcr_hash}, the registry says "
                f"{record.pcr_hash}",
                hint="Nothing was paid. Use another node.",
            )
        root = "the root in trust" if self._trust.attestation_root else "the AWS Nitro root"
        check = Check(
            "attestation",
            CheckStatus.PASSED,
            f"an enclave of build {facts.pcr_hash} holds the key and the certificate",
            f"document of {facts.timestamp_ms // 1000} under {root}",
        )
        self._proven[record] = check, AttestedDocument(raw, nonce, now, facts.pcr_hash)

    def check(self, record: NodeRecord) -> Check:
        """Return what is known about the attestation of a node."""
        proven = self._proven.get(record)
        return _NOT_ASKED if proven is None else proven[0]

    def document(self, record: NodeRecord) -> AttestedDocument | None:
        """Return the document that was verified of a node."""
        proven = self._proven.get(record)
        return None if proven is None else proven[1]

"""The verification of an AWS Nitro attestation: which build holds this key and this certificate?

The steps are those of the protocol notes, section 4.5. A document proves them for the moment it was
made; freshness and, where one was asked for, the nonce tie that moment to now.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ..types import Bytes32, keccak256
from ._aws_root import AWS_NITRO_ROOT_PEM
from ._nitro_chain import verify_chain
from ._nitro_document import NitroDocument, failure, parse_document, verify_document_signature
from .signature import tee_id_of

MAX_DOCUMENT_AGE: Final = 300.0
"""Seconds that a document may be old, as at registration."""
MAX_DOCUMENT_AHEAD: Final = 60.0
"""Seconds that a document may be dated into the future, as at registration."""
NOT_BEFORE: Final = 1_738_281_600.0
"""Unix seconds before which no document is accepted, as at registration."""

_MEASURED: Final = (0, 1, 2)  # image, kernel, application
_SHA256_PREFIX: Final = b"\x12\x20"  # multihash: SHA-256, 32 bytes
_USER_DATA_BYTES: Final = 68


@dataclass(frozen=True, slots=True)
class AttestationFacts:
    """What a verified document says.

    Attributes:
        module_id: The enclave's name by the hypervisor.
        timestamp_ms: When the document was made (Unix milliseconds).
        pcrs: Every measurement, 48 bytes each; 0 is the image, 1 the kernel, 2 the application.
        pcr_hash: Keccak-256 of PCR0, PCR1 and PCR2, as the registry approves it.
        tee_id: The identity of the attested signing key.
        tls_certificate_sha256: The attested TLS certificate.
        nonce: The nonce in the document, compared only if one was asked for.
    """

    module_id: str
    timestamp_ms: int
    pcrs: Mapping[int, bytes]
    pcr_hash: Bytes32
    tee_id: Bytes32
    tls_certificate_sha256: Bytes32
    nonce: bytes | None


def verify_attestation(
    document: bytes,
    *,
    tls_certificate_der: bytes,
    signing_key_der: bytes,
    now: float,
    root: bytes = AWS_NITRO_ROOT_PEM,
    nonce: bytes | None = None,
    expected_pcr_hashes: Collection[bytes] | None = None,
    max_age: float = MAX_DOCUMENT_AGE,
    max_ahead: float = MAX_DOCUMENT_AHEAD,
    not_before: float = NOT_BEFORE,
) -> AttestationFacts:
    """Return what the document proves about this key and this certificate.

    Trust: proves that, under ``root``, an enclave with these measurements held the signing key and
    the certificate when the document was made. What the measured code does is for whoever reads
    and builds it to say; certificates are not looked up in revocation lists.

    Args:
        document: The raw COSE document (see ``attestation_from_base64``).
        tls_certificate_der: The certificate that the connection presented.
        signing_key_der: The DER SubjectPublicKeyInfo of the key that signs answers.
        now: Unix seconds.
        root: The only trusted certificate, PEM or DER.
        nonce: The nonce that was asked for; ``None`` leaves the document's unchecked.
        expected_pcr_hashes: The accepted builds; ``None`` leaves it to the caller to compare
            ``pcr_hash``.
        max_age: Seconds that the document may be old.
        max_ahead: Seconds that it may be dated into the future.
        not_before: Unix seconds before which it is refused.

    Raises:
        AttestationError: It does not prove this; message and evidence name the step: ``format``,
            ``certificate_chain``, ``cose_signature``, ``freshness``, ``nonce``, ``pcr``,
            ``user_data``, ``tls_binding`` or ``key_binding``.
    """
    parsed = parse_document(document)
    # 1, 2. signed by a leaf certificate that chains to the root, all valid at document time
    key = verify_chain(
        parsed.certificate, parsed.cabundle, root=root, at=parsed.timestamp_ms / 1000
    )
    verify_document_signature(parsed, key)
    _require_fresh(parsed, now, max_age, max_ahead, not_before)
    # 3. made for us
    if nonce is not None and parsed.nonce != nonce:
        raise failure("nonce", "the document was not made for this question")
    # 4. by an accepted build
    pcr_hash = _pcr_hash(parsed)
    if expected_pcr_hashes is not None and pcr_hash not in expected_pcr_hashes:
        raise failure("pcr", f"the build {pcr_hash} is not an accepted one")
    # 5. which holds this certificate and this key
    certificate_sha256 = _require_bound(parsed, tls_certificate_der, signing_key_der)
    return AttestationFacts(
        module_id=parsed.module_id,
        timestamp_ms=parsed.timestamp_ms,
        pcrs=MappingProxyType(parsed.pcrs),
        pcr_hash=pcr_hash,
        tee_id=tee_id_of(signing_key_der),  # 6.
        tls_certificate_sha256=certificate_sha256,
        nonce=parsed.nonce,
    )


def attestation_from_base64(text: str) -> bytes:
    """Return the raw document of what a node's attestation route answers.

    Raises:
        AttestationError: Not base64.
    """
    try:
        return binascii.a2b_base64(text.strip(), strict_mode=True)
    except ValueError as error:
        raise failure("format", f"not base64: {error}") from error


def pcr_hash_of(pcr0: bytes, pcr1: bytes, pcr2: bytes) -> Bytes32:
    """Return the hash by which a build is approved: Keccak-256 of its three measurements."""
    return Bytes32(keccak256(pcr0 + pcr1 + pcr2))


def user_data_of(tls_certificate_der: bytes, signing_key_der: bytes) -> bytes:
    """Return the 68 bytes that bind a certificate and a key to an enclave's attestation."""
    return b"".join(
        _SHA256_PREFIX + hashlib.sha256(der).digest()
        for der in (tls_certificate_der, signing_key_der)
    )


def _require_fresh(
    parsed: NitroDocument, now: float, max_age: float, max_ahead: float, not_before: float
) -> None:
    made = parsed.timestamp_ms / 1000
    if made < not_before:
        raise failure("freshness", "the document is from before this network")
    if not now - made <= max_age:  # so that a time that is no number is not fresh
        raise failure("freshness", f"{now - made:.0f} s old, more than {max_age:.0f} s")
    if made - now > max_ahead:
        raise failure("freshness", f"{made - now:.0f} s in the future")


def _pcr_hash(parsed: NitroDocument) -> Bytes32:
    values = [parsed.pcrs.get(index) for index in _MEASURED]
    present = [value for value in values if value is not None]
    if len(present) != len(_MEASURED):
        raise failure("pcr", "PCR0, PCR1 or PCR2 is missing")
    if not all(any(value) for value in present):
        raise failure("pcr", "a measurement is all zeros: the enclave runs in debug mode")
    return pcr_hash_of(*present)


def _require_bound(
    parsed: NitroDocument, tls_certificate_der: bytes, signing_key_der: bytes
) -> Bytes32:
    user_data = parsed.user_data or b""
    if len(user_data) != _USER_DATA_BYTES:
        raise failure("user_data", f"{len(user_data)} bytes instead of {_USER_DATA_BYTES}")
    expected = user_data_of(tls_certificate_der, signing_key_der)
    half = _USER_DATA_BYTES // 2
    if user_data[:half] != expected[:half]:
        raise failure("tls_binding", "the enclave holds another TLS certificate")
    if user_data[half:] != expected[half:]:
        raise failure("key_binding", "the enclave holds another signing key")
    return Bytes32(user_data[len(_SHA256_PREFIX) : half])

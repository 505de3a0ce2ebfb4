"""The certificate chain of an attestation document: leaf ← bundle ← a trusted root (section 4.5).

Stricter than a general path builder: one order, one curve (P-384), one signature algorithm (ECDSA
with SHA-384). Revocation lists are not read: leaves live for three hours.

Documents of one machine share all certificates but the last, and those of one enclave even that, so
what is true of a certificate for ever is worked out once: what it says, and who signed it. Whether
it is valid at a document's time is asked every time. What was refused is not remembered.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ._nitro_document import failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.x509 import BasicConstraints, Certificate, KeyUsage

_STEP: Final = "certificate_chain"
_PEM_START: Final = b"-----BEGIN"
_REMEMBERED: Final = 256  # bounded: certificates come from documents, which anybody can send


def verify_chain(
    leaf_der: bytes, cabundle: Sequence[bytes], *, root: bytes, at: float
) -> EllipticCurvePublicKey:
    """Return the leaf's key if the chain from ``root`` down to the leaf holds.

    Args:
        leaf_der: The certificate that signed the document.
        cabundle: DER certificates from the root's (which may be left out) down to the leaf's
            issuer.
        root: The only trusted certificate, PEM or DER.
        at: Unix seconds at which every certificate must be valid.

    Raises:
        AttestationError: It does not hold.
    """
    trusted = _load(root)
    chain = [_load(der) for der in cabundle]
    if chain and chain[0] == trusted:
        del chain[0]
    chain = [trusted, *chain, _load(leaf_der)]
    moment = datetime.fromtimestamp(at, UTC)
    for certificate in chain:
        _require_valid(certificate, moment)
    for depth, (issuer, subject) in enumerate(pairwise(chain)):
        cas_below = len(chain) - depth - 2
        _require_may_sign(issuer, cas_below)
        _require_issued(subject, issuer)
    _require_leaf(chain[-1])
    return _p384_key(chain[-1])


def clear_caches() -> None:
    """Forget every certificate, so that the next chain costs what the first one did."""
    for remembered in (_load, _require_issued, _p384_key):
        remembered.cache_clear()


@lru_cache(maxsize=_REMEMBERED)
def _load(encoded: bytes) -> Certificate:
    from cryptography import x509

    pem = encoded.startswith(_PEM_START)
    load = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
    unreadable = (
        ValueError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        Warning,  # of a certificate against the rules, where the caller has made warnings errors
    )
    try:
        certificate = load(encoded)
        # parsed on first use: what is broken must come to light here, not while an error is named
        _ = (certificate.subject, certificate.extensions)
    except unreadable as error:
        raise failure(_STEP, "a certificate cannot be read") from error
    return certificate


def _require_valid(certificate: Certificate, moment: datetime) -> None:
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise failure(_STEP, f"{_name(certificate)} is not valid at {moment:%Y-%m-%d %H:%M:%S} UTC")


def _require_may_sign(issuer: Certificate, cas_below: int) -> None:
    basic, usage = _limits(issuer)
    if basic is None:
        raise failure(_STEP, f"{_name(issuer)} does not say that it may issue")
    if not basic.ca or (basic.path_length is not None and cas_below > basic.path_length):
        raise failure(_STEP, f"{_name(issuer)} may not issue here")
    if usage is not None and not usage.key_cert_sign:
        raise failure(_STEP, f"the key of {_name(issuer)} is not for signing certificates")


def _require_leaf(leaf: Certificate) -> None:
    _, usage = _limits(leaf)
    if usage is not None and not usage.digital_signature:
        raise failure(_STEP, f"the key of {_name(leaf)} is not for signatures")


def _limits(certificate: Certificate) -> tuple[BasicConstraints | None, KeyUsage | None]:
    """Return what a certificate says it may be used for.

    RFC 5280: one without a key usage does not limit its key.
    """
    from cryptography.x509 import BasicConstraints, KeyUsage

    basic: BasicConstraints | None = None
    usage: KeyUsage | None = None
    for extension in certificate.extensions:
        if isinstance(extension.value, BasicConstraints):
            basic = extension.value
        elif isinstance(extension.value, KeyUsage):
            usage = extension.value
        elif extension.critical:
            raise failure(_STEP, f"{_name(certificate)} has a critical extension unknown here")
    return basic, usage


@lru_cache(maxsize=_REMEMBERED)  # certificates are equal when their bytes are
def _require_issued(subject: Certificate, issuer: Certificate) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509 import SignatureAlgorithmOID

    _p384_key(issuer)
    if subject.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA384:
        raise failure(_STEP, f"{_name(subject)} is not signed with ECDSA and SHA-384")
    try:
        subject.verify_directly_issued_by(issuer)
    except (ValueError, InvalidSignature):
        raise failure(_STEP, f"{_name(issuer)} did not issue {_name(subject)}") from None


@lru_cache(maxsize=_REMEMBERED)
def _p384_key(certificate: Certificate) -> EllipticCurvePublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey

    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise failure(_STEP, f"the key of {_name(certificate)} cannot be read") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP384R1):
        raise failure(_STEP, f"the key of {_name(certificate)} is not on P-384")
    return key


def _name(certificate: Certificate) -> str:
    return repr(certificate.subject.rfc4514_string()[:80])

"""A Nitro attestation document taken apart: COSE_Sign1 around a CBOR payload (section 4.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from ..errors import AttestationError
from . import _cbor
from ._shapes import is_array, is_object
from .evidence import Check, CheckStatus, Evidence

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

MAX_DOCUMENT_BYTES: Final = 16 * 1024
"""The longest document that is looked at, as on chain."""

_COSE_SIGN1_TAG: Final = b"\xd2"  # tag 18: tolerated, the hypervisor leaves it out
_ES384_HEADER: Final = _cbor.encode({1: -35})
_COORDINATE_BYTES: Final = 48
_PCR_BYTES: Final = 48
_MAX_PCRS: Final = 32
_MAX_CABUNDLE: Final = 8
_YEAR_10000_MS: Final = 253_402_300_800_000  # the calendar that certificates are dated in ends


@dataclass(frozen=True, slots=True)
class NitroDocument:
    """The members of a document and of its COSE envelope; none of it is verified yet."""

    protected: bytes
    payload: bytes
    signature: bytes
    module_id: str
    timestamp_ms: int
    pcrs: Mapping[int, bytes]
    certificate: bytes
    cabundle: tuple[bytes, ...]
    user_data: bytes | None
    nonce: bytes | None
    public_key: bytes | None


def failure(step: str, reason: str) -> AttestationError:
    """Return the error for one failed step; its evidence names the step first."""
    finding = f"{step}: {reason}"
    return AttestationError(
        f"the attestation is not valid: {finding}",
        hint="do not trust this node's key or certificate",
        evidence=Evidence(
            (Check("attestation", CheckStatus.FAILED, finding, "the attestation document"),)
        ),
    )


def parse_document(document: bytes) -> NitroDocument:
    """Return the members of a raw (not base64) document.

    Raises:
        AttestationError: It is too long, not such a document, or not signed with ES384.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise failure("format", f"{len(document)} bytes, more than {MAX_DOCUMENT_BYTES}")
    envelope = _decode(document.removeprefix(_COSE_SIGN1_TAG))
    if not is_array(envelope) or len(envelope) != 4:
        raise failure("format", "not a COSE_Sign1 array of four")
    protected, unprotected, payload, signature = envelope
    if protected != _ES384_HEADER or unprotected != {}:
        raise failure("format", "the COSE headers are not those of ES384")
    if not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise failure("format", "payload and signature are not byte strings")
    members = _decode(payload)
    if not is_object(members):
        raise failure("format", "the payload is not a map")
    if members.get("digest") != "SHA384":
        raise failure("format", "the digest is not SHA384")
    return NitroDocument(
        protected=_ES384_HEADER,
        payload=payload,
        signature=signature,
        module_id=_module_id(members),
        timestamp_ms=_timestamp_ms(members),
        pcrs=_pcrs(members),
        certificate=_certificate(members.get("certificate")),
        cabundle=_cabundle(members),
        user_data=_optional_bytes(members, "user_data"),
        nonce=_optional_bytes(members, "nonce"),
        public_key=_optional_bytes(members, "public_key"),
    )


def verify_document_signature(document: NitroDocument, key: EllipticCurvePublicKey) -> None:
    """Return if the envelope is signed by ``key`` (ECDSA P-384, SHA-384, r and s in 48 bytes each).

    Raises:
        AttestationError: It is not.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA384

    if len(document.signature) != 2 * _COORDINATE_BYTES:
        raise failure("cose_signature", f"{len(document.signature)} bytes instead of 96")
    r = int.from_bytes(document.signature[:_COORDINATE_BYTES], "big")
    s = int.from_bytes(document.signature[_COORDINATE_BYTES:], "big")
    signed = _cbor.encode(["Signature1", document.protected, b"", document.payload])
    try:
        key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA384()))
    except InvalidSignature:
        raise failure("cose_signature", "not signed by the document's certificate") from None


def _decode(data: bytes) -> object:
    try:
        return _cbor.decode(data)
    except ValueError as error:
        raise failure("format", str(error)) from error


def _module_id(members: Mapping[str, object]) -> str:
    module_id = members.get("module_id")
    if not isinstance(module_id, str) or not module_id:
        raise failure("format", "no module_id")
    return module_id


def _timestamp_ms(members: Mapping[str, object]) -> int:
    timestamp = members.get("timestamp")
    if type(timestamp) is not int or not 0 < timestamp < _YEAR_10000_MS:
        raise failure("format", "no timestamp in milliseconds")
    return timestamp


def _pcrs(members: Mapping[str, object]) -> Mapping[int, bytes]:
    pcrs = members.get("pcrs")
    if not is_object(pcrs) or not 1 <= len(pcrs) <= _MAX_PCRS:
        raise failure("format", "no map of PCRs")
    values: dict[int, bytes] = {}
    for index, value in cast(Mapping[object, object], pcrs).items():
        if type(index) is not int or not isinstance(value, bytes) or len(value) != _PCR_BYTES:
            raise failure("format", "a PCR is not 48 bytes under a number")
        values[index] = value
    return values


def _cabundle(members: Mapping[str, object]) -> tuple[bytes, ...]:
    cabundle = members.get("cabundle")
    if not is_array(cabundle) or not 1 <= len(cabundle) <= _MAX_CABUNDLE:
        raise failure("format", f"no bundle of 1–{_MAX_CABUNDLE} certificates")
    return tuple(_certificate(certificate) for certificate in cabundle)


def _certificate(value: object) -> bytes:
    if not isinstance(value, bytes) or not value:
        raise failure("format", "a certificate is not a byte string")
    return value


def _optional_bytes(members: Mapping[str, object], name: str) -> bytes | None:
    value = members.get(name)
    if value is not None and not isinstance(value, bytes):
        raise failure("format", f"{name} is neither bytes nor null")
    return value

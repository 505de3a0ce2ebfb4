"""Attestation documents in the layout of AWS Nitro, under a root that belongs to one Devnet.

The documents are genuine in form (COSE_Sign1 over ES384, a P-384 chain; protocol notes 4.5) and
prove nothing about hardware: whoever has the root writes what he likes. That is what a Devnet is
for.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from ...types import Bytes32, keccak256
from ...verification._cbor import encode

FIRST_BUILD: Final = "devnet-1"
"""The build that the Devnet's nodes run until they are upgraded."""
NONCE_BYTES: Final = 20
_PROTECTED: Final = bytes.fromhex("a1013822")  # {1: -35}, which is ES384
_UNPROTECTED: Final[Mapping[str, object]] = {}
_P384_BYTES: Final = 48
_HASH_PREFIX: Final = b"\x12\x20"  # multihash of SHA-256, as nitriding writes it
_LEAF_LIFETIME: Final = dt.timedelta(hours=3)
_CA_LIFETIME: Final = dt.timedelta(days=3650)
_SLACK: Final = dt.timedelta(days=1)


def devnet_pcrs(build: str = FIRST_BUILD) -> dict[int, bytes]:
    """Return the measurements of a build of the Devnet's node: 48 bytes each, none of them zero."""
    return {
        i: hashlib.sha384(f"opengradient devnet {build} PCR{i}".encode()).digest() for i in range(3)
    }


def pcr_hash(pcrs: Mapping[int, bytes]) -> Bytes32:
    """Return keccak(PCR0 || PCR1 || PCR2), by which the registry approves a build."""
    return Bytes32(keccak256(pcrs[0] + pcrs[1] + pcrs[2]))


class TestRoot:
    """The certificate authority under which one Devnet attests its nodes.

    ``pem`` is what a verifier is told to trust. The authority is valid from a day before ``now``
    (Unix seconds) for ten years.
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    def __init__(self, now: float) -> None:
        self._key = ec.generate_private_key(ec.SECP384R1())
        self._zone_key = ec.generate_private_key(ec.SECP384R1())
        name = _name("opengradient.devnet")
        start = _time(now) - _SLACK
        root = _certificate(name, name, self._key, self._key, start, start + _CA_LIFETIME, path=2)
        self._zone = _certificate(
            _name("zone.opengradient.devnet"),
            name,
            self._zone_key,
            self._key,
            start,
            start + _CA_LIFETIME,
            path=0,
        )
        self.certificate_der = root.public_bytes(serialization.Encoding.DER)
        self.pem = root.public_bytes(serialization.Encoding.PEM)

    def document(self, content: Mapping[str, object], now: float) -> bytes:
        """Return the COSE_Sign1 bytes of a payload, completed with a fresh leaf and its chain."""
        leaf_key = ec.generate_private_key(ec.SECP384R1())
        start = _time(now) - dt.timedelta(minutes=1)
        leaf = _certificate(
            _name("i-devnet.opengradient.devnet"),
            self._zone.subject,
            leaf_key,
            self._zone_key,
            start,
            start + _LEAF_LIFETIME,
        )
        der = serialization.Encoding.DER
        payload = encode(
            {
                **content,
                "certificate": leaf.public_bytes(der),
                "cabundle": [self.certificate_der, self._zone.public_bytes(der)],
            }
        )
        return encode([_PROTECTED, _UNPROTECTED, payload, _sign(leaf_key, payload)])


def make_document(
    root: TestRoot,
    *,
    tls_certificate_der: bytes,
    signing_key_der: bytes,
    pcrs: Mapping[int, bytes],
    now: float,
    nonce: bytes | None = None,
) -> bytes:
    """Return a document that binds a certificate and a signing key to measurements.

    ``now`` is Unix seconds; ``nonce`` is the caller's freshness value of 20 bytes.
    """
    bound = (
        _HASH_PREFIX
        + hashlib.sha256(tls_certificate_der).digest()
        + _HASH_PREFIX
        + hashlib.sha256(signing_key_der).digest()
    )
    content: dict[str, object] = {
        "module_id": "i-devnet-enc0",
        "digest": "SHA384",
        "timestamp": int(now * 1000),
        "pcrs": dict(pcrs),
        "public_key": None,
        "user_data": bound,
        "nonce": nonce,
    }
    return root.document(content, now)


def _sign(key: ec.EllipticCurvePrivateKey, payload: bytes) -> bytes:
    structure = encode(["Signature1", _PROTECTED, b"", payload])
    r, s = decode_dss_signature(key.sign(structure, ec.ECDSA(hashes.SHA384())))
    return r.to_bytes(_P384_BYTES) + s.to_bytes(_P384_BYTES)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    start: dt.datetime,
    end: dt.datetime,
    *,
    path: int | None = None,
) -> x509.Certificate:
    """Return a certificate; with ``path`` it is an authority over that many more levels."""
    authority = path is not None
    usage = x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=path), critical=True)
        .add_extension(usage, critical=True)
        .sign(issuer_key, hashes.SHA384())
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "ZZ"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "OpenGradient Devnet"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _time(now: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(now), dt.UTC)

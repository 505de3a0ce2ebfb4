"""A hypervisor for tests: makes attestation documents, honest or spoilt in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from opengradient_sdk.verification import user_data_of
from opengradient_sdk.verification._cbor import encode

NOW = 1_784_203_200
TLS_CERTIFICATE, SIGNING_KEY = b"a certificate", b"a key"
NONCE = bytes(range(20))
PCRS = {0: b"\x01" * 48, 1: b"\x02" * 48, 2: b"\x03" * 48, 3: bytes(48)}
CA = x509.BasicConstraints(ca=True, path_length=None)
NO_CA = x509.BasicConstraints(ca=False, path_length=None)


def key_usage(**purposes: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: purposes.get(name, False) for name in names.split()})


@dataclass
class Authority:
    """A certificate and its key."""

    name: str
    issuer: Authority | None = None
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP384R1())
    )
    extensions: tuple[x509.ExtensionType, ...] = (CA,)
    signed_with: HashAlgorithm = field(default_factory=SHA384)
    valid_from: int = NOW - 3600
    valid_to: int = NOW + 3600
    public_key: Any = None

    def __post_init__(self) -> None:
        issuer = self.issuer or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(self.name))
            .issuer_name(named(issuer.name))
            .public_key(self.public_key or self.key.public_key())
            .serial_number(1)
            .not_valid_before(at(self.valid_from))
            .not_valid_after(at(self.valid_to))
        )
        for extension in self.extensions:
            builder = builder.add_extension(extension, critical=True)
        self.certificate = builder.sign(issuer.key, self.signed_with)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)


@dataclass
class Hypervisor:
    """A root, a zone below it, and a leaf that signs documents."""

    root: Authority
    zone: Authority
    leaf: Authority

    @classmethod
    def new(cls, *, root: Any = None, zone: Any = None, leaf: Any = None) -> Hypervisor:
        top = Authority("root", **(root or {}))
        middle = Authority("zone", **({"issuer": top} | (zone or {})))
        bottom = {"issuer": middle, "extensions": (NO_CA,)} | (leaf or {})
        return cls(top, middle, Authority("leaf", **bottom))

    def payload(self, **changes: Any) -> dict[str, Any]:
        members = {
            "module_id": "i-test",
            "digest": "SHA384",
            "timestamp": NOW * 1000,
            "pcrs": PCRS,
            "certificate": self.leaf.der,
            "cabundle": [self.root.der, self.zone.der],
            "public_key": None,
            "user_data": user_data_of(TLS_CERTIFICATE, SIGNING_KEY),
            "nonce": NONCE,
        }
        return members | changes

    def document(self, **changes: Any) -> bytes:
        return encode(self.envelope(encode(self.payload(**changes))))

    def envelope(self, payload: bytes) -> list[Any]:
        protected = encode({1: -35})
        signed = encode(["Signature1", protected, b"", payload])
        r, s = decode_dss_signature(self.leaf.key.sign(signed, ec.ECDSA(SHA384())))
        return [protected, {}, payload, r.to_bytes(48, "big") + s.to_bytes(48, "big")]


ECDSA_WITH_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")


def public_point(authority: Authority) -> bytes:
    """The two coordinates of a certificate's key."""
    return authority.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[
        1:
    ]


def reissued(authority: Authority, old: bytes, new: bytes) -> bytes:
    """The certificate with some bytes exchanged, signed again by its issuer."""
    assert authority.issuer is not None
    content = authority.certificate.tbs_certificate_bytes
    assert content.count(old) == 1
    assert len(old) == len(new)
    content = content.replace(old, new)
    signature = authority.issuer.key.sign(content, ec.ECDSA(SHA384()))
    return der(0x30, content + ECDSA_WITH_SHA384 + der(0x03, b"\x00" + signature))


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content

"""Who a node is: the enclave's signing key, and the certificate its TLS presents."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from ...types import Bytes32, keccak256

SALT_BYTES: Final = 32
_SHA256: Final = hashes.SHA256()
_MGF: Final = padding.MGF1(_SHA256)
_CERTIFICATE_LIFETIME: Final = dt.timedelta(days=365)
_SIGNING_THREADS: Final = 2
_SIGNS_ITSELF: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


class Enclave:
    """The keys of one run of a node: a new enclave is a new identity (protocol notes 4.1).

    Signing leaves the event loop free: OpenSSL computes in a thread, without the interpreter lock.
    """

    def __init__(
        self, key: rsa.RSAPrivateKey, certificate: x509.Certificate, context: ssl.SSLContext
    ) -> None:
        self._key = key
        self._threads = ThreadPoolExecutor(_SIGNING_THREADS, thread_name_prefix="devnet-enclave")
        self.ssl_context = context
        self.tls_certificate_der = certificate.public_bytes(serialization.Encoding.DER)
        self.public_key_der = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public_key_pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.tee_id = Bytes32(keccak256(self.public_key_der))

    @classmethod
    async def create(cls, name: str, now: float) -> Enclave:
        """Make keys and a self-signed certificate for loopback, valid from ``now`` for a year."""
        return await asyncio.to_thread(_create, name, now)

    async def sign(self, message: bytes, *, salt_bytes: int = SALT_BYTES) -> bytes:
        """Return the RSA-PSS-SHA256 signature of a message."""
        scheme = padding.PSS(_MGF, salt_bytes)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._key.sign, message, scheme, _SHA256)

    def close(self) -> None:
        """Let the signing threads go."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def _create(name: str, now: float) -> Enclave:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    tls_key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(tls_key, name, now)
    return Enclave(key, certificate, _server_context(tls_key, certificate))


def _self_signed(key: ec.EllipticCurvePrivateKey, name: str, now: float) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.opengradient.devnet")])
    start = dt.datetime.fromtimestamp(int(now), dt.UTC) - dt.timedelta(days=1)
    loopback = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")), x509.DNSName("localhost")]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _CERTIFICATE_LIFETIME)
        .add_extension(loopback, critical=False)
        # the published client loads this certificate as its only authority, strictly checked
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS_ITSELF, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server_context(
    key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # the ssl module loads keys from files only
    with tempfile.TemporaryDirectory(prefix="opengradient-devnet-") as folder:
        path = Path(folder) / "node.pem"
        path.touch(mode=0o600)
        path.write_bytes(pem)
        context.load_cert_chain(path)
    return context

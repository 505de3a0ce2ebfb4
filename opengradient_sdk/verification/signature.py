"""What a node signs, and with which key (the protocol notes, sections 4.1 and 4.2)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ..errors import SignatureError
from ..types import Bytes32, keccak256

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import PSS
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256

MAX_KEY_BYTES: Final = 8192
"""The largest DER SubjectPublicKeyInfo that is looked at (bytes), as on chain."""

_MIN_BITS: Final = 2048
_MAX_BITS: Final = 8192
_SALT_BYTES: Final = 32


@lru_cache(maxsize=256)
def tee_id_of(public_key_der: bytes) -> Bytes32:
    """Return the identity of a node's key: Keccak-256 of its DER SubjectPublicKeyInfo."""
    return Bytes32(keccak256(public_key_der))


def answer_statement(request_hash: bytes, output_hash: bytes, timestamp: int) -> bytes:
    """Return the 32 bytes that a node signs for an answer.

    Args:
        request_hash: 32 bytes.
        output_hash: 32 bytes.
        timestamp: Unix seconds by the enclave's clock, from 0 to below 2^256.
    """
    return keccak256(request_hash + output_hash + timestamp.to_bytes(32, "big"))


def heartbeat_statement(tee_id: bytes, timestamp: int) -> bytes:
    """Return the 32 bytes that a node signs to say that it lives (section 5.5)."""
    return keccak256(tee_id + timestamp.to_bytes(32, "big"))


def verify_rsa_pss(public_key_der: bytes, statement: bytes, signature: bytes) -> None:
    """Return if ``signature`` is RSASSA-PSS (SHA-256, MGF1-SHA-256, salt of 32 bytes) by that key.

    ``statement`` is hashed once more with SHA-256, as PSS does; another salt length fails.

    Raises:
        SignatureError: It is not, or the key is not an RSA key of 2048–8192 bits in DER.
    """
    from cryptography.exceptions import InvalidSignature

    key = _rsa_key(public_key_der)
    pss, sha256 = _scheme()
    try:
        key.verify(signature, statement, pss, sha256)
    except InvalidSignature:
        raise SignatureError(
            "the signature is not one of this key over these hashes and this time",
            hint="do not use this answer; the node, or something between, altered it",
        ) from None


def prepare(public_key_der: bytes) -> None:
    """Load what verifying with this key needs, so that no answer waits for it.

    Blocks for some 50 ms the first time: call it in a thread. A key that cannot be used is reported
    by the verification, not here.
    """
    _scheme()
    try:
        _rsa_key(public_key_der)
    except SignatureError:
        return


@lru_cache(maxsize=256)  # bounded: keys come from the registry, which others write
def _rsa_key(public_key_der: bytes) -> RSAPublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if len(public_key_der) > MAX_KEY_BYTES:
        raise SignatureError(f"the key has {len(public_key_der)} bytes, more than {MAX_KEY_BYTES}")
    try:
        key = load_der_public_key(public_key_der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("the key is not a DER SubjectPublicKeyInfo") from error
    if not isinstance(key, RSAPublicKey) or not _MIN_BITS <= key.key_size <= _MAX_BITS:
        raise SignatureError(f"the key is not an RSA key of {_MIN_BITS}–{_MAX_BITS} bits")
    return key


@lru_cache(maxsize=1)
def _scheme() -> tuple[PSS, SHA256]:
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
    from cryptography.hazmat.primitives.hashes import SHA256

    return PSS(mgf=MGF1(SHA256()), salt_length=_SALT_BYTES), SHA256()

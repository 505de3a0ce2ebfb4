"""Attestation documents for tests, honest but for one place.

``resigned`` documents are signed again after the change, as a lying hypervisor could; ``altered``
ones are not, as anybody could.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from opengradient_sdk.verification._cbor import encode

from .nitro_maker import Authority, Hypervisor

ES384 = encode({1: -35})
Made = Callable[[], bytes]


@cache
def maker() -> Hypervisor:
    return Hypervisor.new()


def resigned(**changes: Any) -> Made:
    return lambda: maker().document(**changes)


def resigned_without(member: str) -> Made:
    def made() -> bytes:
        payload = maker().payload()
        del payload[member]
        return encode(maker().envelope(encode(payload)))

    return made


def altered(**changes: Any) -> Made:
    def made() -> bytes:
        envelope = maker().envelope(encode(maker().payload()))
        envelope[2] = encode(maker().payload(**changes))
        return encode(envelope)

    return made


def enveloped(position: int, value: Any) -> Made:
    def made() -> bytes:
        envelope = maker().envelope(encode(maker().payload()))
        envelope[position] = value
        return encode(envelope)

    return made


def signature(change: Callable[[bytes], bytes]) -> Made:
    def made() -> bytes:
        envelope = maker().envelope(encode(maker().payload()))
        envelope[3] = change(envelope[3])
        return encode(envelope)

    return made


def signed_by(authority: Callable[[], Authority], digest: Any = None, *context: Any) -> Made:
    """The honest payload under a signature of another key, digest or context."""

    def made() -> bytes:
        envelope = maker().envelope(encode(maker().payload()))
        head = context or ("Signature1", envelope[0], b"")
        raw = authority().key.sign(encode([*head, envelope[2]]), ec.ECDSA(digest or SHA384()))
        r, s = decode_dss_signature(raw)
        envelope[3] = r.to_bytes(48, "big") + s.to_bytes(48, "big")
        return encode(envelope)

    return made


def bit(position: int) -> Callable[[bytes], bytes]:
    def flip(raw: bytes) -> bytes:
        changed = bytearray(raw)
        changed[position] ^= 1
        return bytes(changed)

    return flip


def leaf() -> Authority:
    return maker().leaf


def stranger() -> Authority:
    return Hypervisor.new().leaf

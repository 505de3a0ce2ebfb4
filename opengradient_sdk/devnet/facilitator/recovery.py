"""Who signed: the account behind a secp256k1 signature."""

from __future__ import annotations

from typing import Final

from coincurve import PublicKey

from ...types import Address, keccak256

_V_OFFSET: Final = 27
_PARITY_BIT: Final = 1 << 255


def recover(digest: bytes, signature: bytes) -> Address | None:
    """Return who signed ``digest``, or ``None`` for a signature that nobody can have made.

    Takes what Permit2 takes: 65 bytes r || s || v with v = 27 or 28, or the 64 bytes of EIP-2098.
    """
    match len(signature):
        case 65:
            return recover_parity(digest, signature[:64], signature[64] - _V_OFFSET)
        case 64:
            packed = int.from_bytes(signature[32:], "big")
            s = (packed & (_PARITY_BIT - 1)).to_bytes(32, "big")
            return recover_parity(digest, signature[:32] + s, packed >> 255)
        case _:
            return None


def recover_parity(digest: bytes, r_s: bytes, parity: int) -> Address | None:
    """Return who signed ``digest`` with r || s and the parity of the curve point, 0 or 1."""
    if parity not in (0, 1):
        return None
    try:
        key = PublicKey.from_signature_and_message(r_s + bytes([parity]), digest, hasher=None)
    except Exception as error:  # coincurve raises a bare Exception for what is no signature
        if type(error) not in (Exception, ValueError):
            raise
        return None
    return Address.from_bytes(keccak256(key.format(compressed=False)[1:])[-20:])

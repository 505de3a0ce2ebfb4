"""Who signed: the checks that a foreign signature must pass before it is used."""

from __future__ import annotations

from typing import Final

from ..errors import SignerError
from ..types import Address, TypedData, keccak256

ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""How many keys secp256k1 has, plus one."""

_BAD_SIGNER: Final = "the signer returned something other than what it was asked to sign"


def address_of(public_key: bytes) -> Address:
    """Return the account of an uncompressed public key (65 bytes, first byte 4)."""
    return Address.from_bytes(keccak256(public_key[1:])[12:])


def is_low(s: int) -> bool:
    """Return whether ``s`` is in the lower half, the only one that chains take (EIP-2)."""
    return s <= ORDER // 2


def recover_address(digest: bytes, signature: bytes) -> Address:
    """Return the account whose key made the 65-byte signature r || s || v of ``digest``.

    Raises:
        SignerError: Not 65 bytes, v is neither 27 nor 28, s is in the upper half (contracts that
            follow EIP-2 refuse it), or no key can have made it.
    """
    from coincurve import PublicKey

    if len(signature) != 65 or signature[64] not in (27, 28):
        raise SignerError("a signature has 65 bytes r || s || v with v = 27 or 28")
    if not is_low(int.from_bytes(signature[32:64], "big")):
        raise SignerError("the signature's s is in the upper half of the curve's order (EIP-2)")
    recoverable = signature[:64] + bytes([signature[64] - 27])
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception as error:  # coincurve raises no narrower one
        raise SignerError("no key can have made this signature") from error
    return address_of(key.format(compressed=False))


def check_typed_signature(data: TypedData, signature: bytes, signer: Address) -> None:
    """Return if ``signature`` is ``signer``'s over ``data``.

    Raises:
        SignerError: It is somebody else's, or none.
    """
    recovered = recover_address(data.digest(), signature)
    if recovered != signer:
        raise SignerError(
            f"the signature is not one of {signer} over this {data.primary_type}",
            hint=f"{_BAD_SIGNER}; is it unlocked for another account?",
        )

"""A key that signs digests: a cloud's key management service, or a hardware module."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Final, NoReturn

from ..errors import ConfigurationError, SignerError
from ..types import Address, PreparedTx, SignedTx, TypedData
from ._digests import transaction_digest, typed_digest
from ._recover import ORDER, address_of, is_low, recover_address
from .envelope import seal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

SignDigest = Callable[[bytes], Awaitable[bytes]]
"""Takes 32 bytes; returns their ECDSA signature over secp256k1, as DER, or r || s in 64 bytes."""

_PUBLIC_KEY_HINT: Final = (
    "pass SubjectPublicKeyInfo as DER or PEM, or the point in 33 or 65 bytes, of a key on "
    "secp256k1 (AWS calls it ECC_SECG_P256K1, Google EC_SIGN_SECP256K1_SHA256, Azure P-256K)"
)


class DigestSigner:
    """A wallet made of any async function that signs 32 bytes, as key management services do.

    Services answer with DER, with an s in either half, and without a recovery id. Here s is
    brought into the lower half (EIP-2), the recovery id is found by trying, and a signature that
    does not lead to the account is refused. The service sees digests only: it cannot show anybody
    what is signed, so the guard's policy is what stands before it.

    Args:
        sign_digest: Signs the 32 bytes it is given *as they are*: they are a Keccak-256 digest and
            must not be hashed again. A blocking client goes into a thread, as below.
        public_key: The key's public half: SubjectPublicKeyInfo as DER (AWS) or PEM (Google), or
            the point in 33 or 65 bytes.
        address: The account, where the public key is not at hand. One of the two is needed; with
            both, they must agree.

    Raises:
        ConfigurationError: Neither of the two, a key of another curve, or two that disagree.

    Example:
        With AWS KMS; Google's ``asymmetric_sign`` and Azure's ``sign`` look alike:

        >>> async def sign_with_kms(digest: bytes) -> bytes:
        ...     answer = await asyncio.to_thread(
        ...         kms.sign, KeyId=key_id, Message=digest, MessageType="DIGEST",
        ...         SigningAlgorithm="ECDSA_SHA_256",
        ...     )
        ...     return answer["Signature"]
        >>> public_key = bytes.fromhex(
        ...     "034f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa"
        ... )  # kms.get_public_key(KeyId=key_id)["PublicKey"]
        >>> DigestSigner(sign_with_kms, public_key=public_key)
        DigestSigner(0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A)
    """

    __slots__ = ("_address", "_sign")

    def __init__(
        self,
        sign_digest: SignDigest,
        *,
        public_key: bytes | str | None = None,
        address: str | None = None,
    ) -> None:
        self._sign = sign_digest
        self._address = _account(public_key, address)

    @property
    def address(self) -> Address:
        """The account that signs."""
        return self._address

    async def sign_typed_data(self, data: TypedData) -> bytes:
        """Return the 65-byte signature r || s || v (v = 27 or 28, low s) of ``data`` (EIP-712).

        **Money**: the signature of a Permit2 witness transfer is worth up to its amount.

        Raises:
            SignerError: The function failed or returned no signature of this account, or a member
                of ``data`` does not fit its type.
        """
        return await self._signature(typed_digest(data))

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        """Return ``tx`` signed, every field as it was asked for.

        **Money**: a signed transaction can be sent by whoever holds it, for ever.

        Raises:
            SignerError: The function failed or returned no signature of this account, the
                transaction is another account's, or a field does not fit.
        """
        return seal(tx, await self._signature(transaction_digest(tx, self._address)))

    async def _signature(self, digest: bytes) -> bytes:
        r, s = _numbers(await self._asked(digest))
        return self._recoverable(digest, r, s if is_low(s) else ORDER - s)

    async def _asked(self, digest: bytes) -> object:
        try:
            answer = self._sign(digest)
            if isawaitable(answer):
                return await answer
        except SignerError:
            raise  # a refusal of the function's own
        except Exception as error:  # the function is the user's: it may raise anything
            raise _failed(error) from error
        raise SignerError(
            "the function that signs digests is not async",
            hint="Write it with async def; a blocking client goes into asyncio.to_thread.",
        )

    def _recoverable(self, digest: bytes, r: int, s: int) -> bytes:
        # a recovery id of 2 or 3 needs an r above the order, which nobody will ever see
        for v in (27, 28):
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])
            try:
                if recover_address(digest, signature) == self._address:
                    return signature
            except SignerError:
                continue  # no curve point with this parity
        raise SignerError(
            f"the signature is not one of {self._address} over this digest",
            hint="Is it another key, or is the digest hashed again before it is signed? "
            "(AWS: MessageType='DIGEST')",
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a signer is not copied or pickled")


def _failed(error: Exception) -> SignerError:
    # the text stays with the cause: clients of key services put request ids and more into it
    return SignerError(
        f"the function that signs digests raised {type(error).__name__}",
        hint="Nothing was signed that is in use; the cause is attached.",
    )


def _numbers(answer: object) -> tuple[int, int]:
    """Return r and s, both above zero and below the order.

    A DER signature of 64 or 65 bytes would need numbers that are 2^48 times too rare to be met.
    """
    if not isinstance(answer, bytes):
        raise SignerError(f"the function that signs digests returned a {type(answer).__name__}")
    if len(answer) in (64, 65):
        r, s = int.from_bytes(answer[:32], "big"), int.from_bytes(answer[32:64], "big")
    else:
        r, s = _from_der(answer)
    if not (0 < r < ORDER and 0 < s < ORDER):
        raise SignerError("the signature's r or s is out of range")
    return r, s


def _from_der(answer: bytes) -> tuple[int, int]:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    try:
        return decode_dss_signature(answer)
    except ValueError as error:
        raise SignerError(
            f"the function that signs digests returned {len(answer)} bytes that are no signature",
            hint="It returns DER (ECDSA-Sig-Value), or r || s in 64 bytes.",
        ) from error


def _account(public_key: bytes | str | None, address: str | None) -> Address:
    if public_key is None and address is None:
        raise ConfigurationError(
            "a DigestSigner needs the public key or the address of its account",
            hint="pass public_key= as the key service hands it out, or address=",
        )
    try:
        named = None if address is None else Address(address)
    except ValueError as error:
        raise ConfigurationError(f"the signer's account is {error}") from error
    if public_key is None:
        assert named is not None
        return named
    found = address_of(_point(public_key))
    if named not in (None, found):
        raise ConfigurationError(
            f"the public key is one of {found}, not of {named}",
            hint="pass the public key alone, if it is the right one",
        )
    return found


def _point(public_key: bytes | str) -> bytes:
    """Return the uncompressed point (65 bytes) of a public key in any usual form."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = _loaded(public_key.encode() if isinstance(public_key, str) else public_key)
    if not isinstance(key.curve, SECP256K1):
        raise ConfigurationError(
            f"the public key is on the curve {key.curve.name}", hint=_PUBLIC_KEY_HINT
        )
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _loaded(encoded: bytes) -> EllipticCurvePublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        load_der_public_key,
        load_pem_public_key,
    )

    try:
        if len(encoded) in (33, 65):
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), encoded)
        load = load_pem_public_key if encoded.lstrip().startswith(b"-----") else load_der_public_key
        key = load(encoded)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError("the public key cannot be read", hint=_PUBLIC_KEY_HINT) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ConfigurationError("the public key is not an elliptic curve's", hint=_PUBLIC_KEY_HINT)
    return key

"""The signer that asks first."""

from __future__ import annotations

from typing import Final, Protocol

from ..errors import SignerError
from ..types import Address, PreparedTx, SignedTx, TypedData
from ._recover import check_typed_signature
from .envelope import check_signed
from .local import LocalSigner
from .protocol import Signer


class SigningPolicy(Protocol):
    """Says whether something may be signed, before it is."""

    async def check_typed_data(self, data: TypedData) -> None:
        """Return if ``data`` may be signed.

        Raises:
            PolicyRejectedError: It may not; nothing was signed.
        """
        ...

    async def check_transaction(self, tx: PreparedTx) -> None:
        """Return if ``tx`` may be signed.

        Raises:
            PolicyRejectedError: It may not; nothing was signed.
        """
        ...


class GuardedSigner:
    """A signer that signs nothing its policy has not allowed.

    It is the only signer that payments and chains are given, so that no surface goes round the
    policy. What a foreign signer returns is checked: the signature must be its own account's, over
    exactly what was asked.
    """

    __slots__ = ("_policy", "_signer")

    def __init__(self, signer: Signer, policy: SigningPolicy) -> None:
        self._signer = signer
        self._policy = policy

    @property
    def address(self) -> Address:
        """The account that signs."""
        return self._signer.address

    @property
    def at_once(self) -> bool:
        """Whether the wallet behind the guard computes its signatures in this process."""
        return signs_at_once(self._signer)

    async def sign_typed_data(self, data: TypedData) -> bytes:
        """Return the 65-byte signature r || s || v of ``data`` if the policy allows it (EIP-712).

        **Money**: the signature of a Permit2 witness transfer is worth up to its amount.

        Raises:
            PolicyRejectedError: The policy does not allow it; the signer was not asked.
            SigningRejectedError: The signer, or its owner, refused.
            SignerError: The signature is not this account's, or not over ``data``.
        """
        await self._policy.check_typed_data(data)
        signature = await self._signer.sign_typed_data(data)
        if type(self._signer) not in _CERTAIN:
            check_typed_signature(data, signature, self.address)
        return signature

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        """Return ``tx`` signed if the policy allows it, every field as it was asked for.

        **Money**: a signed transaction can be sent by whoever holds it, for ever.

        Raises:
            PolicyRejectedError: The policy does not allow it; the signer was not asked.
            SigningRejectedError: The signer, or its owner, refused.
            SignerError: The signer changed a field, or signed for another account.
        """
        await self._policy.check_transaction(tx)
        return await sign_checked(self._signer, tx)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"


def signs_at_once(signer: Signer) -> bool:
    """Return whether a signature is computed in this process, without asking anybody for it."""
    if isinstance(signer, GuardedSigner):
        return signer.at_once
    return type(signer) is LocalSigner


async def sign_checked(signer: Signer, tx: PreparedTx) -> SignedTx:
    """Return ``tx`` signed by ``signer``, compared with what was asked for unless that is certain.

    Every new signature goes this way: the first one, and the ones that raise a transaction's fee or
    cancel it.

    Raises:
        PolicyRejectedError: The signer is a guarded one and its policy does not allow it.
        SigningRejectedError: The signer, or its owner, refused.
        SignerError: Another account's transaction, a changed field, or another key's signature.
    """
    if tx.sender != signer.address:
        # before it is asked: a program with several keys would sign with another one
        raise SignerError(f"the transaction is {tx.sender}'s, this signer is {signer.address}")
    signed = await signer.sign_transaction(tx)
    if type(signer) not in _CERTAIN:
        check_signed(tx, signed)
    return signed


# LocalSigner computes what it returns from what it was given; GuardedSigner has checked it. Their
# subclasses may do otherwise, and so may everything else, however well it checks by itself.
_CERTAIN: Final = (LocalSigner, GuardedSigner)

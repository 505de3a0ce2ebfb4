"""What the rest of the package needs from a wallet."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ..types import Address, PreparedTx, SignedTx, TypedData


@runtime_checkable
class Signer(Protocol):
    """Anything with these three is a wallet."""

    @property
    def address(self) -> Address:
        """The account that signs."""
        ...

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        """Return ``tx`` signed, every field as it was asked for.

        **Money**: a signed transaction can be sent by whoever holds it, for ever.

        Raises:
            SigningRejectedError: The owner, a policy or a device refused.
        """
        ...

    async def sign_typed_data(self, data: TypedData) -> bytes:
        """Return the 65-byte signature r || s || v (v = 27 or 28, low s) of ``data`` (EIP-712).

        **Money**: the signature of a Permit2 witness transfer is worth up to its amount.

        Raises:
            SigningRejectedError: The owner, a policy or a device refused.
        """
        ...

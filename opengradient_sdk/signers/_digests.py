"""What is asked of a signer, as the 32 bytes that are signed."""

from __future__ import annotations

from ..errors import SignerError
from ..types import Address, PreparedTx, TypedData, keccak256
from .envelope import unsigned_bytes


def typed_digest(data: TypedData) -> bytes:
    """Return the digest of ``data`` (EIP-712).

    Raises:
        SignerError: A member of ``data`` is missing or does not fit its type.
    """
    try:
        return data.digest()
    except ValueError as error:
        raise SignerError(f"this {data.primary_type} cannot be signed: {error}") from error


def transaction_digest(tx: PreparedTx, signer: Address) -> bytes:
    """Return the digest of ``tx``, which must be ``signer``'s.

    Raises:
        SignerError: Another account's transaction, or a field that does not fit.
    """
    check_sender(tx, signer)
    return keccak256(unsigned_bytes(tx))


def check_sender(tx: PreparedTx, signer: Address) -> None:
    """Return if ``tx`` is ``signer``'s.

    Raises:
        SignerError: It is another account's.
    """
    if tx.sender != signer:
        raise SignerError(f"the transaction is {tx.sender}'s, this signer is {signer}")

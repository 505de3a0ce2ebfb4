"""Between this process and a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import OpenGradientError, Spent

if TYPE_CHECKING:
    from ..types import Bytes32


class ChainError(OpenGradientError):
    """Something between this process and a chain went wrong."""


class RpcError(ChainError):
    """A JSON-RPC endpoint failed or answered with an error.

    Attributes:
        code: The JSON-RPC error code, where there was one.
        data: The error's data as the node sent it (revert data is hex text).
        url: The endpoint, without credentials or query.
    """

    retryable = True

    def __init__(
        self,
        short_message: str,
        *,
        hint: str = "",
        code: int | None = None,
        data: object = None,
        url: str = "",
    ) -> None:
        super().__init__(short_message, hint=hint)
        self.code = code
        self.data = data
        self.url = url


class WrongChainError(RpcError):
    """An RPC endpoint serves another chain than the configuration names."""

    retryable = False


class ConfirmationTimeoutError(ChainError):
    """A transaction was not confirmed in time; it may still be mined.

    Attributes:
        hash: The transaction's hash, to follow it further.
    """

    retryable = True

    def __init__(self, short_message: str, *, hash: Bytes32, hint: str = "") -> None:
        super().__init__(short_message, hint=hint, spent=Spent.MAYBE)
        self.hash = hash


class ReorgError(ChainError):
    """A block that was built upon is no longer part of the chain."""

    retryable = True


class TransactionError(ChainError):
    """A transaction was refused or failed."""


class NonceError(TransactionError):
    """The account's nonce was already used, or a lower one is missing."""

    retryable = True


class InsufficientFundsError(TransactionError):
    """The account cannot pay the transaction's value and fee."""


class FeeTooLowError(TransactionError):
    """The offered fee is below what the chain or a replacement needs."""

    retryable = True


class RevertedError(TransactionError):
    """The EVM reverted the call.

    Attributes:
        reason: The decoded reason: an error string, a panic, or a custom error with its arguments.
        data: The raw revert data.
    """

    def __init__(
        self,
        short_message: str,
        *,
        reason: str,
        data: bytes = b"",
        hint: str = "",
        spent: Spent = Spent.NO,
    ) -> None:
        super().__init__(short_message, hint=hint, spent=spent)
        self.reason = reason
        self.data = data


class ReplacedError(TransactionError):
    """Another transaction with the same nonce was mined instead.

    Attributes:
        by: The other transaction's hash, where it is known.
    """

    def __init__(self, short_message: str, *, hint: str = "", by: Bytes32 | None = None) -> None:
        super().__init__(short_message, hint=hint)
        self.by = by


class RequestConflictError(TransactionError):
    """A ``request_id`` was used before, for another transaction."""

"""Every error this package raises, in one tree.

    OpenGradientError
    ├ ConfigurationError
    ├ SignerError → SigningRejectedError
    ├ ChainError
    │  ├ RpcError → WrongChainError
    │  ├ ConfirmationTimeoutError · ReorgError
    │  └ TransactionError → NonceError, InsufficientFundsError, FeeTooLowError,
    │                       RevertedError, ReplacedError
    ├ PaymentError → PolicyRejectedError, BudgetExceededError, InsufficientOPGError,
    │                AllowanceError, InvalidChallengeError, PaymentRejectedError,
    │                PaymentOutcomeUnknownError, SettlementPendingError
    ├ NetworkError → TransportError, RegistryUnavailableError, RegistryEmptyError,
    │                NoNodeAvailableError, NodeTimeoutError, NodeProtocolError,
    │                PinMismatchError, RedirectError
    ├ APIStatusError → BadRequestError, AuthenticationError, NotFoundError,
    │                  RateLimitedError, ServerError
    ├ StreamInterruptedError
    ├ ResponseFormatError
    ├ VerificationError → RequestHashError, OutputHashError, SignatureError,
    │                     AttestationError, SettlementError, AssuranceError
    ├ LedgerError
    └ HubError

Each says what happened (``short_message``), what to do (``hint``), whether trying again can help
(``retryable``) and what it may have cost (``spent``, ``amount``). Money was possibly spent by
everything whose ``spent`` is not ``Spent.NO``.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .types import Amount, Bytes32

_DOCS = "docs/errors.md"


class Spent(Enum):
    """What an error has cost: nothing, possibly something, or certainly something."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


class OpenGradientError(Exception):
    """The root of all errors of this package.

    Attributes:
        short_message: One sentence: what happened.
        hint: One sentence: what to do about it (may be empty).
        docs_url: Where this error is explained.
        retryable: Whether the same call may succeed later without a change.
        spent: Whether money was spent. ``MAYBE`` is bounded by ``amount`` where that is known.
        amount: The most that may have been spent, where known.
    """

    retryable: ClassVar[bool] = False

    def __init__(
        self,
        short_message: str,
        *,
        hint: str = "",
        spent: Spent = Spent.NO,
        amount: Amount | None = None,
    ) -> None:
        super().__init__(short_message)
        self.short_message = short_message
        self.hint = hint
        self.spent = spent
        self.amount = amount

    @property
    def docs_url(self) -> str:
        """The page and anchor that explain this error."""
        return f"{_DOCS}#{type(self).__name__.lower()}"

    def __str__(self) -> str:
        text = self.short_message
        if self.hint:
            text += f"\n  hint: {self.hint}"
        if self.spent is not Spent.NO:
            bound = f" (at most {self.amount})" if self.amount is not None else ""
            text += f"\n  spent: {self.spent.value}{bound}"
        return text


class ConfigurationError(OpenGradientError):
    """An argument, an environment variable or a profile cannot be used as it is."""


class SignerError(OpenGradientError):
    """The signer could not sign, or returned something other than what was asked for."""


class SigningRejectedError(SignerError):
    """The signer, or its owner, refused to sign."""


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
    """Another transaction with the same nonce was mined instead."""


class PaymentError(OpenGradientError):
    """A payment could not be made, or its outcome is not known."""


class PolicyRejectedError(PaymentError):
    """Something was asked to be signed that the owner's policy does not allow. Nothing was signed.

    Attributes:
        field: The member that failed, for example ``payTo``.
        asked: Its value in the request.
        allowed: What the policy allows there.
    """

    def __init__(
        self, short_message: str, *, field: str, asked: object, allowed: object, hint: str = ""
    ) -> None:
        super().__init__(short_message, hint=hint)
        self.field = field
        self.asked = asked
        self.allowed = allowed


class BudgetExceededError(PaymentError):
    """The budget does not cover another authorization. Nothing was signed or sent."""


class InsufficientOPGError(PaymentError):
    """The wallet holds less OPG than an authorization's cap."""


class AllowanceError(PaymentError):
    """Permit2 is not allowed to move the wallet's OPG, and the allowance could not be given."""


class InvalidChallengeError(PaymentError):
    """A 402 answer carries no usable payment challenge. Nothing was signed."""


class PaymentRejectedError(PaymentError):
    """The node refused a signed authorization.

    Attributes:
        reason: The facilitator's or the node's reason code.
    """

    def __init__(
        self,
        short_message: str,
        *,
        reason: str,
        hint: str = "",
        spent: Spent = Spent.MAYBE,
        amount: Amount | None = None,
    ) -> None:
        super().__init__(short_message, hint=hint, spent=spent, amount=amount)
        self.reason = reason


class PaymentOutcomeUnknownError(PaymentError):
    """A paid request was sent and its outcome is not known; no second payment was signed for it."""


class SettlementPendingError(PaymentError):
    """A payment was not settled within the time that was waited; it can still be."""

    retryable = True


class NetworkError(OpenGradientError):
    """Something between this process and a node, or the registry of nodes, went wrong."""

    retryable = True


class TransportError(NetworkError):
    """An HTTP exchange failed below HTTP.

    Attributes:
        sent: Whether any part of the request may have reached the other side. ``False`` makes a
            retry free of risk.
    """

    def __init__(self, short_message: str, *, sent: bool, hint: str = "") -> None:
        super().__init__(short_message, hint=hint)
        self.sent = sent


class RegistryUnavailableError(NetworkError):
    """The on-chain registry could not be read; which nodes exist is not known."""


class RegistryEmptyError(NetworkError):
    """The registry was read and lists no active node."""


class NoNodeAvailableError(NetworkError):
    """No listed node could be used for this call."""


class NodeTimeoutError(NetworkError):
    """A node did not answer in time."""


class NodeProtocolError(NetworkError):
    """A node answered with something that is not the protocol."""


class PinMismatchError(NetworkError):
    """The TLS certificate is not the one in the registry. Nothing was sent."""

    retryable = False


class RedirectError(NetworkError):
    """A server answered with a redirect; it was not followed."""

    retryable = False


class APIStatusError(OpenGradientError):
    """A node answered a request with an error status. The node software does not bill these.

    Attributes:
        status_code: The HTTP status.
        body: The decoded JSON body, or its text.
    """

    def __init__(
        self, short_message: str, *, status_code: int, body: object, hint: str = ""
    ) -> None:
        super().__init__(short_message, hint=hint)
        self.status_code = status_code
        self.body = body

    @staticmethod
    def for_status(status: int) -> type[APIStatusError]:
        """Return the class for an HTTP status."""
        if status >= 500:
            return ServerError
        return _BY_STATUS.get(status, APIStatusError)


class BadRequestError(APIStatusError):
    """400, 405, 413, 415 or 422: the node refuses the request as it is."""


class AuthenticationError(APIStatusError):
    """401 or 403."""


class NotFoundError(APIStatusError):
    """404: no such route on this node."""


class RateLimitedError(APIStatusError):
    """429: too many requests."""

    retryable = True


class ServerError(APIStatusError):
    """5xx: the node or its provider failed."""

    retryable = True


_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    405: BadRequestError,
    413: BadRequestError,
    415: BadRequestError,
    422: BadRequestError,
    429: RateLimitedError,
}


class StreamInterruptedError(OpenGradientError):
    """A stream ended before its signed final frame: its text is not verified.

    Attributes:
        partial_text: What had arrived; provisional, proven by nothing.
    """

    retryable = True

    def __init__(
        self,
        short_message: str,
        *,
        partial_text: str,
        hint: str = "",
        spent: Spent = Spent.MAYBE,
        amount: Amount | None = None,
    ) -> None:
        super().__init__(short_message, hint=hint, spent=spent, amount=amount)
        self.partial_text = partial_text


class ResponseFormatError(OpenGradientError):
    """A verified answer is not an object of the class that was asked for.

    Attributes:
        text: The answer's text; it was verified and paid.
        receipt_id: Its receipt.
    """

    def __init__(
        self,
        short_message: str,
        *,
        text: str,
        receipt_id: str,
        hint: str = "",
        amount: Amount | None = None,
    ) -> None:
        super().__init__(short_message, hint=hint, spent=Spent.YES, amount=amount)
        self.text = text
        self.receipt_id = receipt_id


class VerificationError(OpenGradientError):
    """An answer, a document or a settlement is not what it claims to be.

    Attributes:
        evidence: Every check that was made, with the one that failed.
        receipt_id: The receipt of the call, where there is one: it was paid.
    """

    def __init__(
        self,
        short_message: str,
        *,
        hint: str = "",
        evidence: object = None,
        receipt_id: str | None = None,
        spent: Spent = Spent.NO,
        amount: Amount | None = None,
    ) -> None:
        super().__init__(short_message, hint=hint, spent=spent, amount=amount)
        self.evidence = evidence
        self.receipt_id = receipt_id


class RequestHashError(VerificationError):
    """The node signed another request than the one that was sent."""


class OutputHashError(VerificationError):
    """The node signed another output than the one that arrived."""


class SignatureError(VerificationError):
    """The signature is not one of the registered key over these hashes."""


class AttestationError(VerificationError):
    """An attestation document does not prove what it should."""


class SettlementError(VerificationError):
    """A settlement on chain disagrees with what was served."""


class AssuranceError(VerificationError):
    """The answer is verified, but to a lower assurance than was required."""


class LedgerError(OpenGradientError):
    """The store of receipts and authorizations failed."""


class HubError(OpenGradientError):
    """The model hub refused or failed."""

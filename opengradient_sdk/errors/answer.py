"""What an answer turns out to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import OpenGradientError, Spent

if TYPE_CHECKING:
    from ..types import Amount


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

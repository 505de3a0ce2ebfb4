"""Paying, and not paying."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import OpenGradientError, Spent

if TYPE_CHECKING:
    from ..types import Amount


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


class IdempotencyConflictError(PaymentError):
    """An idempotency key was used for another call before. Nothing was signed or sent."""


class PaymentOutcomeUnknownError(PaymentError):
    """A paid request was sent and its outcome is not known; no second payment was signed for it."""


class SettlementPendingError(PaymentError):
    """A payment was not settled within the time that was waited; it can still be."""

    retryable = True

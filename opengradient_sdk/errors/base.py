"""What every error says, and those that belong to no room in particular."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ..types import Amount


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


class LedgerError(OpenGradientError):
    """The store of receipts and authorizations failed."""


class HubError(OpenGradientError):
    """The model hub refused or failed."""

"""How the policy says no: which field, what was asked, what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import PolicyRejectedError

_LONGEST: Final = 200
"""Characters of a stranger's text that are repeated in an error."""
_WORD_BITS: Final = 256


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that was asked to be signed and is not: its field, what it asks, what is allowed.

    ``asked`` may be whatever a stranger wrote. ``str()`` shows it on one line, cut where it is
    long, so that it can be logged.
    """

    field: str
    asked: object
    allowed: object
    hint: str

    def error(self) -> PolicyRejectedError:
        """Return the error that says this."""
        return PolicyRejectedError(
            f"refused to sign: {self}",
            field=self.field,
            asked=self.asked,
            allowed=self.allowed,
            hint=self.hint,
        )

    def __str__(self) -> str:
        return f"{self.field} is {shown(self.asked)}, allowed is {shown(self.allowed)}"


def shown(value: object) -> str:
    """Return ``value`` as it may stand in an error: one line, of bounded length."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    if isinstance(value, int) and value.bit_length() > _WORD_BITS:
        return f"a number of {value.bit_length()} bits"  # Python itself may refuse to print it
    text = value if isinstance(value, str) and value else repr(value)
    if not text.isprintable():
        text = ascii(text)  # a line break would forge a line of a log
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"

"""Whose time it is: every deadline and age in this package is read from a ``Clock``."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A source of Unix time."""

    def now(self) -> float:
        """Return Unix seconds, as this clock sees them."""
        ...


class SystemClock:
    """The clock of this machine."""

    __slots__ = ()

    def now(self) -> float:
        """Return Unix seconds of the machine's clock."""
        return time.time()


class ShiftedClock:
    """The machine's clock with an offset that can grow: what a Devnet and its clients share."""

    __slots__ = ("_offset",)

    def __init__(self, offset: float = 0.0) -> None:
        self._offset = offset

    def now(self) -> float:
        """Return Unix seconds of the machine's clock, shifted."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move this clock forward.

        Raises:
            ValueError: ``seconds`` is negative; chains do not run backwards.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot be moved back by {-seconds} seconds")
        self._offset += seconds

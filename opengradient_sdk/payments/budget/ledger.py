"""Budgets count exposure: the whole cap of every authorization that is still open."""

from __future__ import annotations

from ...errors import BudgetExceededError
from ...types import Amount


class Budget:
    """A total that authorizations are reserved against before they are signed.

    All figures are atoms of OPG. ``exposed`` is the sum of the caps of open authorizations,
    ``settled`` what the chain has shown as charged. Ambiguous spend stays exposed.
    """

    __slots__ = ("_exposed", "_settled", "_total")

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._exposed = 0
        self._settled = 0

    @property
    def total(self) -> int | None:
        """The most that may be exposed and settled together; ``None`` is unlimited."""
        return self._total

    @property
    def exposed(self) -> int:
        """Caps of open authorizations."""
        return self._exposed

    @property
    def settled(self) -> int:
        """What the chain has shown as charged."""
        return self._settled

    @property
    def remaining(self) -> int | None:
        """What new authorizations may still reserve; ``None`` is unlimited."""
        return None if self._total is None else self._total - self._exposed - self._settled

    def reserve(self, cap: int) -> None:
        """Reserve the cap of an authorization that is about to be signed.

        Raises:
            BudgetExceededError: The total does not cover it; nothing is reserved.
        """
        remaining = self.remaining
        if remaining is not None and cap > remaining:
            raise BudgetExceededError(
                f"the budget of {Amount(self._total or 0)} has {Amount(max(remaining, 0))} left, "
                f"and an authorization reserves its whole cap of {Amount(cap)}",
                hint=(
                    f"{Amount(self._exposed)} is reserved by open authorizations until the chain "
                    f"shows what they were charged, {Amount(self._settled)} is spent. "
                    'Pass a larger budget, for example AsyncOpenGradient(budget="5 OPG").'
                ),
            )
        self._exposed += cap

    def release(self, cap: int, *, charged: int = 0) -> None:
        """Replace a reserved cap by what was really charged for it."""
        self._exposed -= cap
        self._settled += charged

    def reopen(self, cap: int, *, charged: int) -> None:
        """Take a release back: the chain has reorganized, and the charge is open again."""
        self._exposed += cap
        self._settled -= charged

"""How a budget stands, and when it is running low."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ...errors import BudgetExceededError
from ...types import Amount

_LOW_CAPS: Final = 2
_LOW_SHARE: Final = 5  # a fifth of the total


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts against a budget at one moment. All figures are atoms of OPG.

    ``exposed`` sums the caps of open authorizations, ``settled`` what the chain has charged for the
    others that count; both are exact. ``estimated_by_tag`` sums the computed costs of tagged calls:
    estimates. ``total`` is ``None`` where there is no limit.
    """

    total: int | None
    exposed: int
    settled: int
    estimated_by_tag: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def remaining(self) -> int | None:
        """What new authorizations may still reserve; ``None`` is unlimited.

        Negative after a reorg gave an authorization back that had left room for another, and where
        clients of one budget have different totals.
        """
        return None if self.total is None else self.total - self.exposed - self.settled


def crossed_low(before: Standing, after: Standing, cap: int) -> bool:
    """Return whether a budget began to run low between two moments: once for each time it does.

    It is low when less remains than two caps of ``cap`` atoms, or than a fifth of the total.
    """
    return _is_low(after, cap) and not _is_low(before, cap)


def _is_low(standing: Standing, cap: int) -> bool:
    total, remaining = standing.total, standing.remaining
    if total is None or remaining is None:
        return False
    return remaining < _LOW_CAPS * cap or remaining * _LOW_SHARE < total


def no_room(standing: Standing, cap: int, *, whose: str, relief: str = "") -> BudgetExceededError:
    """Return the error that says why one more cap does not fit, and what would make room.

    ``whose`` names the budget; ``relief`` says what comes free when, where that is known.
    """
    total, remaining = Amount(standing.total or 0), max(standing.remaining or 0, 0)
    return BudgetExceededError(
        f"{whose} of {total} has {Amount(remaining)} left, "
        f"and an authorization reserves its whole cap of {Amount(cap)}",
        hint=(
            f"{Amount(standing.settled)} is spent, and {Amount(standing.exposed)} is reserved by "
            f"open authorizations until the chain shows what they were charged.{relief} "
            'Wait, or pass a larger budget, for example budget="5 OPG".'
        ),
    )

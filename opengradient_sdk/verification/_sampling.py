"""What random checks prove: how likely false answers would all have been missed.

Answers fall into strata: those of one stratum had the same chance of being checked, and were drawn
independently of each other. Given how many of a stratum were checked, which ones is then a simple
random sample, so the number of false answers among them is hypergeometric. How false answers are
spread over the strata is the cheater's choice; the worst is assumed. Only answers that are proven
cannot be false, by whatever luck they were proven.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_HALVINGS: Final = 60  # of an interval of length 1: down to the precision of floats
_NEGLIGIBLE: Final = 1e-30  # far below what 1 - p can show


@dataclass(frozen=True, slots=True)
class Stratum:
    """Answers that had the same chance of being checked.

    Attributes:
        chance: That chance, from 0 (never) to 1 (always).
        answers: How many there are.
        checked: How many of them were checked because they were drawn.
        proven: How many of them are proven, drawn or not.
    """

    chance: float
    answers: int
    checked: int
    proven: int

    @property
    def unproven(self) -> int:
        """How many may be false."""
        return self.answers - self.proven


def missed(strata: Sequence[Stratum], false: int) -> float:
    """Return how likely none of ``false`` false answers was checked, spread as it hides them best.

    ``false`` is at most the number of answers.
    """
    if false > sum(stratum.unproven for stratum in strata):
        return 0.0
    spread = _best_hidden(strata, false)
    return math.prod(_missed_in(stratum, k) for stratum, k in zip(strata, spread, strict=True))


def fewest_noticed(strata: Sequence[Stratum], confidence: float) -> int | None:
    """Return the least number of false answers that is noticed with ``confidence``, if there is."""
    low, high = 0, sum(stratum.answers for stratum in strata)
    if 1 - missed(strata, high) < confidence:
        return None
    while low + 1 < high:  # more false answers are never easier to miss
        middle = (low + high) // 2
        if 1 - missed(strata, middle) >= confidence:
            high = middle
        else:
            low = middle
    return high


def noticed_in_the_long_run(checked: int, rate: float) -> float:
    """Return how likely one of ``checked`` answers is false when each is with probability ``rate``.

    That is 1 - (1 - rate)^checked.
    """
    if rate >= 1:
        return float(checked > 0)
    return -math.expm1(checked * math.log1p(-rate))


def _missed_in(stratum: Stratum, false: int) -> float:
    """Return C(N - false, n) / C(N, n): no false answer among n drawn of N."""
    few, many = sorted((false, stratum.checked))
    probability = 1.0
    for i in range(few):
        probability *= max(stratum.answers - many - i, 0) / (stratum.answers - i)
        if probability < _NEGLIGIBLE:
            return 0.0
    return probability


def _best_hidden(strata: Sequence[Stratum], false: int) -> list[int]:
    """Return how many false answers each stratum has when they are hidden as well as can be.

    One more in a stratum that has k is met with probability n / (N - k), which grows with k. So the
    next one always goes where that is least, and all strata fill up to a common level.
    """
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        level = (low + high) / 2
        if sum(_below(stratum, level) for stratum in strata) <= false:
            low = level
        else:
            high = level
    spread = [_below(stratum, low) for stratum in strata]
    if low == 0.0:  # they all find room where nothing was checked
        spread = _filled(spread, false)
    for _ in range(false - sum(spread)):
        spread[_safest(strata, spread)] += 1
    return spread


def _below(stratum: Stratum, level: float) -> int:
    """Return how many false answers a stratum takes before the next is met above ``level``."""
    if not stratum.checked:
        return stratum.unproven
    if level <= 0:
        return 0
    taken = math.floor(stratum.answers - stratum.checked / level) + 1
    return min(max(taken, 0), stratum.unproven)


def _filled(rooms: Sequence[int], number: int) -> list[int]:
    """Return how ``number`` is spread over rooms that are filled one after the other."""
    spread: list[int] = []
    for room in rooms:
        spread.append(min(room, number))
        number -= spread[-1]
    return spread


def _safest(strata: Sequence[Stratum], spread: Sequence[int]) -> int:
    def risk(index: int) -> float:
        stratum, hidden = strata[index], spread[index]
        if hidden == stratum.unproven:
            return math.inf
        return stratum.checked / (stratum.answers - hidden)

    return min(range(len(strata)), key=risk)

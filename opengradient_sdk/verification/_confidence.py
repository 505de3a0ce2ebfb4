"""What follows from checks of a random sample, whatever it was that was checked."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from enum import Enum

from ._sampling import Stratum, fewest_noticed, missed, noticed_in_the_long_run


class Conclusion(Enum):
    """What the checks say about cheating of at least a given rate."""

    NOTICED = "noticed"
    NONE_FOUND = "none found"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Confidence:
    """How likely cheating would have been noticed.

    Attributes:
        rate: The share of answers that are taken to be false.
        probability: How likely at least one of them would have been checked, if that share of
            *these* answers were false and spread so that they are hidden best (hypergeometric).
        long_run: How likely it would, if *every* answer, also those still to come, were false with
            that probability, whatever was asked: 1 - (1 - rate)^checked.
        false: That share as a number of answers, rounded up.
        checked: How many answers were checked because they were drawn.
        proven: How many answers are proven, drawn or not; they are none of the false ones.
        answers: How many there are.
    """

    rate: float
    probability: float
    long_run: float
    false: int
    checked: int
    proven: int
    answers: int


class Sampled:
    """Answers, some of which were drawn and checked; what *false* means is said by the subclass."""

    __slots__ = ()

    strata: tuple[Stratum, ...]

    @property
    @abstractmethod
    def is_noticed(self) -> bool:
        """Whether a check has found a false one."""

    @property
    @abstractmethod
    def is_evaded(self) -> bool:
        """Whether somebody may have chosen what was checked, so that a sample shows nothing."""

    @property
    def checked(self) -> int:
        """How many answers were drawn and checked."""
        return sum(stratum.checked for stratum in self.strata)

    @property
    def proven(self) -> int:
        """How many answers are proven not to be false, drawn or not."""
        return sum(stratum.proven for stratum in self.strata)

    def confidence(self, rate: float) -> Confidence:
        """Return how likely it would have been noticed that this share of the answers is false.

        Raises:
            ValueError: ``rate`` is no share from 0 to 1.
        """
        _check_share("rate", rate)
        answers = self._answers()
        # a share is meant as it was written: floats make 7.000000000000001 of 0.07 * 100
        false = math.ceil(round(rate * answers, 6))
        return Confidence(
            rate=rate,
            probability=1 - missed(self.strata, false),
            long_run=noticed_in_the_long_run(self.checked, rate),
            false=false,
            checked=self.checked,
            proven=self.proven,
            answers=answers,
        )

    def smallest_noticed(self, confidence: float = 0.95) -> float | None:
        """Return the least share of false answers that would have been noticed with ``confidence``.

        ``None`` when even nothing but false answers could have been missed.

        Raises:
            ValueError: ``confidence`` is no share from 0 to 1, or 0.
        """
        _check_confidence(confidence)
        false = fewest_noticed(self.strata, confidence)
        return false / self._answers() if false else None

    def conclusion(self, rate: float, *, confidence: float = 0.95) -> Conclusion:
        """Return whether at least this share of the answers is false, as far as that is known.

        NOTICED: at least one was found. NONE_FOUND: none was, and with ``confidence`` one would
        have been. INCONCLUSIVE: too little was checked, or somebody evades the checks.

        Raises:
            ValueError: ``rate`` or ``confidence`` is no share from 0 to 1, or ``confidence`` is 0.
        """
        _check_confidence(confidence)
        found = self.confidence(rate)
        if self.is_noticed:
            return Conclusion.NOTICED
        if self.is_evaded or found.probability < confidence:
            return Conclusion.INCONCLUSIVE
        return Conclusion.NONE_FOUND

    def _answers(self) -> int:
        return sum(stratum.answers for stratum in self.strata)


def _check_share(name: str, value: object) -> None:
    if isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= 1:
        return
    raise ValueError(f"{name} is {value!r}, and no share from 0 to 1")


def _check_confidence(confidence: object) -> None:
    _check_share("confidence", confidence)
    if not confidence:
        raise ValueError("confidence is 0: everything is noticed with that")

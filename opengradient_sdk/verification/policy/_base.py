"""What every policy can be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ...types import Bytes32
from ..evidence import Assurance
from ._facts import CallFacts, Choice, Found, Odds, Plan, SettlementChoice


class Policy(ABC):
    """What is required of answers; made of the classes of this module."""

    __slots__ = ()

    @property
    @abstractmethod
    def floor(self) -> Assurance:
        """The lowest assurance that an accepted answer can have."""

    @property
    @abstractmethod
    def ceiling(self) -> Assurance:
        """The highest assurance that may be required; ATTESTED needs measurements in ``trust``."""

    @property
    @abstractmethod
    def may_follow(self) -> bool:
        """Whether the hashes of some answers may have to be settled: see ``Settled``."""

    @abstractmethod
    def plan(self, facts: CallFacts) -> Plan:
        """Return which builds may be asked, and which of them attest themselves first."""

    @abstractmethod
    def unmet(self, facts: CallFacts, found: Found) -> tuple[str, ...]:
        """Return what an answer lacks, each sentence naming the part that requires it.

        **Trust**: empty means accepted. ``facts`` are those that the call was planned with.
        """

    @abstractmethod
    def odds(self, facts: CallFacts, pcr_hash: Bytes32) -> Odds:
        """Return how likely a build is accepted, over all draws; ``facts.draw`` is not used."""

    @abstractmethod
    def acceptance(self, facts: CallFacts, found: Found) -> float:
        """Return how likely such an answer is accepted, over all draws, from 0 to 1."""

    @abstractmethod
    def decisions(self, facts: CallFacts) -> tuple[str, ...]:
        """Return what was drawn or compared for this call, in words."""

    @abstractmethod
    def to_json(self) -> dict[str, object]:
        """Return plain JSON values, for a receipt or a report."""

    def choice(self, facts: CallFacts, pcr_hash: Bytes32) -> Choice:
        """Return whether a node of that build attests itself for this call, how likely, and why."""
        odds = self.odds(facts, pcr_hash)
        chance = _share_needing(odds.plain, odds.allowed)
        attest = self.plan(facts).attests(pcr_hash)
        return Choice(attest, chance, "; ".join(self.decisions(facts)))

    def settlement_choice(self, facts: CallFacts, found: Found) -> SettlementChoice:
        """Return whether the hashes of an answer are followed, and how likely that was.

        An answer is followed when it is accepted because of its promise only: without it, the
        policy would have refused it. What is refused in any case is not followed.
        """
        plain = found.without_promise()
        follow = not self.unmet(facts, found) and bool(self.unmet(facts, plain))
        chance = _share_needing(self.acceptance(facts, plain), self.acceptance(facts, found))
        return SettlementChoice(follow, chance)


def _share_needing(without: float, with_it: float) -> float:
    """Return how many of those that are accepted with a proof are not accepted without it."""
    # rounded, so that the statistics find calls of one chance together
    return round(1 - without / with_it, 12) if with_it else 1.0

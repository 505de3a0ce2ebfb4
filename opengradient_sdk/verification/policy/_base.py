"""What every policy can be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ...types import Bytes32
from ..evidence import Assurance
from ._facts import CallFacts, Choice, Found, Odds, Plan


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
    def decisions(self, facts: CallFacts) -> tuple[str, ...]:
        """Return what was drawn or compared for this call, in words."""

    @abstractmethod
    def to_json(self) -> dict[str, object]:
        """Return plain JSON values, for a receipt or a report."""

    def choice(self, facts: CallFacts, pcr_hash: Bytes32) -> Choice:
        """Return whether a node of that build attests itself for this call, how likely, and why."""
        odds = self.odds(facts, pcr_hash)
        # rounded, so that the statistics find calls of one chance together
        chance = round(1 - odds.plain / odds.allowed, 12) if odds.allowed else 1.0
        attest = self.plan(facts).attests(pcr_hash)
        return Choice(attest, chance, "; ".join(self.decisions(facts)))

"""Policies made of several: all of them, or any."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import ConfigurationError
from ...types import Bytes32
from ..evidence import Assurance
from ._base import Policy
from ._facts import ANY_BUILD, NO_BUILD, CallFacts, Found, Odds, Plan, in_all, in_any
from ._fixed import PcrIn, Required, policy_of


@dataclass(frozen=True, slots=True, repr=False, init=False)
class AllOf(Policy):
    """Requires what every one of its parts requires.

    Raises:
        ConfigurationError: No part, one that is no policy, or no build that all of them accept.
    """

    parts: tuple[Policy, ...]

    def __init__(self, *parts: Required) -> None:
        object.__setattr__(self, "parts", _parts("AllOf", parts))
        if in_all(part.hashes if isinstance(part, PcrIn) else ANY_BUILD for part in self.parts) == (
            NO_BUILD
        ):
            raise ConfigurationError(
                f"no build can meet {self}", hint="AnyOf(…) accepts the builds of either."
            )

    @property
    def floor(self) -> Assurance:
        return max(part.floor for part in self.parts)

    @property
    def ceiling(self) -> Assurance:
        return max(part.ceiling for part in self.parts)

    @property
    def may_follow(self) -> bool:
        return any(part.may_follow for part in self.parts)

    def plan(self, facts: CallFacts) -> Plan:
        plans = [part.plan(own) for part, own in _each(self.parts, facts)]
        return Plan(in_all(p.plain for p in plans), in_all(p.builds for p in plans))

    def unmet(self, facts: CallFacts, found: Found) -> tuple[str, ...]:
        return tuple(
            what for part, own in _each(self.parts, facts) for what in part.unmet(own, found)
        )

    def odds(self, facts: CallFacts, pcr_hash: Bytes32) -> Odds:
        # a product, as the draws of the parts are independent
        odds = [part.odds(own, pcr_hash) for part, own in _each(self.parts, facts)]
        return Odds(math.prod(o.plain for o in odds), math.prod(o.allowed for o in odds))

    def acceptance(self, facts: CallFacts, found: Found) -> float:
        return math.prod(part.acceptance(own, found) for part, own in _each(self.parts, facts))

    def decisions(self, facts: CallFacts) -> tuple[str, ...]:
        return _decisions_of(self.parts, facts)

    def to_json(self) -> dict[str, object]:
        return {"all_of": [part.to_json() for part in self.parts]}

    def __repr__(self) -> str:
        return f"AllOf({', '.join(map(repr, self.parts))})"


@dataclass(frozen=True, slots=True, repr=False, init=False)
class AnyOf(Policy):
    """Requires what at least one of its parts requires.

    The cheapest part wins: a node attests itself only when no part accepts its build without, and
    hashes are followed (``Settled``) only when no part accepts the answer without.

    Raises:
        ConfigurationError: No part, or one that is no policy.
    """

    parts: tuple[Policy, ...]

    def __init__(self, *parts: Required) -> None:
        object.__setattr__(self, "parts", _parts("AnyOf", parts))

    @property
    def floor(self) -> Assurance:
        return min(part.floor for part in self.parts)

    @property
    def ceiling(self) -> Assurance:
        return max(part.ceiling for part in self.parts)

    @property
    def may_follow(self) -> bool:
        return any(part.may_follow for part in self.parts)

    def plan(self, facts: CallFacts) -> Plan:
        plans = [part.plan(own) for part, own in _each(self.parts, facts)]
        return Plan(in_any(p.plain for p in plans), in_any(p.builds for p in plans))

    def unmet(self, facts: CallFacts, found: Found) -> tuple[str, ...]:
        lacking = [part.unmet(own, found) for part, own in _each(self.parts, facts)]
        if not all(lacking):
            return ()
        return ("AnyOf: neither " + ", nor ".join(f"({'; '.join(what)})" for what in lacking),)

    def odds(self, facts: CallFacts, pcr_hash: Bytes32) -> Odds:
        odds = [part.odds(own, pcr_hash) for part, own in _each(self.parts, facts)]
        return Odds(
            1 - math.prod(1 - o.plain for o in odds), 1 - math.prod(1 - o.allowed for o in odds)
        )

    def acceptance(self, facts: CallFacts, found: Found) -> float:
        refused = (1 - part.acceptance(own, found) for part, own in _each(self.parts, facts))
        return 1 - math.prod(refused)

    def decisions(self, facts: CallFacts) -> tuple[str, ...]:
        return _decisions_of(self.parts, facts)

    def to_json(self) -> dict[str, object]:
        return {"any_of": [part.to_json() for part in self.parts]}

    def __repr__(self) -> str:
        return f"AnyOf({', '.join(map(repr, self.parts))})"


def _parts(name: str, parts: tuple[Required, ...]) -> tuple[Policy, ...]:
    if not parts:
        raise ConfigurationError(
            f"{name}() has no parts, so it says nothing",
            hint="Name what is required; UnsafeNoVerification() requires nothing.",
        )
    return tuple(policy_of(part) for part in parts)


def _each(parts: tuple[Policy, ...], facts: CallFacts) -> Iterator[tuple[Policy, CallFacts]]:
    """Yield each part with facts of its own: two alike at different places draw independently."""
    return ((part, facts.of_part(index)) for index, part in enumerate(parts))


def _decisions_of(parts: tuple[Policy, ...], facts: CallFacts) -> tuple[str, ...]:
    return tuple(what for part, own in _each(parts, facts) for what in part.decisions(own))

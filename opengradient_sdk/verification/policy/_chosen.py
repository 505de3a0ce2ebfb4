"""Policies that ask more of some calls than of others: by lot, or by what is at stake."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from decimal import Decimal

from ...errors import ConfigurationError
from ...types import Amount, Bytes32
from ..evidence import Assurance
from ._base import Policy
from ._facts import CallFacts, Found, Odds, Plan
from ._fixed import Required, policy_of

_THEN, _OTHERWISE = "then", "otherwise"


class _Chosen(Policy):
    """Two policies, of which every call meets one."""

    __slots__ = ()

    then: Policy
    otherwise: Policy

    @abstractmethod
    def takes(self, facts: CallFacts) -> bool:
        """Return whether a call meets ``then``."""

    @abstractmethod
    def share(self, facts: CallFacts) -> float:
        """Return how likely a call meets ``then``, over all draws."""

    @abstractmethod
    def decision(self, facts: CallFacts) -> str:
        """Return in words which of the two a call meets, and why."""

    @property
    def floor(self) -> Assurance:
        return min(self.then.floor, self.otherwise.floor)

    @property
    def ceiling(self) -> Assurance:
        return max(self.then.ceiling, self.otherwise.ceiling)

    @property
    def may_follow(self) -> bool:
        return self.then.may_follow or self.otherwise.may_follow

    def plan(self, facts: CallFacts) -> Plan:
        branch, own = self._branch(facts)
        return branch.plan(own)

    def unmet(self, facts: CallFacts, found: Found) -> tuple[str, ...]:
        # a call that cost more than its estimate is judged by what it cost
        facts = facts.costing(found.cost)
        branch, own = self._branch(facts)
        return tuple(f"{self.decision(facts)}: {what}" for what in branch.unmet(own, found))

    def odds(self, facts: CallFacts, pcr_hash: Bytes32) -> Odds:
        share = self.share(facts)
        then = self.then.odds(facts.of_part(_THEN), pcr_hash)
        otherwise = self.otherwise.odds(facts.of_part(_OTHERWISE), pcr_hash)
        return Odds(
            share * then.plain + (1 - share) * otherwise.plain,
            share * then.allowed + (1 - share) * otherwise.allowed,
        )

    def acceptance(self, facts: CallFacts, found: Found) -> float:
        facts = facts.costing(found.cost)
        share = self.share(facts)
        then = self.then.acceptance(facts.of_part(_THEN), found)
        otherwise = self.otherwise.acceptance(facts.of_part(_OTHERWISE), found)
        return share * then + (1 - share) * otherwise

    def decisions(self, facts: CallFacts) -> tuple[str, ...]:
        branch, own = self._branch(facts)
        return (self.decision(facts), *branch.decisions(own))

    def _branch(self, facts: CallFacts) -> tuple[Policy, CallFacts]:
        if self.takes(facts):
            return self.then, facts.of_part(_THEN)
        return self.otherwise, facts.of_part(_OTHERWISE)


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Sample(_Chosen):
    """Requires ``then`` of a share of the calls, drawn by lot; ``otherwise`` of the others.

    Every call is drawn on its own, before it is sent; a node cannot know what was drawn, but does
    see that its document is asked for. Whether its promises are followed (``Settled``) it never
    sees.

    Args:
        rate: The share of the calls, from 0 to 1.
        then: What the drawn calls must prove.
        otherwise: What the others must prove; REGISTERED, as for a client without ``require=``.

    Raises:
        ConfigurationError: The rate is no share, or a part is no policy.

    Example:
        >>> from opengradient_sdk.verification import Assurance, Sample
        >>> Sample(0.05, then=Assurance.ATTESTED)
        Sample(0.05, then=AtLeast(Assurance.ATTESTED), otherwise=AtLeast(Assurance.REGISTERED))
    """

    rate: float
    then: Policy
    otherwise: Policy

    def __init__(
        self, rate: float, then: Required, otherwise: Required = Assurance.REGISTERED
    ) -> None:
        object.__setattr__(self, "rate", _share(rate))
        object.__setattr__(self, "then", policy_of(then))
        object.__setattr__(self, "otherwise", policy_of(otherwise))

    def takes(self, facts: CallFacts) -> bool:
        return facts.own_draw < self.rate

    def share(self, facts: CallFacts) -> float:
        return self.rate

    def decision(self, facts: CallFacts) -> str:
        return f"Sample({self.rate:g}) {'drew' if self.takes(facts) else 'did not draw'} this call"

    def to_json(self) -> dict[str, object]:
        return {
            "sample": {
                "rate": self.rate,
                "then": self.then.to_json(),
                "otherwise": self.otherwise.to_json(),
            }
        }

    def __repr__(self) -> str:
        return f"Sample({self.rate:g}, then={self.then}, otherwise={self.otherwise})"


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Above(_Chosen):
    """Requires ``then`` of calls that cost more than an amount; ``otherwise`` of the others.

    **Money**: before the call its estimate counts; an unknown one is above every amount. An answer
    that turns out to cost more than the amount has to meet ``then`` as well, and is refused where
    it does not, though it was paid: that a low estimate was given is no way round the policy.

    Args:
        amount: ``"0.01 OPG"``, a ``Decimal`` of tokens, an ``int`` of atoms or an ``Amount``.
        then: What calls above it must prove.
        otherwise: What the others must prove; REGISTERED, as for a client without ``require=``.

    Raises:
        ConfigurationError: No amount of OPG, or a part is no policy.
        TypeError: The amount is a float: floats lose atoms.

    Example:
        >>> from opengradient_sdk.verification import Above, Assurance
        >>> Above("0.01 OPG", then=Assurance.ATTESTED)
        Above('0.01 OPG', then=AtLeast(Assurance.ATTESTED), otherwise=AtLeast(Assurance.REGISTERED))
    """

    amount: Amount
    then: Policy
    otherwise: Policy

    def __init__(
        self,
        amount: Amount | str | int | Decimal,
        then: Required,
        otherwise: Required = Assurance.REGISTERED,
    ) -> None:
        object.__setattr__(self, "amount", _amount(amount))
        object.__setattr__(self, "then", policy_of(then))
        object.__setattr__(self, "otherwise", policy_of(otherwise))

    def takes(self, facts: CallFacts) -> bool:
        return facts.estimate is None or facts.estimate > self.amount.atoms

    def share(self, facts: CallFacts) -> float:
        return float(self.takes(facts))

    def decision(self, facts: CallFacts) -> str:
        if facts.estimate is None:
            return f"Above({self.amount}): what the call costs is not known"
        side = "above" if self.takes(facts) else "not above"
        return f"Above({self.amount}): {Amount(facts.estimate)} is {side}"

    def to_json(self) -> dict[str, object]:
        return {
            "above": {
                "atoms": str(self.amount.atoms),
                "then": self.then.to_json(),
                "otherwise": self.otherwise.to_json(),
            }
        }

    def __repr__(self) -> str:
        return f"Above('{self.amount}', then={self.then}, otherwise={self.otherwise})"


def _share(value: object) -> float:
    if isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise ConfigurationError(
        f"Sample({value!r}, …) is no share of the calls",
        hint="Pass a number from 0 to 1: 0.05 is every twentieth.",
    )


def _amount(value: Amount | str | int | Decimal) -> Amount:
    try:
        return Amount.parse(value)
    except ValueError as error:
        raise ConfigurationError(
            f"Above({value!r}, …): {error}", hint="Pass an amount as '0.01 OPG'."
        ) from None

"""Policies that ask the same of every call, and what ``require=`` takes for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from ...errors import ConfigurationError
from ...types import Bytes32
from ..evidence import Assurance
from ._base import Policy
from ._facts import ANY_BUILD, NO_BUILD, CallFacts, Found, Odds, Plan

Required: TypeAlias = Policy | Assurance
"""What ``require=`` and every part of a policy take: a level stands for ``AtLeast(level)``."""

# what an answer tells about itself or its payment: nobody acts on it as on what was asked for
_HARMLESS: Final = frozenset({"id", "created", "model", "usage", "finish_reason"})
_SETTLEMENT_PREFIXES: Final = ("settlement_", "data_settlement_")


class _Fixed(Policy):
    """A policy that asks the same of every call."""

    __slots__ = ()

    @property
    def may_follow(self) -> bool:
        return False

    def odds(self, facts: CallFacts, pcr_hash: Bytes32) -> Odds:
        plan = self.plan(facts)
        return Odds(float(not plan.attests(pcr_hash)), float(plan.allows(pcr_hash)))

    def acceptance(self, facts: CallFacts, found: Found) -> float:
        return float(not self.unmet(facts, found))

    def decisions(self, facts: CallFacts) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True, repr=False)
class AtLeast(_Fixed):
    """Requires an assurance, up to ATTESTED.

    What comes later (that the payment or the data is settled) is waited for, not required.

    Raises:
        ConfigurationError: ``level`` is no ``Assurance``.
    """

    level: Assurance

    def __post_init__(self) -> None:
        if not isinstance(cast(object, self.level), Assurance):
            raise ConfigurationError(
                f"AtLeast({self.level!r}) is no level of assurance",
                hint="Use a member of Assurance. What comes after the answer is waited for: "
                "client.receipts.wait(receipt, payment=…) or data=…; Settled() watches the data.",
            )

    @property
    def floor(self) -> Assurance:
        return self.level

    @property
    def ceiling(self) -> Assurance:
        return self.level

    def plan(self, facts: CallFacts) -> Plan:
        return Plan(NO_BUILD if self.level >= Assurance.ATTESTED else ANY_BUILD, ANY_BUILD)

    def unmet(self, facts: CallFacts, found: Found) -> tuple[str, ...]:
        if found.assurance >= self.level:
            return ()
        return (f"{self}: the answer is {found.assurance.name}",)

    def to_json(self) -> dict[str, object]:
        return {"at_least": self.level.name}

    def __repr__(self) -> str:
        return f"AtLeast(Assurance.{self.level.name})"


@dataclass(frozen=True, slots=True, repr=False)
class UnsafeNoVerification(_Fixed):
    """Accepts every answer; its receipt still says what failed."""

    @property
    def floor(self) -> Assurance:
        return Assurance.UNVERIFIED

    @property
    def ceiling(self) -> Assurance:
        return Assurance.UNVERIFIED

    def plan(self, facts: CallFacts) -> Plan:
        return Plan(ANY_BUILD, ANY_BUILD)

    def unmet(self, facts: CallFacts, found: Found) -> tuple[str, ...]:
        return ()

    def to_json(self) -> dict[str, object]:
        return {"unsafe_no_verification": True}

    def __repr__(self) -> str:
        return "UnsafeNoVerification()"


@dataclass(frozen=True, slots=True, repr=False)
class Covered(_Fixed):
    """Strict mode: refuses answers that lean on what no proof covers.

    Images, text beside tool calls, the bytes of attachments, a web search that was not signed for,
    request members that are not hashed (``tool_choice``, ``top_p`` …): all that a receipt lists in
    ``uncovered``. What an answer tells about itself and its payment passes: ``id``, ``created``,
    ``model``, ``usage``, ``finish_reason`` and the ids of settlements.

    **Trust**: SIGNED at least; without a signature nothing is covered.
    """

    @property
    def floor(self) -> Assurance:
        return Assurance.SIGNED

    @property
    def ceiling(self) -> Assurance:
        return Assurance.SIGNED

    def plan(self, facts: CallFacts) -> Plan:
        return Plan(ANY_BUILD, ANY_BUILD)

    def unmet(self, facts: CallFacts, found: Found) -> tuple[str, ...]:
        if found.assurance < Assurance.SIGNED:
            return (f"{self}: the answer is {found.assurance.name}, so nothing of it is covered",)
        leaned_on = [what for what in found.uncovered if not _is_harmless(what)]
        return (f"{self}: no proof covers {', '.join(leaned_on)}",) if leaned_on else ()

    def to_json(self) -> dict[str, object]:
        return {"covered": True}

    def __repr__(self) -> str:
        return "Covered()"


@dataclass(frozen=True, slots=True, repr=False, init=False)
class PcrIn(_Fixed):
    """Requires that the node runs one of these builds, by the registry's word.

    **Trust**: REGISTERED at least. With ``AtLeast(Assurance.ATTESTED)`` it is the hardware's word.

    Raises:
        ConfigurationError: No hash, or one that is not 32 bytes.
    """

    hashes: frozenset[Bytes32]

    def __init__(self, *hashes: Bytes32 | bytes | str) -> None:
        object.__setattr__(self, "hashes", frozenset(_pcr_hash(one) for one in hashes))
        if not self.hashes:
            raise ConfigurationError("PcrIn() accepts no build", hint="Name at least one PCR hash.")

    @property
    def floor(self) -> Assurance:
        return Assurance.REGISTERED

    @property
    def ceiling(self) -> Assurance:
        return Assurance.REGISTERED

    def plan(self, facts: CallFacts) -> Plan:
        return Plan(self.hashes, self.hashes)

    def unmet(self, facts: CallFacts, found: Found) -> tuple[str, ...]:
        if found.assurance < Assurance.REGISTERED:
            return (f"{self}: the answer is {found.assurance.name}, so its build is not known",)
        if found.pcr_hash not in self.hashes:
            return (f"{self}: the answer is of build {found.pcr_hash}",)
        return ()

    def to_json(self) -> dict[str, object]:
        return {"pcr_in": [str(one) for one in sorted(self.hashes)]}

    def __repr__(self) -> str:
        return f"PcrIn({', '.join(repr(str(one)) for one in sorted(self.hashes))})"


@dataclass(frozen=True, slots=True, repr=False)
class Settled(_Fixed):
    """Requires that the hashes of question and answer come on chain, and watches that they do.

    The answer is returned as soon as it is there and its settlement was promised: what comes later
    is waited for, not required. From then on the client *follows* it: it watches the relay's chain,
    in the background, until the hashes are final there with their proof, or the network's time for
    it is over. Then the node that promised is left, and the client tells it (``DataResolved``).

    **Money**: free. **Trust**: REGISTERED at least; a promise of a key that nobody knows is worth
    nothing. Nothing is asked of the node, so it cannot know which of its promises are followed.
    """

    @property
    def floor(self) -> Assurance:
        return Assurance.REGISTERED

    @property
    def ceiling(self) -> Assurance:
        return Assurance.REGISTERED

    @property
    def may_follow(self) -> bool:
        return True

    def plan(self, facts: CallFacts) -> Plan:
        return Plan(ANY_BUILD, ANY_BUILD)

    def unmet(self, facts: CallFacts, found: Found) -> tuple[str, ...]:
        if found.assurance < Assurance.REGISTERED:
            return (f"{self}: the answer is {found.assurance.name}, so nobody known promised it",)
        if not found.promised:
            return (f"{self}: nobody promised to settle the hashes of the answer",)
        return ()

    def to_json(self) -> dict[str, object]:
        return {"settled": True}

    def __repr__(self) -> str:
        return "Settled()"


def policy_of(require: object) -> Policy:
    """Return what ``require=`` means as a policy; a level is ``AtLeast`` that level.

    Raises:
        ConfigurationError: Neither a level nor a policy.
    """
    if isinstance(require, Policy):
        return require
    if isinstance(require, Assurance):
        # said by its name wherever it is printed
        return AtLeast(require) if require > Assurance.UNVERIFIED else UnsafeNoVerification()
    what = f"the class {require.__name__}" if isinstance(require, type) else repr(require)
    raise ConfigurationError(
        f"{what} is neither a level of assurance nor a policy",
        hint="Use a member of Assurance, as Assurance.REGISTERED, or a policy, as "
        "AllOf(Assurance.REGISTERED, Sample(0.05, then=Assurance.ATTESTED)).",
    )


def _is_harmless(what: str) -> bool:
    return what in _HARMLESS or what.startswith(_SETTLEMENT_PREFIXES)


def _pcr_hash(value: Bytes32 | bytes | str) -> Bytes32:
    try:
        return Bytes32(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"PcrIn({value!r}) names no build: {error}",
            hint="A PCR hash is 32 bytes: Bytes32('0x…').",
        ) from None

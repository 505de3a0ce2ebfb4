"""What a policy is told about a call, and what it answers: values without I/O."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Final, TypeAlias

from ...types import Bytes32
from ..evidence import Assurance

Builds: TypeAlias = frozenset[Bytes32] | None
"""PCR hashes; ``None`` is every build there is."""

ANY_BUILD: Final[Builds] = None
NO_BUILD: Final[Builds] = frozenset[Bytes32]()

_DRAW_TAG: Final = b"opengradient policy draw\0"
_DRAW_BITS: Final = 53  # what a float in [0, 1) holds


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known about a call before it is sent.

    ``draw`` is made once per call by a cryptographic generator, is not told to the node, and is
    used before the call and after the answer alike. A part of a policy does not use it directly:
    its own draw is SHA-256 over it and the part's path in the policy. So the draws of two parts
    are independent, and whoever has ``draw`` can repeat every decision.

    Attributes:
        estimate: The most that the call should cost, in atoms of 10^-18 OPG; ``None`` is unknown.
        draw: A number from 0 up to, but not including, 1.
        path: Which part of the policy is asked; empty for the whole.

    Raises:
        ValueError: The estimate is no whole number of atoms, or the draw lies outside [0, 1).
    """

    estimate: int | None
    draw: float
    path: str = ""

    def __post_init__(self) -> None:
        if self.estimate is not None and (type(self.estimate) is not int or self.estimate < 0):
            raise ValueError(f"an estimate is a whole number of atoms, not {self.estimate!r}")
        if type(self.draw) is not float or not 0 <= self.draw < 1:
            raise ValueError(f"a draw is a float from 0 up to, but not including, 1: {self.draw!r}")

    def of_part(self, name: str | int) -> CallFacts:
        """Return the same facts for a part of the policy that is asked."""
        return CallFacts(self.estimate, self.draw, f"{self.path}/{name}")

    def costing(self, cost: int | None) -> CallFacts:
        """Return these facts once ``cost`` (atoms) is known: the larger of it and the estimate."""
        if self.estimate is None or cost is None or cost <= self.estimate:
            return self
        return CallFacts(cost, self.draw, self.path)

    @property
    def own_draw(self) -> float:
        """The draw of the part that is asked, from 0 up to, but not including, 1."""
        return _draw_of_part(self.draw, self.path)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known about an answer.

    Attributes:
        assurance: What its evidence proves.
        pcr_hash: The build that the registry names for the node.
        uncovered: What of question and answer no proof covers, as a receipt lists it.
        cost: The computed cost in atoms of 10^-18 OPG; ``None`` where it is not known.
        promised: Whether its hashes were promised to be settled on chain.
    """

    assurance: Assurance
    pcr_hash: Bytes32
    uncovered: tuple[str, ...] = ()
    cost: int | None = None
    promised: bool = False

    def without_promise(self) -> Found:
        """Return what would be known of the answer if nothing had been promised."""
        return replace(self, promised=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which nodes a call may go to, and which of them have to attest themselves first.

    Attributes:
        plain: Builds whose answers are accepted without an attestation document.
        builds: Builds whose answers are accepted at all; nodes of others need not be asked.
    """

    plain: Builds
    builds: Builds

    def allows(self, pcr_hash: Bytes32) -> bool:
        """Return whether a node of that build may be asked."""
        return _holds(self.builds, pcr_hash)

    def attests(self, pcr_hash: Bytes32) -> bool:
        """Return whether a node of that build has to prove itself before anything is paid."""
        return not _holds(self.plain, pcr_hash)


@dataclass(frozen=True, slots=True)
class Odds:
    """Over all draws, how likely a build is accepted: without a document, and at all."""

    plain: float
    allowed: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether the node of a call was to attest itself, and why.

    Attributes:
        attest: Whether it was.
        chance: How likely that was before the draw, from 0 (never) to 1 (always).
        reason: Every decision of the policy in words; empty when it had none to make.
    """

    attest: bool
    chance: float
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values, for a receipt."""
        return {"attest": self.attest, "chance": self.chance, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class SettlementChoice:
    """Whether the hashes of an accepted answer are followed until they are settled.

    Attributes:
        follow: Whether they are.
        chance: How likely that was before the draw, from 0 (never) to 1 (always).
    """

    follow: bool
    chance: float


def in_all(builds: Iterable[Builds]) -> Builds:
    """Return the builds that each of several sets has."""
    return reduce(lambda a, b: b if a is None else a if b is None else a & b, builds)


def in_any(builds: Iterable[Builds]) -> Builds:
    """Return the builds that at least one of several sets has."""
    return reduce(lambda a, b: None if a is None or b is None else a | b, builds)


@lru_cache(maxsize=256)  # each is asked for when planning, explaining and judging a call
def _draw_of_part(draw: float, path: str) -> float:
    digest = hashlib.sha256(_DRAW_TAG + struct.pack(">d", draw) + path.encode()).digest()
    bits = int.from_bytes(digest[:8], "big") >> (64 - _DRAW_BITS)
    return bits / (1 << _DRAW_BITS)


def _holds(builds: Builds, pcr_hash: Bytes32) -> bool:
    return builds is None or pcr_hash in builds

"""What is run: a fault in a situation, and what the seed decides about the rest."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Final, Self

from opengradient_sdk.devnet.faults import FAULTS

CAP: Final = 10**17
"""Atoms: what one authorization is worth on the Devnet, as on the real network."""

SEEDS: Final = 11
"""Runs of every situation in the nightly matrix: 23 faults x 8 situations x 11 are 2,024."""

_MOMENTS: Final = (
    "signing",  # nothing is signed yet
    "signed",  # signed, and not written down
    "told PaymentAuthorized",  # written down, and not sent
    "sending",  # written down, and about to be sent
    "sending later",  # on its way
    "answered",  # the answer is here, and nobody has looked at it
    "returned",  # the caller has it
)
_MOMENTS_OF_A_SESSION: Final = _MOMENTS[3:]


@dataclass(frozen=True, slots=True)
class Crash:
    """Where a process is killed: ``delay`` seconds after the ``count``-th ``moment``."""

    moment: str
    count: int
    delay: float


@dataclass(frozen=True)
class Cell:
    """One run. ``name`` repeats it."""

    fault: str
    session: bool
    stream: bool
    killed: bool
    seed: int

    @cached_property
    def name(self) -> str:
        axes = (
            "session" if self.session else "first",
            "stream" if self.stream else "plain",
            "killed" if self.killed else "process",
        )
        return "/".join((self.fault, *axes, str(self.seed)))

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the cell of a name, as a failure gives it."""
        fault, session, stream, killed, seed = name.split("/")
        return cls(fault, session == "session", stream == "stream", killed == "killed", int(seed))

    @property
    def situation(self) -> str:
        """The axes without fault and seed."""
        return "/".join(self.name.split("/")[1:4])

    @cached_property
    def plan(self) -> Plan:
        """Everything else about the run, drawn from the seed."""
        chance = random.Random(self.name)
        return Plan(
            seed=chance.randrange(2**32),
            times=chance.choice((1, 1, 1, 2, 2, 3, 6)),
            everywhere=chance.random() < 0.5,
            caps=chance.choice((2, 3, 4, 12)),
            named=chance.random() < 0.5,
            gas=chance.random() < 0.7,
            retries=chance.randrange(3),
            again_under_fault=chance.random() < 0.7,
            stays_open=not self.killed and chance.random() < 0.5,
            words=chance.randrange(1, 8),
            crash=self._crash(chance) if self.killed else None,
        )

    def _crash(self, chance: random.Random) -> Crash:
        moment = chance.choice(_MOMENTS_OF_A_SESSION if self.session else _MOMENTS)
        late = moment.endswith(" later")
        return Crash(
            moment.removesuffix(" later"),
            chance.choice((1, 1, 1, 2)),
            chance.uniform(0.0, 0.03) if late else 0.0,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seed decides.

    Attributes:
        seed: How the fault strikes.
        times: How many requests it strikes.
        everywhere: Whether both nodes misbehave, or only the one that the client has chosen.
        caps: How many authorizations the budget covers.
        named: Whether the budget has a name of its own.
        gas: Whether the wallet can send an approval itself; otherwise one is sponsored.
        retries: How often the caller asks again while the network misbehaves.
        again_under_fault: Whether a new process meets the fault too.
        stays_open: Whether the client lives until the chain has spoken.
        words: How long the question is.
        crash: When the process is killed.
    """

    seed: int
    times: int
    everywhere: bool
    caps: int
    named: bool
    gas: bool
    retries: int
    again_under_fault: bool
    stays_open: bool
    words: int
    crash: Crash | None

    @property
    def total(self) -> int:
        """The budget, in atoms."""
        return self.caps * CAP


def matrix(seeds: Iterable[int], faults: Iterable[str] = tuple(FAULTS)) -> Iterator[Cell]:
    """Every fault in every situation, once for each seed."""
    both = (False, True)
    for seed, *axes, fault in product(seeds, both, both, both, faults):
        yield Cell(fault, *axes, seed)


def sample() -> list[Cell]:
    """Every fault twice, so that each of its axes is at either end; and the control everywhere."""
    opposite: dict[str, Any] = {}
    cells: list[Cell] = []
    for index, fault in enumerate(FAULTS):
        bits = [bool(index >> place & 1) for place in range(3)]
        opposite = dict(zip(("session", "stream", "killed"), bits, strict=True))
        cells.append(Cell(fault, **opposite, seed=0))
        cells.append(Cell(fault, **{axis: not bit for axis, bit in opposite.items()}, seed=0))
    return cells

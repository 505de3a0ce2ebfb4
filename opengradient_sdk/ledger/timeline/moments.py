"""When an answer was given: three clocks, each with its bounds, and the order of blocks.

A client's clock, an enclave's and a chain's may disagree, and none is right for being ours. What
needs no clock is order: a block that this client had seen before it asked was made before the
answer, and one that was not there yet when it looked after the answer was made after it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..facts import RegistryFacts
from ..receipt import Receipt
from .events import Place
from .horizon import Sighting

_TICK: Final = 1.0
"""Seconds by which an enclave's time may be later than what it says: it signs whole seconds."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When an answer was given, as each clock tells it; nothing is merged.

    Attributes:
        ours: From the question to the verified answer, in Unix seconds of the client's clock.
        node: What the enclave signed, in whole Unix seconds of its own clock; ``None`` where it
            signed nothing that could be read.
        block_before: The newest block that is known to be older than the answer.
        block_after: The newest block that may be older than the answer: the head when this client
            looked next. ``None`` until it has.
    """

    ours: tuple[float, float]
    node: int | None
    block_before: Place | None
    block_after: Place | None

    @property
    def disagreement(self) -> float:
        """By how many seconds the clocks disagree at least; 0.0 where all may be right.

        The enclave's time should lie between question and answer, and no block that was seen
        before the answer should carry a later time. A block's time that is early shows nothing:
        it says when the block was made, and the answer came after it.
        """
        start, end = self.ours
        apart = [0.0]
        if self.node is not None:
            apart += [start - (self.node + _TICK), self.node - end]
        if self.block_before is not None:
            apart.append(self.block_before.time - end)
            if self.node is not None:
                apart.append(self.block_before.time - (self.node + _TICK))
        return max(apart)

    @property
    def span(self) -> tuple[float, float]:
        """From the earliest to the latest time that our clock or the enclave's says."""
        start, end = self.ours
        if self.node is None:
            return self.ours
        return min(start, self.node), max(end, self.node + _TICK)

    @property
    def bounds(self) -> tuple[float, float]:
        """From the earliest to the latest time that any of the three clocks says.

        Of the chain's it is only known that the answer came after ``block_before``.
        """
        start, end = self.span
        return start, end if self.block_before is None else max(end, self.block_before.time)

    def __str__(self) -> str:
        start, end = self.ours
        node = "says nothing" if self.node is None else f"says {self.node}"
        before, after = self.block_before or "an unknown block", self.block_after or "not known yet"
        return (
            f"our clock: {start:.3f} to {end:.3f}; the node {node}; "
            f"after {before}, before the successor of {after}; "
            f"the clocks disagree by at least {self.disagreement:.3f} s"
        )


def moment_of(
    receipt: Receipt, sightings: Sequence[Sighting], *, registered: RegistryFacts | None
) -> Moment:
    """Return when the answer of ``receipt`` was given.

    ``sightings`` are looks at the registry's chain, oldest first; ``registered`` is what the
    receipt says of that chain: the registry is read before a node is asked.
    """
    start, end = receipt.created_at, receipt.created_at + receipt.latency
    after = bisect_left(sightings, end, key=lambda one: one.asked_at)
    seen = [one.block for one in sightings[:after] if one.seen_at <= start]
    if registered is not None:
        seen.append(
            Place(registered.block_number, registered.block_hash, registered.block_timestamp)
        )
    return Moment(
        ours=(start, end),
        node=None if receipt.signed is None else receipt.signed.timestamp,
        block_before=max(seen, key=lambda place: place.block, default=None),
        block_after=sightings[after].block if after < len(sightings) else None,
    )

"""How far a history was read, and which block was the newest at which time of our clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...types import Address
from .events import Place

CLOCKS_WITHIN: Final = 300.0
"""Seconds within which the chain's clock is taken to be right about ours and the enclave's.

It is what the network itself allows: answers and heartbeats that are further off are refused.
"""


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far a history reaches.

    Attributes:
        chain_id: The registry's chain.
        registry: The registry contract.
        first_block: Where it begins; what happened before is not part of it.
        final: The last block of which every event is final, ``None`` while there is none.
        head: The newest block that was read; ``None`` before the first reading.
        max_age: For how many seconds a heartbeat counts. The registry reports no event when this
            changes: it is the value at the last reading.
        endpoints: Who agreed on what is final, without credentials. What is not final is the
            first one's word.
    """

    chain_id: int
    registry: Address
    first_block: int = 0
    final: Place | None = None
    head: Place | None = None
    max_age: int = 0
    endpoints: tuple[str, ...] = ()

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is taken for granted of the past, because the registry reports no event of it."""
        return (
            f"heartbeatMaxAge: a heartbeat is taken to have counted for {self.max_age} seconds at "
            "all times, as it did when the registry was last read. It reports no event when that "
            "changes, so that who was silent in the past is as uncertain as this.",
        )


@dataclass(frozen=True, slots=True)
class Sighting:
    """A look at the chain: ``block`` was its newest between ``asked_at`` and ``seen_at``.

    Both are Unix seconds of the client's clock. Clients that share a store should have clocks that
    agree: the order of what one saw and another asked is told by them.
    """

    asked_at: float
    seen_at: float
    block: Place


@dataclass(frozen=True, slots=True)
class Pulse:
    """A time in which no heartbeat of a node was late: from the first to the last, on chain."""

    first: int
    last: int

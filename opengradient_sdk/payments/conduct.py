"""How nodes behave with money, and when one is left before it has cost more than three caps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .._core.clock import Clock
from ..types import Amount, Bytes32

MAX_WASTED: Final = 3
"""Caps that a node may have ended while they were less than half used, and that are still open."""
MAX_BARE: Final = 5
"""Refusals without a challenge in a row. A restarted node gives one for each session it forgot;
one that gives more has no way to be paid."""

_HOUR: Final = 3600.0
_BARE_SECONDS: Final = _HOUR
"""A node that cannot be paid costs time, no money: it is tried again within the day."""
_DISHONEST_SECONDS: Final = 24 * _HOUR
"""Who took or counted too much did so on purpose or is broken; people repair nodes within a day."""


@dataclass(slots=True)
class _Record:
    """What is held against one node. Times are seconds of the given clock."""

    wasted: set[int] = field(default_factory=set[int])
    bare: int = 0
    bare_of: set[int] = field(default_factory=set[int])
    charges: dict[str, float] = field(default_factory=dict[str, float])

    def charge(self, reason: str, until: float) -> None:
        """Hold ``reason`` against the node until then; the same reason again counts from now."""
        self.charges[reason] = until

    def standing(self, now: float) -> str | None:
        """Return the first reason that still holds, and forget the ones that do not."""
        self.charges = {why: until for why, until in self.charges.items() if now < until}
        return next(iter(self.charges), None)


class NodeConduct:
    """What every node has done with authorizations, and whether another one is signed for it.

    In memory only: a new process begins without suspicion, and is again bounded by three caps.
    ``nonce`` is that of the authorization which an event is about; amounts are atoms of OPG.

    **Money**: a node is left at the third cap that it ended less than half used and that is still
    open, and at the first charge above what it served.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[Bytes32, _Record] = {}

    def verdict(self, tee_id: Bytes32) -> str | None:
        """Return why nothing more is signed for a node, as a sentence; ``None`` where all is well.

        Open caps that were ended early weigh until the chain has spoken about them, a row of bare
        402s for an hour, charges and counts above the truth for a day.
        """
        record = self._records.get(tee_id)
        if record is None:
            return None
        if len(record.wasted) >= MAX_WASTED:
            return (
                f"it ended {len(record.wasted)} open authorizations that were less than half used"
            )
        return record.standing(self._clock.now())

    def bare_refusal(self, tee_id: Bytes32, *, nonce: int | None = None) -> None:
        """Count a 402 without a challenge, to a request under ``nonce`` or to an unpaid one.

        However many calls were under way in a session when the node ended it, it counts as one.
        """
        record = self._record(tee_id)
        if nonce in record.bare_of:
            return
        if nonce is not None:
            record.bare_of.add(nonce)
        record.bare += 1
        if record.bare >= MAX_BARE:
            self._end_row(record)
            record.charge(
                f"it answered {MAX_BARE} times in a row with a 402 that says no price",
                self._clock.now() + _BARE_SECONDS,
            )

    def served(self, tee_id: Bytes32) -> None:
        """Note that the node answered a paid request: a row of bare 402s ends."""
        record = self._records.get(tee_id)
        if record is not None:
            self._end_row(record)

    def ended(self, tee_id: Bytes32, nonce: int, *, cap: int, served: int) -> None:
        """Note that the node ended an open authorization, of which it ``served`` that much.

        Told again when calls that were still under way have been served.
        """
        wasted = self._record(tee_id).wasted
        if served * 2 < cap:
            wasted.add(nonce)
        else:
            wasted.discard(nonce)

    def resolved(self, tee_id: Bytes32, nonce: int, *, charged: int, served: int | None) -> None:
        """Note what the chain says was ``charged`` (zero where nothing was): the cap is free again.

        A charge within what was ``served`` is forgiven, one above it is an overcharge. ``served``
        is ``None`` where the cost of a call is not known, so that nothing can be said.
        """
        record = self._records.get(tee_id)
        if record is not None:
            record.wasted.discard(nonce)
        if served is not None and charged > served:
            self.overcharged(tee_id, charged=charged, served=served)

    def overcharged(self, tee_id: Bytes32, *, charged: int, served: int) -> None:
        """Leave the node for a day: it collected more than it ``served``."""
        self._record(tee_id).charge(
            f"it collected {Amount(charged)} where {Amount(served)} was served",
            self._clock.now() + _DISHONEST_SECONDS,
        )

    def implausible_usage(self, tee_id: Bytes32, what: str) -> None:
        """Leave the node for a day: ``what`` says why the tokens it counted cannot be true.

        Its counts are what our own sum of a session's calls rests on.
        """
        self._record(tee_id).charge(
            f"its usage is not plausible: {what}", self._clock.now() + _DISHONEST_SECONDS
        )

    def _record(self, tee_id: Bytes32) -> _Record:
        return self._records.setdefault(tee_id, _Record())

    @staticmethod
    def _end_row(record: _Record) -> None:
        record.bare = 0
        record.bare_of.clear()

"""When to look at the chain next."""

from __future__ import annotations

from typing import Final

_FIRST_LOOK: Final = 1 / 20
_SLOWEST_LOOK: Final = 1 / 2
_SLOWEST_IDLE_LOOK: Final = 8
_BEFORE_IT_IS_DUE: Final = 0.9
_SHORTEST_PAUSE: Final = 0.01
_LONGEST_WHILE_PENDING: Final = 5.0  # seconds: a holder that is silent for longer counts as dead


class Pace:
    """The pauses between looks, in seconds.

    Short after something was sent to a quiet chain, which may mine at once; doubling while nothing
    happens; and after a new block the next look comes when the next block is due.
    """

    def __init__(self, block_time: float) -> None:
        self.block_time = block_time
        self._step = _FIRST_LOOK
        self._head: tuple[int, float] | None = None
        self._interval = block_time

    def hurry(self) -> None:
        """Look again very soon: something changed."""
        self._step = _FIRST_LOOK
        self._interval = 0.0

    def saw(self, head: int, now: float) -> None:
        """Take note of the latest block's number, seen at ``now`` (seconds, any clock)."""
        if self._head is not None and head <= self._head[0]:
            return
        if self._head is not None:
            # blocks may come faster than the profile says: a chain that mines at once does this
            each = (now - self._head[1]) / (head - self._head[0])
            self._interval = min(each, self.block_time)
        self._head = (head, now)
        self._step = 0.0

    def pause(self, *, pending: bool) -> float:
        """Return the seconds until the next look; ``pending``: something is not mined yet."""
        if not self._step:
            self._step = _FIRST_LOOK
            if pending:
                return max(_BEFORE_IT_IS_DUE * self._interval, _SHORTEST_PAUSE)
        slowest = _SLOWEST_LOOK if pending else _SLOWEST_IDLE_LOOK
        seconds = max(self._step * self.block_time, _SHORTEST_PAUSE)
        self._step = min(2 * self._step, slowest)
        return min(seconds, _LONGEST_WHILE_PENDING) if pending else seconds

"""No more calls a second than a server wants."""

from __future__ import annotations

import asyncio
from typing import Final

from ..errors import ConfigurationError

_LONGEST_HOLD: Final = 3.0
_A_MOMENT: Final = 1e-6  # less than that is rounding, and might never pass


class Pacer:
    """Lets ``max_per_second`` calls pass (``None``: all), and none while the server asked to wait.

    A second's worth may pass at once. Those who have to wait pass in the order of asking.

    Raises:
        ConfigurationError: ``max_per_second`` is not positive.
    """

    def __init__(self, max_per_second: float | None = None) -> None:
        if max_per_second is not None and not max_per_second > 0:
            raise ConfigurationError(
                f"nobody can make {max_per_second} calls a second",
                hint="Pass a positive number, or None for no limit.",
            )
        self._rate = max_per_second
        self._passed = 0.0  # calls that the bucket has not made good yet
        self._counted_at = 0.0
        self._held_until = 0.0
        self._queue = asyncio.Lock()  # a fair one: first come, first served

    async def turn(self, calls: int) -> None:
        """Return when ``calls`` may be made."""
        if self._rate is None and self._wait() <= _A_MOMENT:
            return
        async with self._queue:
            while (wait := self._wait()) > _A_MOMENT:  # noqa: ASYNC110 - until a time, not an event
                await asyncio.sleep(wait)
            self._passed += calls

    def hold(self, seconds: float) -> None:
        """Let nothing pass for ``seconds`` (three at most: a longer wait is the caller's)."""
        until = asyncio.get_running_loop().time() + min(seconds, _LONGEST_HOLD)
        self._held_until = max(self._held_until, until)

    def _wait(self) -> float:
        """Return the seconds until the next call may pass."""
        now = asyncio.get_running_loop().time()
        held = max(0.0, self._held_until - now)
        if self._rate is None:
            return held
        refilled = (now - self._counted_at) * self._rate
        self._passed, self._counted_at = max(0.0, self._passed - refilled), now
        # a batch may overdraw the bucket: what comes after it waits for all of it
        burst = max(self._rate, 1.0)
        return max(held, (self._passed + 1.0 - burst) / self._rate)

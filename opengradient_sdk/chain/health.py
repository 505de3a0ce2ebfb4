"""How an endpoint is doing: for the order in which endpoints are asked, and for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from time import monotonic
from typing import Final

_FIRST_REST: Final = 5.0
_LONGEST_REST: Final = 60.0
_NEWEST_WEIGHT: Final = 0.2


class Standing(IntEnum):
    """When an endpoint is asked: lower ones first, equal ones in the order of preference."""

    READY = 0
    BEHIND = 1
    """It knows fewer blocks than another endpoint of the chain."""
    FAILING = 2
    """It failed a moment ago, or one exchange is finding out whether it still does."""


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """What is known about an endpoint at one moment.

    ``failures`` are those in a row; ``latency`` is in seconds per exchange, smoothed, ``None``
    before the first answer; for ``resting_for`` seconds others are asked first.
    """

    name: str
    healthy: bool
    failures: int
    latency: float | None
    resting_for: float
    is_behind: bool
    head: int | None


class Pulse:
    """What an endpoint's exchanges say about it.

    After a failure it rests, for twice as long each time. When the rest is over, one exchange at a
    time tries it again, until one succeeds.
    """

    def __init__(self) -> None:
        self.head: int | None = None
        self._failures = 0
        self._latency: float | None = None
        self._under_way = 0
        self._rest = 0.0
        self._rests_until = 0.0
        self._behind_until = 0.0

    @property
    def standing(self) -> Standing:
        """When this endpoint should be asked."""
        if self._resting_for() or (self._failures and self._under_way):
            return Standing.FAILING
        return Standing.BEHIND if self._is_behind() else Standing.READY

    def begun(self) -> None:
        """Note that an exchange is under way."""
        self._under_way += 1

    def ended(self) -> None:
        """Note that an exchange is over, however it went."""
        self._under_way -= 1

    def succeeded(self, seconds: float) -> None:
        """Note a usable answer that took ``seconds``."""
        self._failures, self._rest, self._rests_until = 0, 0.0, 0.0
        before = seconds if self._latency is None else self._latency
        self._latency = before + _NEWEST_WEIGHT * (seconds - before)

    def failed(self, retry_after: float | None = None) -> None:
        """Note a failure; ``retry_after`` is the rest in seconds that the server asked for."""
        self._failures += 1
        if not self._resting_for():  # many that fail at once are one bad moment
            self._rest = min(max(2 * self._rest, _FIRST_REST), _LONGEST_REST)
        wanted = self._rest if retry_after is None else min(retry_after, _LONGEST_REST)
        self._rests_until = monotonic() + wanted

    def fell_behind(self) -> None:
        """Note that another endpoint knows more blocks; looked at again after some seconds."""
        self._behind_until = monotonic() + _FIRST_REST

    def caught_up(self) -> None:
        """Note that this endpoint knows as many blocks as any."""
        self._behind_until = 0.0

    def health(self, name: str) -> EndpointHealth:
        """Return what is known now, for people."""
        return EndpointHealth(
            name=name,
            healthy=not self._failures and not self._is_behind(),
            failures=self._failures,
            latency=self._latency,
            resting_for=self._resting_for(),
            is_behind=self._is_behind(),
            head=self.head,
        )

    def _resting_for(self) -> float:
        return max(0.0, self._rests_until - monotonic())

    def _is_behind(self) -> bool:
        return self._behind_until > monotonic()

"""Whether something held when an answer was given, how surely, and what came after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ...types import Bytes32
from ...verification import Check, CheckStatus
from .events import Place
from .horizon import CLOCKS_WITHIN as CLOCKS_WITHIN
from .horizon import Horizon
from .moments import Moment
from .versions import Period, Version

BUILD_SINCE: Final = "build_since"


class Certainty(Enum):
    """How surely something held at a moment that is known within bounds."""

    CERTAINLY = "certainly"
    POSSIBLY = "possibly"
    CERTAINLY_NOT = "certainly not"


class Side(Enum):
    """On which side of an answer a block is."""

    BEFORE = "before the answer"
    AROUND = "at about the time of the answer"
    AFTER = "after the answer"


@dataclass(frozen=True, slots=True)
class Held:
    """Whether a build was approved when an answer was given.

    ``final``: whether no reorg can change that. ``reason`` is one sentence.
    """

    version: Version
    certainty: Certainty
    reason: str
    final: bool


class Window:
    """The blocks between which an answer was given, as far as order and clocks tell.

    Order needs no clock and goes first. Where it leaves a block open, as when the chain was looked
    at long after the answer, the block's time decides, with ``skew`` seconds on either side.
    ``reached``: whether the history was read to the end of it; ``final``: and nothing in it can be
    taken back.
    """

    def __init__(self, moment: Moment, horizon: Horizon, skew: float) -> None:
        start, end = moment.span
        self._before = moment.block_before
        self._after = moment.block_after
        self._start, self._end = start - skew, end + skew
        self.reached = self._covers(horizon.head)
        self.final = self._covers(horizon.final)

    def __str__(self) -> str:
        if self._before is not None and self._after is not None:
            return f"between block {self._before.block} and the one after {self._after.block}"
        return f"between the times {self._start:.0f} and {self._end:.0f}"

    def side(self, place: Place) -> Side:
        """Return on which side of the answer a block surely is."""
        if self._before is not None and place.block <= self._before.block:
            return Side.BEFORE
        if self._after is not None and place.block > self._after.block:
            return Side.AFTER
        if place.time <= self._start:
            return Side.BEFORE
        return Side.AFTER if place.time > self._end else Side.AROUND

    def _covers(self, last: Place | None) -> bool:
        """Whether a history that goes up to the block ``last`` holds all of this window."""
        if last is None:
            return False
        if self._after is not None and last.block >= self._after.block:
            return True
        return self.side(last) is Side.AFTER

    def certainty(self, periods: Iterable[Period]) -> Certainty:
        """Return how surely one of ``periods`` held when the answer was given."""
        possible = False
        for period in periods:
            begun = self.side(period.since)
            ended = Side.AFTER if period.until is None else self.side(period.until)
            if begun is Side.BEFORE and ended is Side.AFTER and self.reached:
                return Certainty.CERTAINLY
            possible |= begun is not Side.AFTER and ended is not Side.BEFORE
        if possible or not self.reached:
            return Certainty.POSSIBLY
        return Certainty.CERTAINLY_NOT


def held_during(window: Window, version: Version) -> Held:
    """Return whether ``version`` was approved at the moment of an answer, and how surely."""
    certainty = window.certainty(version.periods)
    match certainty:
        case Certainty.CERTAINLY:
            reason = f"approved all the time {window}"
        case Certainty.CERTAINLY_NOT:
            reason = f"at no time approved {window}"
        case Certainty.POSSIBLY if not window.reached:
            reason = "the history was not read up to the answer"
        case Certainty.POSSIBLY:
            reason = f"approved for a part of the time {window}"
    return Held(version, certainty, reason, window.final)


def nearest_change(window: Window, build: Version | None) -> str | None:
    """Return the change of a build of which only clocks say on which side an answer is, if any."""
    for period in () if build is None else build.periods:
        ends = (("approved", period.since), ("revoked", period.until))
        for happened, place in ends:
            if place is not None and window.side(place) is Side.AROUND:
                return f"version {period.label!r} was {happened} at {place}"
    return None


def build_in(versions: Iterable[Version], pcr_hash: Bytes32) -> Version | None:
    """Return the build that answers with these measurements, ``None`` where none was approved."""
    return next((each for each in versions if each.answers and each.pcr_hash == pcr_hash), None)


def since_answer(
    pcr_hash: Bytes32, window: Window, versions: Iterable[Version], horizon: Horizon
) -> Check:
    """Return what has become of the build that gave an answer; see `Timeline.later`."""
    source = f"the registry's events up to {horizon.head}, by {', '.join(horizon.endpoints)}"
    status, reason = _since(build_in(versions, pcr_hash), window, horizon.head)
    return Check(BUILD_SINCE, status, reason, source)


def _since(build: Version | None, window: Window, head: Place | None) -> tuple[CheckStatus, str]:
    if build is not None:
        for period in build.periods:
            if period.until is not None and window.side(period.until) is not Side.BEFORE:
                return CheckStatus.FAILED, _revoked(build, period, window.side(period.until))
    if not window.reached:
        return CheckStatus.PENDING, "the registry's history was not read up to the answer"
    if build is None:
        return CheckStatus.NOT_CHECKED, "the registry's history knows no approval of this build"
    if build.revoked is not None:
        return CheckStatus.FAILED, _revoked(build, build.periods[-1], Side.BEFORE)
    return CheckStatus.PASSED, f"version {build.version!r} is still approved at {head}"


def _revoked(build: Version, period: Period, side: Side) -> str:
    facts = [f"version {period.label!r} was revoked at {period.until}, {side.value}"]
    if build.revoked is None:
        facts.append(f"it was approved again at {build.periods[-1].since}")
    if not period.final:
        facts.append("that is not final yet")
    return "; ".join(facts)

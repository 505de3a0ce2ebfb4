"""Which builds and nodes were valid at which time, from what the registry reported."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import chain

from ...errors import ConfigurationError
from ...types import Bytes32
from ...verification import Check, CheckStatus
from ..receipt import Receipt
from .events import EventKind, Place, RegistryEvent
from .holding import (
    BUILD_SINCE,
    CLOCKS_WITHIN,
    Held,
    Window,
    build_in,
    held_during,
    nearest_change,
    since_answer,
)
from .horizon import Horizon, Pulse, Sighting
from .moments import Moment, moment_of
from .pulses import prolonged
from .versions import NodeLife, Version, nodes_of, versions_of

Time = float | datetime
"""Unix seconds of the registry's chain, or a ``datetime`` that knows its time zone."""


@dataclass(frozen=True, slots=True)
class Validity:
    """What the registry held valid at one time.

    Attributes:
        time: The time that was asked about, in Unix seconds of the registry's chain.
        versions: The builds that were approved.
        nodes: The nodes that were valid: enabled, with an approved build and a fresh heartbeat.
        silent: The nodes that lacked nothing but a fresh heartbeat.
        since: The last block before that changed anything; ``None`` where nothing had happened.
        until: The first block after it that changed anything; ``None`` while there is none. The
            state was the same in every block from ``since`` to the one before ``until``; only
            heartbeats tell nodes apart in between.
        known: Whether the history reaches that far. Where it does not, all of this is as of
            ``as_of``, and may have changed since.
        final: Whether nothing of this can be taken back by a reorg.
        as_of: The newest block that the history has read; ``None`` where it has read none.
        assumptions: What this takes for granted, because the registry reports no event of it.
    """

    time: float
    versions: tuple[Version, ...]
    nodes: tuple[NodeLife, ...]
    silent: tuple[NodeLife, ...]
    since: Place | None
    until: Place | None
    known: bool
    final: bool
    as_of: Place | None
    assumptions: tuple[str, ...] = ()


class Timeline:
    """A registry's history, as far as it was read; nothing is asked, and nothing changes.

    **Trust**: what the registry's endpoints said, see `RegistryHistory`; a value of it says
    whether it is final. Times are the chain's own, and other clocks may disagree: see `moment`.

    Args:
        events: Everything that was reported, oldest first, taken back or not.
        horizon: How far it was read.
        pulses: The final heartbeats of nodes, as spans.
        sightings: The looks at the chain, oldest first.
    """

    def __init__(
        self,
        events: Sequence[RegistryEvent],
        horizon: Horizon,
        pulses: Mapping[Bytes32, Sequence[Pulse]],
        sightings: Sequence[Sighting] = (),
    ) -> None:
        self.horizon = horizon
        self.taken_back = tuple(event for event in events if event.taken_back_at is not None)
        standing = sorted((event for event in events if event.taken_back_at is None), key=_order_of)
        self._changes = tuple(e for e in standing if e.kind is not EventKind.HEARTBEAT)
        self._times = [event.place.time for event in self._changes]
        self._beats = [e for e in standing if e.is_sign_of_life and not e.final]
        self._final_pulses = pulses
        self._sightings = tuple(sightings)

    def __repr__(self) -> str:
        return f"Timeline({len(self._changes)} events, up to {self.horizon.head})"

    def at(self, time: Time | None = None) -> Validity:
        """Return which builds and nodes were valid at ``time``, or in the newest block there is.

        Raises:
            ConfigurationError: Not a finite number, or a ``datetime`` without a time zone.
        """
        head, final = self.horizon.head, self.horizon.final
        end = 0.0 if head is None else float(head.time)
        asked = end if time is None else _seconds(time)
        when = min(asked, end)
        versions = tuple(one for one in self.versions() if one.approved_at(when))
        approved = {(one.tee_type, one.pcr_hash) for one in versions}
        nodes = [
            node
            for node in self._nodes.values()
            if node.enabled_at(when) and (node.tee_type, node.pcr_hash) in approved
        ]
        fresh = {node.tee_id for node in nodes if node.fresh_at(when, self.horizon.max_age)}
        place = bisect_right(self._times, when)
        return Validity(
            time=asked,
            versions=versions,
            nodes=tuple(node for node in nodes if node.tee_id in fresh),
            silent=tuple(node for node in nodes if node.tee_id not in fresh),
            since=self._changes[place - 1].place if place else None,
            until=self._changes[place].place if place < len(self._changes) else None,
            # another block of the same second may follow the last one
            known=head is not None and (time is None or asked < end),
            final=final is not None and (asked < final.time),
            as_of=head,
            assumptions=self.horizon.assumptions,
        )

    def versions(self) -> tuple[Version, ...]:
        """Return every build that was ever approved, in the order of their first approval."""
        return self._versions

    def nodes(self) -> tuple[NodeLife, ...]:
        """Return every node that was ever registered, in the order of that."""
        return tuple(self._nodes.values())

    def node(self, tee_id: Bytes32) -> NodeLife | None:
        """Return a node's life, ``None`` where the history has none of that id."""
        return self._nodes.get(tee_id)

    def resolve(
        self, *, version: str | None = None, pcr_hash: Bytes32 | None = None
    ) -> tuple[Bytes32, ...]:
        """Return the PCR hashes of a version, several where builds were given the same name.

        A PCR hash stands for itself, known to the history or not.

        Raises:
            ConfigurationError: None or both are given, or no build was ever approved by that name.
        """
        if (version is None) == (pcr_hash is None):
            raise ConfigurationError("name a version or a pcr_hash, one of them")
        if pcr_hash is not None:
            return (pcr_hash,)
        found = [one.pcr_hash for one in self.versions() if version in one.names]
        # an approval that a reorg took back stood while nodes of it may have answered
        found += [
            event.subject
            for event in self.taken_back
            if event.kind is EventKind.APPROVED and event.label == version
        ]
        if not found:
            names = dict.fromkeys(name for one in self.versions() for name in one.names)
            raise ConfigurationError(
                f"no build was approved as {version!r} up to {self.horizon.head}",
                hint=f"The history knows: {', '.join(names) or 'none'}. A newer one: sync first.",
            )
        return tuple(dict.fromkeys(found))

    def changes(
        self, since: Time | None = None, until: Time | None = None
    ) -> tuple[RegistryEvent, ...]:
        """Return what happened from ``since`` to ``until``, both included, oldest first.

        Heartbeats are left out (`node` has them), and so is what a reorg took back
        (``taken_back``).

        Raises:
            ConfigurationError: A time that is none.
        """
        first = -math.inf if since is None else _seconds(since)
        last = math.inf if until is None else _seconds(until)
        return tuple(e for e in self._changes if first <= e.place.time <= last)

    def moment(self, receipt: Receipt) -> Moment:
        """Return when an answer was given, as each clock tells it, with its bounds."""
        facts = None if self._is_elsewhere(receipt) else receipt.registered
        return moment_of(receipt, self._sightings, registered=facts)

    def during(self, receipt: Receipt, *, skew: float = CLOCKS_WITHIN) -> tuple[Held, ...]:
        """Return for each build whether it was approved when an answer was given, and how surely.

        The order in which this client saw blocks and answer goes first. Where it leaves a block
        open, its time is compared with our clock and the enclave's, which may be ``skew`` seconds
        away from the chain's: with ``math.inf`` nothing but order counts.
        """
        window = self._window(receipt, skew)
        return tuple(held_during(window, version) for version in self.versions())

    def later(self, receipt: Receipt, *, skew: float = CLOCKS_WITHIN) -> tuple[Check, ...]:
        """Return what came to be known of an answer's build after it was given.

        One check, ``build_since``: passed while the build is approved, failed when it was revoked
        (also where it was approved again), pending until the history reaches behind the answer.
        It stands beside the receipt's evidence and changes no assurance: that the build was
        approved then stays true. ``skew`` as in `during`. Not checked where the node was registered
        in another registry than this one.
        """
        if self._is_elsewhere(receipt):
            why = f"the node is registered elsewhere than in {self.horizon.registry}"
            return (Check(BUILD_SINCE, CheckStatus.NOT_CHECKED, why),)
        window = self._window(receipt, skew)
        return (since_answer(receipt.pcr_hash, window, self.versions(), self.horizon),)

    def doubt(self, receipt: Receipt, *, skew: float = CLOCKS_WITHIN) -> str | None:
        """Return what makes it uncertain whether a build was approved as it answered, if anything.

        That is an approval or a revocation of the build so near to the answer that only clocks say
        which of both came first: order and ``skew`` as in `during`. What has not been read yet
        (``horizon``) makes no doubt here. One sentence, with what each clock says.
        """
        if self._is_elsewhere(receipt):
            return None
        build = build_in(self._versions, receipt.pcr_hash)
        change = nearest_change(self._window(receipt, skew), build)
        if change is None:
            return None
        return f"{change}, at about the time of the answer ({self.moment(receipt)})"

    def _is_elsewhere(self, receipt: Receipt) -> bool:
        facts, here = receipt.registered, (self.horizon.chain_id, self.horizon.registry)
        return facts is not None and (facts.chain_id, facts.registry) != here

    def _window(self, receipt: Receipt, skew: float) -> Window:
        return Window(self.moment(receipt), self.horizon, skew)

    @cached_property
    def _versions(self) -> tuple[Version, ...]:
        return versions_of(self._changes)

    @cached_property
    def _nodes(self) -> dict[Bytes32, NodeLife]:
        beats: dict[Bytes32, list[int]] = {}
        for beat in self._beats:
            beats.setdefault(beat.subject, []).append(beat.place.time)
        pulses = {
            tee_id: prolonged(
                self._final_pulses.get(tee_id, ()), beats.get(tee_id, ()), self.horizon.max_age
            )
            for tee_id in dict.fromkeys(chain(self._final_pulses, beats))
        }
        return nodes_of(self._changes, pulses)


def _order_of(event: RegistryEvent) -> tuple[int, int]:
    return event.order


def _seconds(time: Time) -> float:
    if isinstance(time, datetime):
        if time.utcoffset() is None:
            raise ConfigurationError(
                f"{time.isoformat()} could be any of 24 hours",
                hint="Give the datetime a time zone: tzinfo=datetime.UTC.",
            )
        return time.timestamp()
    if isinstance(time, bool) or not math.isfinite(time):
        raise ConfigurationError(f"{time!r} is not a time in Unix seconds")
    return float(time)

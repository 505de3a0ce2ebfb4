"""Builds and nodes over time: when each was valid, as the registry's events tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...chain.contracts.tee_info import LLM_PROXY
from ...types import Bytes32
from .events import EventKind, Place, RegistryEvent
from .horizon import Pulse
from .pulses import is_fresh


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which something held, from one block to another.

    Attributes:
        since: The block in which it began; it holds in that block's state.
        until: The block in which it ended; ``None`` while it has not.
        final: Whether the events that began and ended it are final.
        label: The version string of an approval, else empty.
    """

    since: Place
    until: Place | None
    final: bool
    label: str = ""

    def covers(self, time: float) -> bool:
        """Whether it held at a time of the chain, when all blocks up to then were in force."""
        return self.since.time <= time and (self.until is None or time < self.until.time)

    def covers_block(self, number: int) -> bool:
        """Whether it held in the state of a block."""
        return self.since.block <= number and (self.until is None or number < self.until.block)


@dataclass(frozen=True, slots=True)
class Version:
    """A build for one kind of node, as the registry approved it.

    Attributes:
        pcr_hash: The hash of its measurements.
        version: The name that its last approval gave it.
        tee_type: The registered number of the kind of node.
        periods: When it was approved: more than one where it was revoked and approved again.
        nodes: The ids of the nodes that were registered with it, in their order.
    """

    pcr_hash: Bytes32
    version: str
    tee_type: int
    periods: tuple[Period, ...]
    nodes: tuple[Bytes32, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that an approval has given it."""
        return tuple(dict.fromkeys(period.label for period in self.periods))

    @property
    def approved(self) -> Place:
        """The block of its first approval."""
        return self.periods[0].since

    @property
    def revoked(self) -> Place | None:
        """The block in which it was revoked, ``None`` while it is approved."""
        return self.periods[-1].until

    @property
    def approved_again(self) -> bool:
        """Whether it was approved after a revocation."""
        return len(self.periods) > 1

    @property
    def final(self) -> bool:
        """Whether every approval and revocation of it is final."""
        return all(period.final for period in self.periods)

    @property
    def answers(self) -> bool:
        """Whether it is a build of the kind of node that answers questions."""
        return self.tee_type == LLM_PROXY

    @property
    def change_times(self) -> tuple[int, ...]:
        """When it was approved and revoked, in Unix seconds of the chain, in order."""
        ends = (place for period in self.periods for place in (period.since, period.until))
        return tuple(place.time for place in ends if place is not None)

    def approved_at(self, time: float) -> bool:
        """Whether it was approved at a time of the chain, in Unix seconds."""
        return any(period.covers(time) for period in self.periods)

    def approved_in(self, block: int) -> bool:
        """Whether it was approved in the state of a block."""
        return any(period.covers_block(block) for period in self.periods)


@dataclass(frozen=True, slots=True)
class NodeLife:
    """A node as the registry knew it over time.

    Attributes:
        tee_id: Its id: another one each time a node starts with new keys.
        tee_type: The registered number of its kind.
        pcr_hash: The build that it was registered with.
        endpoint: Its address.
        registered: The block of its registration.
        enabled: When it was enabled. A build's revocation ends that, and a new approval of the
            build does not bring it back.
        alive: The spans in which no heartbeat was late, in the time of the chain.
    """

    tee_id: Bytes32
    tee_type: int
    pcr_hash: Bytes32
    endpoint: str
    registered: Place
    enabled: tuple[Period, ...]
    alive: tuple[Pulse, ...] = field(default=(), repr=False)

    def enabled_at(self, time: float) -> bool:
        """Whether it was enabled at a time of the chain, in Unix seconds."""
        return any(period.covers(time) for period in self.enabled)

    def fresh_at(self, time: float, max_age: int) -> bool:
        """Whether its last heartbeat was at most ``max_age`` seconds old at that time."""
        return is_fresh(self.alive, time, max_age)


def versions_of(events: Iterable[RegistryEvent]) -> tuple[Version, ...]:
    """Return every build that ``events``, oldest first, approved; in the order of that."""
    spans: dict[tuple[int, Bytes32], list[Period]] = {}
    nodes: dict[tuple[int, Bytes32], list[Bytes32]] = {}
    for event in events:
        key = (event.tee_type or 0, event.pcr_hash or event.subject)
        if event.kind is EventKind.APPROVED:
            _begin(spans.setdefault(key, []), event)
        elif event.kind is EventKind.REVOKED:
            _end(spans.get(key, []), event)
        elif event.kind is EventKind.REGISTERED:
            nodes.setdefault(key, []).append(event.subject)
    return tuple(
        Version(key[1], periods[-1].label, key[0], tuple(periods), tuple(nodes.get(key, ())))
        for key, periods in spans.items()
    )


def nodes_of(
    events: Iterable[RegistryEvent], pulses: Mapping[Bytes32, Sequence[Pulse]]
) -> dict[Bytes32, NodeLife]:
    """Return every node that ``events``, oldest first, registered, by its id."""
    born: dict[Bytes32, RegistryEvent] = {}
    spans: dict[Bytes32, list[Period]] = {}
    for event in events:
        match event.kind:
            case EventKind.REGISTERED:
                born[event.subject] = event
                spans[event.subject] = [replace(_begun(event), label="")]
            case EventKind.ENABLED:
                _begin(spans.setdefault(event.subject, []), event)
            case EventKind.DISABLED:
                _end(spans.get(event.subject, []), event)
            case EventKind.REVOKED:
                for node in born.values():
                    if (node.tee_type, node.pcr_hash) == (event.tee_type, event.pcr_hash):
                        _end(spans[node.subject], event)
            case _:
                pass
    return {
        tee_id: NodeLife(
            tee_id=tee_id,
            tee_type=event.tee_type or 0,
            pcr_hash=event.pcr_hash or Bytes32(bytes(32)),
            endpoint=event.label,
            registered=event.place,
            enabled=tuple(spans[tee_id]),
            alive=tuple(pulses.get(tee_id, ())),
        )
        for tee_id, event in born.items()
    }


def _begin(periods: list[Period], event: RegistryEvent) -> None:
    """Begin a period, unless one goes on: the registry refuses to approve what is approved.

    Two that overlap would let a later revocation end only one of them.
    """
    if not periods or periods[-1].until is not None:
        periods.append(_begun(event))


def _begun(event: RegistryEvent) -> Period:
    return Period(event.place, None, event.final, event.label)


def _end(periods: list[Period], event: RegistryEvent) -> None:
    """End the last period, if it has not ended; what never began here cannot end here."""
    if periods and periods[-1].until is None:
        final = periods[-1].final and event.final
        periods[-1] = replace(periods[-1], until=event.place, final=final)

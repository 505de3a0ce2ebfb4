"""Histories to look at: events by hand, and a registry that plays by the protocol's rules."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from opengradient_sdk.ledger.timeline import EventKind, Horizon, Place, RegistryEvent, Timeline
from opengradient_sdk.types import Address, Bytes32

REGISTRY = Address("0x4e72238852f3c918f4E4e57AeC9280dDB0c80248")
CHAIN = 10740
MAX_AGE = 1_800
SECONDS_PER_BLOCK = 100


def word(number: int) -> Bytes32:
    return Bytes32(number.to_bytes(32))


def place(block: int) -> Place:
    """A block of a chain with a block every 100 seconds."""
    return Place(block, word(10_000 + block), SECONDS_PER_BLOCK * block)


def event(kind: EventKind, subject: Bytes32, block: int, **more: Any) -> RegistryEvent:
    members = {"index": 0, "transaction": word(block), "final": True} | more
    return RegistryEvent(kind, subject, place(block), **members)


def approved(build: int, block: int, label: str = "", **more: Any) -> RegistryEvent:
    about = {"tee_type": 0, "pcr_hash": word(build), "label": label or f"v{build}"}
    return event(EventKind.APPROVED, word(build), block, **about | more)


def revoked(build: int, block: int, **more: Any) -> RegistryEvent:
    about = {"tee_type": 0, "pcr_hash": word(build)}
    return event(EventKind.REVOKED, word(build), block, **about | more)


def registered(node: int, build: int, block: int, **more: Any) -> RegistryEvent:
    about = {"tee_type": 0, "pcr_hash": word(build), "label": f"https://node-{node}.example"}
    return event(EventKind.REGISTERED, word(node), block, **about | more)


def horizon(head: int | None = 100, final: int | None = None) -> Horizon:
    last = final if final is not None else head
    return Horizon(
        CHAIN,
        REGISTRY,
        final=None if last is None else place(last),
        head=None if head is None else place(head),
        max_age=MAX_AGE,
        endpoints=("https://one.example", "https://other.example"),
    )


def history(*events: RegistryEvent, head: int | None = 100, final: int | None = None) -> Timeline:
    """A history in which nobody looked at the chain while it happened."""
    return Timeline(events, horizon(head, final), {})


@dataclass
class ModelRegistry:
    """A registry as the protocol notes describe it (section 5.3), with every event it reports.

    It is a model: it keeps the state itself, where the timeline only has the events.
    """

    approved: dict[int, bool] = field(default_factory=dict)
    builds: dict[int, int] = field(default_factory=dict)
    enabled: dict[int, bool] = field(default_factory=dict)
    beats: dict[int, int] = field(default_factory=dict)
    events: list[RegistryEvent] = field(default_factory=list)

    def step(self, block: int, verb: str, subject: int, other: int) -> None:
        """Do what a transaction in ``block`` asks for, unless the registry would revert."""
        getattr(self, verb)(block, subject, other)

    def approve(self, block: int, build: int, _: int) -> None:
        if not self.approved.get(build):
            self.approved[build] = True
            self._say(approved(build, block))

    def revoke(self, block: int, build: int, _: int) -> None:
        if self.approved.get(build):
            self.approved[build] = False
            for node, runs in self.builds.items():
                if runs == build and self.enabled[node]:
                    self.disable(block, node, 0)
            self._say(revoked(build, block))

    def register(self, block: int, build: int, node: int) -> None:
        if node not in self.builds and self.approved.get(build):
            self.builds[node], self.enabled[node] = build, True
            self.beats[node] = SECONDS_PER_BLOCK * block
            self._say(registered(node, build, block))

    def enable(self, block: int, node: int, _: int) -> None:
        known = node in self.builds and not self.enabled[node]
        if known and self.approved[self.builds[node]]:
            self.enabled[node] = True
            self._say(event(EventKind.ENABLED, word(node), block))

    def disable(self, block: int, node: int, _: int) -> None:
        if self.enabled.get(node):
            self.enabled[node] = False
            self._say(event(EventKind.DISABLED, word(node), block))

    def beat(self, block: int, node: int, _: int) -> None:
        if self.enabled.get(node):
            self.beats[node] = SECONDS_PER_BLOCK * block
            self._say(event(EventKind.HEARTBEAT, word(node), block, final=False))

    def valid(self, time: float) -> set[Bytes32]:
        """The nodes that ``getActiveTEEs`` would list."""
        return {
            word(node)
            for node, build in self.builds.items()
            if self.enabled[node] and self.approved[build] and time - self.beats[node] <= MAX_AGE
        }

    def _say(self, said: RegistryEvent) -> None:
        index = sum(one.place == said.place for one in self.events)
        self.events.append(replace(said, index=index, final=False))

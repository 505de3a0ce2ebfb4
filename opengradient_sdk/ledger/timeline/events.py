"""What the registry reported, as values: which event, in which block, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Self

from ...chain.abi import AbiError
from ...chain.blocks import Block
from ...chain.contracts import tee_events
from ...chain.contracts.tee_info import TeeInfo
from ...errors import RegistryUnavailableError
from ...types import Bytes32, Log

TOPICS: Final = (
    tee_events.TEE_REGISTERED,
    tee_events.TEE_ENABLED,
    tee_events.TEE_DISABLED,
    tee_events.PCR_APPROVED,
    tee_events.PCR_REVOKED,
    tee_events.HEARTBEAT_RECEIVED,
)
"""The events that a history is made of (the protocol notes, section 5.2)."""


class EventKind(Enum):
    """What happened; the value is the event's name in the registry."""

    REGISTERED = "TEERegistered"
    ENABLED = "TEEEnabled"
    DISABLED = "TEEDisabled"
    APPROVED = "PCRApproved"
    REVOKED = "PCRRevoked"
    HEARTBEAT = "HeartbeatReceived"


@dataclass(frozen=True, slots=True)
class Place:
    """A block of the registry's chain; ``time`` is its timestamp, in Unix seconds of that chain."""

    block: int
    hash: Bytes32
    time: int

    @classmethod
    def of(cls, block: Block) -> Self:
        """Return the place of a block."""
        return cls(block.number, block.hash, block.timestamp)

    def __str__(self) -> str:
        return f"block {self.block}, time {self.time}"


@dataclass(frozen=True, slots=True)
class RegistryEvent:
    """One event of the registry.

    Attributes:
        kind: What happened.
        subject: The node's id, or for APPROVED and REVOKED the build's PCR hash.
        place: The block it happened in.
        index: The log's index in that block.
        transaction: Which transaction did it.
        tee_type: The registered number of the kind of node; ``None`` where the event has none.
        pcr_hash: The build: of a registered node as the registry recorded it.
        label: The version of an approved build, the address of a registered node, else empty.
        final: Whether every endpoint shows it in a block that all of them call finalized.
        taken_back_at: When it was found to be in the chain no longer, in Unix seconds of the
            client's clock; ``None`` for an event that stands.
    """

    kind: EventKind
    subject: Bytes32
    place: Place
    index: int
    transaction: Bytes32
    tee_type: int | None = None
    pcr_hash: Bytes32 | None = None
    label: str = ""
    final: bool = False
    taken_back_at: float | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Where it stands among the events of its chain."""
        return (self.place.block, self.index)

    @property
    def is_sign_of_life(self) -> bool:
        """Whether the registry counts it as a heartbeat, as it does a registration."""
        return self.kind in (EventKind.HEARTBEAT, EventKind.REGISTERED)

    def with_record(self, record: TeeInfo) -> Self:
        """Return the registration of a node with what the registry recorded of it."""
        return replace(self, pcr_hash=record.pcr_hash, label=_storable(record.endpoint))


def event_of(log: Log, place: Place) -> RegistryEvent:
    """Return what a log of the registry in the block at ``place`` says.

    Raises:
        RegistryUnavailableError: It is none of ``TOPICS``, or not of their shape.
    """
    for declared in TOPICS:
        if declared.matches(log):
            try:
                said = declared.decode(log)
            except AbiError as error:
                raise _unreadable(log, str(error)) from error
            return _event(said, log, place)
    raise _unreadable(log, "none of the events that were asked for")


def _event(said: object, log: Log, place: Place) -> RegistryEvent:
    at = (place, log.index, log.transaction_hash)
    match said:
        case tee_events.TeeRegistered():
            return RegistryEvent(EventKind.REGISTERED, said.tee_id, *at, said.tee_type)
        case tee_events.TeeEnabled():
            return RegistryEvent(EventKind.ENABLED, said.tee_id, *at)
        case tee_events.TeeDisabled():
            return RegistryEvent(EventKind.DISABLED, said.tee_id, *at)
        case tee_events.PcrApproved():
            build, kind = said.pcr_hash, said.tee_type
            return RegistryEvent(
                EventKind.APPROVED, build, *at, kind, build, _storable(said.version)
            )
        case tee_events.PcrRevoked():
            build, kind = said.pcr_hash, said.tee_type
            return RegistryEvent(EventKind.REVOKED, build, *at, kind, build)
        case tee_events.HeartbeatReceived():
            return RegistryEvent(EventKind.HEARTBEAT, said.tee_id, *at)
        case _:
            raise _unreadable(log, "an event without a meaning here")


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL's text has no NUL


def _unreadable(log: Log, reason: str) -> RegistryUnavailableError:
    return RegistryUnavailableError(
        f"an event of {log.address} in block {log.block_number} cannot be read: {reason}",
        hint="another contract, or a registry newer than this package",
    )

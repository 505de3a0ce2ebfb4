"""The rows of a registry's history: what is written when blocks were read, and how it is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..._core.store import Db, Row, Value
from ...types import Address, Bytes32
from .events import EventKind, Place, RegistryEvent
from .horizon import Horizon, Pulse, Sighting
from .pulses import prolonged

_BEAT: Final = EventKind.HEARTBEAT.value
_QUIET_SECONDS: Final = 3_600.0
_KEEP: Final = (
    "INSERT INTO timeline_event (chain_id, registry, block_hash, log_index, block_number,"
    " block_time, tx, kind, subject, tee_type, pcr_hash, label, final, taken_back_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"
    " ON CONFLICT (chain_id, registry, block_hash, log_index)"
    " DO UPDATE SET final = excluded.final, taken_back_at = NULL"
)


@dataclass(frozen=True, slots=True)
class Which:
    """Whose history it is: a registry on its chain."""

    chain_id: int
    registry: Address

    @property
    def key(self) -> tuple[Value, Value]:
        """The first columns of every row."""
        return (self.chain_id, self.registry)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the stored history was read; ``revision`` changes with every writing."""

    revision: int
    horizon: Horizon


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything that is stored of a history."""

    progress: Progress
    events: tuple[RegistryEvent, ...]
    pulses: dict[Bytes32, tuple[Pulse, ...]]
    sightings: tuple[Sighting, ...]


def progress_of(db: Db, which: Which, first_block: int) -> Progress:
    """Return how far the history was read; one of which nothing was begins at ``first_block``."""
    rows = db.execute(
        "SELECT revision, final_number, final_hash, final_time, head_number, head_hash, head_time,"
        " first_number, max_age, endpoints FROM timeline_progress"
        " WHERE chain_id = ? AND registry = ?",
        which.key,
    )
    horizon = Horizon(which.chain_id, which.registry, first_block)
    if not rows:
        return Progress(0, horizon)
    revision, *places, first, max_age, endpoints = rows[0]
    final, head = _place(*places[:3]), _place(*places[3:])
    names = tuple(str(endpoints).split()) if endpoints else ()
    horizon = replace(horizon, first_block=int(first or 0), max_age=int(max_age or 0))
    return Progress(int(revision), replace(horizon, final=final, head=head, endpoints=names))


def confirm(
    db: Db, which: Which, was: Progress, now: Horizon, events: Sequence[RegistryEvent], at: float
) -> bool:
    """Make ``events`` all there is up to ``now.final``; whether nobody else wrote since ``was``.

    What was kept as not final and is not among them is marked as taken back.
    """
    assert now.final is not None  # it is what this confirms
    if not _is_mine(db, which, was):
        return False
    lasting = [event for event in events if event.kind is not EventKind.HEARTBEAT]
    _forget_beats(db, which, now.final.block)
    _take_back(db, which, now.final.block, lasting, at)
    _keep(db, which, lasting, final=True)
    _prolong_pulses(db, which, events, now.max_age)
    _advance(db, which, was, now)
    return True


def look(
    db: Db,
    which: Which,
    was: Progress,
    now: Horizon,
    events: Sequence[RegistryEvent],
    sighting: Sighting,
) -> bool:
    """Make ``events`` all there is between final and ``now.head``, unless somebody else wrote."""
    assert now.head is not None  # it is what was looked at
    if not _is_mine(db, which, was):
        return False
    _forget_beats(db, which, now.head.block)
    _take_back(db, which, now.head.block, events, sighting.seen_at)
    _keep(db, which, events, final=False)
    _advance(db, which, was, now)
    _sight(db, which, sighting)
    return True


def stored(db: Db, which: Which, first_block: int) -> Stored:
    """Return everything that is kept of a history."""
    events = db.execute(
        "SELECT block_hash, log_index, block_number, block_time, tx, kind, subject, tee_type,"
        " pcr_hash, label, final, taken_back_at"
        " FROM timeline_event WHERE chain_id = ? AND registry = ?"
        " ORDER BY block_number, log_index",
        which.key,
    )
    pulses: dict[Bytes32, list[Pulse]] = {}
    for tee_id, first, last in db.execute(
        "SELECT tee_id, first_time, last_time FROM timeline_pulse"
        " WHERE chain_id = ? AND registry = ? ORDER BY tee_id, first_time",
        which.key,
    ):
        pulses.setdefault(Bytes32(tee_id), []).append(Pulse(int(first), int(last)))
    sightings = db.execute(
        "SELECT asked_at, seen_at, block_number, block_hash, block_time FROM timeline_sighting"
        " WHERE chain_id = ? AND registry = ? ORDER BY asked_at",
        which.key,
    )
    return Stored(
        progress_of(db, which, first_block),
        tuple(_event(row) for row in events),
        {tee_id: tuple(some) for tee_id, some in pulses.items()},
        tuple(Sighting(a, s, Place(int(n), Bytes32(h), int(t))) for a, s, n, h, t in sightings),
    )


def _is_mine(db: Db, which: Which, was: Progress) -> bool:
    """Whether the history is still as it ``was``; it stays so until the transaction ends."""
    db.lock(f"timeline {which.chain_id} {which.registry}")
    return progress_of(db, which, was.horizon.first_block).revision == was.revision


def _forget_beats(db: Db, which: Which, last: int) -> None:
    """Heartbeats that are not final are kept as events; they are read again, or in a pulse."""
    db.execute(
        "DELETE FROM timeline_event WHERE chain_id = ? AND registry = ? AND kind = ?"
        " AND block_number <= ?",
        (*which.key, _BEAT, last),
    )


def _take_back(
    db: Db, which: Which, last: int, standing: Iterable[RegistryEvent], at: float
) -> None:
    stands = {(str(event.place.hash), event.index) for event in standing}
    kept = db.execute(
        "SELECT block_hash, log_index FROM timeline_event"
        " WHERE chain_id = ? AND registry = ? AND block_number <= ?"
        " AND final = 0 AND taken_back_at IS NULL",
        (*which.key, last),
    )
    db.execute_many(
        "UPDATE timeline_event SET taken_back_at = ? WHERE chain_id = ? AND registry = ?"
        " AND block_hash = ? AND log_index = ?",
        [(at, *which.key, *row) for row in kept if (row[0], int(row[1])) not in stands],
    )


def _keep(db: Db, which: Which, events: Iterable[RegistryEvent], *, final: bool) -> None:
    db.execute_many(_KEEP, [(*which.key, *_columns(event), int(final)) for event in events])


def _prolong_pulses(db: Db, which: Which, events: Iterable[RegistryEvent], max_age: int) -> None:
    beats: dict[Bytes32, list[int]] = {}
    for event in events:
        if event.is_sign_of_life:
            beats.setdefault(event.subject, []).append(event.place.time)
    for tee_id, times in beats.items():
        newest = db.execute(
            "SELECT first_time, last_time FROM timeline_pulse"
            " WHERE chain_id = ? AND registry = ? AND tee_id = ? ORDER BY first_time DESC LIMIT 1",
            (*which.key, str(tee_id)),
        )
        known = [Pulse(int(first), int(last)) for first, last in newest]
        db.execute_many(
            "INSERT INTO timeline_pulse (chain_id, registry, tee_id, first_time, last_time)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (chain_id, registry, tee_id, first_time)"
            " DO UPDATE SET last_time = excluded.last_time",
            [
                (*which.key, str(tee_id), pulse.first, pulse.last)
                for pulse in prolonged(known, times, max_age)
            ],
        )


def _advance(db: Db, which: Which, was: Progress, now: Horizon) -> None:
    db.execute(
        "INSERT INTO timeline_progress (chain_id, registry, revision, final_number, final_hash,"
        " final_time, head_number, head_hash, head_time, first_number, max_age, endpoints)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (chain_id, registry) DO UPDATE SET"
        " revision = excluded.revision, final_number = excluded.final_number,"
        " final_hash = excluded.final_hash, final_time = excluded.final_time,"
        " head_number = excluded.head_number, head_hash = excluded.head_hash,"
        " head_time = excluded.head_time, max_age = excluded.max_age,"
        " endpoints = excluded.endpoints",
        (
            *which.key,
            was.revision + 1,
            *_place_columns(now.final),
            *_place_columns(now.head),
            now.first_block,
            now.max_age,
            " ".join(now.endpoints),
        ),
    )


def _sight(db: Db, which: Which, sighting: Sighting) -> None:
    """Keep a sighting; the one before goes where neither side of it tells more than this one.

    What happened between two blocks is put in order by sightings. Where nothing happened, those at
    the ends of a quiet time are enough, one an hour so that times stay close.
    """
    newest = db.execute(
        "SELECT asked_at, block_hash, block_number FROM timeline_sighting"
        " WHERE chain_id = ? AND registry = ? ORDER BY asked_at DESC, block_number DESC LIMIT 2",
        which.key,
    )
    if len(newest) == 2:
        (at, block_hash, _), (began_at, _, began) = newest
        quiet = not _has_changes(db, which, int(began), sighting.block.block)
        if quiet and sighting.asked_at - began_at < _QUIET_SECONDS:
            db.execute(
                "DELETE FROM timeline_sighting"
                " WHERE chain_id = ? AND registry = ? AND asked_at = ? AND block_hash = ?",
                (*which.key, at, block_hash),
            )
    db.execute(
        "INSERT INTO timeline_sighting"
        " (chain_id, registry, asked_at, seen_at, block_number, block_hash, block_time)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (chain_id, registry, asked_at, block_hash) DO NOTHING",
        (
            *which.key,
            sighting.asked_at,
            sighting.seen_at,
            sighting.block.block,
            str(sighting.block.hash),
            sighting.block.time,
        ),
    )


def _has_changes(db: Db, which: Which, after: int, last: int) -> bool:
    """Whether anything but heartbeats happened in the blocks behind ``after`` up to ``last``."""
    found = db.execute(
        "SELECT 1 FROM timeline_event WHERE chain_id = ? AND registry = ? AND block_number > ?"
        " AND block_number <= ? AND kind <> ? LIMIT 1",
        (*which.key, after, last, _BEAT),
    )
    return bool(found)


def _columns(event: RegistryEvent) -> tuple[Value, ...]:
    return (
        str(event.place.hash),
        event.index,
        event.place.block,
        event.place.time,
        str(event.transaction),
        event.kind.value,
        str(event.subject),
        event.tee_type,
        None if event.pcr_hash is None else str(event.pcr_hash),
        event.label,
    )


def _event(row: Row) -> RegistryEvent:
    (block_hash, index, number, time, tx, kind, subject, tee_type, pcr_hash, label, final,
     taken_back_at) = row  # fmt: skip
    return RegistryEvent(
        kind=EventKind(kind),
        subject=Bytes32(subject),
        place=Place(int(number), Bytes32(block_hash), int(time)),
        index=int(index),
        transaction=Bytes32(tx),
        tee_type=tee_type,
        pcr_hash=None if pcr_hash is None else Bytes32(pcr_hash),
        label=label or "",
        final=bool(final),
        taken_back_at=taken_back_at,
    )


def _place(number: int | None, block_hash: str | None, time: int | None) -> Place | None:
    if number is None or block_hash is None or time is None:
        return None
    return Place(int(number), Bytes32(block_hash), int(time))


def _place_columns(place: Place | None) -> tuple[Value, Value, Value]:
    return (None, None, None) if place is None else (place.block, str(place.hash), place.time)

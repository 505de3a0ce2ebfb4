"""What is written down of a history: nothing twice, nothing lost, and nobody's work undone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.stores import ALL, location

from opengradient_sdk._core.store import Store, open_store
from opengradient_sdk.ledger.timeline import (
    SCHEMA,
    EventKind,
    Horizon,
    Pulse,
    RegistryEvent,
    Sighting,
    rows,
)
from opengradient_sdk.ledger.timeline.rows import Progress, Stored, Which
from opengradient_sdk.types import Address

from .histories import CHAIN, MAX_AGE, REGISTRY, approved, event, place, registered, revoked, word

WHICH = Which(CHAIN, REGISTRY)
OTHER = Which(CHAIN, Address("0x" + "99" * 20))


class Book:
    """The rows of one history."""

    def __init__(self, store: Store, which: Which = WHICH) -> None:
        self.store = store
        self.which = which

    async def progress(self) -> Progress:
        return await self.store.run(lambda db: rows.progress_of(db, self.which, 0))

    async def stored(self) -> Stored:
        return await self.store.run(lambda db: rows.stored(db, self.which, 0))

    async def confirm(
        self, last: int, *events: RegistryEvent, was: Progress | None = None, at: float = 1.0
    ) -> bool:
        was = was or await self.progress()
        now = self._now(was.horizon, final=last, head=max(last, _number(was.horizon)))
        return await self.store.run(lambda db: rows.confirm(db, self.which, was, now, events, at))

    async def look(
        self, head: int, *events: RegistryEvent, was: Progress | None = None, at: float = 1.0
    ) -> bool:
        was = was or await self.progress()
        now = self._now(was.horizon, head=head)
        seen = Sighting(at, at, place(head))
        return await self.store.run(lambda db: rows.look(db, self.which, was, now, events, seen))

    @staticmethod
    def _now(old: Horizon, *, head: int, final: int | None = None) -> Horizon:
        last = old.final if final is None else place(final)
        names = ("https://one.example", "https://other.example")
        return replace(old, final=last, head=place(head), max_age=MAX_AGE, endpoints=names)


def _number(horizon: Horizon) -> int:
    return horizon.head.block if horizon.head else 0


def unsure(said: RegistryEvent) -> RegistryEvent:
    return replace(said, final=False)


def forked(said: RegistryEvent) -> RegistryEvent:
    """The same in another block of that number."""
    return replace(unsure(said), place=replace(said.place, hash=word(77_000 + said.place.block)))


@pytest.fixture(params=ALL)
async def book(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Book]:
    store = open_store(location(request.param, request, tmp_path), SCHEMA)
    yield Book(store)
    await store.aclose()


async def test_what_is_written_is_read_again(book: Book) -> None:
    events = (approved(1, 2, "v1 \N{SNOWMAN}"), registered(7, 1, 3), revoked(1, 4))
    assert await book.confirm(10, *events)
    found = await book.stored()
    assert found.events == events
    assert found.pulses == {word(7): (Pulse(300, 300),)}
    assert found.progress == await book.progress()
    horizon = found.progress.horizon
    assert (horizon.final, horizon.head, horizon.max_age) == (place(10), place(10), MAX_AGE)
    assert horizon.endpoints == ("https://one.example", "https://other.example")


async def test_what_was_unsure_becomes_final_or_is_taken_back(book: Book) -> None:
    await book.look(9, unsure(approved(1, 2)), unsure(approved(2, 3)), unsure(approved(3, 9)))
    await book.confirm(5, approved(1, 2), at=50.0)
    first, second, third = (await book.stored()).events
    assert (first.final, first.taken_back_at) == (True, None)
    assert (second.final, second.taken_back_at) == (False, 50.0)
    assert (third.final, third.taken_back_at) == (False, None)


async def test_a_reorg_there_and_back_leaves_one_standing(book: Book) -> None:
    one = unsure(approved(1, 3))
    await book.look(5, one)
    await book.look(5, forked(one), at=50.0)
    assert {e.place.hash: e.taken_back_at for e in (await book.stored()).events} == {
        one.place.hash: 50.0,
        forked(one).place.hash: None,
    }
    await book.look(6, one, at=60.0)
    assert {e.place.hash: e.taken_back_at for e in (await book.stored()).events} == {
        one.place.hash: None,
        forked(one).place.hash: 60.0,
    }


async def test_the_time_of_taking_back_is_that_of_the_first_look(book: Book) -> None:
    await book.look(5, unsure(approved(1, 3)))
    for at in (50.0, 60.0, 70.0):
        await book.look(5, at=at)
    assert [e.taken_back_at for e in (await book.stored()).events] == [50.0]


async def test_who_has_read_before_others_wrote_changes_nothing(book: Book) -> None:
    was = await book.progress()
    assert await book.confirm(5, approved(1, 2), was=was)
    before = await book.stored()
    assert not await book.confirm(9, approved(2, 3), was=was)
    assert not await book.look(9, unsure(approved(2, 3)), was=was)
    assert await book.stored() == before


async def test_heartbeats_become_spans(book: Book) -> None:
    beats = [event(EventKind.HEARTBEAT, word(7), block) for block in (10, 20, 60, 61)]
    await book.look(61, unsure(registered(7, 1, 3)), *map(unsure, beats))
    assert len((await book.stored()).events) == 5
    await book.confirm(20, registered(7, 1, 3), *beats[:2])
    found = await book.stored()
    assert found.pulses == {word(7): (Pulse(300, 2_000),)}
    assert [e.place.block for e in found.events if e.kind is EventKind.HEARTBEAT] == [60, 61]
    await book.confirm(61, *beats[2:])
    found = await book.stored()
    assert found.pulses == {word(7): (Pulse(300, 2_000), Pulse(6_000, 6_100))}
    assert [e.kind for e in found.events] == [EventKind.REGISTERED]


async def test_a_heartbeat_that_was_removed_leaves_no_mark(book: Book) -> None:
    await book.look(5, event(EventKind.HEARTBEAT, word(7), 4, final=False))
    await book.look(5)
    assert (await book.stored()).events == ()


async def test_registries_in_one_store_are_apart(book: Book) -> None:
    other = Book(book.store, OTHER)
    await book.confirm(5, approved(1, 2))
    await other.confirm(7, approved(1, 2, "another"), registered(7, 1, 3))
    assert [e.label for e in (await book.stored()).events] == ["v1"]
    assert (await book.stored()).pulses == {}
    assert (await other.progress()).horizon.final == place(7)
    assert (await other.progress()).horizon.registry == OTHER.registry


async def test_of_a_quiet_hour_the_ends_are_kept(book: Book) -> None:
    for minute in range(0, 150, 10):
        await book.look(4, at=60.0 * minute)
    found = (await book.stored()).sightings
    assert [one.asked_at / 60 for one in found] == [0.0, 50.0, 100.0, 140.0]


async def test_looks_around_a_change_are_kept(book: Book) -> None:
    await book.look(4, at=1.0)
    await book.look(5, at=2.0)  # the last one before it
    change = unsure(approved(1, 6))
    await book.look(6, change, at=3.0)  # the first one after it
    for at in (4.0, 5.0, 6.0):
        await book.look(7, change, at=at)
    found = (await book.stored()).sightings
    assert [one.asked_at for one in found] == [1.0, 2.0, 3.0, 6.0]

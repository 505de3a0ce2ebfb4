"""What gathers: written together, kept while it cannot be written, never lost and in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from opengradient_sdk._core import gathering
from opengradient_sdk._core.gathering import LARGEST, Gathering, Queue
from opengradient_sdk._core.store import Db, Schema, SqliteStore, Store
from opengradient_sdk._core.tasks import Supervisor
from opengradient_sdk.errors import ConfigurationError, LedgerError

SCHEMA = Schema("gathering", ("CREATE TABLE line (room TEXT, text TEXT)",))


class Room:
    """A room that writes texts; it fails, or is slow, when it is told to.

    ``parts`` are what it was given to write, ``durable`` what it was told is.
    """

    def __init__(self, name: str) -> None:
        self.book = name
        self.parts: list[list[str]] = []
        self.durable: list[list[str]] = []
        self.unready: Exception | None = None
        self.broken: Exception | None = None
        self.failing: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.tried = asyncio.Event()

    async def ready(self) -> None:
        self.tried.set()
        await self.gate.wait()
        if self.unready is not None:
            raise self.unready

    def work(self, lines: Sequence[str]) -> Callable[[Db], list[str]]:
        part = list(lines)
        self.parts.append(part)
        if self.broken is not None:
            raise self.broken

        def write(db: Db) -> list[str]:
            for text in part:
                db.execute("INSERT INTO line (room, text) VALUES (?, ?)", (self.book, text))
            if self.failing is not None:
                raise self.failing
            return part

        return write

    def written(self, result: list[str]) -> None:
        self.durable.append(result)


class CountingStore(SqliteStore):
    """A store that says how many groups of works came together."""

    def __init__(self, place: Path) -> None:
        super().__init__(place, SCHEMA)
        self.groups: list[int] = []
        self.inside = asyncio.Event()

    async def run_all(self, works: Sequence[Callable[[Db], object]]) -> list[object]:
        self.groups.append(len(works))
        self.inside.set()
        return await super().run_all(works)


class Rooms:
    """Two rooms that write into one store."""

    def __init__(self, store: CountingStore) -> None:
        self.store = store
        self.supervisor = Supervisor()
        self.gathering = Gathering(store, self.supervisor)
        self.calls, self.receipts = Room("the calls"), Room("the receipts")
        self.first: Queue[str] = self.gathering.queue(self.calls.book, self.calls)
        self.second: Queue[str] = self.gathering.queue(self.receipts.book, self.receipts)

    async def lines(self, room: str) -> list[str]:
        return await written(self.store, room)


async def written(store: Store, room: str) -> list[str]:
    """Return the texts of a room that are in the store, in the order they were written."""
    rows = await store.run(
        lambda db: db.execute("SELECT text FROM line WHERE room = ? ORDER BY rowid", (room,))
    )
    return [text for (text,) in rows]


@asynccontextmanager
async def open_rooms(folder: Path) -> AsyncIterator[Rooms]:
    rooms = Rooms(CountingStore(folder / "store.sqlite"))
    try:
        yield rooms
    finally:
        rooms.first.close()
        rooms.second.close()
        await rooms.supervisor.aclose()
        await rooms.store.aclose()


@pytest.fixture
async def rooms(tmp_path: Path) -> AsyncIterator[Rooms]:
    async with open_rooms(tmp_path) as opened:
        yield opened


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written by itself."""
    monkeypatch.setattr(gathering, "GATHER", 3600.0)
    monkeypatch.setattr(gathering, "RETRY", 3600.0)


async def within(event: asyncio.Event) -> None:
    async with asyncio.timeout(30):
        await event.wait()


# Together


async def test_what_two_rooms_have_is_written_in_one_transaction_without_anybody_asking(
    rooms: Rooms,
) -> None:
    rooms.first.add("call 1")
    rooms.second.add("receipt 1")
    rooms.second.add("receipt 2")
    await within(rooms.store.inside)
    await rooms.first.flushed()
    assert rooms.store.groups == [2]
    assert await rooms.lines("the calls") == ["call 1"]
    assert await rooms.lines("the receipts") == ["receipt 1", "receipt 2"]
    assert rooms.receipts.durable == [["receipt 1", "receipt 2"]]


@pytest.mark.usefixtures("never")
async def test_who_waits_for_one_room_has_the_other_written_too(rooms: Rooms) -> None:
    rooms.first.add("call")
    rooms.second.add("receipt")
    await rooms.second.flushed()
    assert (len(rooms.first), len(rooms.second)) == (0, 0)
    assert rooms.store.groups == [2]


async def test_a_room_without_lines_is_not_asked(rooms: Rooms) -> None:
    rooms.first.add("call")
    await rooms.first.flushed()
    assert not rooms.receipts.tried.is_set()
    await rooms.second.flushed()
    assert rooms.store.groups == [1]


@pytest.mark.usefixtures("never")
async def test_of_one_key_the_last_is_written_and_others_are_left_out(rooms: Rooms) -> None:
    rooms.first.add("begun", "call 1")
    rooms.first.add("another", "call 2")
    rooms.first.add("ended", "call 1")
    rooms.first.forget("call 2")
    rooms.first.forget("call 3")
    await rooms.first.flushed()
    assert await rooms.lines("the calls") == ["ended"]


@pytest.mark.usefixtures("never")
async def test_a_change_while_it_is_written_is_written_after_it(rooms: Rooms) -> None:
    inside, gate = asyncio.Event(), asyncio.Event()
    run_all = rooms.store.run_all

    async def slowly(works: Sequence[Callable[[Db], object]]) -> list[object]:
        inside.set()
        await gate.wait()
        return await run_all(works)

    rooms.store.run_all = slowly  # type: ignore[method-assign]
    rooms.first.add("begun", "call 1")
    flushing = asyncio.ensure_future(rooms.first.flushed())
    await within(inside)
    rooms.first.add("ended", "call 1")
    assert list(rooms.first.waiting) == ["begun", "ended"]
    both = asyncio.ensure_future(rooms.first.flushed())
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(flushing, both)
    assert await rooms.lines("the calls") == ["begun", "ended"]


# Many


@pytest.mark.usefixtures("never")
async def test_many_are_written_in_parts_and_in_order(rooms: Rooms) -> None:
    texts = [f"receipt {number}" for number in range(2 * LARGEST + 1)]
    for text in texts:
        rooms.second.add(text)
    await rooms.second.flushed()
    assert await rooms.lines("the receipts") == texts
    assert max(map(len, rooms.receipts.parts)) == LARGEST


@pytest.mark.usefixtures("never")
async def test_what_fills_a_transaction_and_what_is_left_of_it_gathers_no_longer(
    rooms: Rooms,
) -> None:
    told = asyncio.Event()
    rooms.receipts.written = lambda part: told.set() if len(part) == 3 else None  # type: ignore[method-assign]
    for number in range(LARGEST + 3):
        rooms.second.add(f"receipt {number}")
    await within(told)
    assert len(await rooms.lines("the receipts")) == LARGEST + 3


@pytest.mark.usefixtures("never")
async def test_a_room_does_not_wait_for_all_that_another_has(rooms: Rooms) -> None:
    for number in range(4 * LARGEST):
        rooms.second.add(f"receipt {number}")
    rooms.first.add("call")
    await rooms.first.flushed()
    assert len(rooms.second) >= 2 * LARGEST


# Failing


@pytest.mark.usefixtures("never")
async def test_what_one_room_cannot_write_keeps_the_other_from_nothing(rooms: Rooms) -> None:
    rooms.receipts.failing = LedgerError("somebody else has changed it", hint="Look.")
    rooms.first.add("call")
    rooms.second.add("receipt 1")
    await rooms.first.flushed()
    rooms.first.require_writable()
    with pytest.raises(LedgerError, match="somebody else") as caught:
        rooms.second.require_writable()
    assert caught.value.hint == "Look."
    assert await rooms.lines("the calls") == ["call"]
    assert await rooms.lines("the receipts") == []
    rooms.second.add("receipt 2")
    rooms.receipts.failing = None
    await rooms.second.flushed()
    rooms.second.require_writable()
    assert await rooms.lines("the receipts") == ["receipt 1", "receipt 2"]


async def test_a_failing_room_does_not_slow_the_other_down(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "RETRY", 3600.0)
    rooms.receipts.failing = LedgerError("somebody else has changed it")
    rooms.second.add("receipt")
    with pytest.raises(LedgerError):
        await rooms.second.flushed()
    told = asyncio.Event()
    rooms.calls.written = lambda part: told.set()  # type: ignore[method-assign]
    rooms.first.add("call")
    await within(told)


async def test_what_could_not_be_written_is_tried_again_by_itself(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "RETRY", 0.0)
    rooms.calls.unready = LedgerError("locked")
    rooms.first.add("call")
    with pytest.raises(LedgerError):
        await rooms.first.flushed()
    rooms.calls.unready = None
    told = asyncio.Event()
    rooms.calls.written = lambda part: told.set()  # type: ignore[method-assign]
    await within(told)
    rooms.first.require_writable()


@pytest.mark.usefixtures("never")
async def test_who_is_refused_has_the_lines_tried_again(rooms: Rooms) -> None:
    rooms.calls.unready = LedgerError("locked")
    rooms.first.add("call")
    with pytest.raises(LedgerError):
        await rooms.first.flushed()
    rooms.calls.unready = None
    raised = []
    for _ in range(2):
        with pytest.raises(LedgerError, match="locked") as caught:
            rooms.first.require_writable()
        raised.append(caught.value)
    assert raised[0] is not raised[1]
    await within(rooms.store.inside)


@pytest.mark.usefixtures("never")
async def test_a_room_is_writable_again_when_what_it_could_not_write_was_written_otherwise(
    rooms: Rooms,
) -> None:
    rooms.calls.unready = LedgerError("locked")
    rooms.first.add("call", "call 1")
    with pytest.raises(LedgerError):
        await rooms.first.flushed()
    rooms.first.forget("call 1")
    with pytest.raises(LedgerError):
        rooms.first.require_writable()
    writing = rooms.gathering.running
    assert writing is not None
    await writing
    rooms.first.require_writable()


@pytest.mark.parametrize("where", ["unready", "broken", "failing"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigurationError("another key", hint="Give it."), "the calls cannot be .*another key"),
        (RuntimeError("something private"), "the calls cannot be written: RuntimeError"),
    ],
)
@pytest.mark.usefixtures("never")
async def test_whatever_keeps_lines_from_being_written_is_a_ledger_error(
    rooms: Rooms, where: str, error: Exception, said: str
) -> None:
    setattr(rooms.calls, where, error)
    rooms.first.add("call")
    rooms.second.add("receipt")
    with pytest.raises(LedgerError, match=said) as caught:
        await rooms.first.flushed()
    assert caught.value.__cause__ is error
    assert "private" not in str(caught.value)
    assert await rooms.lines("the receipts") == ["receipt"]
    setattr(rooms.calls, where, None)
    await rooms.first.flushed()
    assert await rooms.lines("the calls") == ["call"]


@pytest.mark.usefixtures("never")
async def test_a_store_that_takes_nothing_stops_every_room(rooms: Rooms) -> None:
    run_all = rooms.store.run_all

    async def full(works: Sequence[Callable[[Db], object]]) -> list[object]:
        raise LedgerError("the disk is full")

    rooms.store.run_all = full  # type: ignore[method-assign]
    rooms.first.add("call")
    rooms.second.add("receipt")
    for queue in (rooms.first, rooms.second):
        with pytest.raises(LedgerError, match="the disk is full"):
            await queue.flushed()
    rooms.store.run_all = run_all  # type: ignore[method-assign]
    await rooms.first.flushed()
    assert (len(rooms.first), len(rooms.second)) == (0, 0)


@pytest.mark.usefixtures("never")
async def test_only_what_was_not_written_is_tried_again(rooms: Rooms) -> None:
    rooms.calls.written = lambda part: setattr(rooms.calls, "failing", LedgerError("locked"))  # type: ignore[method-assign]
    for number in range(LARGEST + 3):
        rooms.first.add(f"call {number}")
    with pytest.raises(LedgerError):
        await rooms.first.flushed()
    assert repr(rooms.first).startswith("Queue(the calls, waiting=3, ")


# Cancelling and closing


@pytest.mark.usefixtures("never")
async def test_a_cancelled_waiter_takes_nothing_away(rooms: Rooms) -> None:
    rooms.calls.gate.clear()
    rooms.first.add("call")
    waiting = asyncio.ensure_future(rooms.first.flushed())
    await within(rooms.calls.tried)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    rooms.calls.gate.set()
    await rooms.first.flushed()
    assert await rooms.lines("the calls") == ["call"]


@pytest.mark.parametrize("where", ["before", "inside"])
@pytest.mark.usefixtures("never")
async def test_a_cancelled_writing_gives_its_lines_back(rooms: Rooms, where: str) -> None:
    async def stuck(works: Sequence[Callable[[Db], object]]) -> list[object]:
        rooms.store.inside.set()
        return await asyncio.get_running_loop().create_future()

    run_all = rooms.store.run_all
    rooms.store.run_all = stuck  # type: ignore[method-assign]
    if where == "before":
        rooms.calls.gate.clear()
    rooms.first.add("call 1")
    flushing = asyncio.ensure_future(rooms.first.flushed())
    await within(rooms.calls.tried if where == "before" else rooms.store.inside)
    rooms.first.add("call 2")
    await rooms.supervisor.aclose()
    with pytest.raises(LedgerError, match="the calls was being closed"):
        await flushing
    assert list(rooms.first.waiting) == ["call 1", "call 2"]
    rooms.calls.gate.set()
    rooms.store.run_all = run_all  # type: ignore[method-assign]
    await rooms.first.flushed()
    assert await rooms.lines("the calls") == ["call 1", "call 2"]


async def test_a_closed_room_writes_nothing_by_itself_and_the_other_goes_on(rooms: Rooms) -> None:
    rooms.first.close()
    rooms.first.add("call")
    assert rooms.first.is_closed
    assert rooms.gathering.running is None
    rooms.second.add("receipt")
    await within(rooms.receipts.tried)
    await rooms.second.flushed()
    assert await rooms.lines("the receipts") == ["receipt"]


async def test_closing_the_last_room_leaves_no_timer(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "GATHER", 0.0)
    rooms.first.add("call")
    rooms.second.add("receipt")
    rooms.first.close()
    rooms.second.close()
    for _ in range(3):  # a timer that is due would have come by now
        await asyncio.sleep(0)
    assert rooms.gathering.running is None
    assert (len(rooms.first), len(rooms.second)) == (1, 1)
    await rooms.first.flushed()  # whoever asks has it written
    assert await rooms.lines("the receipts") == ["receipt"]


async def test_nothing_to_write_writes_nothing(rooms: Rooms) -> None:
    await rooms.first.flushed()
    rooms.first.require_writable()
    assert rooms.store.groups == []
    assert "waiting=0" in repr(rooms.gathering)

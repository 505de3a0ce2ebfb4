"""Many callers in one transaction: none of them notices the others, but by the time it takes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.stores import ALL, location

from opengradient_sdk._core.store import Db, Schema, Store, grouped, open_store
from opengradient_sdk.errors import LedgerError

SCHEMA = Schema("test", ("CREATE TABLE item (name TEXT PRIMARY KEY)",))

Work = Callable[[Db], Any]


@pytest.fixture(params=ALL)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(location(request.param, request, tmp_path), SCHEMA)
    yield store
    await store.aclose()


def put(name: str) -> Work:
    def work(db: Db) -> str:
        db.execute("INSERT INTO item VALUES (?)", (name,))
        return name

    return work


def names(db: Db) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM item ORDER BY name")]


@asynccontextmanager
async def held_up(store: Store) -> AsyncIterator[None]:
    """What is run inside queues up, and is one group when the block is left."""
    begun, may_end = threading.Event(), threading.Event()

    def wait(_: Db) -> None:
        begun.set()
        assert may_end.wait(10)

    gate = asyncio.create_task(store.run(wait))
    await asyncio.to_thread(begun.wait, 10)
    yield
    await asyncio.sleep(0)  # the block's tasks take their places
    may_end.set()
    await asyncio.wait([gate])


async def together(store: Store, *works: Work) -> list[Any]:
    """Run the works in one group; return their results and errors in order."""
    async with held_up(store):
        tasks = [asyncio.create_task(store.run(work)) for work in works]
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def commits(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of every group of this store, as they are committed."""
    sizes: list[int] = []
    transaction = grouped._transaction

    def counted(engine: Any, jobs: list[Any]) -> list[Any]:
        if engine is store._writer._engine:  # type: ignore[attr-defined]
            sizes.append(len(jobs))
        return transaction(engine, jobs)

    monkeypatch.setattr(grouped, "_transaction", counted)
    return sizes


async def test_those_that_queue_up_share_a_commit(store: Store, commits: list[int]) -> None:
    assert await together(store, *(put(str(number)) for number in range(9))) == list("012345678")
    assert commits == [1, 9]
    assert await store.run(names) == list("012345678")


async def test_a_group_is_bounded(
    store: Store, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouped, "LARGEST_GROUP", 4)
    await together(store, *(put(str(number)) for number in range(9)))
    assert commits == [1, 4, 4, 1]


async def test_one_that_raises_is_undone_alone(store: Store) -> None:
    def broken(db: Db) -> None:
        put("half")(db)
        raise KeyError("bug")

    outcomes = await together(store, put("a"), broken, put("b"), put("a"), put("c"))
    assert outcomes[0] == "a"
    assert isinstance(outcomes[1], KeyError)
    assert outcomes[2] == "b"
    assert isinstance(outcomes[3], LedgerError)
    assert outcomes[4] == "c"
    assert await store.run(names) == ["a", "b", "c"]


async def test_the_first_and_the_last_may_raise(store: Store) -> None:
    def broken(db: Db) -> None:
        put("half")(db)
        raise KeyError("bug")

    outcomes = await together(store, broken, put("a"), broken)
    assert [type(outcome) for outcome in outcomes] == [KeyError, str, KeyError]
    assert await store.run(names) == ["a"]


async def test_when_all_raise_nothing_is_kept(store: Store) -> None:
    def broken(db: Db) -> None:
        put("half")(db)
        raise KeyError("bug")

    outcomes = await together(store, broken, broken)
    assert [type(outcome) for outcome in outcomes] == [KeyError, KeyError]
    assert await store.run(names) == []


async def test_they_see_each_other_in_order(store: Store) -> None:
    outcomes = await together(store, put("a"), names, put("b"), names)
    assert outcomes == ["a", ["a"], "b", ["a", "b"]]


async def test_a_cancelled_caller_leaves_the_others_alone(store: Store) -> None:
    async with held_up(store):
        tasks = [asyncio.create_task(store.run(put(name))) for name in "abc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes[::2] == ["a", "c"]
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert await store.run(names) == ["a", "b", "c"]


async def test_a_commit_that_fails_is_everybodys_failure(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(_: object) -> None:
        raise LedgerError("the disk is full", hint="Make room.") from OSError(28, "no space")

    await store.run(put("a"))
    monkeypatch.setattr(type(store._writer._engine), "commit", disk_full)
    one, other, doubled = await together(store, put("b"), put("c"), put("a"))
    for error in (one, other):
        assert (error.short_message, error.hint) == ("the disk is full", "Make room.")
        assert isinstance(error.__cause__, OSError)
    assert one is not other
    assert "unique" in doubled.short_message.lower()  # it had a reason of its own
    monkeypatch.undo()
    assert await store.run(names) == ["a"]


async def test_a_bug_in_the_store_leaves_nobody_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError("bug")

    await store.run(put("a"))
    monkeypatch.setattr(grouped, "_commit", bug)
    outcomes = await asyncio.gather(*map(store.run, [put("b"), put("c")]), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError, ZeroDivisionError]
    monkeypatch.undo()
    assert await store.run(put("d")) == "d"


@pytest.mark.parametrize("hidden", [False, True], ids=["raised", "hidden"])
async def test_one_that_takes_the_transaction_with_it_fails_the_group(
    tmp_path: Path, hidden: bool
) -> None:
    """As SQLite does when the disk is full in the wrong moment: it undoes the whole transaction."""

    def spoil(db: Db) -> None:
        try:
            db.execute("INSERT OR ROLLBACK INTO item VALUES ('a')")
        except LedgerError:
            if not hidden:
                raise

    store = open_store(tmp_path / "store.sqlite", SCHEMA)
    await store.run(put("a"))
    outcomes = await together(store, put("b"), spoil, put("c"))
    assert [type(outcome) for outcome in outcomes] == [LedgerError] * 3
    assert ("lost its transaction" if hidden else "UNIQUE") in str(outcomes[0])
    assert await together(store, put("b"), put("c")) == ["b", "c"]
    with pytest.raises(LedgerError):
        await store.run(spoil)
    assert await store.run(names) == ["a", "b", "c"]
    await store.aclose()

"""The durable store, whatever is under it: a file, memory, or PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from support.stores import ALL, DURABLE, location

from opengradient_sdk._core.store import (
    IN_MEMORY,
    Db,
    PostgresStore,
    Row,
    Schema,
    SqliteStore,
    Store,
    default_folder,
    open_store,
    without_secrets,
)
from opengradient_sdk.errors import ConfigurationError, LedgerError, Spent

SCHEMA = Schema("test", ("CREATE TABLE item (name TEXT PRIMARY KEY, size BIGINT)",))


@pytest.fixture(params=ALL)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


@pytest.fixture
async def store(place: str) -> AsyncIterator[Store]:
    store = open_store(place, SCHEMA)
    yield store
    await store.aclose()


def put(name: str) -> Callable[[Db], None]:
    def work(db: Db) -> None:
        db.execute("INSERT INTO item (name) VALUES (?)", (name,))

    return work


def names(db: Db) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM item ORDER BY name")]


async def test_what_is_written_can_be_read(store: Store) -> None:
    await store.run(put("b"))
    await store.run(put("a"))
    assert await store.run(names) == ["a", "b"]


async def test_a_work_reads_what_it_wrote(store: Store) -> None:
    def work(db: Db) -> list[str]:
        put("a")(db)
        return names(db)

    assert await store.run(work) == ["a"]


@pytest.mark.parametrize("kind", DURABLE)
async def test_what_was_written_is_there_after_closing(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place = location(kind, request, tmp_path)
    first, second = open_store(place, SCHEMA), open_store(place, SCHEMA)
    await first.run(put("a"))
    await first.aclose()
    assert await first.run(names) == ["a"]
    assert await second.run(names) == ["a"]
    await first.aclose()
    await second.aclose()


async def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def half(db: Db) -> None:
        put("half")(db)
        put("half")(db)

    with pytest.raises(LedgerError, match=r"(?i)unique") as error:
        await store.run(half)
    assert isinstance(
        error.value.__cause__, sqlite3.IntegrityError | psycopg.errors.UniqueViolation
    )
    assert error.value.spent is Spent.NO
    assert await store.run(names) == []


async def test_an_error_of_the_work_itself_rolls_back_too(store: Store) -> None:
    def broken(db: Db) -> None:
        put("half")(db)
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        await store.run(broken)
    assert await store.run(names) == []


async def test_even_an_error_that_no_future_takes_reaches_the_caller(store: Store) -> None:
    def exhausted(db: Db) -> Row:
        return next(iter(db.execute("SELECT name FROM item")))

    with pytest.raises(RuntimeError, match="StopIteration") as error:
        await store.run(exhausted)
    assert isinstance(error.value.__cause__, StopIteration)


async def test_values_come_back_as_they_went(store: Store) -> None:
    values = ("text ? $1 %s ''", 2**63 - 1, -(2**63), 0, 1.5, None)

    def work(db: Db) -> list[Row]:
        db.execute(
            "CREATE TABLE kinds (a TEXT, b BIGINT, c BIGINT, d BIGINT, e DOUBLE PRECISION, f TEXT)"
        )
        db.execute("INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?)", values)
        return db.execute("SELECT * FROM kinds WHERE a = ? AND b > ?", (values[0], 7))

    (row,) = await store.run(work)
    assert row == values
    assert [type(value) for value in row] == [type(value) for value in values]


async def test_sums_are_whole_numbers(store: Store) -> None:
    def work(db: Db) -> Row:
        db.execute_many("INSERT INTO item VALUES (?, ?)", [("a", 2**40), ("b", 1), ("c", None)])
        (row,) = db.execute("SELECT SUM(size), COUNT(*), MAX(size) FROM item")
        return row

    row = await store.run(work)
    assert row == (2**40 + 1, 3, 2**40)
    assert {type(value) for value in row} == {int}


async def test_marks_in_quotes_and_comments_are_no_placeholders(store: Store) -> None:
    def work(db: Db) -> list[Row]:
        return db.execute(
            "SELECT '?', 'it''s ?', name AS \"a?b\" /* ? */ FROM item -- ?\n WHERE name = ?",
            ("a%",),
        )

    await store.run(put("a%"))
    assert await store.run(work) == [("?", "it's ?", "a%")]


async def test_returning_returns(store: Store) -> None:
    def work(db: Db) -> list[Row]:
        return db.execute("INSERT INTO item VALUES (?, ?) RETURNING name, size", ("a", 3))

    assert await store.run(work) == [("a", 3)]


async def test_one_bad_row_of_many_leaves_nothing(store: Store) -> None:
    rows = [("a", 1), ("b", 2), ("a", 3)]
    with pytest.raises(LedgerError, match=r"(?i)unique"):
        await store.run(lambda db: db.execute_many("INSERT INTO item VALUES (?, ?)", rows))
    assert await store.run(names) == []


async def test_a_statement_on_no_rows_does_nothing(store: Store) -> None:
    await store.run(lambda db: db.execute_many("INSERT INTO item VALUES (?, ?)", []))
    assert await store.run(names) == []


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 65, 200])
async def test_many_rows_are_inserted_in_their_order(store: Store, count: int) -> None:
    rows = [(f"{number:04}", None if number % 3 else number) for number in range(count)]

    def work(db: Db) -> tuple[int, list[Row]]:
        inserted = db.insert_many("INSERT INTO item VALUES (?, ?)", rows)
        return inserted, db.execute("SELECT name, size FROM item ORDER BY name")

    assert await store.run(work) == (count, rows)


@pytest.mark.parametrize(
    ("conflict", "written", "size"),
    [("DO NOTHING", 70, 1), ("DO UPDATE SET size = excluded.size", 100, 2)],
)
async def test_rows_in_conflict_are_counted_as_what_became_of_them(
    store: Store, conflict: str, written: int, size: int
) -> None:
    statement = f"INSERT INTO item VALUES (?, ?) ON CONFLICT (name) {conflict}"

    def work(db: Db) -> tuple[int, list[Row]]:
        db.insert_many(statement, [(f"{number:04}", 1) for number in range(30)])
        inserted = db.insert_many(statement, [(f"{number:04}", 2) for number in range(100)])
        return inserted, db.execute("SELECT COUNT(*) FROM item WHERE size = ?", (size,))

    inserted, ((count,),) = await store.run(work)
    assert inserted == written
    assert count == (30 if size == 1 else 100)


async def test_one_bad_row_of_many_that_are_inserted_leaves_nothing(store: Store) -> None:
    rows = [*((f"{number:04}", 1) for number in range(70)), ("0003", 2)]
    with pytest.raises(LedgerError, match=r"(?i)unique"):
        await store.run(lambda db: db.insert_many("INSERT INTO item VALUES (?, ?)", rows))
    assert await store.run(names) == []


async def test_the_clock_of_the_store_does_not_stand_still_in_a_transaction(store: Store) -> None:
    def work(db: Db) -> tuple[float, float]:
        first = db.now()
        while (second := db.now()) == first:
            pass
        return first, second

    first, second = await store.run(work)
    assert 1_700_000_000 < first < second


async def test_the_loop_is_not_blocked_and_the_thread_is_one(store: Store) -> None:
    threads = await asyncio.gather(*(store.run(lambda _: threading.get_ident()) for _ in range(5)))
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_cancelling_a_caller_does_not_tear_its_transaction(store: Store) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(db: Db) -> None:
        begun.set()
        assert may_end.wait(10)
        put("whole")(db)

    caller = asyncio.create_task(store.run(slow))
    queued = asyncio.create_task(store.run(put("queued")))
    await asyncio.to_thread(begun.wait, 10)
    for task in (caller, queued):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    may_end.set()
    assert await store.run(names) == ["queued", "whole"]


async def test_any_thread_with_any_loop_may_call(store: Store) -> None:
    async def many(first: int) -> None:
        await asyncio.gather(
            *(store.run(put(f"{number:03}")) for number in range(first, first + 50))
        )

    await asyncio.gather(
        many(0),
        asyncio.to_thread(lambda: asyncio.run(many(50))),
        asyncio.to_thread(lambda: asyncio.run(many(100))),
    )
    assert await store.run(names) == [f"{number:03}" for number in range(150)]


async def test_a_caller_whose_loop_is_gone_harms_nobody(store: Store) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(db: Db) -> None:
        begun.set()
        assert may_end.wait(10)
        put("orphan")(db)

    async def leave() -> None:
        task = asyncio.create_task(store.run(slow))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()

    await asyncio.to_thread(lambda: asyncio.run(leave()))
    may_end.set()
    assert await store.run(names) == ["orphan"]


@pytest.mark.parametrize("kind", DURABLE)
async def test_closing_finishes_what_is_queued(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = open_store(location(kind, request, tmp_path), SCHEMA)
    tasks = [asyncio.create_task(store.run(put(str(number)))) for number in range(20)]
    await asyncio.sleep(0)  # every one is queued now
    await store.aclose()
    await asyncio.gather(*tasks)
    assert len(await store.run(names)) == 20
    await store.aclose()


async def test_closing_ends_the_thread(store: Store) -> None:
    thread = await store.run(lambda _: threading.current_thread())
    await store.aclose()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


async def test_a_cancelled_close_closes_all_the_same(store: Store) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(_: Db) -> threading.Thread:
        begun.set()
        assert may_end.wait(10)
        return threading.current_thread()

    working = asyncio.create_task(store.run(slow))
    await asyncio.to_thread(begun.wait, 10)
    closing = asyncio.create_task(store.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    may_end.set()
    thread = await working
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


async def test_closing_twice_or_unused_is_nothing(place: str) -> None:
    store = open_store(place, SCHEMA)
    await store.aclose()
    await store.run(names)
    await store.aclose()
    await store.aclose()


async def test_memory_is_forgotten() -> None:
    store = open_store(IN_MEMORY, SCHEMA)
    await store.run(put("a"))
    assert await store.run(names) == ["a"]
    await store.aclose()
    assert await store.run(names) == []
    await store.aclose()


def test_the_place_says_which_store_it_is(tmp_path: Path) -> None:
    assert isinstance(open_store(tmp_path / "file"), SqliteStore)
    assert isinstance(open_store(":memory:"), SqliteStore)
    assert isinstance(open_store("postgres://nobody@nowhere.invalid/x"), PostgresStore)
    assert isinstance(open_store("postgresql:///x"), PostgresStore)


@pytest.mark.parametrize("kind", ["mysql", "postgresql+psycopg", "https", "POSTGRESQL", "file"])
def test_the_url_of_another_kind_of_store_is_refused_without_its_password(kind: str) -> None:
    with pytest.raises(ConfigurationError, match="no store can be kept at") as caught:
        open_store(f"{kind}://me:secret@host/db")
    assert f"{kind}://" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "postgresql://" in caught.value.hint


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/a/file:with@signs", "/a/file:with@signs"),
        ("postgresql://me:se%40cret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgres://me:se:c/r@e?t@host/db", "postgres://me:***@host/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        (
            "postgresql://host/db?user=me&password=secret&sslmode=require",
            "postgresql://host/db?user=me&password=***&sslmode=require",
        ),
    ],
)
def test_a_place_is_shown_without_its_password(location: str, shown: str) -> None:
    assert without_secrets(location) == shown


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"OG_STATE_DIR": "/a", "XDG_STATE_HOME": "/b"}, "/a"),
        ({"XDG_STATE_HOME": "/b"}, "/b/opengradient"),
        ({"HOME": "/home/me"}, "/home/me/.local/state/opengradient"),
    ],
)
def test_where_state_is_kept(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: str
) -> None:
    for name in ("OG_STATE_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_folder() == Path(folder)

"""The store in PostgreSQL: several hosts' transactions at once, and a server that may go away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import NoneType
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from opengradient_sdk._core.store import Db, PostgresStore, Schema, grouped, postgres
from opengradient_sdk.errors import LedgerError

if TYPE_CHECKING:
    from support.postgres import PostgresServer

SCHEMA = Schema(
    "test",
    (
        "CREATE TABLE item (name TEXT PRIMARY KEY, size BIGINT NOT NULL)",
        "INSERT INTO item VALUES ('a', 0), ('b', 0)",
    ),
)
KILL_ME = "SELECT pg_terminate_backend(pg_backend_pid())"

Work = Callable[[Db], Any]


@pytest.fixture
async def store(fresh_database: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(fresh_database, SCHEMA)
    yield store
    await store.aclose()


@pytest.fixture
async def other(fresh_database: str) -> AsyncIterator[PostgresStore]:
    """The same store on another host."""
    store = PostgresStore(fresh_database, SCHEMA)
    yield store
    await store.aclose()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[psycopg.Connection[Any]]]:
    """Every connection that is made during the test."""
    connections: list[psycopg.Connection[Any]] = []
    connect = psycopg.connect

    def watched(*args: Any, **options: Any) -> psycopg.Connection[Any]:
        connections.append(connect(*args, **options))
        return connections[-1]

    monkeypatch.setattr(psycopg, "connect", watched)
    yield connections
    for connection in connections:
        connection.close()


def grow(name: str) -> Work:
    return lambda db: db.execute("UPDATE item SET size = size + 1 WHERE name = ?", (name,))


def sizes(db: Db) -> dict[str, int]:
    return dict(db.execute("SELECT name, size FROM item"))


class Held:
    """A work that stops in the middle until it is let go."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self, db: Db) -> Any:
        result = self._work(db)
        self.begun.set()
        assert self.may_end.wait(10)
        return result

    async def start(self, store: PostgresStore) -> asyncio.Task[Any]:
        task = asyncio.create_task(store.run(self))
        assert await asyncio.to_thread(self.begun.wait, 10)
        return task


async def together(store: PostgresStore, *works: Work) -> list[Any]:
    """Run the works in one group; return their results and errors in order."""
    gate = Held(sizes)
    task = await gate.start(store)
    group = [asyncio.create_task(store.run(work)) for work in works]
    await asyncio.sleep(0)  # they queue up
    gate.may_end.set()
    await task
    return await asyncio.gather(*group, return_exceptions=True)


async def test_a_commit_is_on_disk_and_locks_are_not_waited_for_without_end(
    store: PostgresStore,
) -> None:
    names = ("synchronous_commit", "transaction_isolation", "lock_timeout", "application_name")
    settings = await store.run(lambda db: [db.execute(f"SHOW {name}")[0][0] for name in names])
    assert settings == ["on", "read committed", "10s", "opengradient-sdk"]


async def test_the_clock_is_the_servers(store: PostgresStore) -> None:
    def both(db: Db) -> tuple[float, float, float]:
        before = db.execute("SELECT extract(epoch FROM clock_timestamp())")[0][0]
        now = db.now()
        return before, now, db.execute("SELECT extract(epoch FROM clock_timestamp())")[0][0]

    before, now, after = await store.run(both)
    assert before <= now <= after


async def test_closing_closes_the_connection(
    store: PostgresStore, opened: list[psycopg.Connection[Any]]
) -> None:
    await store.run(sizes)
    assert [connection.closed for connection in opened] == [False]
    await store.aclose()
    assert [connection.closed for connection in opened] == [True]


async def test_a_connection_that_died_in_idle_times_is_replaced(
    store: PostgresStore, other: PostgresStore, opened: list[psycopg.Connection[Any]]
) -> None:
    await store.run(grow("a"))
    pid = opened[0].info.backend_pid
    await other.run(lambda db: db.execute("SELECT pg_terminate_backend(?::int, 5000)", (pid,)))
    await store.run(grow("a"))
    assert await store.run(sizes) == {"a": 2, "b": 0}
    assert [connection.closed for connection in opened] == [True, False, False]


async def test_works_are_repeated_when_the_connection_is_lost_before_the_commit(
    store: PostgresStore,
) -> None:
    tries = []

    def unlucky(db: Db) -> None:
        tries.append(1)
        grow("a")(db)
        if len(tries) == 1:
            db.execute(KILL_ME)

    await store.run(unlucky)
    assert len(tries) == 2
    assert await store.run(sizes) == {"a": 1, "b": 0}


async def test_a_connection_that_is_lost_again_is_given_up(store: PostgresStore) -> None:
    tries = []

    def cursed(db: Db) -> None:
        tries.append(1)
        grow("a")(db)
        db.execute(KILL_ME)

    with pytest.raises(LedgerError, match="lost; nothing was written"):
        await store.run(cursed)
    assert len(tries) == 2
    assert await store.run(sizes) == {"a": 0, "b": 0}


async def test_a_work_that_hides_a_lost_connection_is_repeated_too(store: PostgresStore) -> None:
    tries = []

    def hiding(db: Db) -> None:
        tries.append(1)
        if len(tries) == 1:
            try:
                db.execute(KILL_ME)
            except grouped.AgainError:
                return
        grow("a")(db)

    await store.run(hiding)
    assert len(tries) == 2
    assert await store.run(sizes) == {"a": 1, "b": 0}


async def test_a_commit_of_unknown_outcome_is_not_repeated(store: PostgresStore) -> None:
    """The server takes COMMIT, and the connection is gone before it answers."""

    def arm(db: Db) -> None:
        db.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
        )
        db.execute(
            "CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON item DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION die()"
        )

    tries = []

    def count_and_grow(db: Db) -> None:
        tries.append(1)
        grow("a")(db)

    await store.run(arm)
    with pytest.raises(LedgerError, match="nobody knows") as error:
        await store.run(count_and_grow)
    assert len(tries) == 1
    assert "Read what is there" in error.value.hint
    assert await store.run(sizes) == {"a": 0, "b": 0}


async def test_a_commit_that_the_server_refuses_is_no_unknown_outcome(
    store: PostgresStore,
) -> None:
    def arm(db: Db) -> None:
        db.execute("CREATE TABLE part (item TEXT REFERENCES item DEFERRABLE INITIALLY DEFERRED)")

    await store.run(arm)
    with pytest.raises(LedgerError, match="violates foreign key"):
        await store.run(lambda db: db.execute("INSERT INTO part VALUES ('nowhere')"))
    assert await store.run(lambda db: db.execute("SELECT * FROM part")) == []


async def test_a_connection_that_is_lost_while_it_is_opened(
    fresh_database: str, opened: list[psycopg.Connection[Any]]
) -> None:
    store = PostgresStore(fresh_database, Schema("test", (KILL_ME,)))
    with pytest.raises(LedgerError, match="was lost; nothing was written"):
        await store.run(sizes)
    assert [connection.closed for connection in opened] == [True]
    await store.aclose()


async def test_a_statement_that_failed_unseen_is_no_success(store: PostgresStore) -> None:
    def hiding(db: Db) -> str:
        grow("a")(db)
        try:
            db.execute("SELECT nonsense")
        except LedgerError:
            return "fine"
        raise AssertionError

    with pytest.raises(LedgerError, match="kept nothing"):
        await store.run(hiding)
    outcomes = await together(store, grow("b"), hiding, grow("b"))
    assert [type(outcome) for outcome in outcomes] == [list, LedgerError, list]
    assert await store.run(sizes) == {"a": 0, "b": 2}


async def test_the_victim_of_a_deadlock_is_run_again(
    postgres: PostgresServer, fresh_database: str, store: PostgresStore, other: PostgresStore
) -> None:
    name = fresh_database.rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '50ms'")
    meeting = threading.Barrier(2)
    tries: list[str] = []

    def crossing(first: str, second: str) -> Work:
        def work(db: Db) -> None:
            tries.append(first)
            grow(first)(db)
            if tries.count(first) == 1:
                meeting.wait(10)
            grow(second)(db)

        return work

    await asyncio.gather(store.run(crossing("a", "b")), other.run(crossing("b", "a")))
    assert len(tries) > 2  # the server may choose both
    assert await store.run(sizes) == {"a": 2, "b": 2}


async def test_a_group_with_a_deadlock_is_run_one_by_one(store: PostgresStore) -> None:
    tries: list[str] = []

    def conflicting(db: Db) -> None:
        tries.append("conflicting")
        if len(tries) == 1:
            db.execute(_RAISE.format("40P01"))
        grow("a")(db)

    def hopeless(db: Db) -> None:
        db.execute(_RAISE.format("40001"))

    outcomes = await together(store, grow("b"), conflicting, hopeless, grow("b"))
    assert [type(outcome) for outcome in outcomes] == [list, NoneType, LedgerError, list]
    assert len(tries) == 2
    assert await store.run(sizes) == {"a": 1, "b": 2}


async def test_a_conflict_without_end_is_told(store: PostgresStore) -> None:
    tries: list[int] = []

    def conflicting(db: Db) -> None:
        tries.append(1)
        db.execute(_RAISE.format("40001"))

    with pytest.raises(LedgerError, match="not today"):
        await store.run(conflicting)
    assert len(tries) == grouped._TRIES


_RAISE = "DO $do$ BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = '{}'; END $do$"


async def test_a_group_does_not_wait_for_a_lock_while_it_holds_others(
    store: PostgresStore, other: PostgresStore
) -> None:
    def locked(lock: str, name: str) -> Work:
        def work(db: Db) -> None:
            db.lock(lock)
            grow(name)(db)

        return work

    elsewhere = Held(locked("taken", "a"))
    holder = await elsewhere.start(other)
    gate = Held(sizes)
    task = await gate.start(store)
    quick, late = (asyncio.create_task(store.run(locked(lock, "b"))) for lock in ("free", "taken"))
    await asyncio.sleep(0)
    gate.may_end.set()
    await asyncio.gather(task, quick)
    assert not late.done()
    elsewhere.may_end.set()
    await asyncio.gather(holder, late)
    assert await store.run(sizes) == {"a": 1, "b": 2}


async def test_a_lock_that_is_never_let_go_is_told(
    monkeypatch: pytest.MonkeyPatch, store: PostgresStore, other: PostgresStore
) -> None:
    monkeypatch.setattr(postgres, "_SETTINGS", b"SET lock_timeout TO '20ms'")
    elsewhere = Held(lambda db: db.lock("taken"))
    holder = await elsewhere.start(other)
    with pytest.raises(LedgerError, match="lock timeout") as error:
        await store.run(lambda db: db.lock("taken"))
    assert "Another program held a lock" in error.value.hint
    elsewhere.may_end.set()
    await holder
    await store.run(lambda db: db.lock("taken"))


async def test_a_server_that_starts_again_is_used_again(
    postgres: PostgresServer, store: PostgresStore
) -> None:
    await store.run(grow("a"))
    postgres.stop()
    try:
        with pytest.raises(LedgerError, match="cannot be opened"):
            await store.run(grow("a"))
    finally:
        postgres.start()
    await store.run(grow("a"))
    assert await store.run(sizes) == {"a": 2, "b": 0}

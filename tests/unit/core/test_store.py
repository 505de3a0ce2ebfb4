"""The durable store: private, one transaction at a time, and on disk when it says so."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk._core.store import IN_MEMORY, SqliteStore, default_folder
from opengradient_sdk.errors import ConfigurationError, LedgerError, Spent

SCHEMA = "CREATE TABLE IF NOT EXISTS item (name TEXT PRIMARY KEY);"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "store.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, SCHEMA)
    yield store
    await store.aclose()


def put(name: str, db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO item VALUES (?)", (name,))


def names(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM item ORDER BY name")]


async def test_nothing_is_made_before_it_is_needed(store: SqliteStore, path: Path) -> None:
    assert not path.parent.exists()
    await store.aclose()
    assert not path.parent.exists()


async def test_only_the_owner_can_read_it(store: SqliteStore, path: Path) -> None:
    await store.run(lambda db: put("a", db))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


async def test_what_was_written_is_there_after_closing(store: SqliteStore, path: Path) -> None:
    await store.run(lambda db: put("a", db))
    await store.aclose()
    assert await store.run(names) == ["a"]
    with sqlite3.connect(path) as other:
        assert names(other) == ["a"]
    other.close()


async def test_a_commit_is_on_disk(store: SqliteStore) -> None:
    synchronous, journal = await store.run(
        lambda db: tuple(
            db.execute(f"PRAGMA {pragma}").fetchone()[0]
            for pragma in ("synchronous", "journal_mode")
        )
    )
    assert (synchronous, journal) == (2, "wal")  # 2 is FULL


async def test_a_transaction_that_fails_leaves_nothing(store: SqliteStore) -> None:
    def half(db: sqlite3.Connection) -> None:
        put("half", db)
        put("half", db)

    with pytest.raises(LedgerError, match="UNIQUE") as error:
        await store.run(half)
    assert isinstance(error.value.__cause__, sqlite3.IntegrityError)
    assert error.value.spent is Spent.NO
    assert await store.run(names) == []


async def test_an_error_of_the_work_itself_rolls_back_too(store: SqliteStore) -> None:
    def broken(db: sqlite3.Connection) -> None:
        put("half", db)
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        await store.run(broken)
    assert await store.run(names) == []


async def test_the_loop_is_not_blocked_and_the_thread_is_one(store: SqliteStore) -> None:
    threads = await asyncio.gather(*(store.run(lambda _: threading.get_ident()) for _ in range(5)))
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_cancelling_a_caller_does_not_tear_its_transaction(store: SqliteStore) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        begun.set()
        assert may_end.wait(10)
        put("whole", db)

    caller = asyncio.create_task(store.run(slow))
    await asyncio.to_thread(begun.wait, 10)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    may_end.set()
    assert await store.run(names) == ["whole"]


async def test_memory_is_forgotten() -> None:
    store = SqliteStore(IN_MEMORY, SCHEMA)
    await store.run(lambda db: put("a", db))
    assert await store.run(names) == ["a"]
    await store.aclose()
    assert await store.run(names) == []
    await store.aclose()


async def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 100)
    store = SqliteStore(path, SCHEMA)
    for _ in range(2):
        with pytest.raises(LedgerError, match=r"letter\.txt"):
            await store.run(names)
    await store.aclose()
    assert path.read_text() == "Dear reader, " * 100


async def test_a_store_that_cannot_be_opened_is_closed_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def watched(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", watched)
    store = SqliteStore(tmp_path / "store.sqlite", "CREATE NONSENSE")
    with pytest.raises(LedgerError, match="syntax error"):
        await store.run(names)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")
    await store.aclose()


async def test_a_place_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = SqliteStore(tmp_path / "file" / "store.sqlite", SCHEMA)
    with pytest.raises(ConfigurationError, match="cannot be made") as error:
        await store.run(names)
    assert "store=" in error.value.hint
    await store.aclose()


async def test_closing_ends_the_thread(path: Path) -> None:
    store = SqliteStore(path, SCHEMA)
    await store.run(names)
    (thread,) = [t for t in threading.enumerate() if t.name.startswith("opengradient-store")]
    await store.aclose()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


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


async def test_a_new_file_can_be_opened_by_many_at_once(tmp_path: Path) -> None:
    """SQLite does not wait for the lock of the switch to its write-ahead log; the store does."""
    for round_ in range(10):
        stores = [SqliteStore(tmp_path / f"{round_}.sqlite", SCHEMA) for _ in range(6)]
        try:
            assert await asyncio.gather(*(store.run(names) for store in stores)) == [[]] * 6
        finally:
            for store in stores:
                await store.aclose()

"""The store in a file: private, on disk when it says so, and clear about what is wrong."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk._core.store import Db, Schema, SqliteStore, sqlite
from opengradient_sdk.errors import ConfigurationError, LedgerError

SCHEMA = Schema("test", ("CREATE TABLE item (name TEXT PRIMARY KEY)",))


# in a process of its own: no file is read-only to root, who may run the tests
WITHOUT_RIGHTS = """
import asyncio, os, sqlite3, tempfile
from pathlib import Path
from opengradient_sdk._core.store import Schema, SqliteStore

async def use(path, statement):
    store = SqliteStore(path, Schema("test", ("CREATE TABLE item (name TEXT)",)))
    try:
        return await store.run(lambda db: db.execute(statement))
    except Exception as error:
        print(f"{type(error).__name__}: {error.short_message.rpartition('/')[2]}")
    finally:
        await store.aclose()

async def main(folder):
    path = folder / "store.sqlite"
    put = "INSERT INTO item VALUES ('a')"
    await use(path, put)
    path.chmod(0o400)
    await use(path, put)
    path.chmod(0o600)
    folder.chmod(0o500)
    await use(path, put)
    await use(folder / "new.sqlite", put)
    folder.chmod(0o700)
    path.chmod(0)
    await use(path, put)
    path.chmod(0o600)
    print(await use(path, "SELECT name FROM item"))

with asyncio.Runner() as runner:
    runner.run(asyncio.to_thread(int))  # loads what a stranger may not be able to read
    if os.geteuid() == 0:
        os.setuid(65534)
    with tempfile.TemporaryDirectory() as folder:
        runner.run(main(Path(folder)))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "store.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, SCHEMA)
    yield store
    await store.aclose()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[sqlite3.Connection]]:
    """Every connection that is made during the test."""
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def watched(*args: Any, **options: Any) -> sqlite3.Connection:
        connections.append(connect(*args, **options))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", watched)
    yield connections
    for connection in connections:
        connection.close()


def names(db: Db) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM item ORDER BY name")]


def put_a(db: Db) -> None:
    db.execute("INSERT INTO item VALUES ('a')")


def is_closed(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


async def test_nothing_is_made_before_it_is_needed(store: SqliteStore, path: Path) -> None:
    assert not path.parent.exists()
    await store.aclose()
    assert not path.parent.exists()


async def test_only_the_owner_can_read_it(store: SqliteStore, path: Path) -> None:
    await store.run(put_a)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


async def test_a_commit_is_on_disk(store: SqliteStore) -> None:
    synchronous, journal = await store.run(
        lambda db: [
            value
            for pragma in ("synchronous", "journal_mode")
            for (value,) in db.execute(f"PRAGMA {pragma}")
        ]
    )
    assert (synchronous, journal) == (2, "wal")  # 2 is FULL


async def test_a_file_keeps_the_pages_that_it_was_made_with(tmp_path: Path) -> None:
    def pages(path: Path) -> int:
        with closing(sqlite3.connect(path)) as connection:
            ((size,),) = connection.execute("PRAGMA page_size")
        return int(size)

    async def use(path: Path) -> None:
        store = SqliteStore(path, SCHEMA)
        await store.run(lambda db: db.execute("INSERT INTO item VALUES ('a')"))
        await store.aclose()

    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA page_size=4096")
        connection.execute("CREATE TABLE other (name TEXT)")
    await use(old)
    await use(new)
    assert (pages(old), pages(new)) == (4096, 8192)


async def test_what_is_deleted_is_overwritten(store: SqliteStore, path: Path) -> None:
    def on_disk() -> bytes:
        return b"".join(file.read_bytes() for file in path.parent.iterdir())

    secret = "what nobody may read again " * 1000
    await store.run(lambda db: db.execute("INSERT INTO item VALUES (?)", (secret,)))
    assert b"nobody may read" in on_disk()
    await store.run(lambda db: db.execute("DELETE FROM item"))
    await store.aclose()
    assert b"nobody may read" not in on_disk()


async def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 100)
    store = SqliteStore(path, SCHEMA)
    for _ in range(2):
        with pytest.raises(LedgerError, match=r"letter\.txt is not a database"):
            await store.run(names)
    await store.aclose()
    assert path.read_text() == "Dear reader, " * 100


async def test_a_folder_is_no_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, SCHEMA)
    with pytest.raises(LedgerError, match="cannot be opened") as error:
        await store.run(names)
    assert "Is it a file" in error.value.hint
    await store.aclose()


async def test_a_place_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = SqliteStore(tmp_path / "file" / "store.sqlite", SCHEMA)
    with pytest.raises(ConfigurationError, match="cannot be made") as error:
        await store.run(names)
    assert "store=" in error.value.hint
    await store.aclose()


async def test_a_store_that_cannot_be_opened_is_closed_again(
    tmp_path: Path, opened: list[sqlite3.Connection]
) -> None:
    store = SqliteStore(tmp_path / "store.sqlite", Schema("test", ("CREATE NONSENSE",)))
    with pytest.raises(LedgerError, match="syntax error"):
        await store.run(names)
    assert [is_closed(connection) for connection in opened] == [True]
    await store.aclose()


async def test_closing_closes_the_file(
    store: SqliteStore, opened: list[sqlite3.Connection]
) -> None:
    await store.run(put_a)
    assert [is_closed(connection) for connection in opened] == [False]
    await store.aclose()
    assert [is_closed(connection) for connection in opened] == [True]


async def test_a_store_that_another_program_keeps_locked(
    monkeypatch: pytest.MonkeyPatch, store: SqliteStore, path: Path
) -> None:
    monkeypatch.setattr(sqlite, "_LOCK_TIMEOUT", 0.05)
    await store.run(put_a)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="locked by another program") as error:
            await store.run(names)
        assert "another program" in error.value.hint
        other.execute("ROLLBACK")
        assert await store.run(names) == ["a"]
    finally:
        other.close()


async def test_a_new_file_that_another_program_keeps_locked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sqlite, "_LOCK_TIMEOUT", 0.05)
    other = sqlite3.connect(tmp_path / "new.sqlite", isolation_level=None)
    store = SqliteStore(tmp_path / "new.sqlite", SCHEMA)
    try:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="locked by another program"):
            await store.run(names)
        other.execute("ROLLBACK")
        assert await store.run(names) == []
    finally:
        other.close()
        await store.aclose()


def test_a_place_that_may_not_be_written_says_so() -> None:
    command = [sys.executable, "-W", "error", "-c", WITHOUT_RIGHTS]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "LedgerError: store.sqlite is read-only",
        "LedgerError: store.sqlite is read-only",
        "ConfigurationError: new.sqlite cannot be made: Permission denied",
        "LedgerError: store.sqlite is read-only",
        "[('a',)]",
    ]


async def test_a_full_disk_is_told_and_the_store_goes_on(store: SqliteStore) -> None:
    def full(db: Db) -> None:
        db.execute("PRAGMA max_page_count = 1")  # it becomes the present number of pages
        db.execute("CREATE TABLE big (text TEXT)")
        db.execute("INSERT INTO big VALUES (?)", ("x" * 100_000,))

    await store.run(put_a)
    with pytest.raises(LedgerError, match="disk is full"):
        await store.run(full)
    await store.aclose()
    assert await store.run(names) == ["a"]


async def test_a_store_from_before_versions_is_taken_over(store: SqliteStore, path: Path) -> None:
    path.parent.mkdir(parents=True)
    old = sqlite3.connect(path)
    old.execute('CREATE TABLE "authorization" (nonce TEXT PRIMARY KEY)')
    old.execute("INSERT INTO \"authorization\" VALUES ('7')")
    old.commit()
    old.close()
    step = 'CREATE TABLE IF NOT EXISTS "authorization" (nonce TEXT PRIMARY KEY)'
    new = SqliteStore(path, Schema("payments", (step,)))
    assert await new.run(lambda db: db.execute('SELECT * FROM "authorization"')) == [("7",)]
    await new.aclose()


def test_importing_it_does_not_load_a_database() -> None:
    code = (
        "import sys, opengradient_sdk._core.store\n"
        "print([name for name in ('sqlite3', 'psycopg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"

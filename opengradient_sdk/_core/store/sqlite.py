"""A store in one SQLite file, which several processes of one host may share."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...errors import ConfigurationError, LedgerError
from .batches import batches
from .db import Row, Schema, Value
from .grouped import GroupedStore
from .migrations import migrate

if TYPE_CHECKING:
    import sqlite3

IN_MEMORY: Final = ":memory:"

_LOCK_TIMEOUT: Final = 10.0
_LOCK_RETRY: Final = 0.002

_PAGE: Final = 8192
"""Bytes of a page of a new file: three rows of the ledger, where the usual 4,096 hold one."""
_CACHE: Final = 64 * 1024
"""KiB of pages in memory at most; ids are random, and their index is touched all over."""
_LOG: Final = 4000
"""Pages of the write-ahead log that are copied into the file in one go."""

_READ_ONLY: Final = (
    "is read-only",
    "Make the file and its folder writable, or pass store= another place.",
)
_NOTHING_IS_PAID: Final = "Nothing is paid while the journal cannot be written. "


class SqliteStore(GroupedStore):
    """A store in a SQLite file, or in memory (``":memory:"``, forgotten when it is closed).

    When ``run`` returns, its transaction is on disk (``synchronous=FULL``). What is deleted is
    overwritten; the write-ahead log beside the file may hold it until the store is closed. The file
    and its folder are made readable by their owner only.
    """

    def __init__(self, location: str | os.PathLike[str], *schemas: Schema) -> None:
        super().__init__(lambda: _SqliteEngine(os.fspath(location), schemas))


class _SqliteEngine:
    """The one connection of a store to its file."""

    def __init__(self, location: str, schemas: Sequence[Schema]) -> None:
        self._location = location
        self._schemas = schemas
        self._db: _SqliteDb | None = None

    def begin(self) -> _SqliteDb:
        if self._db is None:
            self._db = self._open()
        self._db.begin()
        return self._db

    def commit(self) -> None:
        if self._db is not None:
            self._db.execute("COMMIT")

    def rollback(self) -> None:
        if self._db is not None and not self._db.rollback():
            self.close()  # which undoes it, too

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _open(self) -> _SqliteDb:
        import sqlite3

        if self._location != IN_MEMORY:
            _make_private(Path(self._location))
        try:
            connection = sqlite3.connect(
                self._location,
                timeout=0,  # `patiently` waits
                check_same_thread=False,
                isolation_level=None,
            )
        except sqlite3.Error as error:
            raise _failure(self._location, error) from error
        db = _SqliteDb(connection, self._location)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: _SqliteDb) -> None:
        db.execute(f"PRAGMA page_size={_PAGE}")  # a file that is there keeps its own
        db.patiently("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten, too
        db.execute(f"PRAGMA cache_size=-{_CACHE}")
        db.execute(f"PRAGMA wal_autocheckpoint={_LOG}")
        db.begin()
        migrate(db, self._schemas)
        db.execute("COMMIT")


class _SqliteDb:
    """The ``Db`` of an open SQLite transaction."""

    patient = True
    _savepoint = False

    def __init__(self, connection: sqlite3.Connection, location: str) -> None:
        import sqlite3

        self._error = sqlite3.Error
        self._connection = connection
        self._location = location

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except self._error as error:
            raise _failure(self._location, error) from error

    def execute_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> None:
        try:
            self._connection.executemany(statement, rows)
        except self._error as error:
            raise _failure(self._location, error) from error

    def insert_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> int:
        execute = self._connection.execute
        try:
            return sum(execute(*batch).rowcount for batch in batches(statement, rows))
        except self._error as error:
            raise _failure(self._location, error) from error

    def lock(self, name: str) -> None:
        """Do nothing: the one writer of a SQLite file is alone already."""

    def now(self) -> float:
        return time.time()

    def begin(self) -> None:
        # the lock for writing first: a reader that wants to write later may have to start again
        self.patiently("BEGIN IMMEDIATE")
        self._savepoint = False

    def savepoint(self) -> None:
        if self._savepoint:
            self.execute("RELEASE work")
        self.execute("SAVEPOINT work")
        self._savepoint = True

    def undo(self) -> None:
        self.execute("ROLLBACK TO work")

    def check(self) -> None:
        if not self._connection.in_transaction:  # SQLite gave it up: the disk is full, or broken
            raise LedgerError(f"the store {self._location} lost its transaction")

    def patiently(self, statement: str) -> None:
        """Execute ``statement`` as soon as no other process has the file locked.

        SQLite would wait, too, but ever longer between two looks: beside a busy process it may
        not get its turn at all. For the switch to the write-ahead log it does not wait.
        """
        give_up = time.monotonic() + _LOCK_TIMEOUT
        while True:
            try:
                self._connection.execute(statement)
            except self._error as error:
                if not _is_locked(error) or time.monotonic() > give_up:
                    raise _failure(self._location, error) from error
                time.sleep(_LOCK_RETRY)  # that lock has no event; and this is no event loop
            else:
                return

    def rollback(self) -> bool:
        """Undo the transaction, where a failure has not done so; ``False`` if that failed, too."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except self._error:
            return False
        return True

    def close(self) -> None:
        self._connection.close()


def _is_locked(error: sqlite3.Error) -> bool:
    import sqlite3

    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: sqlite3.Error) -> int | None:
    """Return the primary result code, where SQLite itself and not its Python module failed."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _failure(location: str, error: sqlite3.Error) -> LedgerError:
    import sqlite3

    what, hint = {
        sqlite3.SQLITE_BUSY: (
            f"was locked by another program for more than {_LOCK_TIMEOUT:g} seconds",
            "Is another program holding it open? Close it and try again.",
        ),
        sqlite3.SQLITE_READONLY: _READ_ONLY,
        sqlite3.SQLITE_CANTOPEN: (
            "cannot be opened",
            "Is it a file in a folder that this user may write to? Pass store= another place.",
        ),
        sqlite3.SQLITE_NOTADB: (
            "is not a database; it was left as it is",
            "Pass store= the path of a store, or of a file that does not exist yet.",
        ),
        sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "Make room on the disk."),
    }.get(
        _code(error) or -1,
        (f"failed: {error}", "Check the disk, or pass store= another place."),
    )
    return _error(location, what, hint)


def _error(location: str, what: str, hint: str) -> LedgerError:
    return LedgerError(f"the store {location} {what}", hint=_NOTHING_IS_PAID + hint)


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise ConfigurationError(
            f"the store {path} cannot be made: {error.strerror}",
            hint="Pass store= a writable path, or set OG_STATE_DIR.",
        ) from error
    if not os.access(path, os.W_OK):
        # SQLite would make its other files read-only, too, and leave them there
        raise _error(str(path), *_READ_ONLY)

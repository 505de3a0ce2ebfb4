"""A durable local store: one SQLite file, written by one thread."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import ConfigurationError, LedgerError

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

IN_MEMORY: Final = ":memory:"

_LOCK_TIMEOUT: Final = 10.0
_LOCK_RETRY: Final = 0.02


def default_folder() -> Path:
    """Return the folder for this user's state: ``OG_STATE_DIR``, else the XDG state folder."""
    chosen = os.environ.get("OG_STATE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "opengradient"


class SqliteStore:
    """Runs functions on a SQLite connection, one at a time, off the event loop.

    Every function is one transaction; when ``run`` returns, it is on disk (``synchronous=FULL``).
    The file and its folder are made readable by their owner only. Nothing is opened before the
    first ``run``. Several processes may share the file.
    """

    def __init__(self, location: Path | str, schema: str) -> None:
        self._location = location
        self._schema = schema
        self._connection: sqlite3.Connection | None = None
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in one durable transaction and return its result.

        Cancelling the caller does not tear the transaction: it is finished, then cancelled.

        Raises:
            LedgerError: The store cannot be opened or written (disk full, locked, not a database).
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="opengradient-store")
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._executor, self._transaction, work))

    async def aclose(self) -> None:
        """Close the file; ``run`` opens it again."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        await asyncio.get_running_loop().run_in_executor(executor, self._close)
        executor.shutdown(wait=False)

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        import sqlite3

        try:
            connection = self._opened()
            with connection:
                return work(connection)
        except sqlite3.Error as error:
            raise LedgerError(
                f"the store {self._location} failed: {error}",
                hint="Nothing is paid while the journal cannot be written. Check the disk, or "
                "pass store= another place.",
            ) from error

    def _opened(self) -> sqlite3.Connection:
        import sqlite3

        if self._connection is None:
            if self._location != IN_MEMORY:
                _make_private(Path(self._location))
            connection = sqlite3.connect(
                self._location, timeout=_LOCK_TIMEOUT, check_same_thread=False
            )
            try:
                _use_wal(connection)
                connection.execute("PRAGMA synchronous=FULL")
                connection.executescript(self._schema)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, once in a file's life.

    Processes that open a new file at once get in each other's way here, and SQLite does not wait
    for this lock as it does for others: two that both hold a read lock would wait for ever.
    """
    import sqlite3

    give_up = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(_LOCK_RETRY)  # another process's lock has no event; this is no event loop
        else:
            return


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the store {path} cannot be made: {error.strerror}",
            hint="Pass store= a writable path, or set OG_STATE_DIR.",
        ) from error

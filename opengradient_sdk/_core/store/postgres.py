"""A store in a PostgreSQL database, which many hosts may share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ...errors import ConfigurationError, LedgerError
from .batches import batches
from .db import Row, Schema, Value
from .grouped import AgainError, ConflictError, ConnectionLostError, GroupedStore, LockTakenError
from .migrations import migrate
from .postgres_dialect import numbered, speak_plainly
from .postgres_url import read_url, without_secrets

if TYPE_CHECKING:
    import psycopg

_SETTINGS: Final = (
    b"SET synchronous_commit TO on;"
    b"SET default_transaction_isolation TO 'read committed';"
    b"SET lock_timeout TO '10s';"
    # a host that is suspended inside a transaction must not hold its locks for ever
    b"SET idle_in_transaction_session_timeout TO '60s'"
)

_HINTS: Final = {
    "25006": "The server takes no writes: is it a standby? Name the primary in store=.",
    "42501": "Let this user make and write tables there, or name another user in store=.",
    "53100": "Make room on the server's disk.",
    "55P03": "Another program held a lock for more than 10 seconds. Is it stuck?",
}


class PostgresStore(GroupedStore):
    """A store in a PostgreSQL database; every process that names it shares it.

    When ``run`` returns, the server has its transaction on disk (``synchronous_commit=on``). One
    connection is used: to the server itself, or through a pooler in session mode. Transactions
    are READ COMMITTED: a work that writes by what it has read takes a ``lock`` first.
    """

    def __init__(self, url: str, *schemas: Schema) -> None:
        super().__init__(lambda: _PostgresEngine(url, schemas))


class _PostgresEngine:
    """The one connection of a store to its server."""

    def __init__(self, url: str, schemas: Sequence[Schema]) -> None:
        self._url = url
        self._schemas = schemas
        self._db: _PostgresDb | None = None

    def begin(self) -> _PostgresDb:
        db = self._db
        if db is None:
            db = self._db = self._open()
        try:
            db.begin()
        except BaseException:
            self.close()
            raise
        return db

    def commit(self) -> None:
        if self._db is not None:
            self._db.commit()

    def rollback(self) -> None:
        if self._db is not None and not self._db.rollback():
            self.close()

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _open(self) -> _PostgresDb:
        db = _PostgresDb(_connect(self._url), without_secrets(self._url))
        try:
            self._prepare(db)
        except AgainError as error:
            db.close()
            raise error.reason from error.__cause__
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: _PostgresDb) -> None:
        db.use_settings()
        db.begin()
        migrate(db, self._schemas)
        db.commit()


class _PostgresDb:
    """The ``Db`` of an open PostgreSQL transaction."""

    def __init__(self, connection: psycopg.Connection[Row], name: str) -> None:
        import psycopg

        self._error = psycopg.Error
        self._in_error = psycopg.pq.TransactionStatus.INERROR
        self._connection = connection
        self._cursor = psycopg.RawCursor(connection)
        self._name = name
        self._savepoint = False
        self.patient = True

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        cursor = self._cursor
        try:
            cursor.execute(numbered(statement), values)
            return cursor.fetchall() if cursor.description else []
        except self._error as error:
            raise self._failure(error) from error

    def execute_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> None:
        try:
            self._cursor.executemany(numbered(statement), rows)
        except self._error as error:
            raise self._failure(error) from error

    def insert_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> int:
        cursor = self._cursor
        try:
            return sum(
                cursor.execute(numbered(of_many), values).rowcount
                for of_many, values in batches(statement, rows)
            )
        except self._error as error:
            raise self._failure(error) from error

    def lock(self, name: str) -> None:
        if self.patient:
            self.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (name,))
            return
        statement = "SELECT pg_try_advisory_xact_lock(hashtextextended(?, 0))"
        ((taken,),) = self.execute(statement, (name,))
        if not taken:
            raise LockTakenError

    def now(self) -> float:
        ((seconds,),) = self.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(seconds)

    def use_settings(self) -> None:
        self._tell(_SETTINGS)

    def begin(self) -> None:
        self._tell(b"BEGIN")
        self._savepoint = False
        self.patient = True

    def savepoint(self) -> None:
        # in one message: each takes a round trip
        self._tell(b"RELEASE work; SAVEPOINT work" if self._savepoint else b"SAVEPOINT work")
        self._savepoint = True

    def undo(self) -> None:
        self._tell(b"ROLLBACK TO work")

    def check(self) -> None:
        if self._connection.info.transaction_status is self._in_error:
            raise LedgerError(
                f"the store {self._name} kept nothing: a statement of this transaction had failed"
            )

    def commit(self) -> None:
        """Commit; tell apart what failed before from what may have failed after."""
        if self._connection.closed:
            raise ConnectionLostError(self._lost())
        try:
            self._cursor.execute(b"COMMIT")
        except self._error as error:
            if not self._connection.closed:
                raise self._failure(error) from error
            raise LedgerError(
                f"the connection to the store {self._name} was lost during a commit: nobody"
                " knows whether the transaction was kept",
                hint="It was not tried again. Read what is there before writing it once more.",
            ) from error

    def rollback(self) -> bool:
        """Undo the transaction; ``False`` when the connection is of no more use."""
        if self._connection.closed:
            return False
        try:
            self._cursor.execute(b"ROLLBACK")
        except self._error:
            return False
        return True

    def close(self) -> None:
        self._connection.close()

    def _tell(self, statements: bytes) -> None:
        try:
            self._cursor.execute(statements)
        except self._error as error:
            raise self._failure(error) from error

    def _failure(self, error: psycopg.Error) -> Exception:
        if self._connection.closed:
            return ConnectionLostError(self._lost())
        state = error.sqlstate or ""
        failure = LedgerError(
            f"the store {self._name} failed: {error.diag.message_primary or error}",
            hint=_HINTS.get(state, "Nothing is paid while the journal cannot be written."),
        )
        return ConflictError(failure) if state.startswith("40") else failure

    def _lost(self) -> LedgerError:
        return LedgerError(
            f"the connection to the store {self._name} was lost; nothing was written",
            hint="Is PostgreSQL still running there? Try again when it is.",
        )


def _connect(url: str) -> psycopg.Connection[Row]:
    try:
        import psycopg
    except ImportError as error:
        raise ConfigurationError(
            "a PostgreSQL store needs psycopg",
            hint="pip install 'opengradient-sdk[postgres]'",
        ) from error
    conninfo = read_url(url)
    try:
        connection = psycopg.connect(conninfo, autocommit=True)
    except psycopg.Error as error:
        raise LedgerError(
            f"the store {without_secrets(url)} cannot be opened: {' '.join(str(error).split())}",
            hint="Is PostgreSQL running there, and are user, password and database right?",
        ) from error
    speak_plainly(connection)
    return connection

"""Lines that nobody waits for: written while calls are under way, many at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from ..._core.gathering import Gathering
from ..._core.store import Db, Value
from ..state import OpenAuthorization
from . import authorizations, calls, refusals
from .holders import Desk
from .records import CallRecord
from .refusals import Refusal

_Line: TypeAlias = CallRecord | OpenAuthorization | Refusal


class Lines:
    """Gathers lines; of a call, and of an authorization, only the last is written.

    Lines that cannot be written are kept and tried again; until then ``require_writable`` raises.
    """

    def __init__(
        self, gathering: Gathering, desk: Desk, join: Callable[[], Awaitable[None]]
    ) -> None:
        self._queue = gathering.queue("the journal", _LineWriter(desk, join))

    def __repr__(self) -> str:
        return f"Lines({self._queue!r})"

    def call(self, record: CallRecord) -> None:
        """Write a call soon, as it is then."""
        self._queue.add(record, _key_of_call(record.id))

    def life(self, life: OpenAuthorization) -> None:
        """Write soon what became of an authorization, as it is then."""
        self._queue.add(life, f"authorization {life.authorization.nonce}")

    def refusal(self, refusal: Refusal) -> None:
        """Write a refusal soon."""
        self._queue.add(refusal)

    def forget_call(self, id_: str) -> None:
        """Leave a call out whose last line was written otherwise."""
        self._queue.forget(_key_of_call(id_))

    def require_writable(self) -> None:
        """Return if the last lines could be written; if not, try them again now.

        Raises:
            LedgerError: They could not.
        """
        self._queue.require_writable()

    async def flushed(self) -> None:
        """Return when everything that was added before is durable.

        Raises:
            LedgerError: It could not be written. It is kept.
        """
        await self._queue.flushed()

    def close(self) -> None:
        """Start no further writing by itself, whatever is added.

        A call that ends after its client has left is written down by the leaving: as one of which
        nobody knows how it ended.
        """
        self._queue.close()


class _LineWriter:
    """Writes lines as rows of the journal, once its client has joined."""

    def __init__(self, desk: Desk, join: Callable[[], Awaitable[None]]) -> None:
        self._desk = desk
        self._join = join

    async def ready(self) -> None:
        await self._join()

    def work(self, lines: Sequence[_Line]) -> Callable[[Db], None]:
        rows = [self._row_of(line) for line in lines]  # now: a call and a life go on changing

        def those_of(statement: str) -> list[tuple[Value, ...]]:
            return [row for which, row in rows if which is statement]

        def write(db: Db) -> None:
            # a call is there once: a later line of it takes the place of the one that waits
            db.insert_many(calls.PUT_MINE, those_of(calls.PUT_MINE))
            db.insert_many(refusals.INSERT, those_of(refusals.INSERT))
            if notes := those_of(authorizations.NOTE):
                db.execute_many(authorizations.NOTE, notes)

        return write

    def written(self, result: None) -> None:
        """Do nothing: what is durable leaves no trace here."""

    def _row_of(self, line: _Line) -> tuple[str, tuple[Value, ...]]:
        """Return the statement that writes a line, and its values."""
        if isinstance(line, CallRecord):
            return calls.PUT_MINE, calls.row_of(self._desk, line)
        if isinstance(line, OpenAuthorization):
            return authorizations.NOTE, authorizations.note_of(self._desk, line)
        return refusals.INSERT, refusals.row_of(self._desk, line)


def _key_of_call(id_: str) -> str:
    return f"call {id_}"

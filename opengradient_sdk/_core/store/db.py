"""What a store lets its users do: short transactions of plain SQL, durable when they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Value = str | int | float | None
"""What a column holds. Whole numbers above 63 bits and byte strings are kept as text."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one room, as the steps that made them.

    Each step is one statement and is run once in a store's life, in order: to change a table, add
    a step. What has been released is never edited.
    """

    room: str
    steps: tuple[str, ...]


class Db(Protocol):
    """An open transaction. Statements are SQL that SQLite and PostgreSQL both understand.

    Placeholders are ``?``. Columns are TEXT, BIGINT or DOUBLE PRECISION.

    Other processes' transactions may run at the same time (READ COMMITTED, on PostgreSQL): what
    writes by what it has read takes a ``lock`` first, and several locks always in the same order.
    A statement's ``LedgerError`` ends the work: one that catches it and goes on is not kept.
    """

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run one statement; return its rows (``SELECT`` and ``RETURNING``), else an empty list.

        Raises:
            LedgerError: It failed, by a constraint for example; the driver's error is its cause.
        """
        ...

    def execute_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> None:
        """Run one statement for each row of values."""
        ...

    def insert_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> int:
        """Insert many rows with few statements; return how many were inserted or updated.

        Args:
            statement: ``INSERT … VALUES (?, …)`` of one row, whatever follows; no ``RETURNING``.
            rows: Their values. With ``ON CONFLICT … DO UPDATE``, no two that are in conflict.
        """
        ...

    def lock(self, name: str) -> None:
        """Wait until no other process's transaction holds ``name``; held until this one ends.

        Raises:
            LedgerError: Another program held it for more than ten seconds.
        """
        ...

    def now(self) -> float:
        """Return Unix seconds by the one clock that all users of this store share."""
        ...


class Store(Protocol):
    """Where things are written down."""

    async def run(self, work: Callable[[Db], T]) -> T:
        """Run ``work`` in one durable transaction and return its result.

        When ``work`` raises, nothing it did is kept. It must do nothing but use its ``Db``: after
        a conflict with another process it may be run again. Cancelling the caller does not tear
        the transaction: it is finished, then cancelled.

        Raises:
            LedgerError: The store cannot be opened or written.
        """
        ...

    async def run_all(self, works: Sequence[Callable[[Db], Any]]) -> list[Any]:
        """Run several works as ``run`` does, together; return what each returned or raised.

        They become durable in one transaction, in their order. One that raises is undone alone.
        """
        ...

    async def aclose(self) -> None:
        """Close it; ``run`` opens it again."""
        ...

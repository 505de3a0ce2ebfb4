"""Reading receipts: a few statements for many of them, and no work on the event loop."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from .._core.store import Db, Row, Store, Value
from .._core.vault import Vault
from ..errors import LedgerError
from ..types import Address
from .entries import placeholders
from .query import Condition, ReceiptQuery
from .receipt import Receipt
from .standing import Told, Written, documents_named, standing

_COLUMNS: Final = "id, nonce, owner, network, created_at, writer, seq"
_CHUNK: Final = 500
"""Values in one statement."""
_MANY: Final = 512
"""Documents that are remembered: every node has one or two."""
_FEW: Final = 4
"""Receipts that are put together on the event loop: a quarter of a millisecond."""


class Reader:
    """Reads from the ledger's tables, whoever wrote them."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault
        self._documents: dict[str, bytes] = {}

    async def find(
        self, condition: str, values: Sequence[Value], *, limit: int, newest_first: bool = False
    ) -> list[Written]:
        """Return what is written of the receipts that meet a condition on ``ledger_receipt``.

        Raises:
            LedgerError: The store cannot be read.
        """
        return await self._find([(condition, list(values))], limit, newest_first=newest_first)

    async def matching(self, query: ReceiptQuery, owner: Address, network: str) -> list[Written]:
        """Return what is written of the receipts that match.

        ``owner`` and ``network`` stand in for those that the query leaves out.

        Raises:
            LedgerError: The store cannot be read.
        """
        branches = query.branches(owner, network)
        return await self._find(branches, query.limit, newest_first=query.newest_first)

    async def _find(
        self, branches: Sequence[Condition], limit: int, *, newest_first: bool
    ) -> list[Written]:
        await self._vault.open()
        statement = _statement([terms for terms, _ in branches], newest_first=newest_first)
        values = [value for _, each in branches for value in (*each, limit)]
        if len(branches) > 1:
            values.append(limit)
        rows, later = await self._store.run(lambda db: _found(db, statement, values))
        if len(rows) <= _FEW:
            return _put_together(rows, later)
        return await asyncio.to_thread(_put_together, rows, later)

    async def receipts(
        self, found: Sequence[Written], waiting: Mapping[str, bytes] = MappingProxyType({})
    ) -> tuple[Receipt, ...]:
        """Return receipts as they stand; ``waiting`` are documents that are not written yet.

        Raises:
            LedgerError: An entry or a content cannot be read: it was changed, or a newer version
                of this package wrote it.
        """
        documents = {**await self._named(set(documents_named(found)) - waiting.keys()), **waiting}

        def all_of_them() -> tuple[Receipt, ...]:
            return tuple(standing(written, self._vault, documents) for written in found)

        return all_of_them() if len(found) <= _FEW else await asyncio.to_thread(all_of_them)

    async def secret(self, subject: str) -> bytes | None:
        """Return a payment signature.

        Raises:
            LedgerError: It cannot be read or opened.
        """
        await self._vault.open()
        rows = await self._store.run(
            lambda db: db.execute("SELECT sealed FROM ledger_secret WHERE subject = ?", (subject,))
        )
        return self._vault.unseal(rows[0][0], subject) if rows else None

    async def _named(self, names: set[str]) -> dict[str, bytes]:
        missing = [name for name in names if name not in self._documents]
        if missing:
            rows = await self._store.run(lambda db: _documents(db, missing))
            if len(self._documents) + len(rows) > _MANY:
                self._documents.clear()
            self._documents |= {name: _decoded(name, body) for name, body in rows}
            return {name: _decoded(name, body) for name, body in rows} | self._documents
        return self._documents


def _statement(conditions: Sequence[str], *, newest_first: bool) -> str:
    """Return the statement for the first rows that meet one of ``conditions``.

    Each has its values and a limit. With several, the first of each are found, and of those the
    first: one more limit.
    """
    down = " DESC" if newest_first else ""
    order = f"ORDER BY created_at{down}, id{down}"
    found = [
        f"SELECT {_COLUMNS} FROM ledger_receipt WHERE {each} {order} LIMIT ?"  # noqa: S608 - values are placeholders
        for each in conditions
    ]
    first = found[0]
    if len(found) > 1:
        parts = " UNION ALL ".join(
            f"SELECT * FROM ({each}) AS part{number}"  # noqa: S608 - values are placeholders
            for number, each in enumerate(found)
        )
        first = f"SELECT * FROM ({parts}) AS parts {order} LIMIT ?"  # noqa: S608 - the same
    return f"""
SELECT found.id, found.nonce, found.owner, found.network, entry.body, content.form, content.body
FROM ({first}) AS found
JOIN ledger_entry AS entry ON entry.writer = found.writer AND entry.seq = found.seq
LEFT JOIN ledger_content AS content
    ON content.writer = found.writer AND content.seq = found.seq
ORDER BY found.created_at{down}, found.id{down}"""  # noqa: S608 - values are placeholders


def _found(db: Db, statement: str, values: Sequence[Value]) -> tuple[list[Row], list[Row]]:
    """Return the rows of receipts, and the entries that came later on them and their payments."""
    rows = db.execute(statement, values)
    subjects = {row[0]: None for row in rows} | {_payment(row): None for row in rows}
    later = [row for chunk in _chunks(list(subjects)) for row in _later(db, chunk)]
    return rows, later


def _payment(row: Row) -> str:
    _, nonce, owner, network, *_ = row
    return f"payment {network} {owner} {nonce}"


def _later(db: Db, subjects: Sequence[str]) -> list[Row]:
    statement = (
        "SELECT subject, body FROM ledger_entry"
        " WHERE kind IN ('amended', 'payment') AND kind <> 'receipt' AND subject IN ({})"
    )
    return db.execute(statement.format(placeholders(subjects)), subjects)


def _documents(db: Db, names: Sequence[str]) -> list[Row]:
    statement = "SELECT hash, body FROM ledger_document WHERE hash IN ({})"
    return [
        row
        for chunk in _chunks(names)
        for row in db.execute(statement.format(placeholders(chunk)), chunk)
    ]


def _decoded(name: str, body: str) -> bytes:
    try:
        return b64decode(body, validate=True)
    except ValueError as error:
        raise LedgerError(
            f"the ledger's document {name} cannot be read",
            hint="Somebody changed it: `ogsdk ledger verify` says more.",
        ) from error


def _put_together(rows: Iterable[Row], later: Iterable[Row]) -> list[Written]:
    told: dict[str, list[Told]] = {}
    for subject, body in later:
        told.setdefault(subject, []).append(Told.read(body))
    return [
        Written.read(
            row[4],
            None if row[5] is None else (row[5], row[6]),
            [*told.get(row[0], ()), *told.get(_payment(row), ())],
        )
        for row in rows
    ]


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]

"""One writer: the only one to add to its hash chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from .._core.store import Db, Value
from .._core.vault import Vault
from ..errors import LedgerError
from .content import Form, closed
from .entries import Head, as_column, body_of, hash_of
from .lines import CHECKPOINT, DOCUMENT, FORGET, PARENT, WRITER, Line

_ENTRY: Final = (
    "INSERT INTO ledger_entry (writer, seq, hash, kind, at, subject, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
# an id that is there is of a receipt that another client has recorded: its entry is the one that
# counts, and its content belongs to that entry's commitment
_RECEIPT: Final = (
    "INSERT INTO ledger_receipt (id, owner, network, created_at, route, model, tag, run, tee_id,"
    " pcr_hash, nonce, cost, writer, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING"
)
_OURS: Final = "SELECT 1 FROM ledger_receipt WHERE id = ? AND writer = ? AND seq = ?"
_CONTENT: Final = (
    "INSERT INTO ledger_content (writer, seq, receipt, form, body) VALUES (?, ?, ?, ?, ?)"
)
_SIGNATURE: Final = (
    "INSERT INTO ledger_secret (subject, sealed) VALUES (?, ?) ON CONFLICT (subject) DO NOTHING"
)
_BESIDE: Final = (WRITER, PARENT, DOCUMENT, _SIGNATURE, CHECKPOINT)

_Row = tuple[Value, ...]
_Rows = dict[str, list[_Row]]


class ChainWriter:
    """Turns lines into entries, each with the hash of the one before, and writes them.

    The chain moves on when its entries are durable. Of a transaction whose end nobody saw, the
    store itself is asked the next time. Chaining and sealing are done by the thread that writes.
    """

    def __init__(self, vault: Vault, writer: str, form: Form) -> None:
        self._vault = vault
        self._form: Form = form
        self._head = Head(writer, -1, "")

    async def ready(self) -> None:
        """Open the vault.

        Raises:
            ConfigurationError: Its key cannot be used.
        """
        await self._vault.open()

    def work(self, lines: Sequence[Line]) -> Callable[[Db], Head]:
        """Return what writes lines that follow those written before, and returns the new head.

        It raises ``LedgerError`` where the store holds another end of this chain than the one that
        was written last.
        """
        head = self._head

        def append(db: Db) -> Head:
            heads, entries = _chained(head, lines)
            done = _written(db, head, heads)
            db.insert_many(_ENTRY, entries[done:])
            _insert_beside(db, self._rows(lines[done:], heads[done:]))
            return heads[-1]

        return append

    def written(self, result: Head) -> None:
        """Go on from the head that is durable now."""
        self._head = result

    def _rows(self, lines: Sequence[Line], heads: Sequence[Head]) -> _Rows:
        """Return the rows beside the entries, by the statement that writes them."""
        rows: _Rows = {}
        for line, head in zip(lines, heads, strict=True):
            for statement, row in (*line.effects, *self._receipt_rows(line, head)):
                rows.setdefault(statement, []).append(row)
        return rows

    def _receipt_rows(self, line: Line, head: Head) -> Iterable[tuple[str, _Row]]:
        receipt = line.receipt
        if receipt is None:
            return
        yield _RECEIPT, (*receipt.row, head.writer, head.seq)
        if receipt.content is not None:
            id_ = as_column(line.subject)
            body = closed(receipt.content, line.subject, self._form, self._vault)
            yield _CONTENT, (head.writer, head.seq, id_, self._form, body)
        if receipt.signature is not None:
            sealed = self._vault.seal(receipt.signature, receipt.payment)
            yield _SIGNATURE, (receipt.payment, sealed)


def _insert_beside(db: Db, rows: _Rows) -> None:
    receipts, contents = rows.get(_RECEIPT, []), rows.get(_CONTENT, [])
    if db.insert_many(_RECEIPT, receipts) < len(receipts):
        ours = {row[-1] for row in receipts if db.execute(_OURS, (row[0], *row[-2:]))}
        contents = [row for row in contents if row[1] in ours]
    db.insert_many(_CONTENT, contents)
    for statement in _BESIDE:
        db.insert_many(statement, rows.get(statement, ()))
    if forgotten := rows.get(FORGET):
        db.execute_many(FORGET, forgotten)


def _chained(head: Head, lines: Sequence[Line]) -> tuple[list[Head], list[_Row]]:
    heads: list[Head] = []
    entries: list[_Row] = []
    for line in lines:
        body = body_of(head, line.kind, line.at, line.subject, line.data)
        head = Head(head.writer, head.seq + 1, hash_of(body))
        heads.append(head)
        entries.append((*head, line.kind, line.at, as_column(line.subject), body))
    return heads, entries


def _written(db: Db, head: Head, heads: Sequence[Head]) -> int:
    """Return how many of ``heads`` the store has already.

    Raises:
        LedgerError: It ends neither at ``head`` nor at one of them.
    """
    found = db.execute(
        "SELECT writer, seq, hash FROM ledger_entry WHERE writer = ? ORDER BY seq DESC LIMIT 1",
        (head.writer,),
    )
    last = Head(*found[0]) if found else Head(head.writer, -1, "")
    if last == head:
        return 0
    if last in heads:
        return heads.index(last) + 1
    raise LedgerError(
        f"the ledger's entries of {head.writer} end at {last.seq}, not at {head.seq} as written:"
        " somebody else has changed it",
        hint="Nothing more is written to it. `ogsdk ledger verify` says what is wrong.",
    )

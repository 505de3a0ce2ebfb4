"""Touched receipts as they stand, for those who may not have the key to what is sealed."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from ..._core.store import Db, Row, Store
from ..._core.vault import Vault
from ...errors import LedgerError
from ...verification import SignedFields
from ..receipt import Receipt
from ..receipt_json import receipt_from_json
from ..standing import Told, Written, documents_named, forgettable
from .reading import chunks, one_of, unreadable

_FIRST: Final = """
SELECT made.nonce, made.owner, made.network, entry.body, content.form, content.body
FROM ledger_receipt AS made
JOIN ledger_entry AS entry ON entry.writer = made.writer AND entry.seq = made.seq
LEFT JOIN ledger_content AS content ON content.writer = made.writer AND content.seq = made.seq
WHERE made.id {}"""
_LATER: Final = """
SELECT subject, body FROM ledger_entry
WHERE subject {} AND kind IN ('amended', 'payment') AND kind <> 'receipt'"""
_DOCUMENTS: Final = "SELECT hash, body FROM ledger_document WHERE hash {}"


class TouchedReceipts:
    """Reads receipts without question and answer, some hundred at once.

    What the node signed is part of them where ``vault`` opens it. Where it was forgotten, or
    sealed with another key, ``signed`` is ``None`` and all else is as it stands: those who look
    at an impact need not be those who may read what was asked.
    """

    def __init__(self, store: Store, vault: Vault | None = None) -> None:
        self._store = store
        self._vault = vault

    async def read(self, ids: Iterable[str]) -> list[Receipt]:
        """Return the receipts of these ids, in no order; those that are nowhere are left out.

        Raises:
            LedgerError: The store or a receipt in it cannot be read.
        """
        if self._vault is not None:
            await self._vault.open()
        found: list[Receipt] = []
        for chunk in chunks(ids):
            rows, later, documents = await self._store.run(_rows(chunk))
            # off the event loop, which has others to serve
            found += await asyncio.to_thread(self._receipts, rows, later, documents)
        return found

    def _receipts(
        self, rows: Sequence[Row], later: Sequence[Row], documents: Mapping[str, bytes]
    ) -> list[Receipt]:
        told: dict[str, list[Told]] = {}
        for subject, body in later:
            told.setdefault(subject, []).append(Told.read(body))
        return [self._receipt(written, documents) for written in _written(rows, told)]

    def _receipt(self, written: Written, documents: Mapping[str, bytes]) -> Receipt:
        try:
            return receipt_from_json(
                written.members() | {"signed": None}, documents, signed=self._signed(written)
            )
        except ValueError as error:
            raise unreadable(f"the ledger's receipt {written.id!r}") from error

    def _signed(self, written: Written) -> SignedFields | None:
        if self._vault is None:
            return None
        try:
            kept = forgettable(written, self._vault)
        except LedgerError:  # another client's key: its sealed words stay closed, as they should
            return None
        return None if kept is None else kept.signed


def _rows(ids: Sequence[str]) -> Callable[[Db], tuple[list[Row], list[Row], dict[str, bytes]]]:
    def work(db: Db) -> tuple[list[Row], list[Row], dict[str, bytes]]:
        rows = _select(db, _FIRST, ids)
        payments = dict.fromkeys(_payment(row) for row in rows)
        later = [row for chunk in chunks([*ids, *payments]) for row in _select(db, _LATER, chunk)]
        named = dict.fromkeys(documents_named(_written(rows, {})))
        documents = [row for chunk in chunks(named) for row in _select(db, _DOCUMENTS, chunk)]
        return rows, later, {name: _decoded(name, body) for name, body in documents}

    return work


def _select(db: Db, statement: str, values: Sequence[str]) -> list[Row]:
    among, padded = one_of(values)
    return db.execute(statement.format(among), padded)


def _written(rows: Iterable[Row], told: Mapping[str, Sequence[Told]]) -> Iterator[Written]:
    for row in rows:
        *_, body, form, content = row
        first = Written.read(body, None if form is None else (form, content), ())
        later = [*told.get(first.id, ()), *told.get(_payment(row), ())]
        yield Written(first.id, first.data, first.content, later)


def _payment(row: Row) -> str:
    nonce, owner, network, *_ = row
    return f"payment {network} {owner} {nonce}"


def _decoded(name: str, body: str) -> bytes:
    try:
        return b64decode(body, validate=True)
    except ValueError as error:
        raise unreadable(f"the ledger's document {name}") from error

"""Checking what hangs on no single chain: rows without an entry, documents, keys, checkpoints."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final

from .._core.json_in import parse_json
from .._core.store import Db, Row, Store, Value
from .._core.vault import Vault
from ..errors import LedgerError
from .checkpoints import Checkpoint
from .entries import Head, encoded
from .keys import key_of
from .report import Findings

_PAGE: Final = 500

_STRAYS: Final = (
    (
        "the receipt {!r} of ledger_receipt has no entry",
        "SELECT made.id FROM ledger_receipt AS made LEFT JOIN ledger_entry AS entry"
        " ON entry.writer = made.writer AND entry.seq = made.seq AND entry.kind = 'receipt'"
        " AND entry.subject = made.id WHERE made.id > ? AND made.id <= ? AND entry.hash IS NULL",
        "SELECT id FROM ledger_receipt WHERE id > ? ORDER BY id LIMIT ?",
    ),
    (
        "the receipt {!r} of ledger_parent has no entry",
        "SELECT edge.child FROM ledger_parent AS edge LEFT JOIN ledger_receipt AS made"
        " ON made.id = edge.child WHERE edge.child > ? AND edge.child <= ? AND made.id IS NULL",
        "SELECT child FROM ledger_parent WHERE child > ? ORDER BY child LIMIT ?",
    ),
    (
        "the checkpoint {!r} of ledger_checkpoint has no entry",
        "SELECT point.id FROM ledger_checkpoint AS point LEFT JOIN ledger_entry AS entry"
        " ON entry.subject = point.id AND entry.kind = 'checkpoint' AND entry.kind <> 'receipt'"
        " WHERE point.id > ? AND point.id <= ? AND entry.hash IS NULL",
        "SELECT id FROM ledger_checkpoint WHERE id > ? ORDER BY id LIMIT ?",
    ),
    (
        "the writer {!r} of ledger_writer has no entries",
        "SELECT owner.id FROM ledger_writer AS owner LEFT JOIN ledger_entry AS entry"
        " ON entry.writer = owner.id AND entry.seq = 0"
        " WHERE owner.id > ? AND owner.id <= ? AND entry.hash IS NULL",
        "SELECT id FROM ledger_writer WHERE id > ? ORDER BY id LIMIT ?",
    ),
)
"""What is wrong, which rows are, and the rows in parts."""


async def check_strays(store: Store, findings: Findings) -> None:
    """Note the rows that belong to no entry."""
    for what, statement, keys in _STRAYS:
        after: str | None = ""
        while after is not None:
            strays, after = await store.run(_strays(statement, keys, after))
            for stray in strays:
                findings.row(what.format(stray))


async def check_documents(store: Store, findings: Findings) -> None:
    """Note the documents that are not what their names, their SHA-256, say."""
    after = ""
    statement = "SELECT hash, body FROM ledger_document WHERE hash > ? ORDER BY hash LIMIT ?"
    while rows := await store.run(_query(statement, after, _PAGE)):
        for name, body in rows:
            if not _is_document(name, body):
                findings.row(f"the document {name!r} of ledger_document is not what its hash says")
        after = rows[-1][0]


async def check_keys(store: Store, vault: Vault | None, findings: Findings) -> set[str]:
    """Return the public ledger keys of the store; note what is wrong with them."""
    rows = await store.run(_query("SELECT public, secret FROM ledger_key ORDER BY public"))
    if len(rows) > 1:
        findings.row("there are several ledger keys: all but one were put there by somebody else")
    for row in rows:
        if vault is not None and not _is_key(row, vault):
            findings.row(f"the ledger key {row[0]!r} is not what its row says")
    return {public for public, _ in rows}


async def check_stored(
    store: Store, keys: set[str], public_key: str | None, findings: Findings
) -> int:
    """Check the checkpoints that the store keeps, and the chains against them; return how many."""
    count, after = 0, ""
    statement = "SELECT id, at, body FROM ledger_checkpoint WHERE id > ? ORDER BY id LIMIT ?"
    while rows := await store.run(_query(statement, after, _PAGE)):
        for id_, at, body in rows:
            checkpoint = _stored(id_, at, body)
            if checkpoint is None:
                findings.row(f"the checkpoint {id_!r} of ledger_checkpoint was changed")
            elif checkpoint.public_key not in keys:
                findings.row(f"the checkpoint {id_!r} is signed with a key that is not the store's")
            else:
                await check_against(store, checkpoint, public_key, findings)
        count += len(rows)
        after = rows[-1][0]
    return count


async def check_against(
    store: Store, checkpoint: Checkpoint, public_key: str | None, findings: Findings
) -> None:
    """Check that the store still holds everything that a checkpoint names."""
    try:
        checkpoint.verify(public_key)
    except LedgerError as error:
        findings.row(error.short_message)
        return
    for start in range(0, len(checkpoint.heads), _PAGE):
        heads = checkpoint.heads[start : start + _PAGE]
        for writer, seq, what in await store.run(_missing(heads, checkpoint.id)):
            findings.entry(writer, seq, what)


def _missing(heads: Sequence[Head], checkpoint: str) -> Callable[[Db], list[tuple[str, int, str]]]:
    def look(db: Db) -> list[tuple[str, int, str]]:
        return [found for head in heads for found in _missing_of(db, head, checkpoint)]

    return look


def _missing_of(db: Db, head: Head, checkpoint: str) -> Iterator[tuple[str, int, str]]:
    rows = db.execute(
        "SELECT hash FROM ledger_entry WHERE writer = ? AND seq = ?", (head.writer, head.seq)
    )
    if not rows:
        ((last,),) = db.execute(
            "SELECT MAX(seq) FROM ledger_entry WHERE writer = ? AND seq < ?",
            (head.writer, head.seq),
        )
        first = 0 if last is None else last + 1
        yield (
            head.writer,
            first,
            f"it is missing: the checkpoint {checkpoint} saw this chain up to entry {head.seq}",
        )
    elif rows != [(head.hash,)]:
        yield (
            head.writer,
            head.seq,
            f"it is another one than the checkpoint {checkpoint} saw: this entry or one before it"
            " was written anew",
        )


def _stored(id_: str, at: float, body: str) -> Checkpoint | None:
    """Return a checkpoint, if its columns say what it says."""
    try:
        checkpoint = Checkpoint.from_json(parse_json(body))
    except ValueError:
        return None
    says_so = (checkpoint.id, checkpoint.at, encoded(checkpoint.to_json())) == (id_, at, body)
    return checkpoint if says_so else None


def _is_key(row: Row, vault: Vault) -> bool:
    try:
        key_of(row, vault)
    except (LedgerError, ValueError):
        return False
    return True


def _is_document(name: str, body: str) -> bool:
    try:
        document = b64decode(body, validate=True)
    except ValueError:
        return False
    # base64 has several spellings of some bytes
    return sha256(document).hexdigest() == name and b64encode(document).decode() == body


def _strays(statement: str, keys: str, after: str) -> Callable[[Db], tuple[list[str], str | None]]:
    def look(db: Db) -> tuple[list[str], str | None]:
        part = db.execute(keys, (after, _PAGE))
        if not part:
            return [], None
        last: str = part[-1][0]
        return [stray for (stray,) in db.execute(statement, (after, last))], last

    return look


def _query(statement: str, *values: Value) -> Callable[[Db], list[Row]]:
    return lambda db: db.execute(statement, values)

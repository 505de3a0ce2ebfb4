"""Checking one writer's chain: every entry follows the one before, and its columns say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from .._core.store import Db, Value
from .beside_check import Beside, BesideCheck
from .entries import Entry, as_column, hash_of, read_entry
from .report import Findings

PAGE: Final = 200
"""Entries that are read at once."""
BEFORE_ALL: Final = -(2**63)
"""Where looking begins: below every number that a column can hold."""

_PAGE: Final = """
SELECT entry.seq, entry.hash, entry.kind, entry.at, entry.subject, entry.body,
    content.receipt, content.form, content.body,
    (SELECT COUNT(*) FROM ledger_entry AS later
        WHERE later.subject = entry.subject AND later.kind = 'forgotten'
        AND later.kind <> 'receipt'),
    made.id, made.owner, made.network, made.created_at, made.route, made.model, made.tag, made.run,
    made.tee_id, made.pcr_hash, made.nonce, made.cost, made.writer, made.seq
FROM ledger_entry AS entry
LEFT JOIN ledger_receipt AS made ON entry.kind = 'receipt' AND made.id = entry.subject
LEFT JOIN ledger_content AS content ON content.writer = entry.writer AND content.seq = entry.seq
WHERE entry.writer = ? AND entry.seq >= ? ORDER BY entry.seq LIMIT ?"""


class Line(NamedTuple):
    """An entry as it stands in the store, with the content and the row of its receipt.

    One statement reads them, so that forgetting cannot come in between.
    """

    seq: int
    hash: str
    kind: str
    at: float
    subject: str
    body: str
    receipt: str | None
    form: str | None
    content: str | None
    forgotten: int
    made: tuple[Value, ...] | None
    """The row of ``ledger_receipt``, with writer and seq at its end."""


def read_page(db: Db, writer: str, first: int) -> list[Line]:
    """Return a writer's entries from ``first`` on."""
    rows = db.execute(_PAGE, (writer, first, PAGE))
    return [Line._make((*row[:10], None if row[10] is None else row[10:])) for row in rows]


def said_by(lines: Sequence[Line]) -> list[Entry | None]:
    """Return what entries say; ``None`` where their text is none."""
    return list(map(_said, lines))


class ChainCheck:
    """Follows one chain from its first entry to its last."""

    def __init__(self, writer: str, findings: Findings, beside: BesideCheck) -> None:
        self._writer = writer
        self._findings = findings
        self._beside = beside
        self._next = 0
        self._previous = ""
        self._in_chain: tuple[int, str] | None = None
        self._in_rows: tuple[int, str] | None = None
        self.entries = 0
        self.receipts = 0

    def check(self, lines: Sequence[Line], said: Sequence[Entry | None], beside: Beside) -> None:
        """Check the entries that follow those checked before."""
        for line, entry in zip(lines, said, strict=True):
            if self._in_chain is None:
                self._in_chain = next(self._wrong(line, entry), None)
            if entry is not None and self._in_chain is None and self._in_rows is None:
                what = next(self._beside.wrong(line, entry, beside), None)
                self._in_rows = None if what is None else (line.seq, what)
            self.entries += 1
            self.receipts += line.kind == "receipt"
            self._next, self._previous = line.seq + 1, line.hash

    def end(self) -> None:
        """Note the first entry that is wrong; one that rows disagree with, if the chain is whole.

        What a changed entry said otherwise, rows beside earlier ones may still hold against it: who
        forgets a question deletes it, and writes that down later.
        """
        wrong = self._in_chain or self._in_rows
        if wrong is not None:
            self._findings.entry(self._writer, *wrong)

    def _wrong(self, line: Line, entry: Entry | None) -> Iterator[tuple[int, str]]:
        if line.seq != self._next:
            yield self._next, "it is missing" if line.seq > self._next else "it is out of order"
        if hash_of(line.body) != line.hash:
            yield line.seq, "its text is not what its hash says: one of them was changed"
        if entry is None:
            yield line.seq, "its text is not that of an entry"
            return
        if (entry.writer, entry.seq) != (self._writer, line.seq):
            yield line.seq, "it stands in the place of another: it was moved"
        if entry.previous != self._previous:
            yield line.seq, "it does not follow the entry before it: one of them was replaced"
        columns = (entry.kind, entry.at, as_column(entry.subject))
        if columns != (line.kind, line.at, line.subject):
            yield line.seq, "its columns do not say what its text says"
        if (entry.kind == "began") != (line.seq == 0):
            yield line.seq, "a chain begins where it says whose it is, and only there"


def _said(line: Line) -> Entry | None:
    try:
        return read_entry(line.body)
    except ValueError:
        return None

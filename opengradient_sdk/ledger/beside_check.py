"""Checking the rows that were written beside entries against what the entries say."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from .._core.store import Db, Row
from .._core.vault import Vault
from ..errors import LedgerError
from .content import commitment_of, opened
from .entries import Entry, as_column, encoded, placeholders
from .lines import row_of, signature_hash

if TYPE_CHECKING:
    from .chain_check import Line

_CHUNK: Final = 500
"""Values in one statement."""

Wrong = Iterator[str]
"""Sentences: what is wrong."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The rows that some entries refer to, by what they are referred to."""

    writer: Sequence[Row]
    parents: Mapping[str, set[str]]
    documents: set[str]
    secrets: Mapping[str, str]
    checkpoints: Mapping[str, Row]


def read_beside(db: Db, writer: str, said: Iterable[Entry | None]) -> Beside:
    """Return the rows that a writer's entries refer to. None of them is ever deleted."""
    entries = [entry for entry in said if entry is not None]
    receipts = [entry for entry in entries if entry.kind == "receipt"]
    parents: dict[str, set[str]] = {}
    for parent, child in _in(
        db,
        "SELECT parent, child FROM ledger_parent WHERE child",
        [as_column(entry.subject) for entry in receipts],
    ):
        parents.setdefault(child, set()).add(parent)
    names = {name for entry in entries for name in _of_any_text(_documents_of, entry)}
    payments = [subject for entry in receipts for subject in _of_any_text(_signed_by, entry)]
    points = [entry.subject for entry in entries if entry.kind == "checkpoint"]
    return Beside(
        db.execute("SELECT owner, network, began_at FROM ledger_writer WHERE id = ?", (writer,)),
        parents,
        {name for (name,) in _in(db, "SELECT hash FROM ledger_document WHERE hash", list(names))},
        dict(_in(db, "SELECT subject, sealed FROM ledger_secret WHERE subject", payments)),
        {
            row[0]: row
            for row in _in(db, "SELECT id, at, body FROM ledger_checkpoint WHERE id", points)
        },
    )


class BesideCheck:
    """Compares entries with the rows beside them; ``unopened`` counts what is sealed to it."""

    def __init__(self, vault: Vault | None) -> None:
        self._vault = vault
        self.unopened = 0

    def wrong(self, line: Line, entry: Entry, beside: Beside) -> Wrong:
        """Yield what is wrong with the rows beside an entry."""
        try:
            if entry.kind == "began":
                yield from _began(entry, beside)
            elif entry.kind == "receipt":
                yield from self._receipt(line, entry, beside)
            elif entry.kind == "checkpoint":
                yield from _checkpoint(entry, beside)
            for name in _documents_of(entry):
                if name not in beside.documents:
                    yield f"the document {name} that it names is missing"
        except (KeyError, TypeError, AttributeError, ValueError):
            yield f"its data are not those of the kind {entry.kind!r}"

    def _receipt(self, line: Line, entry: Entry, beside: Beside) -> Wrong:
        row = row_of(entry.data)
        if entry.data["id"] != entry.subject:
            yield "it is about another receipt than its data say"
        if line.made is None:
            yield "its row of ledger_receipt is missing"
            return
        if line.made[-2:] != (entry.writer, entry.seq):
            return  # another client has recorded the same receipt: the rows are of that entry
        if line.made[:-2] != row:
            yield "its row of ledger_receipt does not say what it says"
        if beside.parents.get(line.subject, set()) != set(map(as_column, entry.data["parents"])):
            yield "its rows of ledger_parent do not say what it says"
        yield from self._content(line, entry)
        yield from self._signature(entry, beside)

    def _content(self, line: Line, entry: Entry) -> Wrong:
        commitment = entry.data["commitment"]
        if line.content is None:
            if commitment is not None and not line.forgotten:
                yield "its content is missing, and no entry says that it was forgotten"
        elif commitment is None:
            yield "there is content, and it commits to none"
        elif line.forgotten:
            yield "its content is there, and an entry says that it was forgotten"
        elif line.receipt != line.subject:
            yield "its content is said to be another receipt's"
        elif not self._keeps(commitment, line.content, line.form or "", entry.subject):
            yield "its content does not match its commitment"

    def _keeps(self, commitment: str, body: str, form: str, receipt_id: str) -> bool:
        if form == "sealed" and self._vault is None:
            self.unopened += 1
            return _may_be_sealed(body)
        try:
            row = body if self._vault is None else opened(body, receipt_id, form, self._vault)
            return form in ("plain", "sealed") and commitment_of(row) == commitment
        except (LedgerError, ValueError):
            return False

    def _signature(self, entry: Entry, beside: Beside) -> Wrong:
        expected = entry.data.get("payment_signature")
        if expected is None:
            return
        subject = _payment(entry)
        sealed = beside.secrets.get(subject)
        if sealed is None:
            yield "the payment signature that it brought is missing"
        elif self._vault is None:
            self.unopened += 1
            if not _may_be_sealed(sealed):
                yield "the payment signature that it brought was changed"
        elif not _is_signature(expected, sealed, subject, self._vault):
            yield "the payment signature that it brought was changed"


def _began(entry: Entry, beside: Beside) -> Wrong:
    said = (entry.data["owner"], entry.data["network"], entry.at)
    if [tuple(row) for row in beside.writer] != [said]:
        yield "its row of ledger_writer is missing, or does not say what it says"


def _checkpoint(entry: Entry, beside: Beside) -> Wrong:
    kept = beside.checkpoints.get(entry.subject)
    if kept is None or tuple(kept[1:]) != (entry.data["at"], encoded(entry.data)):
        yield "its row of ledger_checkpoint is missing, or does not say what it says"


def _is_signature(expected: object, sealed: str, subject: str, vault: Vault) -> bool:
    try:
        return signature_hash(vault.unseal(sealed, subject)) == expected
    except LedgerError:
        return False


def _may_be_sealed(text: str) -> bool:
    """Whether a vault may have written it; without its key nothing more can be known."""
    try:
        return b64encode(b64decode(text, validate=True)).decode() == text
    except ValueError:
        return False


def _payment(entry: Entry) -> str:
    facts = entry.data["authorization"]
    return f"payment {facts['network']} {facts['owner']} {facts['nonce']}"


def _signed_by(entry: Entry) -> Iterator[str]:
    if "payment_signature" in entry.data:
        yield _payment(entry)


def _of_any_text(names: Callable[[Entry], Iterable[str]], entry: Entry) -> list[str]:
    """Return what an entry refers to; nothing where it was changed and is no longer of its form."""
    try:
        return list(names(entry))
    except (KeyError, TypeError, AttributeError):
        return []


def _documents_of(entry: Entry) -> Iterator[str]:
    if entry.kind in ("receipt", "amended"):
        for member, name in (("registered", "record"), ("attested", "document")):
            facts: Any = entry.data.get(member)
            if isinstance(facts, Mapping):
                yield str(cast(Mapping[str, Any], facts)[name])


def _in(db: Db, statement: str, values: Sequence[str]) -> Iterator[Row]:
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        yield from db.execute(f"{statement} IN ({placeholders(chunk)})", chunk)

"""How a receipt stands: what was written first, and everything that has become known since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from .._core.json_in import parse_json
from .._core.vault import Vault
from ..errors import LedgerError
from .content import Forgettable, opened, read_content
from .entries import Entry, Kind, read_entry
from .lines import Line
from .receipt import Receipt
from .receipt_json import receipt_from_json

_NEVER_WRITTEN = -1
_COUNTED = ("served", "calls", "unpriced", "resent")


@dataclass(frozen=True, slots=True)
class Told:
    """What an entry tells of a receipt or of its payment, later than the receipt's own."""

    order: tuple[float, str, int]
    kind: Kind
    data: Mapping[str, Any]

    @classmethod
    def read(cls, body: str) -> Self:
        """Return what an entry's text says.

        Raises:
            LedgerError: It cannot be read.
        """
        entry = _entry(body)
        return cls((entry.at, entry.writer, entry.seq), entry.kind, entry.data)

    @classmethod
    def waiting(cls, line: Line) -> Self:
        """Return what a line tells that is not written yet."""
        return cls((line.at, "", _NEVER_WRITTEN), line.kind, _data(line))

    def repeats(self, other: Told) -> bool:
        """Whether both are the same line, once written and once waiting."""
        return (self.kind, self.order[0], self.data) == (other.kind, other.order[0], other.data)


@dataclass(frozen=True, slots=True)
class Written:
    """What is written of one receipt. ``content`` is the form and the body of its content row."""

    id: str
    data: Mapping[str, Any]
    content: tuple[str, str] | None = field(repr=False)
    later: Sequence[Told]

    @classmethod
    def read(cls, body: str, content: tuple[str, str] | None, later: Sequence[Told]) -> Self:
        """Return what the rows of a receipt say.

        Raises:
            LedgerError: Its entry cannot be read.
        """
        entry = _entry(body)
        return cls(entry.subject, entry.data, content, later)

    @classmethod
    def waiting(cls, line: Line) -> Self:
        """Return a receipt that is not written yet."""
        content = None if line.receipt is None else line.receipt.content
        return cls(line.subject, _data(line), None if content is None else ("plain", content), ())

    @property
    def payment(self) -> str:
        """The subject of the entries on the authorization that its call joined."""
        facts = self.data["authorization"]
        return f"payment {facts['network']} {facts['owner']} {facts['nonce']}"

    def with_waiting(self, lines: Iterable[Line]) -> Written:
        """Return this with what lines say that may or may not have been written meanwhile."""
        new = (Told.waiting(line) for line in lines)
        added = [told for told in new if not any(told.repeats(known) for known in self.later)]
        return replace(self, later=(*self.later, *added))

    def members(self) -> dict[str, Any]:
        """Return the members of the receipt as they stand, without the node's statement.

        Amendments are applied in the order of their times; of the chain's words on the payment the
        newest counts, whatever call of the session it was asked for.
        """
        members = dict(self.data)
        payments: list[Told] = []
        for told in sorted(self.later, key=_order):
            if told.kind == "payment":
                payments.append(told)
            elif told.kind == "amended":
                evidence = _grown(members["evidence"], told.data)
                members.update(told.data)
                members["evidence"] = evidence
        if payments:
            newest = payments[-1].data
            members["payment"] = newest["payment"]
            # what was signed never changes, and one who only watches does not know all of it
            counted = {name: newest["authorization"][name] for name in _COUNTED}
            members["authorization"] = {**members["authorization"], **counted}
            members["as_of"] = max(members["as_of"], payments[-1].order[0])
        return members


def standing(written: Written, vault: Vault, documents: Mapping[str, bytes]) -> Receipt:
    """Return a receipt as it stands.

    Raises:
        LedgerError: It cannot be read.
    """
    kept = forgettable(written, vault)
    try:
        return receipt_from_json(
            written.members() | {"signed": None},
            documents,
            signed=None if kept is None else kept.signed,
            content=None if kept is None else kept.content,
        )
    except ValueError as error:
        raise _unreadable(f"the receipt {written.id!r}", error) from error


def forgettable(written: Written, vault: Vault) -> Forgettable | None:
    """Return question, answer and the node's statement, as far as they are kept.

    Raises:
        LedgerError: They cannot be opened or read.
    """
    if written.content is None:
        return None
    form, body = written.content
    try:
        return read_content(opened(body, written.id, form, vault))
    except ValueError as error:
        raise _unreadable(f"the content of {written.id!r}", error) from error


def documents_named(found: Iterable[Written]) -> Iterator[str]:
    """Yield the names of the documents that receipts refer to, as they stand."""
    for written in found:
        members = written.members()
        for member, name in (("registered", "record"), ("attested", "document")):
            if (facts := members.get(member)) is not None:
                yield facts[name]


def _grown(evidence: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the evidence with the checks that an amendment has, each in an older one's place."""
    if "evidence" not in told:
        return evidence
    checks = {check["name"]: check for check in evidence["checks"]}
    checks |= {check["name"]: check for check in told["evidence"]["checks"]}
    return {"checks": list(checks.values())}


def _order(told: Told) -> tuple[float, str, int]:
    return told.order


def _data(line: Line) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], parse_json(line.data))


def _entry(body: str) -> Entry:
    try:
        return read_entry(body)
    except ValueError as error:
        raise _unreadable("an entry", error) from error


def _unreadable(what: str, error: ValueError) -> LedgerError:
    return LedgerError(
        f"{what} of the ledger cannot be read: {error}",
        hint="Somebody changed it, or a newer version wrote it: `ogsdk ledger verify` says more.",
    )

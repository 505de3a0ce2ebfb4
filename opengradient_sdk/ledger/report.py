"""What a look at the whole ledger has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MOST: Final = 100
"""Findings that a report names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: with an entry, or (``writer`` is ``None``) with a row beside them.

    ``seq`` counts a writer's entries from 0.
    """

    writer: str | None
    seq: int | None
    what: str

    def __str__(self) -> str:
        if self.writer is None:
            return self.what
        return f"writer {self.writer}, entry {self.seq}: {self.what}"


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """Whether the ledger is what its writers wrote.

    ``findings`` holds the first of every writer, and those of other tables, 100 at most;
    ``further`` counts the rest of them. ``unopened`` counts sealed rows that were not looked into,
    for lack of the store's key. ``unseen`` says in sentences what this look could not have found.
    """

    writers: int
    entries: int
    receipts: int
    checkpoints: int
    anchors: int
    unopened: int
    findings: tuple[Finding, ...]
    further: int
    unseen: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found to be wrong, as far as could be seen."""
        return not self.findings

    def explain(self) -> str:
        """Return plain sentences: what was looked at, what is wrong, what could not be seen."""
        looked = (
            f"{self.entries} entries of {self.writers} writer(s), {self.receipts} receipt(s), "
            f"{self.checkpoints} checkpoint(s) and {self.anchors} anchor(s) were checked."
        )
        lines = [looked, *(f"Wrong: {finding}." for finding in self.findings)]
        if self.further:
            lines.append(f"And {self.further} more.")
        if self.ok:
            lines.append("Nothing is wrong with them.")
        return "\n".join([*lines, *(f"Not seen: {sentence}" for sentence in self.unseen)])


@dataclass(slots=True)
class Findings:
    """Gathers what is wrong, in bounded memory."""

    found: list[Finding] = field(default_factory=list[Finding])
    further: int = 0

    def entry(self, writer: str, seq: int, what: str) -> None:
        """Note what is wrong with an entry, if nothing earlier is with this writer's chain."""
        if all(known.writer != writer for known in self.found):
            self._add(Finding(writer, seq, what))

    def row(self, what: str) -> None:
        """Note what is wrong with a row that belongs to no entry."""
        self._add(Finding(None, None, what))

    def _add(self, finding: Finding) -> None:
        if finding in self.found:
            return
        if len(self.found) < MOST:
            self.found.append(finding)
        else:
            self.further += 1

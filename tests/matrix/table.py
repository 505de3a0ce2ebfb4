"""The figures of many runs, as a table in Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from .rules import Figures, Verdict

HEADINGS: Final = (
    "fault",
    "runs",
    "struck",
    "killed",
    "authorizations",
    "most open",
    "refused",
    "sent again",
    "maybe billed twice",
    "without an answer",
    "… and maybe billed",
    "charged (OPG)",
    "violations",
)


def table(verdicts: Iterable[Verdict]) -> str:
    """Return one line for each fault, and one for all of them."""
    by_fault: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_fault[verdict.cell.fault].append(verdict)
    rows = [_row(fault, found) for fault, found in by_fault.items()]
    every = [verdict for found in by_fault.values() for verdict in found]
    return as_markdown(HEADINGS, [*rows, _row("**all**", every)])


def as_markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are figures."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (headings, rule, *rows))


def opg(atoms: int) -> str:
    """Return atoms as OPG, with five digits."""
    return f"{atoms / 10**18:.5f}"


def _row(name: str, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    figures: list[Figures] = [verdict.figures for verdict in verdicts]

    def total(member: str) -> str:
        return str(sum(getattr(one, member) for one in figures))

    return (
        name,
        str(len(verdicts)),
        str(sum(one.struck > 0 for one in figures)),
        total("died"),
        total("signed"),
        str(max(one.most_open for one in figures)),
        total("refused"),
        total("resent"),
        total("billed_twice"),
        total("given_up"),
        total("unknown"),
        opg(sum(one.charged for one in figures)),
        str(sum(len(verdict.violations) for verdict in verdicts)),
    )

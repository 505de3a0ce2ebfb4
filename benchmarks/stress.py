"""The runs that try to lose or to double a transaction, as rows of a table.

What they do is in ``tests/support``: the same that the tests run in small.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.support.postgres import PostgresServer
from tests.support.reorgs import run_reorg
from tests.support.stress import Report, Trial, run_trial

HEADINGS: Final = ("what", "found", "")

_PROCESSES: Final = 4
_EACH: Final = 500
_WITH_A_MIDDLE: Final = 200
"""Transactions of a block where a process is killed: what it sends takes several blocks."""

Line = tuple[str, ...]


async def lines(seed: int, say: Callable[[str], None]) -> list[Line]:
    """Run everything at full size, minutes of it, and return the table without its headings."""
    plain = Trial(_PROCESSES, _EACH, seed)
    killed = Trial(_PROCESSES, _EACH, seed, ids=True, kill=True, per_block=_WITH_A_MIDDLE)
    found: list[Line] = []
    with (
        tempfile.TemporaryDirectory(prefix="opengradient-stress-") as folder,
        PostgresServer() as server,
    ):
        for kind, trial in (("", plain), (", one killed and started again", killed)):
            for store in ("SQLite", "PostgreSQL"):
                what = f"{len(trial.wanted):,} from {_PROCESSES} processes, {store}{kind}"
                say(what)
                path = str(Path(folder) / f"{len(found)}.sqlite")
                report = await run_trial(
                    trial, path if store == "SQLite" else server.new_database()
                )
                say(str(report))
                found.append((what, _in_words(report), _verdict(report.complaints())))
    say("a reorg under a hundred")
    reorg = await run_reorg()
    again = (
        f"{reorg.events['TransactionReorged']} taken back, "
        f"{sum(reorg.canonical.values())} in the chain at the end"
    )
    return [*found, ("3-block reorg under 100", again, _verdict(reorg.complaints()))]


def _in_words(report: Report) -> str:
    mined = sum(1 for intent in report.trial.wanted if report.mined[intent] == 1)
    return (
        f"{mined:,} mined once, {len(report.claimed):,} resolved, {report.fillers} gaps filled, "
        f"{report.troubles.total():,} faults, {report.asked_again.total()} errors shown (nothing "
        f"spent, asked again), {report.seconds:.0f} s"
    )


def _verdict(complaints: list[str]) -> str:
    return "; ".join(complaints) or "met"

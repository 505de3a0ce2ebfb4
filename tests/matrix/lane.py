"""A lane: one Devnet, on which runs follow each other; time passes for many of them at once."""

from __future__ import annotations

import time
import traceback
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opengradient_sdk import Devnet

from .cells import Cell
from .evidence import balance_of, network_of
from .recording import read
from .rules import Verdict, judge
from .run import WALLET, Run

BATCH: Final = 40
"""Runs between which no time passes: permits of the first must not expire before the last."""

_STEP_SECONDS: Final = 50.0
_STEPS: Final = 9
"""Nodes settle 100 s after the last call, permits end 300 s after their signature."""
_FINAL_BLOCKS: Final = 9


@dataclass(frozen=True, slots=True)
class Lane:
    """A Devnet of its own and a folder for the records of what happens on it."""

    net: Devnet
    subject: str
    folder: Path

    async def verdicts(self, cells: Sequence[Cell]) -> AsyncIterator[Verdict]:
        """Run cells one after the other, and judge each when the chain has spoken about it."""
        for start in range(0, len(cells), BATCH):
            batch = sorted(cells[start : start + BATCH], key=spares_the_others)
            lived = [await self._lived(cell) for cell in batch]
            await time_passes(self.net)
            for one in lived:
                yield one if isinstance(one, Verdict) else await self._judged(one)

    async def _lived(self, cell: Cell) -> Run | Verdict:
        run = Run(self.net, cell, self.subject, self.folder / cell.name.replace("/", "-"))
        run.evidence.offset = self.net.clock.now() - time.time()
        try:
            await run.live()
        except Exception:  # noqa: BLE001 - one broken run must not hide the others
            await run.abandon()
            return Verdict.of_failure(cell, traceback.format_exc())
        return run

    async def _judged(self, run: Run) -> Verdict:
        try:
            await run.settle()
        except Exception:  # noqa: BLE001 - as above
            await run.abandon()
            return Verdict.of_failure(run.cell, traceback.format_exc())
        evidence = run.evidence
        evidence.lines = read(run.setting.record)
        paid = WALLET - await balance_of(self.net, run.address)
        evidence.network = network_of(self.net, run.address, paid)
        return judge(evidence)


async def time_passes(net: Devnet) -> None:
    """Let every session be settled and every permit end, in finalized blocks."""
    for _ in range(_STEPS):
        await net.advance(_STEP_SECONDS)
    await net.mine(_FINAL_BLOCKS)


def spares_the_others(cell: Cell) -> bool:
    """Whether a run leaves the debts of former ones alone; those that do not come first."""
    return cell.fault != "stale-session"

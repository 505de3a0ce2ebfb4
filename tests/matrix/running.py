"""Running many cells: several lanes in a process, and several processes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from opengradient_sdk import Devnet

from .cells import Cell
from .lane import Lane
from .rules import Verdict
from .subjects import HONEST, watched

LANES: Final = 3
"""Devnets side by side in a process: while one run waits for a time-out, the others go on."""


async def run(
    cells: Sequence[Cell], *, subject: str = HONEST, lanes: int = LANES, keep: Path | None = None
) -> list[Verdict]:
    """Run every cell and return the verdicts, in the order of the cells.

    The records of the runs are kept in ``keep``, if given, and are gone afterwards if not.
    """
    lanes = min(lanes, len(cells))
    with tempfile.TemporaryDirectory(prefix="opengradient-matrix-") as temporary, watched(subject):
        folder = keep or Path(temporary)
        async with asyncio.TaskGroup() as group:
            jobs = [
                group.create_task(_lane(cells[first::lanes], subject, folder / f"lane-{first}"))
                for first in range(lanes)
            ]
        found = {verdict.cell: verdict for job in jobs for verdict in job.result()}
    return [found[cell] for cell in cells]


async def _lane(cells: Sequence[Cell], subject: str, folder: Path) -> list[Verdict]:
    folder.mkdir(parents=True)  # noqa: ASYNC240 - once, before anything runs
    async with Devnet(accounts=1, nodes=2) as net:
        return [verdict async for verdict in Lane(net, subject, folder).verdicts(cells)]

"""Every fault in every situation: whatever happens, the money rules hold."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from opengradient_sdk.devnet.faults import FAULTS

from .cells import SEEDS, Cell, matrix, sample
from .rules import Verdict
from .running import run
from .table import table

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2
RUNS = 2_000


def assert_as_it_should_be(verdicts: Sequence[Verdict]) -> None:
    print(table(verdicts))
    broken = [str(verdict) for verdict in verdicts if verdict.violations]
    assert not broken, "\n\n".join(broken)


async def test_every_fault_at_either_end_of_every_axis() -> None:
    verdicts = await run(sample())
    assert_as_it_should_be(verdicts)
    struck = {verdict.cell.fault for verdict in verdicts if verdict.figures.struck}
    assert struck == set(FAULTS)
    assert any(verdict.figures.died for verdict in verdicts)


async def test_where_nothing_goes_wrong_everything_is_answered_once() -> None:
    verdicts = await run(list(matrix([0], ["none"])))
    assert_as_it_should_be(verdicts)
    for verdict in verdicts:
        assert verdict.figures.given_up == 0
        if not verdict.cell.killed:
            assert verdict.figures.billed == verdict.figures.delivered
            assert (verdict.figures.signed, verdict.figures.resent) == (1, 0)


@pytest.mark.nightly
async def test_the_whole_matrix(tmp_path: Path) -> None:
    parts = [tmp_path / f"part-{index}" for index in range(PROCESSES)]
    await asyncio.gather(*(run_part(index, path) for index, path in enumerate(parts)))
    verdicts: list[Verdict] = [
        Verdict.from_json(told) for path in parts for told in json.loads(path.read_text())
    ]
    assert_as_it_should_be(verdicts)
    assert len(verdicts) >= RUNS
    assert {v.cell for v in verdicts} == set(matrix(range(SEEDS)))
    situations = {(v.cell.fault, v.cell.situation) for v in verdicts if can_strike(v.cell)}
    struck = {(v.cell.fault, v.cell.situation) for v in verdicts if v.figures.struck}
    assert struck >= situations


def can_strike(cell: Cell) -> bool:
    """Whether the fault has an occasion: on a session, nobody asks for the price."""
    return not (cell.session and FAULTS[cell.fault].unpaid)


async def run_part(index: int, verdicts: Path) -> None:
    """Run every second cell, in a process of its own, so that both processors have work."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.matrix"),
        *("--part", f"{index}/{PROCESSES}"),
        *("--verdicts", str(verdicts)),
        cwd=ROOT,
    )
    try:
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

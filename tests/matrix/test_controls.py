"""The controls of the matrix itself: clients that are broken on purpose do not get through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opengradient_sdk import Devnet

from .cells import Cell
from .lane import Lane
from .subjects import HONEST, SUBJECTS, watched

# what each breaks shows under these, with a seed whose plan gives it the occasion
CELLS = {
    "pays anew for what may be paid": "drop-before-work/first/plain/process/0",
    "sends to another node": "accept-then-time-out/first/plain/process/0",
    "sends until it is answered": "drop-before-work/session/plain/process/0",
    "signs whatever a node asks": "challenge-after-payment/first/plain/process/6",
    "ignores the budget": "challenge-after-payment/first/plain/process/7",
    "writes nothing down": "cut-response/first/plain/killed/0",
    "never asks the chain": "none/first/plain/process/0",
    "keeps no replies": "none/first/plain/process/0",
    "believes everything": "replayed-proof/first/plain/process/6",
}


@pytest.fixture(scope="module")
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(accounts=1, nodes=2) as network:
        yield network


@pytest.mark.parametrize("subject", [name for name in SUBJECTS if name != HONEST])
async def test_a_broken_client_is_caught(net: Devnet, tmp_path: Path, subject: str) -> None:
    cell = Cell.named(CELLS[subject])
    with watched(subject):
        [verdict] = [v async for v in Lane(net, subject, tmp_path).verdicts([cell])]
    assert SUBJECTS[subject].breaks in {violation.rule for violation in verdict.violations}, verdict


@pytest.mark.parametrize("name", sorted(set(CELLS.values())))
async def test_the_real_client_is_not(net: Devnet, tmp_path: Path, name: str) -> None:
    with watched(HONEST):
        [verdict] = [v async for v in Lane(net, HONEST, tmp_path).verdicts([Cell.named(name)])]
    assert not verdict.violations, verdict

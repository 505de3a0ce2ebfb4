"""Nothing is lost and nothing doubled: many processes, a network of faults, kills and reorgs.

The everyday runs are small ones of the same kind as the nightly ones. What they found is printed
with the seed that is needed to repeat them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.reorgs import run_reorg
from support.stress import Trial, run_trial

pytestmark = pytest.mark.anvil

SEED = 3
SOON = 1.0
"""How long the everyday runs wait for an answer (seconds): one in twenty comes too late."""


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A SQLite file, and a database of a real PostgreSQL."""
    if request.param == "sqlite":
        return str(tmp_path / "journal.sqlite")
    url: str = request.getfixturevalue("fresh_database")
    return url


async def hold(trial: Trial, store: str) -> None:
    report = await run_trial(trial, store)
    print(report)
    assert not report.complaints(), str(report)


async def test_processes_that_share_an_account_lose_and_double_nothing(store: str) -> None:
    await hold(Trial(processes=4, each=25, seed=SEED, rpc_timeout=SOON), store)


async def test_a_killed_process_is_started_again_and_every_request_is_resolved(
    tmp_path: Path,
) -> None:
    trial = Trial(4, 12, SEED, ids=True, kill=True, per_block=8, rpc_timeout=SOON)
    await hold(trial, str(tmp_path / "journal.sqlite"))


async def test_a_reorg_takes_a_hundred_transactions_back_and_all_are_confirmed_again() -> None:
    report = await run_reorg()
    assert not report.complaints(), report


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1, 3))
async def test_two_thousand_from_four_processes(store: str, seed: int) -> None:
    await hold(Trial(processes=4, each=500, seed=seed), store)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1, 3))
async def test_two_thousand_with_a_kill(store: str, seed: int) -> None:
    await hold(Trial(processes=4, each=500, seed=seed, ids=True, kill=True, per_block=200), store)

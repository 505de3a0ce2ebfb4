"""No interleaving of tasks, processes and hosts puts more at risk than a budget allows."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.stores import DURABLE, location

from opengradient_sdk._core.store import Store, open_store
from opengradient_sdk.payments.budget.pools import Pool
from opengradient_sdk.payments.journal import SCHEMA

from . import spending
from .rows import NETWORK, OWNER, at_risk, join
from .spending import Order, Plan, spend

TOTAL = 1000
TASKS = 8

step = st.one_of(
    st.tuples(st.just("sign"), st.integers(1, 400)),
    st.tuples(st.sampled_from(["settled", "not charged", "withdraw"]), st.integers(0, 100)),
)
# every task begins by signing: else most of them would find nothing to end
plan = st.tuples(st.integers(1, 400), st.lists(step, max_size=7)).map(
    lambda drawn: [("sign", drawn[0]), *drawn[1]]
)
team = st.lists(plan, min_size=TASKS, max_size=TASKS)


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


class Worker:
    """Another process on the same store."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, order: Order) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def answer(self) -> int:
        """Wait until it is done; what it has put at risk."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process ended; its reason is on standard error"
        return int(line)


@contextmanager
def a_worker(place: str) -> Iterator[Worker]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", spending.__file__, place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Worker(process)
        except BaseException:
            process.kill()
            raise


async def the_most_at_risk(store: Store, pool: Pool, done: asyncio.Event) -> int:
    """Look, again and again, at what an outsider sees; return the most that was ever there."""
    most = 0
    while True:
        is_last = done.is_set()
        most = max(most, await store.run(lambda db: at_risk(db, pool)))
        if is_last:
            return most


async def race(store: Store, workers: list[Worker], orders: list[Order]) -> tuple[int, int, int]:
    """Let this process and the workers spend; what they hold, what is seen, the most seen."""
    mine, *theirs = orders
    pool = Pool(OWNER, NETWORK, mine["pool"])
    await store.run(lambda db: join(db, pool))
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(the_most_at_risk(store, pool, done))
        for worker, order in zip(workers, theirs, strict=True):
            worker.begin(order)
        held = await spend(store, mine)
        for worker in workers:
            held += await asyncio.to_thread(worker.answer)
        done.set()
    return held, await store.run(lambda db: at_risk(db, pool)), watching.result()


def check_that_nothing_overshoots(place: str, examples: int) -> None:
    """Three processes of eight tasks each, one with a smaller total, and a reader beside them."""
    numbers = itertools.count()
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        store = open_store(place, SCHEMA)
        stack.callback(lambda: runner.run(store.aclose()))
        # PostgreSQL and SQLite are set up by the first who comes, which is not what is tested
        runner.run(store.run(lambda db: join(db)))
        workers = [stack.enter_context(a_worker(place)) for _ in range(2)]

        @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
        @given(teams=st.tuples(team, team, team), smaller=st.integers(0, TOTAL))
        def check(teams: tuple[list[Plan], list[Plan], list[Plan]], smaller: int) -> None:
            number = next(numbers)
            orders = [
                Order(
                    pool=f"job-{number}",
                    total=total,
                    first_nonce=100_000 * (3 * number + place_in_line),
                    plans=plans,
                )
                for place_in_line, (total, plans) in enumerate(
                    zip((TOTAL, TOTAL, smaller), teams, strict=True)
                )
            ]
            held, seen, most = runner.run(race(store, workers, orders))
            assert held == seen
            assert most <= TOTAL

        check()


def test_no_interleaving_overshoots(place: str) -> None:
    check_that_nothing_overshoots(place, examples=15)


@pytest.mark.nightly
def test_no_interleaving_overshoots_long(place: str) -> None:
    check_that_nothing_overshoots(place, examples=1_000)

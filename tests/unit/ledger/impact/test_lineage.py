"""What a question was made from, and the run it is asked in."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from opengradient_sdk._core.portal import Portal
from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.ledger.impact import (
    Lineage,
    Run,
    agent_run,
    current_run,
    parents_for,
)
from opengradient_sdk.ledger.impact.lineage import MOST_PARENTS, enclosing_runs

from ..receipts import a_receipt


def answer(receipt_id: str, parents: Any = None) -> tuple[str, ...]:
    """Make a call that is answered at once; return the parents it was given."""
    lineage = Lineage.here(parents)
    lineage.answered(receipt_id)
    return lineage.parents


def test_outside_a_run_only_what_is_named_counts() -> None:
    assert current_run() is None
    assert Lineage.here() == Lineage((), None)
    assert Lineage.here([a_receipt(1), "rcpt_2"]) == Lineage(("rcpt_1", "rcpt_2"), None)


def test_parents_are_named_once_in_their_order() -> None:
    assert parents_for(["b", a_receipt(1), "a", "b", "rcpt_1"]) == ("b", "rcpt_1", "a")
    assert len(parents_for([str(n) for n in range(MOST_PARENTS)])) == MOST_PARENTS


@pytest.mark.parametrize(
    ("parents", "message"),
    [
        ("rcpt_1", "a sequence of receipts"),
        (a_receipt(1), "a sequence of receipts"),
        ([""], "no receipt and no id"),
        (["a b"], "no receipt and no id"),
        (["a\n"], "no receipt and no id"),
        (["ü"], "no receipt and no id"),
        (["x" * 129], "no receipt and no id"),
        ([7], "no receipt and no id"),
        ([None], "no receipt and no id"),
        ([str(n) for n in range(MOST_PARENTS + 1)], "at most 1,000 receipts, not 1,001"),
        (7, "a sequence of receipts"),
    ],
)
def test_what_are_no_parents(parents: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Lineage.here(parents)


def test_a_run_is_named_by_its_receipts() -> None:
    with agent_run("nightly report") as run:
        assert current_run() is run
        assert run.name == "nightly report"
        assert run.id.startswith("nightly report-")
        assert Lineage.here(["a"]) == Lineage(("a",), run.id)
        assert repr(run) == f"Run({run.id!r})"
    assert current_run() is None


def test_two_runs_of_one_name_are_two() -> None:
    with agent_run("x") as first:
        pass
    with agent_run("x") as second:
        pass
    assert first.id != second.id


def test_a_run_needs_no_name() -> None:
    with agent_run() as run:
        assert run.name is None
        assert run.id.startswith("run-")


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a\nb", "\x1b[31m", "x" * 101, 7])
def test_no_names(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="no name for a run"):
        agent_run(name)


def test_runs_inside_each_other() -> None:
    with agent_run("outer") as outer:
        with agent_run("inner") as inner:
            assert current_run() is inner
            assert inner.outer is outer
            assert inner.id.startswith(f"{outer.id}/inner-")
            assert enclosing_runs(inner.id) == (outer.id, inner.id)
        assert current_run() is outer
    assert enclosing_runs(None) == ()


def test_runs_are_not_nested_without_end() -> None:
    def nest(levels: int) -> None:
        with agent_run():
            if levels:
                nest(levels - 1)

    nest(15)
    with pytest.raises(ConfigurationError, match="16 levels"):
        nest(16)
    assert current_run() is None


def test_a_failure_leaves_the_run() -> None:
    with pytest.raises(RuntimeError, match="agent"), agent_run():
        raise RuntimeError("the agent failed")
    assert current_run() is None


def test_a_run_is_entered_once() -> None:
    manager = agent_run()
    with manager, pytest.raises(ConfigurationError, match="once"):
        manager.__enter__()
    with pytest.raises(ConfigurationError, match="once"):
        manager.__enter__()


def test_without_chain_a_call_rests_on_nothing_that_it_does_not_name() -> None:
    with agent_run():
        answer("a")
        assert answer("b") == ()
        assert answer("c", ["a"]) == ("a",)


def test_in_a_chain_each_call_rests_on_the_one_before() -> None:
    with agent_run(chain=True):
        assert answer("a") == ()
        assert answer("b") == ("a",)
        assert answer("c") == ("b",)


def test_in_a_chain_nothing_can_be_named_too() -> None:
    with agent_run(chain=True):
        answer("a")
        assert answer("b", []) == ()
        assert answer("c") == ("a", "b")
        assert answer("d", ["elsewhere"]) == ("elsewhere",)
        assert answer("e") == ("c", "d")


def test_calls_at_once_rest_on_what_was_there_when_they_began() -> None:
    with agent_run(chain=True):
        answer("a")
        left, right = Lineage.here(), Lineage.here()
        right.answered("r")
        left.answered("l")
        assert left.parents == right.parents == ("a",)
        assert answer("z") == ("r", "l")


def test_a_call_that_failed_is_no_parent() -> None:
    with agent_run(chain=True):
        answer("a")
        Lineage.here()
        assert answer("b") == ("a",)


def test_runs_inside_a_chain_are_part_of_it() -> None:
    with agent_run("outer", chain=True):
        answer("a")
        with agent_run("inner"):
            assert answer("b") == ("a",)
        assert answer("c") == ("b",)


def test_a_chain_inside_a_run_ends_with_it() -> None:
    with agent_run("outer"):
        answer("a")
        with agent_run("inner", chain=True):
            assert answer("b") == ()
            assert answer("c") == ("b",)
        assert answer("d") == ()


def test_a_chain_that_fans_out_too_far_says_so_before_anything_is_paid() -> None:
    with agent_run(chain=True):
        calls = [Lineage.here() for _ in range(MOST_PARENTS + 1)]
        for number, call in enumerate(calls):
            call.answered(str(number))
        with pytest.raises(ConfigurationError, match="at most 1,000"):
            Lineage.here()
        assert answer("z", ["0"]) == ("0",)


def test_no_receipt_is_its_own_parent() -> None:
    lineage = Lineage.here(["a"])
    with pytest.raises(ConfigurationError, match="its own parent"):
        lineage.answered("a")


def test_an_answer_from_the_store_is_part_of_the_chain() -> None:
    with agent_run(chain=True):
        answer("a")
        again = Lineage.here()
        again.repeated("a")  # the run is repeated after a crash, and has asked this before
        assert Lineage.here().parents == ("a",)
        Lineage.here().repeated("stored")
        assert Lineage.here().parents == ("a", "stored")
        answer("b")
        assert Lineage.here().parents == ("b",)
    Lineage.here(["a"]).repeated("a")  # outside of a chain there is nothing to do


async def test_tasks_belong_to_the_run_they_were_started_in() -> None:
    async def where() -> Run | None:
        await asyncio.sleep(0)
        return current_run()

    outside = asyncio.create_task(where())
    async with agent_run("one") as one:
        inside = asyncio.create_task(where())
        async with agent_run("two") as two:
            deeper = [asyncio.create_task(where()) for _ in range(3)]
    assert await outside is None
    assert await inside is one
    assert await asyncio.gather(*deeper) == [two] * 3
    assert current_run() is None


async def test_two_tasks_in_runs_of_their_own_do_not_meet() -> None:
    met = asyncio.Barrier(2)

    async def agent(name: str) -> tuple[str, ...]:
        async with agent_run(name, chain=True):
            answer(f"{name}1")
            await met.wait()
            answer(f"{name}2")
            await met.wait()
            return answer(f"{name}3")

    assert await asyncio.gather(agent("a"), agent("b")) == [("a2",), ("b2",)]


async def test_threads_take_the_run_with_the_context() -> None:
    seen: list[Run | None] = []

    def look() -> None:
        seen.append(current_run())

    async with agent_run() as run:
        await asyncio.to_thread(look)
        context = contextvars.copy_context()
        for target in (lambda: context.run(look), look):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert seen == [run, run, None]


def test_synchronous_callers_take_their_run_to_the_portal() -> None:
    async def call() -> tuple[str, ...]:
        return answer("b")

    portal = Portal()
    portal.start()
    try:
        with agent_run(chain=True):
            answer("a")
            assert portal.call(call()) == ("a",)
            assert answer("c") == ("b",)
    finally:
        portal.close()


async def test_a_run_left_in_another_task_leaves_that_task_alone() -> None:
    manager = agent_run("left elsewhere")
    run = manager.__enter__()

    async def leave() -> Run | None:
        async with agent_run("own"):
            own = current_run()
            manager.__exit__(None, None, None)
            assert current_run() is own
        return current_run()

    assert await asyncio.create_task(leave()) is run
    manager.__exit__(None, None, None)
    assert current_run() is None

"""A shared budget: what counts, for how long, and what is said when it is used up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from support.stores import DURABLE, location

from opengradient_sdk._core.store import Db, Row, Store, open_store
from opengradient_sdk.errors import BudgetExceededError, LedgerError, Spent
from opengradient_sdk.payments.budget.pools import (
    Limits,
    Pool,
    charge,
    correct_tag,
    present_run,
    reserve,
    reserve_tag,
    standing,
)
from opengradient_sdk.payments.budget.standing import Standing
from opengradient_sdk.payments.journal import SCHEMA
from opengradient_sdk.types import Address

from .rows import CAP, LIVES, NETWORK, NOW, OWNER, POOL, join, resolve, sign, withdraw

Run = Callable[[Callable[[Db], Any]], Any]
TEN = Limits(10 * CAP)
UNLIMITED = Limits(None)
NAMED = Pool(OWNER, NETWORK, "job-17")


@pytest.fixture(params=DURABLE)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(location(request.param, request, tmp_path), SCHEMA)
    yield store
    await store.aclose()


async def read(
    store: Store, limits: Limits = TEN, *, pool: Pool = POOL, now: float = NOW
) -> Standing:
    return await store.run(lambda db: standing(db, pool, present_run(db, pool), limits, now))


def rows_of_tags(db: Db) -> list[Row]:
    """What is kept of tags, of whatever run: a store that lives long must not fill with it."""
    return db.execute("SELECT run, tag, estimated FROM budget_tag")


async def test_a_reservation_is_the_whole_cap(store: Store) -> None:
    await store.run(join)
    reserved = await store.run(lambda db: sign(db, 1, TEN))
    assert reserved == await read(store) == Standing(10 * CAP, CAP, 0)
    assert reserved.remaining == 9 * CAP


async def test_a_settlement_replaces_the_cap_by_the_charge(store: Store) -> None:
    await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    await store.run(lambda db: resolve(db, 1, "settled", 3))
    assert await read(store) == Standing(10 * CAP, 0, 3)
    await store.run(lambda db: resolve(db, 1, "final", 3))
    assert await read(store) == Standing(10 * CAP, 0, 3)


@pytest.mark.parametrize("state", ["not charged", "cancelled"])
async def test_a_cap_that_was_never_collected_comes_back_whole(store: Store, state: str) -> None:
    await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    await store.run(lambda db: resolve(db, 1, state))
    assert await read(store) == Standing(10 * CAP, 0, 0)


async def test_a_cap_whose_outcome_is_unknown_stays_reserved(store: Store) -> None:
    await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    await store.run(lambda db: resolve(db, 1, "unknown"))
    assert await read(store) == Standing(10 * CAP, CAP, 0)


async def test_a_withdrawn_reservation_counts_nothing(store: Store) -> None:
    await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    await store.run(lambda db: withdraw(db, 1))
    assert await read(store) == Standing(10 * CAP, 0, 0)


async def test_a_reorg_opens_the_cap_again_and_may_charge_another_sum(store: Store) -> None:
    await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    await store.run(lambda db: resolve(db, 1, "settled", 5))
    await store.run(lambda db: resolve(db, 1, "open"))
    assert await read(store) == Standing(10 * CAP, CAP, 0)
    await store.run(lambda db: resolve(db, 1, "settled", 7))
    assert await read(store) == Standing(10 * CAP, 0, 7)


async def test_the_last_atom_can_be_reserved_and_not_one_more(store: Store) -> None:
    await store.run(join)
    one = Limits(CAP)
    await store.run(lambda db: sign(db, 1, one))
    with pytest.raises(BudgetExceededError) as refused:
        await store.run(lambda db: sign(db, 2, one, cap=1))
    assert await read(store, one) == Standing(CAP, CAP, 0)
    assert refused.value.spent is Spent.NO
    assert "the budget of 0.1 OPG has 0 OPG left" in refused.value.short_message
    assert "budget=" in refused.value.hint


async def test_a_refusal_says_what_holds_the_budget_and_until_when(store: Store) -> None:
    await store.run(join)
    two = Limits(2 * CAP)
    await store.run(lambda db: sign(db, 1, two))
    await store.run(lambda db: resolve(db, 1, "settled", CAP // 2))
    await store.run(lambda db: sign(db, 2, two, now=NOW + 10))
    with pytest.raises(BudgetExceededError) as refused:
        await store.run(lambda db: sign(db, 3, two, now=NOW + 30.5))
    assert refused.value.short_message == (
        "the budget of 0.2 OPG has 0.05 OPG left, "
        "and an authorization reserves its whole cap of 0.1 OPG"
    )
    assert "0.05 OPG is spent, and 0.1 OPG is reserved" in refused.value.hint
    assert f"can be collected for {LIVES - 20} s more" in refused.value.hint  # 279.5, rounded up
    assert "window" not in refused.value.hint


async def test_nothing_is_promised_where_nothing_comes_free_by_itself(store: Store) -> None:
    await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    with pytest.raises(BudgetExceededError) as refused:  # past its deadline: the chain must speak
        await store.run(lambda db: sign(db, 2, Limits(CAP), now=NOW + LIVES + 1))
    assert "0.1 OPG is reserved" in refused.value.hint
    assert " s more" not in refused.value.hint


async def test_the_error_names_a_named_budget(store: Store) -> None:
    await store.run(lambda db: join(db, NAMED))
    with pytest.raises(BudgetExceededError, match="the budget 'job-17' of 0 OPG has 0 OPG left"):
        await store.run(lambda db: sign(db, 1, Limits(0), pool=NAMED))


async def test_without_a_total_everything_is_counted_and_nothing_refused(store: Store) -> None:
    await store.run(join)
    await store.run(lambda db: sign(db, 1, UNLIMITED, cap=10**60))
    await store.run(lambda db: sign(db, 2, UNLIMITED, cap=10**40))
    await store.run(lambda db: resolve(db, 2, "settled", 10**39))
    seen = await read(store, UNLIMITED)
    assert (seen, seen.remaining) == (Standing(None, 10**60, 10**39), None)


async def test_each_client_is_held_to_its_own_total_over_the_shared_sum(store: Store) -> None:
    await store.run(join)
    small, large = Limits(2 * CAP), Limits(3 * CAP)
    for nonce in (1, 2, 3):
        await store.run(lambda db, nonce=nonce: sign(db, nonce, large))
    assert (await read(store, small)).remaining == -CAP
    with pytest.raises(BudgetExceededError, match="has 0 OPG left"):
        await store.run(lambda db: sign(db, 4, small, cap=1))


@pytest.mark.parametrize(
    "other",
    [
        Pool(OWNER, NETWORK, "another"),
        Pool(OWNER, "eip155:1"),
        Pool(Address("0x" + "cd" * 20), NETWORK),
    ],
)
async def test_other_names_networks_and_wallets_have_budgets_of_their_own(
    store: Store, other: Pool
) -> None:
    await store.run(join)
    await store.run(lambda db: join(db, other))
    await store.run(lambda db: sign(db, 1, TEN))
    await store.run(lambda db: sign(db, 2, TEN))
    await store.run(lambda db: resolve(db, 2, "settled", 9))
    assert await read(store, pool=other) == Standing(10 * CAP, 0, 0)
    assert await read(store) == Standing(10 * CAP, CAP, 9)


async def test_caps_that_an_older_version_wrote_down_count(store: Store) -> None:
    """They have no run, and are in the budget without a name."""
    await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    await store.run(lambda db: db.execute("UPDATE \"authorization\" SET run = ''"))
    assert await read(store) == Standing(10 * CAP, CAP, 0)
    await store.run(lambda db: resolve(db, 1, "settled", 9))
    assert await read(store) == Standing(10 * CAP, 0, 0)


# Runs


async def test_a_run_goes_on_while_another_client_is_alive(store: Store) -> None:
    first = await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    await store.run(lambda db: resolve(db, 1, "final", 9))
    assert await store.run(lambda db: join(db, shared=True, now=NOW + 10**6)) == first
    assert (await read(store)).settled == 9


async def test_a_run_goes_on_while_something_of_it_can_be_collected(store: Store) -> None:
    first = await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    await store.run(lambda db: resolve(db, 1, "final", 9))
    await store.run(lambda db: sign(db, 2, TEN))
    assert await store.run(lambda db: join(db, now=NOW + LIVES)) == first
    assert (await read(store)) == Standing(10 * CAP, CAP, 9)


async def test_a_new_run_begins_with_nothing_charged(store: Store) -> None:
    first = await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    await store.run(lambda db: resolve(db, 1, "settled", 9))
    second = await store.run(join)
    assert second != first
    assert await read(store) == Standing(10 * CAP, 0, 0)


async def test_open_caps_of_an_older_run_count_until_the_chain_has_spoken(store: Store) -> None:
    later = NOW + LIVES + 1
    first = await store.run(join)
    await store.run(lambda db: sign(db, 1, TEN))
    assert await store.run(lambda db: join(db, now=later)) != first
    assert await read(store, now=later) == Standing(10 * CAP, CAP, 0)
    await store.run(lambda db: resolve(db, 1, "settled", 9))  # late: counted nowhere
    assert await read(store, now=later) == Standing(10 * CAP, 0, 0)
    await store.run(lambda db: resolve(db, 1, "open"))
    assert await read(store, now=later) == Standing(10 * CAP, CAP, 0)


async def test_a_named_budget_has_one_run_for_ever(store: Store) -> None:
    first = await store.run(lambda db: join(db, NAMED))
    await store.run(lambda db: sign(db, 1, TEN, pool=NAMED))
    await store.run(lambda db: resolve(db, 1, "final", 9, NAMED))
    assert await store.run(lambda db: join(db, NAMED, now=NOW + 10**9)) == first
    assert (await read(store, pool=NAMED)).settled == 9


async def test_who_was_thought_dead_cannot_count_in_a_run_that_has_ended(store: Store) -> None:
    old = await store.run(join)
    await store.run(join)
    works: list[Callable[[Db], Any]] = [
        lambda db: reserve(db, POOL, old, TEN, CAP, NOW),
        lambda db: standing(db, POOL, old, TEN, NOW),
        lambda db: reserve_tag(db, POOL, old, TEN, "eval", 1),
    ]
    for work in works:
        with pytest.raises(LedgerError, match="has ended"):
            await store.run(work)
    await store.run(lambda db: charge(db, POOL, old, 0, 5))
    await store.run(lambda db: correct_tag(db, POOL, old, "eval", 5))
    assert await read(store) == Standing(10 * CAP, 0, 0)
    assert await store.run(rows_of_tags) == []


async def test_a_budget_that_nobody_joined_has_no_run(store: Store) -> None:
    with pytest.raises(LedgerError, match="has not joined"):
        await store.run(lambda db: present_run(db, POOL))


# Windows


async def test_with_a_window_charges_count_until_they_leave_it(store: Store) -> None:
    hour = Limits(10 * CAP, window=3600)
    await store.run(join)
    await store.run(lambda db: sign(db, 1, hour))
    await store.run(lambda db: resolve(db, 1, "final", 9))
    assert (await read(store, hour, now=NOW + 3599)).settled == 9
    assert (await read(store, hour, now=NOW + 3600)).settled == 0


async def test_a_window_remembers_over_runs(store: Store) -> None:
    """A program that is started every minute must not spend a window's money every minute."""
    hour = Limits(10 * CAP, window=3600)
    first = await store.run(join)
    await store.run(lambda db: sign(db, 1, hour))
    await store.run(lambda db: resolve(db, 1, "final", 9))
    assert await store.run(join) != first
    assert (await read(store, hour)).settled == 9
    assert (await read(store, TEN)).settled == 0  # a client of the same pool without a window


async def test_open_caps_count_however_old_they_are(store: Store) -> None:
    minute = Limits(10 * CAP, window=60)
    await store.run(join)
    await store.run(lambda db: sign(db, 1, minute))
    assert await read(store, minute, now=NOW + 10**6) == Standing(10 * CAP, CAP, 0)


async def test_a_full_window_says_when_it_moves(store: Store) -> None:
    minute = Limits(CAP, window=60)
    await store.run(join)
    await store.run(lambda db: sign(db, 1, minute))
    await store.run(lambda db: resolve(db, 1, "final", CAP))
    with pytest.raises(BudgetExceededError) as refused:
        await store.run(lambda db: sign(db, 2, minute, now=NOW + 20))
    assert "The first charge leaves the window in 40 s." in refused.value.hint
    assert "can be collected" not in refused.value.hint
    await store.run(lambda db: sign(db, 2, minute, now=NOW + 60))


# Tags


async def test_a_tag_is_held_to_its_limit_by_estimate(store: Store) -> None:
    limits = Limits(None, tags={"eval": 100})
    run = await store.run(join)
    await store.run(lambda db: reserve_tag(db, POOL, run, limits, "eval", 70))
    with pytest.raises(BudgetExceededError) as refused:
        await store.run(lambda db: reserve_tag(db, POOL, run, limits, "eval", 31))
    assert "the tag 'eval' has 0.00000000000000003 OPG" in refused.value.short_message
    assert "tags=" in refused.value.hint
    await store.run(lambda db: correct_tag(db, POOL, run, "eval", -60))
    await store.run(lambda db: reserve_tag(db, POOL, run, limits, "eval", 90))
    assert (await read(store, limits)).estimated_by_tag == {"eval": 100}


async def test_a_tag_without_a_limit_is_counted(store: Store) -> None:
    run = await store.run(join)
    await store.run(lambda db: reserve_tag(db, POOL, run, UNLIMITED, "free", 10**30))
    assert (await read(store)).estimated_by_tag == {"free": 10**30}


async def test_a_tag_never_falls_below_nothing(store: Store) -> None:
    run = await store.run(join)
    await store.run(lambda db: correct_tag(db, POOL, run, "eval", -5))
    assert (await read(store)).estimated_by_tag == {"eval": 0}


async def test_a_new_run_forgets_the_tags(store: Store) -> None:
    run = await store.run(join)
    await store.run(lambda db: reserve_tag(db, POOL, run, UNLIMITED, "eval", 7))
    await store.run(join)
    assert (await read(store)).estimated_by_tag == {}
    assert await store.run(rows_of_tags) == []

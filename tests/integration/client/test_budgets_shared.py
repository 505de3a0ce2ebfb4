"""Budgets that clients, processes and restarts share: never overshot, never lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.branches import branch
from support.stores import DURABLE, location

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.client.events import BudgetLow
from opengradient_sdk.errors import BudgetExceededError, ConfigurationError
from opengradient_sdk.payments.budget import Budget
from opengradient_sdk.types import Amount

from .kit import CAP, CHAT, Customer, CustomerFactory, refused

COMPLETIONS = "/v1/completions"


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that outlives processes."""
    return location(request.param, request, tmp_path)


@pytest.fixture
def shared(place: str, tmp_path: Path) -> dict[str, Any]:
    """The arguments of all clients of one store."""
    return {"store": place, "store_key": str(tmp_path / "state" / "key")}


async def same_wallet(customer: CustomerFactory, one: Customer, **arguments: Any) -> Customer:
    """Another client of a customer's wallet."""
    other = await customer(**{"signer": one.signer, **arguments})
    other.signer = one.signer
    return other


async def sign_one_more(one: Customer) -> int:
    """Have one more cap signed, by hand; return the atoms that are exposed afterwards."""
    challenge = await one.client.payments.challenge(None, one.question())
    await one.client.payments.authorize(challenge.offers[0])
    return await one.exposed()


async def spend_until_empty(one: Customer) -> int:
    """Have caps signed until the budget says no; return how many."""
    count = 0
    while True:
        try:
            await sign_one_more(one)
        except BudgetExceededError:
            return count
        count += 1


async def all_settled(one: Customer) -> None:
    """Let everything that was signed be charged or expire, in final blocks, and ask for it."""
    for seconds in (130, 320):  # nodes settle what is idle; then what was never sent has expired
        await one.net.advance(seconds)
    await one.net.mine(9)
    await one.client.payments.resolve()


async def test_clients_of_one_store_never_overshoot(
    shared: dict[str, Any], customer: CustomerFactory
) -> None:
    first = await customer(budget="0.5 OPG", **shared)
    others = [await same_wallet(customer, first, budget="0.5 OPG", **shared) for _ in range(2)]
    clients = [first, *others]

    counts = await asyncio.gather(*(spend_until_empty(one) for one in clients for _ in range(2)))

    assert sum(counts) == 5
    for one in clients:
        standing = await one.client.budget.standing()
        assert (standing.exposed, standing.remaining) == (Amount(5 * CAP), Amount(0))
        assert (standing.total, standing.settled) == (Amount(5 * CAP), Amount(0))
    assert len(first.signer.typed_data) == 5  # all of them sign with one wallet


async def test_processes_of_one_store_never_overshoot(
    net: Devnet, shared: dict[str, Any], customer: CustomerFactory
) -> None:
    one = await customer(budget="0.4 OPG", eth="1", **shared)
    await one.client.wallet.ensure_allowance("0.4 OPG")  # else each of them would promise one
    chat, key = one.question(), one.signer.key
    async with (
        branch(net, key, budget="0.4 OPG", **shared) as left,
        branch(net, key, budget="0.4 OPG", **shared) as right,
    ):
        told, _, mine = await asyncio.gather(
            left.ask(*[chat] * 4), right.ask(*[chat] * 4), spend_until_empty(one)
        )
        seen = await asyncio.gather(left.standing(), right.standing())

    assert 2 <= mine <= 4  # either process took one cap at the most
    assert all(standing["exposed"] <= 4 * CAP for standing in seen)
    assert await one.exposed() == len(await one.journal()) * CAP == 4 * CAP
    for outcome in told:
        assert outcome.get("error") in (None, "BudgetExceededError")
    with refused(BudgetExceededError, "the budget of 0.4 OPG", hint="Wait"):
        await sign_one_more(one)


async def test_a_budget_without_a_name_begins_anew_when_nothing_can_be_collected(
    shared: dict[str, Any], customer: CustomerFactory
) -> None:
    one = await customer(budget="0.2 OPG", **shared)
    await one.ask()
    await sign_one_more(one)
    await one.client.aclose()

    two = await same_wallet(customer, one, budget="0.2 OPG", **shared)
    assert await two.exposed() == 2 * CAP  # a restart alone frees nothing
    with pytest.raises(BudgetExceededError):
        await sign_one_more(two)
    await all_settled(two)
    charged = await two.settled()
    assert charged > 0
    await two.client.aclose()

    three = await same_wallet(customer, one, budget="0.2 OPG", **shared)
    standing = await three.client.budget.standing()
    assert (standing.exposed, standing.settled) == (Amount(0), Amount(0))


async def test_a_named_budget_counts_for_ever(
    shared: dict[str, Any], customer: CustomerFactory
) -> None:
    budget = Budget("0.2 OPG", name="job-17")
    one = await customer(budget=budget, **shared)
    await one.ask()
    await all_settled(one)
    charged = await one.settled()
    assert charged > 0
    await one.client.aclose()

    two = await same_wallet(customer, one, budget=budget, **shared)
    assert await two.settled() == charged
    await sign_one_more(two)
    with refused(BudgetExceededError, "budget 'job-17' of 0.2 OPG", hint="is spent"):
        await sign_one_more(two)

    other = await same_wallet(customer, one, budget=Budget("0.2 OPG", name="job-18"), **shared)
    assert await other.settled() == 0
    assert await spend_until_empty(other) == 2


async def test_a_window_moves_on_with_the_clock(
    net: Devnet, shared: dict[str, Any], customer: CustomerFactory
) -> None:
    one = await customer(budget=Budget("0.1 OPG", window=3600), **shared)
    await one.ask()
    await all_settled(one)
    assert await one.settled() > 0
    with refused(BudgetExceededError, "budget of 0.1 OPG", hint="is spent"):
        await one.ask()  # a rest below one cap covers no session

    await net.advance(3600)

    assert await one.settled() == 0
    assert (await one.ask()).text
    assert await one.exposed() == CAP


async def test_what_is_open_counts_however_old_its_signature(
    net: Devnet, shared: dict[str, Any], customer: CustomerFactory
) -> None:
    one = await customer(budget=Budget("0.2 OPG", window=1), **shared)
    await sign_one_more(one)
    await net.advance(60)

    assert await one.exposed() == CAP
    assert await spend_until_empty(one) == 1


async def test_tags_are_counted_by_estimate_over_all_clients(
    shared: dict[str, Any], customer: CustomerFactory
) -> None:
    probe = await customer(**shared)
    estimate = await probe.client.chat.estimate(**probe.question())
    limit = Amount(2 * estimate.maximum.atoms)
    budget = Budget("1 OPG", tags={"evals": limit})
    one = await customer(budget=budget, **shared)
    two = await same_wallet(customer, one, budget=budget, **shared)

    first = await one.ask(tag="evals")
    assert first.receipt.cost is not None
    counted = (await two.client.budget.standing()).estimated_by_tag
    assert counted == {"evals": first.receipt.cost}
    outcomes = await asyncio.gather(
        *(each.ask(tag="evals") for each in (one, two) for _ in range(4)), return_exceptions=True
    )
    refusals = [each for each in outcomes if isinstance(each, BudgetExceededError)]
    assert len(refusals) >= 1
    assert all("evals" in str(refusal) for refusal in refusals)
    assert (await one.ask()).text  # without the tag, and with another, nothing is in the way
    assert (await one.ask(tag="other")).text

    standing = await one.client.budget.standing()
    assert standing.estimated_by_tag["evals"] <= limit


async def test_per_call_is_refused_before_anything_is_sent(
    customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer(budget=Budget("1 OPG", per_call=1))

    with refused(BudgetExceededError, "per_call allows", hint="Lower max_tokens"):
        await one.ask()

    assert sent == []
    await one.assert_nothing_happened()


async def test_running_low_is_told_once(customer: CustomerFactory) -> None:
    one = await customer(budget="0.4 OPG")
    told = [len(one.events_of(BudgetLow))]
    for _ in range(4):
        await sign_one_more(one)
        told.append(len(one.events_of(BudgetLow)))

    assert told == [0, 0, 0, 1, 1]
    assert one.events_of(BudgetLow) == [BudgetLow(Amount(CAP), Amount(4 * CAP))]
    with refused(BudgetExceededError, "has 0 OPG left", hint="larger budget"):
        await one.client.completions.create(model="openai/gpt-5", prompt="hi")
    assert len(one.signer.typed_data) == 4


async def test_unlimited_is_spelled_out(customer: CustomerFactory) -> None:
    one = await customer(budget="unlimited")
    for _ in range(3):
        await sign_one_more(one)

    standing = await one.client.budget.standing()
    assert (standing.total, standing.remaining) == (None, None)
    assert standing.exposed.atoms == 3 * CAP
    assert one.events_of(BudgetLow) == []
    assert {entry.route for entry in await one.journal()} == {CHAT}


@pytest.mark.parametrize("budget", ["0.09 OPG", 0, 1, Budget("0.05 OPG")])
async def test_a_total_below_one_cap_is_refused_at_once(net: Devnet, budget: Any) -> None:
    with refused(ConfigurationError, "covers no call", hint="0.1 OPG"):
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile, budget=budget)

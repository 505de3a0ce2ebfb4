"""``client.with_budget``: a block of calls is held to a budget of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.branches import until

from opengradient_sdk import Devnet, OpenGradient
from opengradient_sdk.errors import BudgetExceededError, ConfigurationError
from opengradient_sdk.types import Amount

from .kit import CAP, Customer, CustomerFactory, refused

ONE_CAP = Amount(CAP)
NOTHING = Amount(0)


async def settle(one: Customer) -> int:
    """Let idle sessions be charged; return the atoms that the chain moved."""
    await one.net.advance(130)
    await one.net.mine(9)
    await one.client.payments.resolve()
    assert one.book is not None
    return one.book.settled


async def test_a_block_counts_what_its_calls_put_at_risk(customer: CustomerFactory) -> None:
    one = await customer()
    async with one.client.with_budget("0.5 OPG") as block:
        assert (block.exposed, block.settled, block.estimated) == (NOTHING, NOTHING, NOTHING)
        assert block.remaining == Amount(5 * CAP)
        reply = await block.chat.create(**one.question())

        assert block.exposed == ONE_CAP
        assert block.remaining == Amount(4 * CAP)
        assert block.estimated == reply.receipt.cost
        charged = await settle(one)

        assert (block.exposed, block.settled) == (NOTHING, Amount(charged))
        assert block.remaining == Amount(5 * CAP - charged)
        assert repr(block) == f"<block: 0 OPG exposed, {Amount(charged)} settled>"


async def test_sessions_are_shared_with_calls_outside(customer: CustomerFactory) -> None:
    one = await customer()
    outside = await one.ask()
    async with one.client.with_budget("0.1 OPG") as block:
        inside = await block.chat.create(**one.question())

        assert inside.receipt.authorization.nonce == outside.receipt.authorization.nonce
        assert block.exposed == ONE_CAP  # of the whole session that it joined
        assert block.estimated == inside.receipt.cost
    await one.assert_exposed(caps=1)


async def test_an_empty_block_refuses_before_anything_is_sent(
    customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    async with one.client.with_budget("0.1 OPG") as block:
        await block.chat.create(**one.question())
        requests = len(sent)

        with refused(BudgetExceededError, "the budget of this block of 0.1 OPG", hint="Wait"):
            await block.completions.create(model="openai/gpt-5", prompt="hi")

        assert len(sent) == requests
        assert (await one.client.completions.create(model="openai/gpt-5", prompt="hi")).text
    await one.assert_exposed(caps=2)


async def test_a_session_that_does_not_fit_is_not_joined(customer: CustomerFactory) -> None:
    one = await customer()
    await one.client.completions.create(model="openai/gpt-5", prompt="hi")
    async with one.client.with_budget("0.1 OPG") as block:
        await block.chat.create(**one.question())

        with refused(BudgetExceededError, "the budget of this block", hint="Wait"):
            await block.completions.create(model="openai/gpt-5", prompt="hi")

        assert block.exposed == ONE_CAP
    await one.assert_exposed(caps=2)


@pytest.mark.parametrize("total", ["0.09 OPG", 0, 1])
async def test_a_total_below_one_cap_is_refused_at_once(
    customer: CustomerFactory, total: Any
) -> None:
    one = await customer()

    with refused(ConfigurationError, "covers no call", hint="0.1 OPG"):
        one.client.with_budget(total)

    await one.assert_nothing_happened()


@pytest.mark.parametrize("total", [None, "much", "-1 OPG"])
async def test_what_is_no_amount_is_refused(customer: CustomerFactory, total: Any) -> None:
    one = await customer()

    with refused(ConfigurationError, "budget", hint=""):
        one.client.with_budget(total)
    with pytest.raises(TypeError):
        one.client.with_budget(0.5)  # type: ignore[arg-type]

    await one.assert_nothing_happened()


async def test_per_call_is_refused_before_anything_is_sent(
    customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    async with one.client.with_budget("1 OPG", per_call=1) as block:
        with refused(BudgetExceededError, "per_call allows", hint="Lower max_tokens"):
            await block.chat.create(**one.question())
        assert (block.exposed, block.estimated) == (NOTHING, NOTHING)

    assert sent == []
    await one.assert_nothing_happened()


async def test_per_call_of_the_estimate_lets_the_call_pass(customer: CustomerFactory) -> None:
    one = await customer()
    estimate = await one.client.chat.estimate(**one.question())
    async with one.client.with_budget("0.5 OPG", per_call=estimate.maximum) as block:
        reply = await block.chat.create(**one.question())

        assert reply.receipt.cost is not None
        assert reply.receipt.cost <= estimate.maximum
        with pytest.raises(BudgetExceededError):
            await block.chat.create(**one.question(max_tokens=65))


async def test_a_block_within_a_block_counts_in_both(customer: CustomerFactory) -> None:
    one = await customer()
    async with one.client.with_budget("0.2 OPG") as outer:
        async with outer.with_budget("0.5 OPG") as inner:
            reply = await inner.chat.create(**one.question())

            assert inner.exposed == outer.exposed == ONE_CAP
            assert inner.estimated == outer.estimated == reply.receipt.cost
            assert inner.remaining == outer.remaining == ONE_CAP  # what the outer one leaves
        charged = Amount(await settle(one))
        assert inner.settled == outer.settled == charged


async def test_a_streamed_call_counts(customer: CustomerFactory) -> None:
    one = await customer()
    async with one.client.with_budget("0.1 OPG") as block:
        async with block.chat.stream(**one.question()) as stream:
            reply = await stream.get_final_reply()

        assert block.exposed == ONE_CAP
        assert block.estimated == reply.receipt.cost


async def test_concurrent_calls_of_a_block_share_one_cap(customer: CustomerFactory) -> None:
    one = await customer()
    async with one.client.with_budget("0.1 OPG") as block:
        asked = (block.chat.create(**one.question()) for _ in range(10))
        replies = await asyncio.gather(*asked)

        assert len({reply.receipt.authorization.nonce for reply in replies}) == 1
        assert block.exposed == ONE_CAP
    await one.assert_exposed(caps=1)


async def test_the_clients_budget_holds_within_a_block(customer: CustomerFactory) -> None:
    one = await customer(budget="0.1 OPG")
    async with one.client.with_budget("1 OPG") as block:
        await block.chat.create(**one.question())
        with refused(BudgetExceededError, "the budget of 0.1 OPG", hint="Wait"):
            await block.completions.create(model="openai/gpt-5", prompt="hi")
    await one.assert_exposed(caps=1)


async def test_an_unlimited_block_only_counts(customer: CustomerFactory) -> None:
    one = await customer()
    async with one.client.with_budget("unlimited") as block:
        await block.chat.create(**one.question())
        assert (block.exposed, block.remaining) == (ONE_CAP, None)


async def test_a_block_is_used_while_it_is_open(customer: CustomerFactory) -> None:
    one = await customer()
    block = one.client.with_budget("0.5 OPG")

    with refused(ConfigurationError, "the block is not open", hint="async with"):
        await block.chat.create(**one.question())
    async with block:
        await block.chat.create(**one.question())
    with refused(ConfigurationError, "the block is not open", hint="async with"):
        block.completions  # noqa: B018 - asking for it is what is refused
    assert block.exposed == ONE_CAP  # its figures stay


async def test_without_await(net: Devnet) -> None:
    signer = await net.new_account(opg="1")
    profile = net.profile
    question = Customer.question()

    def ask() -> tuple[Amount, Amount, Amount | None, Amount | None]:
        with (
            OpenGradient(signer=signer, network=profile, store=":memory:") as client,
            client.with_budget("0.5 OPG") as block,
            block.with_budget("0.2 OPG") as inner,
        ):
            reply = inner.chat.create(**question)
            return block.exposed, inner.estimated, inner.remaining, reply.receipt.cost

    exposed, estimated, remaining, cost = await asyncio.to_thread(ask)
    assert (exposed, remaining) == (ONE_CAP, ONE_CAP)
    assert estimated == cost


async def test_a_cancelled_call_stays_counted(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer()
    net.nodes[0].faults.delay = 60.0
    async with one.client.with_budget("0.1 OPG") as block:
        call = asyncio.create_task(block.chat.create(**one.question()))
        await one.working(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: one.lives[0].in_flight == 0)

        assert block.exposed == ONE_CAP  # the node may bill it
        assert block.remaining == NOTHING

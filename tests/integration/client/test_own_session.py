"""``client.session``: sessions by hand, shared with nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from opengradient_sdk import Devnet, OpenGradient
from opengradient_sdk.errors import BudgetExceededError, ConfigurationError
from opengradient_sdk.payments.state import AuthorizationState
from opengradient_sdk.payments.status import PaymentState
from opengradient_sdk.types import Amount

from .kit import CAP, Customer, CustomerFactory, refused

ONE_CAP = Amount(CAP)


async def test_its_calls_share_one_authorization_with_nobody_else(
    customer: CustomerFactory,
) -> None:
    one = await customer()
    outside = await one.ask()
    async with one.client.session(max_exposure="0.2 OPG") as session:
        asked = (session.chat.create(**one.question()) for _ in range(5))
        replies = await asyncio.gather(*asked)
        again = await one.ask()

        (nonce,) = {reply.receipt.authorization.nonce for reply in replies}
        assert nonce != outside.receipt.authorization.nonce
        assert again.receipt.authorization.nonce == outside.receipt.authorization.nonce
        assert session.exposed == session.remaining == ONE_CAP
        assert session.estimated.atoms == sum(
            reply.receipt.cost.atoms for reply in replies if reply.receipt.cost
        )
        assert repr(session) == "<session: 0.1 OPG exposed, 0 OPG settled>"
    await one.assert_exposed(caps=2)


async def test_its_end_retires_it_so_that_it_settles(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    async with one.client.session(max_exposure="0.1 OPG") as session:
        await session.chat.create(**one.question())
        (life,) = one.lives
        assert life.state is AuthorizationState.ACTIVE

    assert life.state is AuthorizationState.RETIRED
    assert life.session_id is None
    await net.advance(130)
    await one.client.payments.resolve()
    assert life.status.state is PaymentState.SETTLED
    assert one.book is not None
    assert session.settled.atoms == one.book.settled > 0
    assert session.exposed == Amount(0)


async def test_another_one_begins_anew(customer: CustomerFactory) -> None:
    one = await customer()
    for _ in range(2):
        async with one.client.session(max_exposure="0.1 OPG") as session:
            await session.chat.create(**one.question())
    await one.assert_exposed(caps=2)


async def test_max_exposure_is_never_exceeded(customer: CustomerFactory, sent: list[str]) -> None:
    one = await customer()
    async with one.client.session(max_exposure="0.1 OPG") as session:
        await session.chat.create(**one.question())
        requests = len(sent)
        with refused(BudgetExceededError, "this block of 0.1 OPG", hint="Wait"):
            await session.completions.create(model="openai/gpt-5", prompt="hi")
        assert len(sent) == requests
    await one.assert_exposed(caps=1)


async def test_a_block_within_it_uses_its_sessions(customer: CustomerFactory) -> None:
    one = await customer()
    async with (
        one.client.session(max_exposure="0.2 OPG") as session,
        session.with_budget("0.1 OPG") as block,
    ):
        first = await session.chat.create(**one.question())
        second = await block.chat.create(**one.question())

        assert first.receipt.authorization.nonce == second.receipt.authorization.nonce
        assert block.exposed == session.exposed == ONE_CAP
    await one.assert_exposed(caps=1)


@pytest.mark.parametrize("most", ["0.09 OPG", 0, None, "much"])
async def test_what_is_below_one_cap_is_refused_at_once(
    customer: CustomerFactory, most: Any
) -> None:
    one = await customer()

    with refused(ConfigurationError, "budget", hint=""):
        one.client.session(max_exposure=most)

    await one.assert_nothing_happened()


async def test_without_await(net: Devnet) -> None:
    signer = await net.new_account(opg="1")
    profile = net.profile

    def ask() -> tuple[int, int, Amount]:
        with (
            OpenGradient(signer=signer, network=profile, store=":memory:") as client,
            client.session(max_exposure="0.2 OPG") as session,
        ):
            first = session.chat.create(**Customer.question())
            second = session.chat.create(**Customer.question())
            nonces = [reply.receipt.authorization.nonce for reply in (first, second)]
            return nonces[0], nonces[1], session.exposed

    first, second, exposed = await asyncio.to_thread(ask)
    assert first == second
    assert exposed == ONE_CAP

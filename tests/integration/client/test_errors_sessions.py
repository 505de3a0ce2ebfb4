"""Sessions that end, get lost, are refused or cancelled: no authorization more than allowed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from opengradient_sdk import Devnet
from opengradient_sdk.client.events import PaymentRefused
from opengradient_sdk.devnet.node import Node
from opengradient_sdk.errors import (
    BudgetExceededError,
    NoNodeAvailableError,
    OpenGradientError,
    PaymentRejectedError,
    Spent,
    TransportError,
)
from opengradient_sdk.payments.state import AuthorizationState

from .kit import CAP, PAYMENT, SESSION, Customer, CustomerFactory, new_customer, refused
from .scripted_node import listed


async def test_after_a_bare_402_the_first_header_is_tried_before_a_new_signature(
    net: Devnet, customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    await one.ask()
    net.nodes[0].faults.bare_402 = 1

    reply = await one.ask()

    assert sent == ["nothing", PAYMENT, SESSION, PAYMENT]
    assert reply.receipt.authorization.calls == 2
    await one.assert_exposed(caps=1)
    await one.ask()
    assert sent[4:] == [SESSION]


async def test_after_two_bare_402s_one_new_authorization_is_signed(
    net: Devnet, customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    await one.ask()
    net.nodes[0].faults.bare_402 = 2

    reply = await one.ask()

    assert sent[2:] == [SESSION, PAYMENT, "nothing", PAYMENT]
    assert reply.receipt.authorization.calls == 1
    await one.assert_exposed(caps=2)  # the old cap stays reserved
    assert [life.ended_by_node for life in one.lives] == [True, False]
    assert len(one.events_of(PaymentRefused)) == 1


async def test_a_node_that_lost_its_sessions_honours_the_permits(
    net: Devnet, customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    await one.ask()
    _forget_sessions(net.nodes[0])

    replies = await asyncio.gather(*(one.ask() for _ in range(5)))

    assert all(reply.text for reply in replies)
    assert sent.count("nothing") == 1
    await one.assert_exposed(caps=1)


async def test_a_restarted_node_is_found_under_its_new_keys() -> None:
    async with Devnet(accounts=1) as net, new_customer(net) as one:
        node = net.nodes[0]
        before = (await one.ask()).receipt
        await node.stop()
        await node.start()
        assert node._parts is not None
        async with listed(net, node._parts.enclave, node.endpoint, pay_to=node.pay_to):
            with refused(TransportError, "no connection", hint="", secrets=lambda: one.secrets):
                await one.ask()

            after = (await one.ask()).receipt

        assert after.tee_id == node.tee_id != before.tee_id
        await one.assert_exposed(caps=2)


async def test_a_node_that_wastes_authorizations_is_left(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    net.nodes[0].faults.never_pay = True
    for _ in range(2):
        with pytest.raises(PaymentRejectedError):
            await one.ask()

    with refused(NoNodeAvailableError, "less than half used", hint="client.payments.unresolved"):
        await one.ask()

    await one.assert_exposed(caps=3)
    assert len(one.client.payments.unresolved) == 3
    net.nodes[0].faults.never_pay = False
    with pytest.raises(NoNodeAvailableError):
        await one.ask()
    await one.assert_exposed(caps=3)


async def test_a_refusal_that_the_budget_lets_no_second_try_is_still_a_refusal(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(budget="0.15 OPG")
    net.nodes[0].faults.never_pay = True

    with refused(
        PaymentRejectedError,
        "Payment required",
        spent=Spent.MAYBE,
        hint="stays reserved",
        secrets=lambda: one.secrets,
    ) as caught:
        await one.ask()

    assert isinstance(caught.error.__cause__, BudgetExceededError)
    await one.assert_exposed(caps=1)


async def test_a_node_that_is_left_in_the_middle_of_a_call_has_refused_it(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    await one.ask()
    net.nodes[0].faults.never_pay = True
    with pytest.raises(PaymentRejectedError):
        await one.ask()  # the session and one authorization are wasted
    await one.assert_exposed(caps=2)
    net.nodes[0].faults.never_pay = False
    await one.ask()
    net.nodes[0].faults.never_pay = True

    with refused(
        PaymentRejectedError, "Payment required", spent=Spent.MAYBE, hint="stays reserved"
    ):
        await one.ask()

    await one.assert_exposed(caps=3)
    with refused(NoNodeAvailableError, "less than half used", hint="unresolved"):
        await one.ask()


async def test_when_a_node_wastes_authorizations_another_one_serves() -> None:
    async with Devnet(accounts=1, nodes=2) as net, new_customer(net) as one:
        favourite = (await one.ask()).receipt.tee_id
        bad, good = sorted(net.nodes, key=lambda node: node.tee_id != favourite)
        bad.faults.never_pay = True
        outcomes = [await _outcome(one) for _ in range(4)]

        assert outcomes[-1] == good.tee_id
        wasted = [life for life in one.lives if life.tee_id == bad.tee_id]
        assert len(wasted) <= 3
        assert net.books().balanced


async def test_half_used_caps_are_no_waste(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer()
    for _ in range(6):
        await one.ask()
        one.lives[-1].served = CAP // 2  # as if much had been asked
        net.nodes[0].faults.bare_402 = 2

    assert (await one.ask()).text
    await one.assert_exposed(caps=7)


async def test_a_late_answer_does_not_revive_a_session_that_is_gone(
    net: Devnet, customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    await one.ask()
    dead = one.lives[0].session_id
    slow = asyncio.create_task(one.ask(messages="sleep 0.3s"))
    await one.working(1)
    _forget_sessions(net.nodes[0])
    await one.ask()
    alive = one.lives[0].session_id
    assert alive != dead

    assert (await slow).text

    assert one.lives[0].session_id == alive
    sent.clear()
    await one.ask()
    assert sent == [SESSION]
    await one.assert_exposed(caps=1)


async def test_a_late_answer_does_not_revive_a_retired_authorization(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    slow = asyncio.create_task(one.ask(messages="sleep 0.3s"))
    await one.working(1)
    net.clock.advance(101)
    await one.ask()

    late = await slow

    old, new = one.lives
    assert late.receipt.authorization.nonce == old.authorization.nonce
    assert (old.state, old.session_id) == (AuthorizationState.RETIRED, None)
    assert new.state is AuthorizationState.ACTIVE
    assert (await one.ask()).receipt.authorization.nonce == new.authorization.nonce
    await one.assert_exposed(caps=2)


async def test_fifty_fresh_calls_need_one_signature(
    customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()

    replies = await asyncio.gather(*(one.ask() for _ in range(50)))

    assert len({reply.receipt.authorization.nonce for reply in replies}) == 1
    assert sent.count("nothing") == 1
    assert len(sent) == 51
    await one.assert_exposed(caps=1)


async def test_a_rollover_under_load_signs_one_new_authorization(
    net: Devnet, customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    early = [asyncio.create_task(one.ask(messages="sleep 0.5s")) for _ in range(50)]
    await one.working(50)
    await net.advance(101)
    late = [asyncio.create_task(one.ask()) for _ in range(50)]

    first = {(await task).receipt.authorization.nonce for task in early}
    second = {(await task).receipt.authorization.nonce for task in late}

    assert [first, second] == [{life.authorization.nonce} for life in one.lives]
    assert sent.count("nothing") == 2
    assert [life.calls for life in one.lives] == [50, 50]
    await one.assert_exposed(caps=2)


async def test_many_calls_whose_session_is_refused_share_one_new_authorization(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    await one.ask()
    net.nodes[0].faults.bare_402 = 20  # ten sessions, then ten permits

    replies = await asyncio.gather(*(one.ask() for _ in range(10)))

    assert all(reply.text for reply in replies)
    await one.assert_exposed(caps=2)


async def _outcome(one: Customer) -> Any:
    try:
        return (await one.ask()).receipt.tee_id
    except OpenGradientError as error:
        return type(error)


def _forget_sessions(node: Node) -> None:
    """What a crash of the node does to its sessions."""
    node._book._by_id.clear()
    node._book._by_permit.clear()

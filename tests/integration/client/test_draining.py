"""Nodes that cost money for nothing are left, and say why, before they have cost three caps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opengradient_sdk import CheckStatus, Devnet
from opengradient_sdk.client.events import NodeLeft
from opengradient_sdk.devnet.node.faults import Faults
from opengradient_sdk.errors import OpenGradientError
from opengradient_sdk.payments.status import PaymentState

from .kit import CAP, Customer, CustomerFactory

MOST_CAPS = 3
PATIENCE = 12


@pytest.fixture
async def net() -> AsyncIterator[Devnet]:
    """A network of its own for each test: what nodes did is remembered in blocks."""
    async with Devnet(accounts=1) as network:
        yield network


@asynccontextmanager
async def miscounting(counted: dict[str, int]) -> AsyncIterator[str]:
    """A model server whose token counts are made up; the node signs and bills them."""

    async def answer(_: web.Request) -> web.Response:
        message = {"role": "assistant", "content": "hello"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = counted | {"total_tokens": sum(counted.values())}
        return web.json_response({"model": "m", "choices": [choice], "usage": usage})

    application = web.Application()
    application.router.add_post("/v1/chat/completions", answer)
    async with TestServer(application) as server:
        yield str(server.make_url("/v1"))


async def ask_stubbornly(one: Customer) -> list[OpenGradientError]:
    """Ask again and again, as a program that does not look would, when the node is forgiven."""
    errors: list[OpenGradientError] = []
    for _ in range(PATIENCE):
        try:
            await one.ask()
        except OpenGradientError as error:
            errors.append(error)
    return errors


@pytest.mark.parametrize(
    "misbehave",
    [
        lambda faults: setattr(faults, "never_pay", True),
        lambda faults: setattr(faults, "refuse_payment", "permit2_simulation_failed"),
    ],
    ids=["asks again and again", "refuses every payment"],
)
async def test_a_node_that_wastes_caps_is_left(
    net: Devnet, customer: CustomerFactory, misbehave: Callable[[Faults], None]
) -> None:
    one = await customer(budget="5 OPG")
    misbehave(net.nodes[0].faults)

    errors = await ask_stubbornly(one)

    assert len(errors) == PATIENCE
    assert len(one.signer.typed_data) == MOST_CAPS
    assert await one.exposed() == MOST_CAPS * CAP
    assert "less than half used" in str(errors[-1])
    assert one.served == 0


async def test_bare_refusals_in_a_row_do_not_go_on_for_ever(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(budget="5 OPG")
    await one.ask()
    net.nodes[0].faults.bare_402 = 1000

    errors = await ask_stubbornly(one)

    assert len(errors) == PATIENCE
    assert len(one.signer.typed_data) <= MOST_CAPS
    assert await one.exposed() <= MOST_CAPS * CAP


async def test_a_node_with_another_to_go_to_is_simply_left(customer: CustomerFactory) -> None:
    async with Devnet(accounts=1, nodes=2) as net:
        signer = await net.new_account(opg="10")
        one = await customer(network=net.profile, signer=signer, budget="5 OPG")
        net.nodes[0].faults.never_pay = True

        outcomes = len(await ask_stubbornly(one))

        honest = net.nodes[1]
        assert outcomes < PATIENCE
        assert (await one.ask()).receipt.tee_id == honest.tee_id
        assert len([life for life in one.lives if life.tee_id != honest.tee_id]) <= MOST_CAPS


async def test_a_charge_above_what_was_served_is_a_failed_check_and_ends_trust(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(budget="5 OPG")
    reply = await one.ask()
    net.nodes[0].faults.overcharge = 7
    await net.advance(130)
    await net.mine(9)
    await one.client.payments.resolve()

    receipt = await one.client.receipts.refresh(reply.receipt)
    (life,) = one.lives
    assert life.status.state in (PaymentState.SETTLED, PaymentState.FINAL)
    assert life.status.amount is not None
    assert life.status.amount.atoms == life.served + 7
    failed = [check for check in receipt.evidence.checks if check.status is CheckStatus.FAILED]
    assert len(failed) == 1
    assert str(life.status.amount) in failed[0].reason
    assert await one.settled() == life.served + 7  # the budget counts what the chain moved

    assert {left.tee_id for left in one.events_of(NodeLeft)} == {life.tee_id}
    with pytest.raises(OpenGradientError):
        await one.ask()
    assert len(one.signer.typed_data) == 1


@pytest.mark.parametrize(
    ("counted", "why"),
    [
        ({"prompt_tokens": 50_000, "completion_tokens": 5}, "50000 prompt tokens"),
        ({"prompt_tokens": 20, "completion_tokens": 3_000}, "3000 completion tokens"),
    ],
)
async def test_a_node_that_counts_what_cannot_be_is_left(
    customer: CustomerFactory, counted: dict[str, int], why: str
) -> None:
    async with miscounting(counted) as upstream, Devnet(accounts=1, upstream=upstream) as net:
        signer = await net.new_account(opg="10")
        one = await customer(network=net.profile, signer=signer, budget="5 OPG")

        first = await one.ask()
        errors = await ask_stubbornly(one)

        assert any(why in check.reason for check in first.receipt.evidence.checks)
        assert all(why in left.reason for left in one.events_of(NodeLeft))
        assert one.events_of(NodeLeft)
        assert len(errors) == PATIENCE
        assert await one.exposed() == CAP


async def test_an_honest_charge_leaves_no_mark(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer(budget="5 OPG")
    reply = await one.ask()
    await net.advance(130)
    await net.mine(9)
    await one.client.payments.resolve()

    receipt = await one.client.receipts.refresh(reply.receipt)
    assert all(check.status is not CheckStatus.FAILED for check in receipt.evidence.checks)
    assert one.events_of(NodeLeft) == []
    assert (await one.ask()).text

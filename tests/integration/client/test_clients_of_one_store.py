"""Two clients of one wallet with one store: what one counts is not judged by the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.client.events import Event, NodeLeft, PaymentResolved
from opengradient_sdk.payments.status import PaymentState

from .kit import Customer

KEY = "order-17"


@dataclass
class Pair:
    """Two clients that are open at the same time, and what the second was told."""

    net: Devnet
    one: AsyncOpenGradient
    other: AsyncOpenGradient
    told: list[Event]

    async def settle(self) -> None:
        await self.net.advance(130)
        await self.net.mine(9)


@pytest.fixture(params=DURABLE)
async def pair(net: Devnet, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    arguments = {
        "signer": await net.new_account(opg="5"),
        "network": net.profile,
        "store": location(request.param, request, tmp_path),
        "store_key": str(tmp_path / "key"),
    }
    told: list[Event] = []
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(AsyncOpenGradient(**arguments))
        other = await stack.enter_async_context(
            AsyncOpenGradient(**arguments, on_event=told.append)
        )
        yield Pair(net, one, other, told)


async def test_a_repeated_answer_makes_nobody_judge_another_clients_session(pair: Pair) -> None:
    first = await pair.one.chat.create(**Customer.question(idempotency_key=KEY))
    again = await pair.other.chat.create(**Customer.question(idempotency_key=KEY))
    assert again.receipt.repeated
    assert again.receipt.id == first.receipt.id
    # the first one goes on: what the second has read of the session is old by now
    await pair.one.chat.create(**Customer.question())
    await pair.settle()

    assert await pair.other.payments.resolve() == ()  # it has signed nothing
    seen = await pair.other.receipts.refresh(again.receipt)

    assert seen.payment.state in (PaymentState.SETTLED, PaymentState.FINAL)
    assert not [event for event in pair.told if isinstance(event, NodeLeft | PaymentResolved)]
    await pair.other.chat.create(**Customer.question())  # of the same node, which was honest


async def test_by_hand_another_clients_payment_is_asked_about_and_not_followed(pair: Pair) -> None:
    receipt = (await pair.one.chat.create(**Customer.question())).receipt
    assert receipt.life is not None
    authorization = receipt.life.authorization
    assert (await pair.other.payments.status(authorization)).state is PaymentState.OPEN
    assert pair.other.payments.unresolved == ()
    await pair.one.chat.create(**Customer.question())
    await pair.settle()

    status = await pair.other.payments.status(authorization)

    assert status.state in (PaymentState.SETTLED, PaymentState.FINAL)
    assert not status.from_journal
    assert pair.told == []

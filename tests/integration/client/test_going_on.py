"""A client goes on with what another has left: sessions have a price, and keys their receipts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.branches import GoneError, branch
from support.stores import DURABLE, location

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk._core.http import HttpResponse

from .kit import Customer, CustomerFactory

KEY = "order-17"


@pytest.fixture(params=DURABLE)
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The arguments of all clients of one store."""
    return {
        "store": location(request.param, request, tmp_path),
        "store_key": str(tmp_path / "state" / "key"),
    }


async def test_an_answer_of_an_inherited_session_has_its_cost(
    net: Devnet, shared: dict[str, Any]
) -> None:
    arguments = {**shared, "signer": await net.new_account(opg="5"), "network": net.profile}
    async with AsyncOpenGradient(**arguments) as first:
        one = (await first.chat.create(**Customer.question())).receipt
    async with AsyncOpenGradient(**arguments) as heir:
        other = (await heir.chat.create(**Customer.question())).receipt
    assert other.authorization.nonce == one.authorization.nonce
    assert other.cost == one.cost
    assert other.authorization.unpriced == 0


async def test_an_answer_of_a_session_that_is_older_than_its_price_has_its_cost(
    net: Devnet, customer: CustomerFactory
) -> None:
    buyer = await customer()
    await buyer.ask()
    await net.advance(250)  # the price is still fresh, and the session is not
    opened = (await buyer.ask()).receipt
    await net.advance(60)
    later = (await buyer.ask()).receipt
    assert later.authorization.nonce == opened.authorization.nonce
    assert later.cost is not None


async def test_a_node_that_shows_no_price_is_not_asked_for_it_by_every_call(
    net: Devnet, customer: CustomerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def shows_none(_: HttpResponse) -> None:
        nonlocal asked
        asked += 1

    monkeypatch.setattr("opengradient_sdk.network.connection._published_price", shows_none)
    buyer = await customer()
    costs = [(await buyer.ask()).receipt.cost for _ in range(4)]
    assert costs == [None] * 4
    assert asked <= 2


async def test_a_key_that_has_an_answer_has_its_receipt(
    net: Devnet, customer: CustomerFactory, shared: dict[str, Any]
) -> None:
    heir = await customer(**shared)
    question = heir.question(idempotency_key=KEY)
    async with branch(net, heir.signer.key, **shared) as one:
        await one.dies("after keeping")
        with pytest.raises(GoneError):
            await one.ask(question)
        await one.gone()

    reply = await heir.ask(idempotency_key=KEY)

    assert reply.receipt.repeated
    kept = await heir.client.receipts.get(reply.receipt.id)
    assert kept.signed == reply.receipt.signed
    assert (await heir.client.ledger.check()).ok

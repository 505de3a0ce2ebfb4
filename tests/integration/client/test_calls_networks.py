"""The same client on other networks: two chains, several nodes, anvil."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from opengradient_sdk import Assurance, Devnet, PaymentState
from opengradient_sdk.client.events import NodeLeft
from opengradient_sdk.errors import (
    NoNodeAvailableError,
    PaymentOutcomeUnknownError,
    PolicyRejectedError,
    SignatureError,
    TransportError,
)

from .kit import CAP, CHAT, Customer, CustomerFactory, new_customer


@pytest.fixture(scope="module")
async def net() -> AsyncIterator[Devnet]:
    """Two chains, as in production, and three nodes."""
    async with Devnet(chains=2, nodes=3, accounts=1) as network:
        yield network


@pytest.fixture
async def buyer(customer: CustomerFactory) -> Customer:
    return await customer()


def serving(buyer: Customer) -> list[int]:
    """The numbers of the nodes that have sessions of this wallet."""
    payer = buyer.signer.address.lower()
    return [
        n for n, node in enumerate(buyer.net.nodes) if payer in {s.payer for s in node.sessions}
    ]


async def test_payments_and_registry_may_be_on_chains_of_their_own(
    buyer: Customer, net: Devnet
) -> None:
    reply = await buyer.ask()
    payments, registry = net.profile.payments.chain_id, net.profile.registry.chain_id
    assert payments != registry
    check = reply.receipt.evidence.get("registry")
    assert check is not None
    assert f"on chain {registry} at block" in check.source
    assert reply.receipt.authorization.network == f"eip155:{payments}"
    await net.advance(130)
    receipt = await buyer.client.receipts.refresh(reply.receipt)
    assert receipt.payment.state is PaymentState.SETTLED
    assert receipt.payment.chain_id == payments
    assert buyer.client.chains.payments is not buyer.client.chains.registry
    assert await buyer.client.chains.registry.rpc.chain_id() == registry


async def test_calls_stay_with_one_node(buyer: Customer) -> None:
    replies = await asyncio.gather(*(buyer.ask() for _ in range(20)))
    replies += [await buyer.client.completions.create(model="gpt-5", prompt="Once")]
    assert len({reply.receipt.tee_id for reply in replies}) == 1
    assert len(serving(buyer)) == 1
    await buyer.assert_exposed(2)


async def test_a_named_node_is_asked_and_changes_nobodys_habits(
    buyer: Customer, net: Devnet
) -> None:
    usual = (await buyer.ask()).receipt.tee_id
    other = next(node for node in net.nodes if node.tee_id != usual)
    assert (await buyer.ask(node=other.endpoint)).receipt.tee_id == other.tee_id
    assert (await buyer.ask()).receipt.tee_id == usual


async def test_a_name_that_nobody_has_is_told(buyer: Customer) -> None:
    with pytest.raises(NoNodeAvailableError):
        await buyer.ask(node="https://nobody.example")
    await buyer.assert_nothing_happened()


async def test_before_anything_is_signed_another_node_is_tried(
    buyer: Customer, net: Devnet
) -> None:
    for node in net.nodes[:2]:
        node.faults.redirect = "https://elsewhere.example"
    replies = [await buyer.ask() for _ in range(3)]
    assert {reply.receipt.tee_id for reply in replies} == {net.nodes[2].tee_id}
    assert serving(buyer) == [2]
    await buyer.assert_exposed(1)


async def test_a_challenge_nobody_would_sign_is_not_shopped_around(
    buyer: Customer, net: Devnet
) -> None:
    """A price over the limit is the owner's question, not a node's failure."""
    for node in net.nodes:
        node.faults.challenge = lambda challenge: {
            **challenge,
            "accepts": [{**challenge["accepts"][0], "amount": str(1000 * CAP)}],
        }
    before = [node.requests[CHAT] for node in net.nodes]
    with pytest.raises(PolicyRejectedError):
        await buyer.ask()
    asked = [node.requests[CHAT] - was for node, was in zip(net.nodes, before, strict=True)]
    assert sum(asked) == 1
    await buyer.assert_nothing_happened()


async def test_once_paid_a_lost_call_stays_where_it_may_have_been_served(
    buyer: Customer, net: Devnet
) -> None:
    first = await buyer.ask()
    usual = next(node for node in net.nodes if node.tee_id == first.receipt.tee_id)
    usual.faults.drop_after_work = True
    with pytest.raises(PaymentOutcomeUnknownError):
        await buyer.ask()
    assert len(serving(buyer)) == 1
    after = await buyer.ask()  # the next call goes elsewhere
    assert after.receipt.tee_id != first.receipt.tee_id
    assert len(serving(buyer)) == 2


async def test_a_node_that_lies_is_left_for_the_others(buyer: Customer, net: Devnet) -> None:
    first = await buyer.ask()
    liar = next(node for node in net.nodes if node.tee_id == first.receipt.tee_id)
    liar.faults.wrong_signature = True
    with pytest.raises(SignatureError):
        await buyer.ask()
    left = buyer.events_of(NodeLeft)
    assert [event.tee_id for event in left if isinstance(event, NodeLeft)] == [liar.tee_id]
    assert (await buyer.ask()).receipt.tee_id != liar.tee_id


async def test_a_node_that_is_down_is_passed_over() -> None:
    async with AsyncExitStack() as stack:
        net = await stack.enter_async_context(Devnet(nodes=2, accounts=1))
        buyer = await stack.enter_async_context(new_customer(net))
        first = await buyer.client.payments.challenge(None, buyer.question())
        down, up = sorted(net.nodes, key=lambda node: node.tee_id != first.node.tee_id)
        await down.stop()
        replies = [await buyer.ask() for _ in range(2)]
        assert {reply.receipt.tee_id for reply in replies} == {up.tee_id}
        await buyer.assert_exposed(1)
        with pytest.raises(TransportError) as error:
            await buyer.ask(node=str(down.tee_id))
        assert error.value.sent is False
        await buyer.assert_exposed(1)


@pytest.mark.anvil
async def test_on_anvil() -> None:
    """The payment, its sponsored approval and its settlement, by another EVM."""
    async with AsyncExitStack() as stack:
        net = await stack.enter_async_context(Devnet(evm="anvil", accounts=1))
        buyer = await stack.enter_async_context(new_customer(net))
        reply = await buyer.ask()
        assert reply.receipt.assurance is Assurance.REGISTERED
        await net.advance(130)
        receipt = await buyer.client.receipts.wait(reply.receipt)
        assert receipt.payment.amount == receipt.cost

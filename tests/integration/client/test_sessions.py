"""One signed cap serves many calls: shared, renewed in time, never more than the rules allow."""

from __future__ import annotations

import asyncio

import pytest

from opengradient_sdk import Devnet, PaymentState
from opengradient_sdk.errors import (
    BudgetExceededError,
    NoNodeAvailableError,
    PaymentRejectedError,
)
from opengradient_sdk.payments.state import AuthorizationState

from .kit import CAP, CHAT, Customer, CustomerFactory
from .wire import tapped

# 350 tokens in and 350 out cost about 39 % of the cap at the list price and 0.10 USD per OPG
TWO_FILL_A_CAP = {"messages": "x" * 1400, "max_tokens": 350}


@pytest.fixture
async def buyer(customer: CustomerFactory) -> Customer:
    return await customer()


async def test_fifty_fresh_calls_are_fifty_one_requests_and_one_payment(
    buyer: Customer, net: Devnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = net.nodes[0].requests[CHAT]
    with tapped(monkeypatch) as tap:
        replies = await asyncio.gather(*(buyer.ask(messages=f"hi {n}") for n in range(50)))
    assert net.nodes[0].requests[CHAT] - before == 51
    assert len(tap.unpaid) == 1
    assert {sent.headers.get("PAYMENT-SIGNATURE") for sent in tap.paid} == {
        buyer.lives[0].authorization.header
    }
    assert [f"You said: hi {n} " in reply.text for n, reply in enumerate(replies)] == [True] * 50
    await buyer.assert_exposed(1)
    (session,) = [s for s in net.nodes[0].sessions if s.payer == buyer.signer.address.lower()]
    assert session.billed == 50
    assert session.cost == sum(r.receipt.cost.atoms for r in replies if r.receipt.cost)


async def test_a_slow_node_serves_them_all_at_the_same_time(
    buyer: Customer, net: Devnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single flight is for the signature only: nobody waits for another's answer."""
    net.nodes[0].faults.delay = 0.5
    with tapped(monkeypatch) as tap:
        await asyncio.gather(*(buyer.ask() for _ in range(50)))
    assert tap.most_at_once == 50
    await buyer.assert_exposed(1)


async def test_later_calls_show_the_session_only(
    buyer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await buyer.ask()
    with tapped(monkeypatch) as tap:
        await buyer.ask()
    (sent,) = tap.sent
    assert sent.headers["X-Upto-Session"] == buyer.lives[0].session_id
    assert "PAYMENT-SIGNATURE" not in sent.headers


async def test_routes_have_sessions_of_their_own(buyer: Customer) -> None:
    chat = await buyer.ask()
    completion = await buyer.client.completions.create(model="gpt-5", prompt="Once")
    again = await buyer.ask()
    assert chat.receipt.authorization.nonce == again.receipt.authorization.nonce
    assert chat.receipt.authorization.nonce != completion.receipt.authorization.nonce
    await buyer.assert_exposed(2)


async def test_a_cap_is_renewed_before_it_is_used_up(buyer: Customer, net: Devnet) -> None:
    receipts = [(await buyer.ask(**TWO_FILL_A_CAP)).receipt for _ in range(5)]
    nonces = [receipt.authorization.nonce for receipt in receipts]
    assert nonces == [nonces[0]] * 2 + [nonces[2]] * 2 + [nonces[4]]
    assert len(set(nonces)) == 3
    sessions = [s for s in net.nodes[0].sessions if s.payer == buyer.signer.address.lower()]
    assert [session.billed for session in sessions] == [2, 2, 1]
    assert all(session.unbilled == 0 and not session.exhausted for session in sessions)
    assert not any(life.ended_by_node for life in buyer.lives)


async def test_no_new_call_after_a_hundred_seconds(buyer: Customer, net: Devnet) -> None:
    first = await buyer.ask()
    net.clock.advance(99)
    assert (await buyer.ask()).receipt.authorization.nonce == first.receipt.authorization.nonce
    net.clock.advance(2)
    second = await buyer.ask()
    assert second.receipt.authorization.nonce != first.receipt.authorization.nonce
    old, new = buyer.lives
    assert (old.state, new.state) == (AuthorizationState.RETIRED, AuthorizationState.ACTIVE)
    await buyer.assert_exposed(2)


async def test_the_budget_bounds_what_is_open_and_settling_frees_it(
    customer: CustomerFactory, net: Devnet
) -> None:
    buyer = await customer(budget="0.1 OPG")
    reply = await buyer.ask()
    with pytest.raises(BudgetExceededError) as error:
        await buyer.client.completions.create(model="gpt-5", prompt="Once")
    assert "0.1 OPG" in error.value.hint
    await buyer.assert_exposed(1)
    await net.advance(130)
    assert (await buyer.client.receipts.refresh(reply.receipt)).payment.state.resolved
    assert await buyer.exposed() == 0
    with pytest.raises(BudgetExceededError):  # what was charged is gone for good
        await buyer.ask()


async def test_a_budget_that_is_short_asks_the_chain_first(
    customer: CustomerFactory, net: Devnet
) -> None:
    buyer = await customer(budget=CAP + CAP // 2)
    await buyer.ask()
    await net.advance(130)
    await buyer.ask()  # there is room for it only because the first cap has been settled
    assert buyer.lives[0].status.state in (PaymentState.SETTLED, PaymentState.FINAL)
    assert await buyer.exposed() == CAP


async def test_two_clients_share_nothing_but_the_node(
    customer: CustomerFactory, net: Devnet
) -> None:
    one, two = await customer(), await customer()
    await asyncio.gather(one.ask(), two.ask())
    assert one.lives[0].session_id != two.lives[0].session_id
    assert net.books().balanced


async def test_a_node_that_wasted_caps_is_forgiven_when_they_have_expired(
    buyer: Customer, net: Devnet
) -> None:
    for _ in range(3):
        await buyer.ask()
        net.nodes[0].faults.bare_402 = 2  # it has forgotten the session, and the permit
    net.nodes[0].faults.bare_402 = 4
    with pytest.raises(PaymentRejectedError):
        await buyer.ask()
    net.nodes[0].faults.bare_402 = 0
    with pytest.raises(NoNodeAvailableError, match="less than half used"):
        await buyer.ask()
    for _ in range(9):  # settled or expired, in finalized blocks
        await net.advance(50)
    assert (await buyer.ask()).text

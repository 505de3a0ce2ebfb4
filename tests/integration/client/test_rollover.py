"""From one session to the next under load: one new signature, and the dead stay dead."""

from __future__ import annotations

import asyncio

from support.branches import until

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.faults import inject
from opengradient_sdk.payments.state import AuthorizationState
from opengradient_sdk.payments.status import PaymentState

from .kit import CAP, Customer, CustomerFactory

MANY = 50


async def ask_at_once(one: Customer, count: int = MANY) -> set[int]:
    """Ask so many times at the same moment; return the authorizations that paid."""
    replies = await asyncio.gather(*(one.ask() for _ in range(count)))
    return {reply.receipt.authorization.nonce for reply in replies}


async def test_an_old_session_is_renewed_once(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer()
    before = await ask_at_once(one)
    await net.advance(100)

    after = await ask_at_once(one)

    assert len(before) == len(after) == 1
    assert before != after
    assert len(one.signer.typed_data) == 2
    old, new = one.lives
    assert not old.state.serves
    assert new.state is AuthorizationState.ACTIVE
    assert (old.calls, new.calls) == (MANY, MANY)


async def test_a_session_that_is_young_is_not_renewed(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    before = await ask_at_once(one, 2)
    await net.advance(95)

    assert await ask_at_once(one) == before
    assert len(one.signer.typed_data) == 1


async def test_a_used_up_cap_is_renewed_once(customer: CustomerFactory) -> None:
    one = await customer()
    await one.ask()
    (old,) = one.lives
    old.served, old.calls = CAP, 1  # by our own count nothing is left of it

    after = await ask_at_once(one)

    assert after == {one.lives[1].nonce}
    assert len(one.signer.typed_data) == 2
    assert old.state is AuthorizationState.RETIRED
    await one.assert_exposed(caps=2)


async def test_a_forgotten_session_is_renewed_once(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer()
    await ask_at_once(one, 2)
    net.nodes[0].forget_sessions()

    # the node makes another session of the same permit: nothing new needs to be signed
    assert await ask_at_once(one) == {one.lives[0].nonce}
    assert len(one.signer.typed_data) == 1
    await one.assert_exposed(caps=1)


async def test_a_late_answer_does_not_revive_a_dead_session(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    await one.ask()
    (old,) = one.lives
    async with inject(net, "slow-answer"):
        late = asyncio.create_task(one.ask())
        await one.working(1)
        await net.advance(101)
        new = await one.ask()  # the next session begins while the last call of the old one runs
        assert old.state is AuthorizationState.RETIRED
        reply = await late

    assert reply.receipt.authorization.nonce == old.nonce
    assert new.receipt.authorization.nonce == one.lives[1].nonce
    assert (old.state, old.session_id) == (AuthorizationState.RETIRED, None)
    assert (await one.ask()).receipt.authorization.nonce == one.lives[1].nonce
    await one.assert_exposed(caps=2)


async def test_the_first_answer_of_a_session_may_be_late_too(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    async with inject(net, "accept-then-time-out"):
        late = asyncio.create_task(one.ask(timeout=5))
        await until(lambda: one.served > 0)
        one.client._work.core.sessions.retire_all()  # type: ignore[union-attr]
        (old,) = one.lives
    reply = await late  # its connection was cut, and the same header was sent again or refused

    assert reply.receipt.authorization.nonce == old.nonce
    assert (old.state, old.session_id) == (AuthorizationState.RETIRED, None)
    assert len(one.signer.typed_data) == 1


async def test_every_session_is_charged_in_the_end(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer()
    for _ in range(3):
        await ask_at_once(one, 5)
        await net.advance(101)
    await net.advance(30)
    await net.mine(9)
    await one.client.payments.resolve()

    assert {life.status.state for life in one.lives} <= {PaymentState.SETTLED, PaymentState.FINAL}
    assert one.book is not None
    assert one.book.balanced
    assert await one.settled() == one.book.settled == sum(life.served for life in one.lives)
    assert len(one.lives) == 3

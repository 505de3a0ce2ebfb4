"""Callers that give up: nothing is torn, nothing is signed twice, the others go on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk import Devnet

from .kit import CAP, PAYMENT, Customer, CustomerFactory


async def test_a_cancelled_caller_does_not_take_the_signature_from_the_others(
    net: Devnet, customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    waiting = asyncio.Event()
    go_on = asyncio.Event()
    _hold(one, waiting, go_on)
    calls = [asyncio.create_task(one.ask()) for _ in range(5)]
    await waiting.wait()

    calls[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await calls[0]
    go_on.set()

    assert all([(await call).text for call in calls[1:]])
    assert sent.count("nothing") == 1
    await one.assert_exposed(caps=1)


async def test_a_signature_that_nobody_waits_for_any_more_serves_the_next_call(
    net: Devnet, customer: CustomerFactory, sent: list[str]
) -> None:
    one = await customer()
    waiting = asyncio.Event()
    go_on = asyncio.Event()
    _hold(one, waiting, go_on)
    call = asyncio.create_task(one.ask())
    await waiting.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go_on.set()

    assert (await one.ask()).text

    assert sent == ["nothing", PAYMENT]
    await one.assert_exposed(caps=1)


async def test_a_client_that_is_closed_while_it_signs_releases_the_budget(
    customer: CustomerFactory, tmp_path: Path
) -> None:
    store = tmp_path / "journal.sqlite"
    one = await customer(store=store)
    waiting = asyncio.Event()
    _hold(one, waiting, asyncio.Event())
    call = asyncio.create_task(one.ask())
    await waiting.wait()
    assert await one.exposed() == CAP

    await one.client.aclose()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert one.book is None
    again = await customer(store=store, signer=one.signer)
    assert await again.exposed() == 0
    assert await again.journal() == []


async def test_a_call_that_is_cancelled_midway_leaves_the_session_in_order(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()
    await one.ask()
    call = asyncio.create_task(one.ask(messages="sleep 5s"))
    await one.working(1)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    life = one.lives[0]
    assert life.in_flight == 0
    assert life.session_id is not None
    reply = await one.ask()
    assert reply.receipt.authorization.nonce == life.authorization.nonce
    await one.assert_exposed(caps=1)


def _hold(one: Customer, waiting: asyncio.Event, go_on: asyncio.Event) -> None:
    """Make the wallet wait before its next signature of a payment."""
    sign = one.signer.sign_typed_data

    async def slowly(data: Any) -> bytes:
        waiting.set()
        await go_on.wait()
        return await sign(data)

    one.signer.sign_typed_data = slowly  # type: ignore[method-assign]

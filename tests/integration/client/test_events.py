"""What a client tells its listener, and that a listener cannot break it."""

import logging
from collections.abc import AsyncIterator

import pytest

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.client.events import Event, PaymentAuthorized, PaymentResolved

ASK = {"model": "gpt-5", "messages": "hi", "max_tokens": 9}


@pytest.fixture(scope="module")
async def net() -> AsyncIterator[Devnet]:
    async with Devnet() as running:
        yield running


async def test_a_payment_is_told_from_its_signature_to_its_charge(net: Devnet) -> None:
    told: list[Event] = []
    wallet = await net.new_account(opg="5")
    async with AsyncOpenGradient(signer=wallet, network=net.profile, on_event=told.append) as og:
        reply = await og.chat.create(**ASK)
        await net.advance(130)
        receipt = await og.receipts.wait(reply.receipt, timeout=20)
    signed, resolved = told
    assert isinstance(signed, PaymentAuthorized)
    assert signed.nonce == receipt.authorization.nonce
    assert isinstance(resolved, PaymentResolved)
    assert resolved.status == receipt.payment


async def test_a_listener_that_fails_loses_no_payment(
    net: Devnet, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: Event) -> None:
        raise KeyError(type(event).__name__)

    wallet = await net.new_account(opg="5")
    with caplog.at_level(logging.ERROR, logger="opengradient_sdk.client"):
        async with AsyncOpenGradient(signer=wallet, network=net.profile, on_event=fail) as og:
            reply = await og.chat.create(**ASK)
            assert [life.calls for life in og.payments.unresolved] == [1]
    assert reply.text
    assert "on_event failed for PaymentAuthorized" in caplog.text

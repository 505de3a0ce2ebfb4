"""A sponsored approval that is not mined yet, and the account's own transactions."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest

from opengradient_sdk import AsyncOpenGradient, Devnet, PaymentState
from opengradient_sdk.signers import Signer

ASK = {"model": "gpt-5", "messages": "hi", "max_tokens": 9}


@pytest.fixture(scope="module", params=["py-evm", pytest.param("anvil", marks=pytest.mark.anvil)])
async def net(request: pytest.FixtureRequest) -> AsyncIterator[Devnet]:
    evm: Literal["py-evm", "anvil"] = request.param
    async with Devnet(evm=evm) as running:
        yield running


@pytest.fixture
async def wallet(net: Devnet) -> Signer:
    return await net.new_account(opg="5", eth="1")


async def test_cancelling_sends_what_was_promised_first(net: Devnet, wallet: Signer) -> None:
    async with AsyncOpenGradient(signer=wallet, network=net.profile) as client:
        challenge = await client.payments.challenge(None, ASK)
        authorization = await client.payments.authorize(challenge.offers[0])
        status = await client.payments.cancel(authorization)
        assert status.state is PaymentState.CANCELLED
        assert (await client.wallet.balances()).allowance.atoms > 0
        # and the wallet goes on working
        reply = await client.chat.create(**ASK)
        assert reply.receipt.authorization.nonce != authorization.nonce


async def test_a_settlement_does_not_mind_that_the_approval_came_early(
    net: Devnet, wallet: Signer
) -> None:
    async with AsyncOpenGradient(signer=wallet, network=net.profile) as client:
        reply = await client.chat.create(**ASK)
        await client.chains.payments.execute(
            client.contracts.opg.approve(net.profile.permit2, 7 * 10**17)
        )
        await net.advance(130)
        receipt = await client.receipts.wait(reply.receipt, timeout=20)
        assert receipt.payment.amount == reply.receipt.cost

"""A sponsored approval that is not mined yet, and the account's own transactions."""

from collections.abc import AsyncIterator
from pathlib import Path
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


async def test_what_its_sponsor_has_sent_is_not_sent_again(net: Devnet, wallet: Signer) -> None:
    async with AsyncOpenGradient(signer=wallet, network=net.profile) as client:
        chain = client.chains.payments
        reply = await client.chat.create(**ASK)
        (promised,) = await chain.reserved()
        await net.advance(130)
        await client.receipts.wait(reply.receipt, timeout=20)
        approval = await chain.rpc.get_receipt(promised.attempts[-1].signed.hash)
        assert approval is not None
        assert approval.succeeded

        own = await chain.execute(client.contracts.opg.approve(net.profile.permit2, 0))
        transaction = await chain.rpc.get_transaction(own.hash)
        assert transaction is not None
        assert transaction.nonce == promised.nonce + 1
        assert await chain.rpc.transaction_count(wallet.address) == 2


async def test_what_was_promised_has_the_lower_nonce_and_is_mined_first(
    net: Devnet, wallet: Signer
) -> None:
    async with AsyncOpenGradient(signer=wallet, network=net.profile) as client:
        chain = client.chains.payments
        await client.chat.create(**ASK)
        (promised,) = await chain.reserved()
        own = await chain.execute(client.contracts.opg.approve(net.profile.permit2, 0))
        approval = await chain.rpc.get_receipt(promised.attempts[-1].signed.hash)
        assert approval is not None
        assert approval.block_number <= own.block_number
        assert await chain.rpc.transaction_count(wallet.address) == 2
        assert await chain.reserved() == []


async def test_without_a_promise_nothing_else_is_sent(net: Devnet, wallet: Signer) -> None:
    async with AsyncOpenGradient(signer=wallet, network=net.profile) as client:
        chain = client.chains.payments
        await chain.execute(client.contracts.opg.approve(net.profile.permit2, 7 * 10**17))
        await client.chat.create(**ASK)
        assert await chain.reserved() == []
        await chain.execute(client.contracts.opg.approve(net.profile.permit2, 0))
        assert await chain.rpc.transaction_count(wallet.address) == 2


async def test_what_another_process_promised_is_promised_again(
    net: Devnet, wallet: Signer, tmp_path: Path
) -> None:
    async with AsyncOpenGradient(
        signer=wallet, network=net.profile, store=tmp_path / "journal"
    ) as client:
        await client.chat.create(**ASK)
        before = await client.chains.payments.reserved()
    async with AsyncOpenGradient(
        signer=wallet, network=net.profile, store=tmp_path / "journal"
    ) as client:
        reply = await client.chat.create(**ASK)
        after = await client.chains.payments.reserved()
        assert [slot.attempts for slot in after] == [slot.attempts for slot in before]
        await net.advance(130)
        receipt = await client.receipts.wait(reply.receipt, timeout=20)
        assert receipt.payment.state is PaymentState.SETTLED

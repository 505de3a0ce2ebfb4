"""What only a chain with a mempool can show: waiting, replacement, reorgs."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from opengradient_sdk.chain import Chain
from opengradient_sdk.errors import (
    ConfirmationTimeoutError,
    FeeTooLowError,
    NonceError,
    ReplacedError,
)
from opengradient_sdk.types import Address, SignedTx, TxRequest

pytestmark = pytest.mark.anvil

BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
REQUEST = TxRequest(to=BOB, value=1)


async def mine(chain: Chain, blocks: int = 1) -> None:
    await chain.rpc.call("anvil_mine", [hex(blocks)])


@pytest.fixture
async def manual(anvil: Chain) -> Chain:
    """A chain whose blocks are mined by the test."""
    await anvil.rpc.call("evm_setAutomine", [False])
    return anvil


async def signed_transfer(chain: Chain, **fields: int) -> SignedTx:
    return await chain.sign(await chain.build(replace(REQUEST, **fields)))


async def test_not_mined_in_time_and_then_mined(manual: Chain) -> None:
    pending = await manual.send(await signed_transfer(manual))
    with pytest.raises(ConfirmationTimeoutError) as caught:
        await pending.wait(timeout=1.0)
    assert caught.value.hash == pending.hash
    await mine(manual)
    assert (await pending.wait()).hash == pending.hash


async def test_confirmations_are_waited_for(manual: Chain) -> None:
    pending = await manual.send(await signed_transfer(manual))
    await mine(manual)
    waiting = asyncio.create_task(pending.wait(confirmations=3))
    with pytest.raises(ConfirmationTimeoutError, match="not yet 3 deep"):
        await pending.wait(confirmations=3, timeout=1.0)
    assert not waiting.done()
    await mine(manual, 2)
    receipt = await waiting
    assert await manual.rpc.block_number() == receipt.block_number + 2


@pytest.mark.parametrize("tag", ["safe", "finalized"])
async def test_finality_is_waited_for(manual: Chain, tag: str) -> None:
    await manual.rpc.get_block(tag)  # type: ignore[arg-type]
    pending = await manual.send(await signed_transfer(manual))
    await mine(manual)
    receipt = await pending.wait()
    while (await manual.rpc.get_block(tag)).number < receipt.block_number:  # type: ignore[arg-type]
        with pytest.raises(ConfirmationTimeoutError):
            await pending.wait(tag, timeout=0.2)  # type: ignore[arg-type]
        await mine(manual, 32)
    assert (await pending.wait(tag)).hash == pending.hash  # type: ignore[arg-type]


async def test_a_queue_of_pending_transactions_is_mined_in_order(manual: Chain) -> None:
    pending = [await manual.send(await signed_transfer(manual)) for _ in range(10)]
    waiting = [asyncio.create_task(one.wait()) for one in pending]
    await mine(manual)
    receipts = await asyncio.gather(*waiting)
    assert {receipt.block_number for receipt in receipts} == {1}
    assert [one.signed.tx.nonce for one in pending] == list(range(10))


async def test_a_replaced_transaction_is_reported(manual: Chain) -> None:
    first = await manual.send(await signed_transfer(manual))
    fee = 3 * first.signed.tx.max_fee_per_gas
    second = await first.replace(
        replace(REQUEST, value=2, max_fee_per_gas=fee, max_priority_fee_per_gas=fee)
    )
    assert (second.nonce, second.signed.tx.max_fee_per_gas) == (0, fee)
    await mine(manual)
    assert (await second.wait()).succeeded
    with pytest.raises(ReplacedError, match="nonce 0") as caught:
        await first.wait()
    assert caught.value.by == second.hash
    assert await manual.rpc.get_balance(BOB) == 2


async def test_a_replacement_that_pays_too_little_is_refused(manual: Chain) -> None:
    first = await manual.send(await signed_transfer(manual))
    same = first.signed.tx.max_fee_per_gas
    with pytest.raises(FeeTooLowError):
        await first.replace(
            replace(REQUEST, value=2, max_fee_per_gas=same, max_priority_fee_per_gas=0)
        )
    assert (await manual.build(REQUEST)).nonce == 1
    await mine(manual)
    assert (await first.wait()).hash == first.hash
    assert await manual.rpc.get_balance(BOB) == 1


async def test_a_nonce_that_is_being_sent_is_not_given_to_another(manual: Chain) -> None:
    first = await manual.send(await signed_transfer(manual))
    with pytest.raises(NonceError, match="nonce 0 is being sent") as caught:
        await manual.build(replace(REQUEST, nonce=0, value=2))
    assert "Replace" in caught.value.hint
    await mine(manual)
    assert (await first.wait()).hash == first.hash


async def test_a_fee_below_the_base_fee_is_refused(anvil: Chain) -> None:
    with pytest.raises(FeeTooLowError):
        await anvil.execute(replace(REQUEST, max_fee_per_gas=1, max_priority_fee_per_gas=0))
    assert (await anvil.build(REQUEST)).nonce == 0


async def test_a_real_reorg_makes_it_pending_again_and_it_is_sent_again(
    manual: Chain, caplog: pytest.LogCaptureFixture
) -> None:
    noticed = asyncio.Event()
    await mine(manual, 3)
    pending = await manual.send(await signed_transfer(manual))
    await mine(manual)
    waiting = asyncio.create_task(pending.wait(confirmations=4))
    with pytest.raises(ConfirmationTimeoutError, match="not yet 4 deep"):
        await pending.wait(confirmations=4, timeout=1.0)
    given_up = (await pending.wait()).block_hash

    with caplog.at_level(logging.WARNING, "opengradient_sdk.chain"):
        caplog.handler.addFilter(lambda record: noticed.set() or True)
        await manual.rpc.call("anvil_reorg", [2, []])
        await asyncio.wait_for(noticed.wait(), 10)
    assert "is pending again" in caplog.records[0].getMessage()
    assert not waiting.done()

    async with asyncio.timeout(10):
        while await manual.rpc.get_transaction(pending.hash) is None:
            pass  # nobody but the chain sends it again
    await mine(manual, 4)
    receipt = await waiting
    assert receipt.block_hash != given_up
    assert (await manual.rpc.get_block(receipt.block_number)).hash == receipt.block_hash

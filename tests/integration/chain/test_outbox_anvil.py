"""What becomes of transactions after they were sent, on a chain with a real mempool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.desk import BOB, GWEI, Desk, Quoted, open_desk

from opengradient_sdk._core.store import Store, open_store
from opengradient_sdk.chain import Chain
from opengradient_sdk.chain.fees import FeeQuote
from opengradient_sdk.chain.outbox.events import (
    NonceGapFilled,
    TransactionReorged,
    TransactionReplaced,
    TransactionResent,
    TransactionsTakenOver,
)
from opengradient_sdk.chain.outbox.replacing import BumpPolicy
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.chain.outbox.slots import SlotState
from opengradient_sdk.chain.pending import PendingTx
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import ConfirmationTimeoutError, ReplacedError
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import SignedTx, TxRequest

pytestmark = pytest.mark.anvil

BLOCK_TIME = 0.1


@pytest.fixture
async def rpc(anvil: Chain) -> Rpc:
    """A chain whose blocks are mined by the test."""
    await anvil.rpc.call("evm_setAutomine", [False])
    return anvil.rpc


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(str(tmp_path / "book.sqlite"), SCHEMA)
    yield store
    await store.aclose()


@pytest.fixture
def signer(accounts: list[LocalSigner]) -> LocalSigner:
    return accounts[0]


@pytest.fixture
async def desk(rpc: Rpc, store: Store, signer: LocalSigner) -> AsyncIterator[Desk]:
    async with open_desk(rpc, signer=signer, store=store, block_time=BLOCK_TIME) as desk:
        yield desk


async def mine(rpc: Rpc, blocks: int = 1) -> None:
    await rpc.call("anvil_mine", [hex(blocks)])


async def knows(rpc: Rpc, signed: SignedTx) -> bool:
    return await rpc.get_transaction(signed.hash) is not None


async def until_seen(desk: Desk, kind: type[object], times: int = 1) -> None:
    """Return when so many events of a kind were told; each look at the chain may bring one."""
    async with asyncio.timeout(30):
        while len(desk.named(kind)) < times:
            await desk.rpc.block_number()


async def test_a_higher_fee_takes_its_place(rpc: Rpc, desk: Desk) -> None:
    first = await desk.sent()
    waiting = asyncio.create_task(first.wait())
    second = await first.replace()
    assert not await knows(rpc, first.signed)
    await mine(rpc)
    assert (await waiting).hash == second.hash == (await second.wait()).hash


async def test_other_content_takes_its_place(rpc: Rpc, desk: Desk) -> None:
    first = await desk.sent()
    waiting = asyncio.create_task(first.wait())
    before = await rpc.get_balance(BOB)
    second = await first.replace(TxRequest(to=BOB, value=77))
    await mine(rpc)
    assert (await second.wait()).succeeded
    with pytest.raises(ReplacedError) as caught:
        await waiting
    assert caught.value.by == second.hash
    assert await rpc.get_balance(BOB) == before + 77


async def test_cancelled(rpc: Rpc, desk: Desk) -> None:
    first = await desk.sent()
    waiting = asyncio.create_task(first.wait())
    before = await rpc.get_balance(BOB)
    cancel = await first.cancel()
    await mine(rpc)
    receipt = await cancel.wait()
    assert (receipt.to, receipt.gas_used) == (desk.owner, 21_000)
    with pytest.raises(ReplacedError):
        await waiting
    assert await rpc.get_balance(BOB) == before


async def test_a_stuck_one_is_repriced_by_itself(
    rpc: Rpc, store: Store, signer: LocalSigner
) -> None:
    fees = Quoted(FeeQuote(GWEI, 4 * GWEI, GWEI))
    bump = BumpPolicy(after_blocks=3)
    async with open_desk(
        rpc, signer=signer, store=store, block_time=BLOCK_TIME, bump=bump, fees=fees
    ) as desk:
        await rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(GWEI)])
        pending = await desk.sent(max_fee_per_gas=3 * GWEI)
        while not desk.named(TransactionReplaced):
            await rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(4 * GWEI)])
            fees.at(9 * GWEI, tip=GWEI)
            await mine(rpc)
            await asyncio.sleep(0)
        (event,) = desk.named(TransactionReplaced)
        assert (event.hash, event.reason) == (pending.hash, "repriced")
        await mine(rpc)
        assert (await pending.wait()).hash == event.by


async def test_a_dropped_one_is_sent_again(rpc: Rpc, desk: Desk) -> None:
    pending = await desk.sent()
    await rpc.call("anvil_dropTransaction", [str(pending.hash)])
    assert not await knows(rpc, pending.signed)
    await until_seen(desk, TransactionResent)
    await mine(rpc)
    assert (await pending.wait()).hash == pending.hash


async def test_a_reorg_under_a_hundred_pending(rpc: Rpc, desk: Desk) -> None:
    await mine(rpc, 3)
    signed = [await desk.signed(value=number) for number in range(100)]
    outcomes = await desk.outbox.post(signed)
    pending = [one for one in outcomes if isinstance(one, PendingTx)]
    assert len(pending) == 100
    await mine(rpc)
    await asyncio.gather(*(one.wait() for one in pending))
    await mine(rpc, 2)
    waiting = [asyncio.create_task(one.wait(confirmations=5)) for one in pending]
    with pytest.raises(ConfirmationTimeoutError, match="not yet 4 deep"):
        await pending[0].wait(confirmations=4, timeout=0.5)

    await rpc.call("anvil_reorg", [3, []])
    await until_seen(desk, TransactionReorged, times=100)
    while not all([await knows(rpc, one) for one in signed]):
        assert not any(task.done() for task in waiting)
    await mine(rpc, 4)
    with pytest.raises(ConfirmationTimeoutError, match="not yet 5 deep"):
        await pending[0].wait(confirmations=5, timeout=0.5)
    assert not any(task.done() for task in waiting)
    await mine(rpc)
    receipts = await asyncio.gather(*waiting)
    assert [receipt.hash for receipt in receipts] == [one.hash for one in signed]
    for receipt in receipts[::20]:
        assert (await rpc.get_block(receipt.block_number)).hash == receipt.block_hash


async def test_a_gap_is_filled(rpc: Rpc, desk: Desk) -> None:
    leased = await desk.nonces.lease(desk.owner)
    pending = await desk.sent()
    await desk.nonces.give_back(desk.owner, leased.nonces)
    await mine(rpc)
    await until_seen(desk, NonceGapFilled)
    await mine(rpc)
    assert (await pending.wait()).hash == pending.hash
    assert await rpc.transaction_count(desk.owner) == 2


async def test_not_mined_in_time_and_then_mined(rpc: Rpc, desk: Desk) -> None:
    pending = await desk.sent()
    with pytest.raises(ConfirmationTimeoutError) as caught:
        await pending.wait(timeout=0.3)
    assert caught.value.hash == pending.hash
    await mine(rpc)
    assert (await pending.wait()).hash == pending.hash


@pytest.mark.parametrize("tag", ["safe", "finalized"])
async def test_finality_is_waited_for(rpc: Rpc, desk: Desk, tag: str) -> None:
    pending = await desk.sent()
    waiting = asyncio.create_task(pending.wait(tag))  # type: ignore[arg-type]
    await mine(rpc)
    receipt = await pending.wait()
    while (await rpc.get_block(tag)).number < receipt.block_number:  # type: ignore[arg-type]
        assert not waiting.done()
        await mine(rpc, 16)
    assert (await waiting).hash == pending.hash


async def test_a_dead_holders_slots_are_taken_over(
    rpc: Rpc, store: Store, signer: LocalSigner
) -> None:
    async with open_desk(rpc, signer=signer, store=store, block_time=BLOCK_TIME) as dead:
        left = [(await dead.sent(value=number)).signed for number in range(5)]
        left.append(await dead.signed(value=5))
    await rpc.call("anvil_dropAllTransactions", [])
    async with open_desk(rpc, signer=signer, store=store, block_time=BLOCK_TIME) as heir:
        own = await heir.sent(value=6)
        await until_seen(heir, TransactionsTakenOver)
        while not all([await knows(rpc, one) for one in left]):
            pass
        await mine(rpc)
        await own.wait()
        assert await rpc.transaction_count(heir.owner) == 7
        for one in left:
            assert (await heir.outbox.follow(one).wait()).hash == one.hash


async def test_five_hundred_posted_at_once(rpc: Rpc, desk: Desk) -> None:
    account = await desk.account()
    leased = await desk.nonces.lease(desk.owner, 500)
    signed = [
        await desk.signer.sign_transaction(await desk.prepared(nonce=nonce))
        for nonce in leased.nonces
    ]
    await desk.journal.sign(account, signed, sending=True)
    outcomes = await asyncio.gather(*(desk.outbox.post([one]) for one in signed))
    waiting = [
        asyncio.create_task(one.wait(confirmations=2))
        for (one,) in outcomes
        if isinstance(one, PendingTx)
    ]
    assert len(waiting) == 500
    while await rpc.transaction_count(desk.owner) < 500:
        await mine(rpc)
    await mine(rpc)
    receipts = await asyncio.gather(*waiting)
    assert [one.hash for one in receipts] == [one.hash for one in signed]


async def test_the_embedded_way_of_mining_at_once(rpc: Rpc, desk: Desk) -> None:
    await rpc.call("evm_setAutomine", [True])
    signed = [await desk.signed(value=number) for number in range(20)]
    posted = await asyncio.gather(*(desk.outbox.post([one]) for one in signed[::-1]))
    waiting = [one.wait() for (one,) in posted if isinstance(one, PendingTx)]
    assert len(await asyncio.gather(*waiting)) == 20
    assert {(await desk.slot(nonce)).state for nonce in range(20)} <= {
        SlotState.MINED,
        SlotState.FINAL,
        SlotState.SENDING,  # seen in its block a moment before the journal hears of it
    }

"""Nonces that nobody holds do not hold up those above them for long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.desk import Desk, open_desk
from support.scripted_chain import ScriptedChain, error

from opengradient_sdk.chain.outbox.events import NonceBlocked, NonceGapFilled
from opengradient_sdk.chain.outbox.slots import AttemptKind, SlotState
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import SigningRejectedError
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import PreparedTx, SignedTx


@pytest.fixture
def chain(node: Any) -> ScriptedChain:
    return ScriptedChain(node)


@pytest.fixture
async def desk(chain: ScriptedChain, rpc: Rpc) -> AsyncIterator[Desk]:
    async with open_desk(rpc) as desk:
        yield desk


async def gap_below(desk: Desk, nonces: int = 1) -> Any:
    """Return a pending transaction above nonces that were leased and given back."""
    leased = await desk.nonces.lease(desk.owner, nonces)
    pending = await desk.sent()
    await desk.nonces.give_back(desk.owner, leased.nonces)
    return pending


async def test_a_gap_is_filled_and_said(chain: ScriptedChain, desk: Desk) -> None:
    pending = await gap_below(desk, nonces=2)
    while len(desk.named(NonceGapFilled)) < 2:
        await chain.looked()
    events = desk.named(NonceGapFilled)
    assert [event.nonce for event in events] == [0, 1]
    for event in events:
        tx = chain.pool[event.hash].tx
        assert (tx.to, tx.value, tx.data, tx.gas) == (desk.owner, 0, b"", 21_000)
        assert (await desk.slot(event.nonce)).attempts[0].kind is AttemptKind.FILLER
    chain.mine()
    assert (await pending.wait()).hash == pending.hash


async def test_blocks_that_pass_are_patience_enough(chain: ScriptedChain, rpc: Rpc) -> None:
    async with open_desk(rpc, block_time=1.0) as desk:
        await gap_below(desk)
        await chain.looked()
        while not desk.named(NonceGapFilled):
            chain.empty()
            await chain.looked()


async def test_somebody_who_is_at_it_is_waited_for(chain: ScriptedChain, desk: Desk) -> None:
    first = await desk.prepared()
    pending = await desk.sent()
    while not desk.named(NonceBlocked):
        await chain.looked()
    await chain.looked(20)
    assert desk.named(NonceBlocked) == [NonceBlocked(1, behind=0)]  # said once
    assert desk.named(NonceGapFilled) == []
    signed = await desk.signer.sign_transaction(first)
    await desk.journal.sign(await desk.account(), [signed], sending=True)
    await desk.post(signed)
    chain.mine()
    assert (await pending.wait()).succeeded


async def test_a_signer_who_refuses_leaves_the_nonce_free(chain: ScriptedChain, rpc: Rpc) -> None:
    class Refusing(LocalSigner):
        async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
            if tx.value == 0:
                asked.append(tx.nonce)
                raise SigningRejectedError("no")
            return await super().sign_transaction(tx)

    asked: list[int] = []
    async with open_desk(rpc, signer=Refusing(bytes([7]) * 32)) as desk:
        await gap_below(desk)
        while not asked:
            await chain.looked()
        await chain.looked(3)
        assert (await desk.slot(0)).state is SlotState.FREE
        # whoever builds next gets it, and this costs no filler
        filled = await desk.sent(value=2)
        assert filled.nonce == 0


async def test_a_filler_that_is_refused_leaves_the_nonce_free(
    chain: ScriptedChain, desk: Desk
) -> None:
    chain.refusals[0] = lambda: error(-32000, "insufficient funds for gas * price + value")
    await gap_below(desk)
    while len(chain.received) < 2:
        await chain.looked()
    await chain.looked(3)
    assert desk.named(NonceGapFilled) == []
    del chain.refusals[0]
    while not desk.named(NonceGapFilled):  # tried again
        await chain.looked()

"""Waiting for a transaction on a chain that changes its mind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from support.desk import BOB, Desk, open_desk
from support.scripted_chain import ScriptedChain

from opengradient_sdk.chain.outbox.events import NonceSuperseded, TransactionReorged
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import (
    ChainError,
    ConfigurationError,
    ConfirmationTimeoutError,
    ReplacedError,
    RevertedError,
    Spent,
    WrongChainError,
)

SOON = 1.0
"""Long enough to have looked at the chain, which is done every 0.01 s (seconds)."""


@pytest.fixture
def chain(node: Any) -> ScriptedChain:
    return ScriptedChain(node)


@pytest.fixture
async def desk(chain: ScriptedChain, rpc: Rpc) -> AsyncIterator[Desk]:
    async with open_desk(rpc) as desk:
        yield desk


async def test_the_first_block_is_the_first_confirmation(chain: ScriptedChain, desk: Desk) -> None:
    pending = await desk.sent()
    chain.mine()
    receipt = await pending.wait()
    assert (receipt.hash, receipt.block_number) == (pending.hash, 1)


async def test_more_confirmations_need_more_blocks(chain: ScriptedChain, desk: Desk) -> None:
    pending = await desk.sent()
    waiting = asyncio.create_task(pending.wait(confirmations=3))
    chain.mine(blocks=2)
    await chain.looked(3)
    assert not waiting.done()
    chain.empty()
    assert (await waiting).block_number == 1


@pytest.mark.parametrize("tag", ["safe", "finalized"])
async def test_a_tag_is_waited_for(chain: ScriptedChain, desk: Desk, tag: Any) -> None:
    pending = await desk.sent()
    waiting = asyncio.create_task(pending.wait(tag))
    chain.mine(blocks=3)
    await chain.looked(3)
    chain.levels[tag] = 0
    await chain.looked(3)
    assert not waiting.done()
    chain.levels[tag] = 1
    assert (await waiting).block_number == 1


async def test_a_node_without_such_a_tag_is_waited_for(
    node: Any, chain: ScriptedChain, desk: Desk, fails: Any
) -> None:
    by_number = node.results["eth_getBlockByNumber"]
    node.results["eth_getBlockByNumber"] = lambda tag, full: (
        fails(-32602, "no such block tag") if tag == "safe" else by_number(tag, full)
    )
    pending = await desk.sent()
    chain.mine()
    with pytest.raises(ConfirmationTimeoutError, match="in block 1, not yet safe deep"):
        await pending.wait("safe", timeout=SOON)
    assert (await pending.wait()).block_number == 1


async def test_a_reorg_makes_it_pending_again_and_says_so(
    chain: ScriptedChain, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    pending = await desk.sent()
    waiting = asyncio.create_task(pending.wait(confirmations=3))
    chain.mine()
    await chain.looked(2)
    chain.drop()
    del chain.known[pending.hash]
    with caplog.at_level(logging.WARNING, "opengradient_sdk.chain"):
        chain.reorg(1)
        while pending.hash not in chain.pool:  # sent again
            await chain.looked()
    assert "pending again: block 1" in caplog.text
    assert desk.named(TransactionReorged) == [TransactionReorged(pending.hash, 0, 1)]
    chain.mine(blocks=2)
    await chain.looked(3)
    assert not waiting.done()
    chain.empty()
    assert (await waiting).block_number == 2


async def test_depth_is_not_reported_from_a_block_that_was_given_up(
    chain: ScriptedChain, desk: Desk
) -> None:
    pending = await desk.sent()
    waiting = asyncio.create_task(pending.wait(confirmations=2))
    chain.mine()
    await chain.looked(2)
    chain.reorg(1)
    chain.empty(3)  # deep enough, if the old block counted
    await chain.looked(3)
    assert not waiting.done()
    chain.mine(pending.hash, blocks=2)
    assert (await waiting).block_number == 5


async def test_a_chain_that_is_shorter_for_a_moment_is_no_reorg(
    chain: ScriptedChain, desk: Desk
) -> None:
    pending = await desk.sent()
    chain.mine(blocks=2)
    await pending.wait()
    waiting = asyncio.create_task(pending.wait(confirmations=4))
    behind, chain.blocks = chain.blocks, chain.blocks[:1]
    await chain.looked(1)
    chain.blocks = behind
    chain.empty(2)
    await waiting
    assert desk.named(TransactionReorged) == []


async def test_a_chain_that_stays_shorter_has_given_the_block_up(
    chain: ScriptedChain, desk: Desk
) -> None:
    chain.empty(2)
    pending = await desk.sent()
    chain.mine()
    await pending.wait()
    chain.reorg(1, shorter=1)
    chain.drop()
    again = asyncio.create_task(pending.wait())
    while not desk.named(TransactionReorged):
        await chain.looked()
    chain.mine(pending.hash)
    assert (await again).block_hash == chain.blocks[-1].hash


async def test_not_in_time_carries_the_hash_and_how_far_it_got(
    chain: ScriptedChain, desk: Desk
) -> None:
    pending = await desk.sent()
    with pytest.raises(ConfirmationTimeoutError, match="it is in no block yet\n") as caught:
        await pending.wait(timeout=SOON)
    assert caught.value.hash == pending.hash
    assert caught.value.spent is Spent.MAYBE
    chain.mine()
    with pytest.raises(ConfirmationTimeoutError, match="in block 1, not yet 9 deep"):
        await pending.wait(confirmations=9, timeout=SOON)


async def test_a_lower_nonce_that_is_missing_is_named(chain: ScriptedChain, desk: Desk) -> None:
    leased = await desk.prepared()
    pending = await desk.sent()
    assert (leased.nonce, pending.nonce) == (0, 1)
    with pytest.raises(ConfirmationTimeoutError, match="nonce 0, which comes before it"):
        await pending.wait(timeout=SOON)
    first = await desk.signer.sign_transaction(leased)
    await desk.journal.sign(await desk.account(), [first], sending=True)
    await desk.post(first)
    with pytest.raises(ConfirmationTimeoutError, match="transaction with nonce 0 comes first"):
        await pending.wait(timeout=SOON)


async def test_it_can_be_waited_for_again(chain: ScriptedChain, desk: Desk) -> None:
    pending = await desk.sent()
    with pytest.raises(ConfirmationTimeoutError):
        await pending.wait(timeout=0.1)
    chain.mine()
    assert (await pending.wait()).succeeded
    chain.empty(20)
    assert (await pending.wait(confirmations=21)).succeeded  # final, and left alone until asked


async def test_many_wait_for_one(chain: ScriptedChain, desk: Desk) -> None:
    pending = await desk.sent()
    waiting = [asyncio.create_task(pending.wait()) for _ in range(20)]
    gone = asyncio.create_task(pending.wait())
    await chain.looked()
    gone.cancel()
    chain.mine()
    receipts = await asyncio.gather(*waiting)
    assert {receipt.hash for receipt in receipts} == {pending.hash}
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_an_outage_is_waited_out(node: Any, chain: ScriptedChain, desk: Desk) -> None:
    pending = await desk.sent()
    chain.mine()
    node.http = [web.Response(status=503) for _ in range(4)]
    assert (await pending.wait()).block_number == 1


async def test_a_lasting_outage_is_named(node: Any, chain: ScriptedChain, desk: Desk) -> None:
    pending = await desk.sent()
    node.always = lambda: web.Response(text="no json")
    with pytest.raises(ConfirmationTimeoutError, match="the chain cannot be read"):
        await pending.wait(timeout=1.5)
    node.always = None


async def test_a_stranger_that_took_the_nonce_is_noticed_after_several_looks(
    chain: ScriptedChain, desk: Desk
) -> None:
    pending = await desk.sent()
    chain.stranger()
    with pytest.raises(ReplacedError, match="nonce 0 was mined instead") as caught:
        await pending.wait()
    assert caught.value.by is None
    assert desk.named(NonceSuperseded) == [NonceSuperseded((pending.hash,), 0)]
    assert (await desk.slot(0)).state == "TAKEN"
    assert (await desk.nonces.lease(desk.owner)).nonces == (1,)


async def test_a_count_that_lies_is_no_replacement(chain: ScriptedChain, desk: Desk) -> None:
    pending = await desk.sent()
    waiting = asyncio.create_task(pending.wait())
    chain.count_lies = [1] * 3
    await chain.looked(6)
    assert not waiting.done()
    chain.mine()
    assert (await waiting).block_number == 1


async def test_a_revert_has_its_reason_and_its_fee(
    node: Any, chain: ScriptedChain, desk: Desk, fails: Any
) -> None:
    pending = await desk.sent(data=b"\x01", gas=50_000)
    chain.failed.add(pending.hash)
    chain.mine()
    node.results["eth_call"] = fails(3, "execution reverted", "0x756688fe")
    with pytest.raises(RevertedError) as caught:
        await pending.wait()
    assert caught.value.reason == "InvalidNonce()"
    assert caught.value.spent is Spent.YES
    assert caught.value.amount is not None
    assert caught.value.amount.atoms == 42_000
    asked = [call for body in node.bodies for call in (body if isinstance(body, list) else [body])]
    (message, block) = next(call["params"] for call in asked if call["method"] == "eth_call")
    assert (message["from"], message["gas"], block) == (desk.owner, hex(50_000), "0x1")


@pytest.mark.parametrize(
    ("gas_used", "reason"), [(50_000, "out of gas"), (40_000, "the reason is not known")]
)
async def test_a_revert_that_cannot_be_repeated(
    node: Any, chain: ScriptedChain, desk: Desk, fails: Any, gas_used: int, reason: str
) -> None:
    pending = await desk.sent(gas=50_000)
    chain.failed.add(pending.hash)
    chain.gas_used = gas_used
    chain.mine()
    node.results["eth_call"] = lambda _, at: "0x" if at == "0x0" else fails(-32000, "pruned")
    with pytest.raises(RevertedError, match=reason):
        await pending.wait()


async def test_an_endpoint_of_another_chain_ends_the_wait(
    node: Any, chain: ScriptedChain, rpc_to: Any
) -> None:
    node.results["eth_chainId"] = "0x1"
    async with open_desk(rpc_to(node)) as desk:
        signed = await desk.signer.sign_transaction(await desk.prepared(nonce=0))
        with pytest.raises(WrongChainError):
            await desk.outbox.follow(signed).wait()


async def test_what_was_sent_elsewhere_is_followed_and_not_sent(
    chain: ScriptedChain, desk: Desk
) -> None:
    signed = await desk.signer.sign_transaction(await desk.prepared(nonce=0))
    pending = desk.outbox.follow(signed)
    await chain.looked(20)
    assert chain.received == []
    chain.known[signed.hash] = signed
    chain.mine(signed.hash)
    assert (await pending.wait()).hash == signed.hash


async def test_no_confirmation_is_no_wait(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match="0 confirmations"):
        await (await desk.sent()).wait(confirmations=0)


async def test_closing_ends_the_wait_and_refuses_another(chain: ScriptedChain, rpc: Rpc) -> None:
    async with open_desk(rpc) as desk:
        pending = await desk.sent()
        waiting = asyncio.create_task(pending.wait())
        await chain.looked()
    with pytest.raises(ChainError, match="closed while"):
        await waiting
    with pytest.raises(ChainError, match="the chain is closed"):
        await pending.wait()


async def test_a_pending_one_shows_its_hash(desk: Desk) -> None:
    pending = await desk.sent()
    assert repr(pending) == f"PendingTx({pending.hash})"
    assert pending.signed.tx.to == BOB

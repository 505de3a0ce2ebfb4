"""Sending: in nonce order, many at once, and what each refusal means for the nonce."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from support.desk import Desk, open_desk
from support.scripted_chain import ScriptedChain, error

from opengradient_sdk.chain.outbox.slots import SlotState
from opengradient_sdk.chain.pending import PendingTx
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import (
    FeeTooLowError,
    InsufficientFundsError,
    LedgerError,
    NonceError,
    RpcError,
    Spent,
    WrongChainError,
)
from opengradient_sdk.signers.envelope import read_signed


@pytest.fixture
def chain(node: Any) -> ScriptedChain:
    return ScriptedChain(node)


@pytest.fixture
async def desk(chain: ScriptedChain, rpc: Rpc) -> AsyncIterator[Desk]:
    # blocks so slow that nothing is sent again for want of one while a test looks
    async with open_desk(rpc, block_time=0.5) as desk:
        yield desk


def batches(node: Any) -> list[int]:
    """How many transactions were sent in each HTTP request that sent any."""
    sent = [request.count("eth_sendRawTransaction") for request in node.requests]
    return [number for number in sent if number]


async def test_many_travel_together_in_nonce_order(
    node: Any, chain: ScriptedChain, desk: Desk
) -> None:
    signed = [await desk.signed() for _ in range(150)]
    outcomes = await desk.outbox.post(signed[::-1])
    assert [one.nonce for one in outcomes if isinstance(one, PendingTx)] == list(range(150))[::-1]
    assert chain.received == [one.hash for one in signed]
    assert batches(node) == [100, 50]


async def test_what_is_posted_meanwhile_joins_the_next_batch(
    node: Any, chain: ScriptedChain, desk: Desk
) -> None:
    signed = [await desk.signed() for _ in range(20)]
    await asyncio.gather(*(desk.outbox.post([one]) for one in signed))
    assert len(batches(node)) <= 2
    assert sorted(chain.received) == sorted(one.hash for one in signed)


async def test_the_same_bytes_posted_twice_are_harmless(chain: ScriptedChain, desk: Desk) -> None:
    signed = await desk.signed()
    one, two = await asyncio.gather(desk.post(signed), desk.post(signed))
    again = await desk.post(signed)
    chain.mine()
    assert {(await each.wait()).hash for each in (one, two, again)} == {signed.hash}


async def test_a_poster_who_leaves_takes_nothing_back(chain: ScriptedChain, desk: Desk) -> None:
    signed = await desk.signed()
    posting = asyncio.create_task(desk.outbox.post([signed]))
    await asyncio.sleep(0)
    posting.cancel()
    await chain.looked(2)
    chain.mine()
    assert (await desk.outbox.follow(signed).wait()).hash == signed.hash


@pytest.mark.parametrize(
    ("wording", "kind"),
    [
        ("transaction underpriced", FeeTooLowError),
        ("insufficient funds for gas * price + value", InsufficientFundsError),
    ],
)
async def test_a_refused_one_gives_its_nonce_back(
    chain: ScriptedChain, desk: Desk, wording: str, kind: type[Exception]
) -> None:
    chain.refusals[0] = lambda: error(-32000, wording)
    with pytest.raises(kind) as caught:
        await desk.sent()
    assert caught.value.spent is Spent.NO  # type: ignore[attr-defined]
    assert (await desk.slot(0)).state is SlotState.FREE
    del chain.refusals[0]
    assert (await desk.sent(value=2)).nonce == 0


async def test_one_refusal_does_not_touch_the_others(chain: ScriptedChain, desk: Desk) -> None:
    chain.refusals[1] = lambda: error(-32000, "transaction underpriced")
    outcomes = await desk.outbox.post([await desk.signed() for _ in range(3)])
    assert [type(one) for one in outcomes] == [PendingTx, FeeTooLowError, PendingTx]


async def test_an_answer_that_is_lost_is_no_refusal(
    node: Any, chain: ScriptedChain, desk: Desk
) -> None:
    signed = await desk.signed()
    original = node.results["eth_sendRawTransaction"]

    def swallowed(raw: str) -> Any:
        original(raw)
        node.always = lambda: web.Response(status=500)
        return None

    node.results["eth_sendRawTransaction"] = swallowed
    node.always = None
    node.http = [web.Response(text="no json")] * 3
    with pytest.raises(RpcError) as caught:
        await desk.post(signed)
    assert caught.value.spent is Spent.MAYBE
    assert str(signed.hash) in caught.value.hint
    assert "chain.follow(signed) waits for it" in caught.value.hint
    assert (await desk.slot(0)).state is SlotState.SENDING
    node.results["eth_sendRawTransaction"] = original
    while signed.hash not in chain.pool:  # it is sent again without being asked
        await chain.looked()
    chain.mine()
    assert (await desk.outbox.follow(signed).wait()).hash == signed.hash


async def test_unknown_words_prove_no_refusal(chain: ScriptedChain, desk: Desk) -> None:
    chain.refusals[0] = lambda: error(-32000, "the moon is in the wrong house")
    with pytest.raises(RpcError, match="wrong house") as caught:
        await desk.sent()
    assert caught.value.spent is Spent.MAYBE
    assert (await desk.slot(0)).state is SlotState.SENDING


async def test_a_refusal_of_what_may_have_arrived_is_not_believed(
    chain: ScriptedChain, desk: Desk
) -> None:
    signed = await desk.signed()
    await desk.post(signed)
    chain.refusals[0] = lambda: error(-32000, "insufficient funds for gas * price + value")
    with pytest.raises(RpcError) as caught:
        await desk.post(signed)
    assert caught.value.spent is Spent.MAYBE
    chain.mine()
    assert (await desk.outbox.follow(signed).wait()).hash == signed.hash


async def test_nonce_too_low_because_it_was_mined_is_fine(chain: ScriptedChain, desk: Desk) -> None:
    signed = await desk.signed()
    chain.known[signed.hash] = signed
    chain.mine(signed.hash)
    chain.refusals[0] = lambda: error(-32000, "nonce too low")
    assert (await (await desk.post(signed)).wait()).hash == signed.hash


async def test_nonce_too_low_because_a_stranger_has_it(chain: ScriptedChain, desk: Desk) -> None:
    signed = await desk.signed()
    chain.stranger()
    with pytest.raises(NonceError, match="already used"):
        await desk.post(signed)
    assert (await desk.slot(0)).state is SlotState.TAKEN
    assert (await desk.sent(value=2)).nonce == 1


async def test_nonce_too_low_that_is_a_lie_is_sent_again(chain: ScriptedChain, desk: Desk) -> None:
    def once() -> Any:
        del chain.refusals[0]
        return error(-32000, "nonce too low")

    chain.refusals[0] = once
    pending = await desk.sent()
    chain.mine()
    assert (await pending.wait()).hash == pending.hash
    assert chain.received == [pending.hash] * 2


async def test_a_node_that_goes_on_lying_leaves_the_outcome_open(
    chain: ScriptedChain, desk: Desk
) -> None:
    chain.refusals[0] = lambda: error(-32000, "nonce too low")
    with pytest.raises(RpcError) as caught:
        await desk.sent()
    assert caught.value.spent is Spent.MAYBE
    assert (await desk.slot(0)).state is SlotState.SENDING


class TestANodeThatTakesNoGaps:
    """As the embedded EVM: a transaction whose nonce is not the next one is refused."""

    @pytest.fixture(autouse=True)
    def strict(self, node: Any, chain: ScriptedChain) -> None:
        send = node.results["eth_sendRawTransaction"]

        def in_order(raw: str) -> Any:
            signed = read_signed(bytes.fromhex(raw[2:]))
            if signed.tx.nonce > chain.used():
                chain.received.append(signed.hash)
                return error(-32000, "nonce too high")
            answer = send(raw)
            chain.mine()
            return answer

        node.results["eth_sendRawTransaction"] = in_order

    async def test_it_is_held_until_the_lower_one_is_there(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        first, second, third = [await desk.signed() for _ in range(3)]
        held = [await desk.post(third), await desk.post(second)]
        assert chain.received == [third.hash, second.hash]
        pending = await desk.post(first)
        receipts = [await each.wait() for each in (pending, *held)]
        assert [one.block_number for one in receipts] == [1, 3, 2]

    async def test_it_is_refused_where_nobody_sends_the_lower_one(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        signed = await desk.signer.sign_transaction(await desk.prepared(nonce=5))
        await desk.journal.send(await desk.account(), [signed])
        with pytest.raises(NonceError, match="lower nonce is missing"):
            await desk.post(signed)
        assert (await desk.slot(5)).state is SlotState.FREE

    async def test_many_at_once_in_any_order(self, chain: ScriptedChain, desk: Desk) -> None:
        signed = [await desk.signed() for _ in range(30)]
        posted = await asyncio.gather(*(desk.post(one) for one in signed[::-1]))
        await asyncio.gather(*(one.wait() for one in posted))
        assert chain.used() == 30


async def test_an_endpoint_of_another_chain_is_a_refusal(
    node: Any, chain: ScriptedChain, start_node: Any, rpc_to: Any
) -> None:
    wrong = await start_node()
    ScriptedChain(wrong)
    wrong.results["eth_chainId"] = "0x1"
    async with open_desk(rpc_to(node, wrong)) as desk:
        signed = await desk.signed()
        node.always = lambda: web.Response(status=503)
        with pytest.raises(WrongChainError) as caught:
            await desk.post(signed)
        assert caught.value.spent is Spent.NO
        assert (await desk.slot(0)).state is SlotState.FREE
    assert chain.received == []


async def test_a_refusal_that_cannot_be_written_down_leaves_the_outcome_open(
    chain: ScriptedChain, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise LedgerError("the disk is full")

    chain.refusals[0] = lambda: error(-32000, "transaction underpriced")
    monkeypatch.setattr(desk.journal, "refused", fails)
    with pytest.raises(RpcError, match="the disk is full") as caught:
        await desk.sent()
    assert caught.value.spent is Spent.MAYBE


@pytest.mark.usefixtures("chain")
async def test_closing_answers_those_who_are_sending(node: Any, rpc: Rpc) -> None:
    never = asyncio.Event()
    reached = asyncio.Event()

    async def hangs() -> web.Response:
        reached.set()
        await never.wait()
        return web.Response()

    async with open_desk(rpc) as desk:
        signed = await desk.signed()
        node.http = [hangs] * 10
        posting = asyncio.create_task(desk.outbox.post([signed]))
        await reached.wait()
    (outcome,) = await posting
    never.set()
    assert isinstance(outcome, RpcError)
    assert outcome.spent is Spent.MAYBE

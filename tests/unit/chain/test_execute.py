"""Requests become transactions once, in order, and every caller hears what became of his."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from support.executing import (
    Mempool,
    Thinking,
    Wallet,
    no_task_left,
    opened,
    raising,
    transfer,
)
from support.scripted_chain import ScriptedChain, error

from opengradient_sdk._core.store import Store, open_store
from opengradient_sdk.chain import Chain, Rpc, TransactionsTakenOver
from opengradient_sdk.chain.execute import _MOST_UNSENT
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.errors import (
    ChainError,
    ConfigurationError,
    ConfirmationTimeoutError,
    InsufficientFundsError,
    OpenGradientError,
    RequestConflictError,
    RevertedError,
    RpcError,
    SignerError,
    SigningRejectedError,
    Spent,
    TransactionError,
)
from opengradient_sdk.types import TxReceipt


@pytest.fixture
def scripted(node: Any) -> ScriptedChain:
    return ScriptedChain(node)


@pytest.fixture
def pool(scripted: ScriptedChain) -> Mempool:
    return Mempool(scripted)


@pytest.fixture
async def chain(rpc: Rpc, pool: Mempool) -> AsyncIterator[Chain]:
    async with opened(rpc) as chain:
        yield chain


@pytest.fixture
def wallet() -> Wallet:
    return Wallet()


@pytest.fixture
async def asking(rpc: Rpc, pool: Mempool, wallet: Wallet) -> AsyncIterator[Chain]:
    """A chain whose signer is a foreign one."""
    async with opened(rpc, wallet) as chain:
        yield chain


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(str(tmp_path / "journal.sqlite"), SCHEMA)
    yield store
    await store.aclose()


# Input that cannot be meant


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["a"], "1 request ids"),
        (["a", "b", "c"], "3 request ids"),
        (["a", "a"], "1 different ones"),
        (["a", ""], "the id ''"),
        ([], "0 request ids"),
    ],
)
async def test_ids_that_fit_no_requests(
    chain: Chain, node: Any, ids: list[str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        await chain.execute_many([transfer(1), transfer(2)], request_ids=ids)
    assert node.requests == []


async def test_an_id_keeps_its_nonce_so_that_none_may_be_named(chain: Chain, node: Any) -> None:
    with pytest.raises(ConfigurationError, match="leave nonce open"):
        await chain.execute(transfer(1, nonce=0), request_id="rent")
    with pytest.raises(ConfigurationError, match="not empty"):
        await chain.execute(transfer(1), request_id="")
    assert node.requests == []


@pytest.mark.parametrize("confirmations", [0, -1])
async def test_confirmations_nobody_can_wait_for_send_nothing(
    chain: Chain, pool: Mempool, confirmations: int
) -> None:
    with pytest.raises(ConfigurationError, match="confirmations"):
        await chain.execute(transfer(1), confirmations=confirmations)
    assert pool.sent == []


async def test_nothing_to_do_asks_nobody(chain: Chain, node: Any) -> None:
    assert await chain.execute_many([]) == []
    assert await chain.execute_many([], request_ids=[]) == []
    assert node.requests == []


# Order, and failures as values


async def test_nonces_are_in_the_order_of_the_requests_however_long_each_is_built(
    chain: Chain, node: Any, pool: Mempool
) -> None:
    first_built = asyncio.Event()
    complete = chain._completed

    async def completed(request: Any, **options: Any) -> Any:
        draft = await complete(request, **options)
        if request.value == 1:
            await first_built.wait()
        elif request.value == 5:
            first_built.set()  # the last to come is built first
        return draft

    chain._completed = completed  # type: ignore[method-assign]
    outcomes = await chain.execute_many([transfer(value) for value in range(1, 6)])
    assert all(isinstance(outcome, TxReceipt) for outcome in outcomes)
    assert [(tx.nonce, tx.value) for tx in pool.sent] == [(n, n + 1) for n in range(5)]


async def test_a_failure_is_a_value_in_its_place_and_takes_no_nonce(
    asking: Chain, wallet: Wallet, pool: Mempool
) -> None:
    wallet.habits[2] = raising(SigningRejectedError("the owner said no"))
    bad = transfer(3, gas=10**12)
    outcomes = await asking.execute_many([transfer(1), transfer(2), bad, transfer(4)])
    assert isinstance(outcomes[0], TxReceipt)
    assert isinstance(outcomes[1], SigningRejectedError)
    assert isinstance(outcomes[2], TransactionError)
    assert isinstance(outcomes[3], TxReceipt)
    assert sorted(tx.nonce for tx in pool.sent) == list(range(len(pool.sent)))
    assert [pool.mined(value) for value in (1, 2, 3, 4)] == [1, 0, 0, 1]


async def test_what_a_foreign_signer_raises_is_a_signer_error_and_nobody_elses(
    asking: Chain, wallet: Wallet, pool: Mempool
) -> None:
    boom = ValueError("my key is 0x07")
    wallet.habits[2] = raising(boom)
    outcomes = await asking.execute_many([transfer(1), transfer(2), transfer(3)])
    assert isinstance(outcomes[0], TxReceipt)
    assert isinstance(outcomes[2], TxReceipt)
    failed = outcomes[1]
    assert isinstance(failed, SignerError)
    assert failed.spent is Spent.NO
    assert failed.__cause__ is boom
    assert "0x07" not in str(failed)


async def test_what_a_foreign_signer_raises_by_hand_is_a_signer_error(
    asking: Chain, wallet: Wallet
) -> None:
    wallet.habits[2] = raising(KeyError("device"))
    prepared = await asking.build(transfer(2))
    with pytest.raises(SignerError, match="failed with KeyError"):
        await asking.sign(prepared)
    assert (await asking.build(transfer(1))).nonce == prepared.nonce


async def test_a_conflict_of_one_id_lets_the_other_requests_pass(
    asking: Chain, wallet: Wallet, pool: Mempool
) -> None:
    thinking = wallet.habits[1] = Thinking()
    first = asyncio.create_task(asking.execute(transfer(1), request_id="rent"))
    await thinking.begun.wait()
    both = asyncio.create_task(
        asking.execute_many([transfer(2), transfer(3)], request_ids=["rent", "food"])
    )
    await pool.holds(1)
    thinking.over.set()
    assert (await first).succeeded
    outcomes = await both
    assert isinstance(outcomes[0], RequestConflictError)
    assert isinstance(outcomes[1], TxReceipt)


# One id, one transaction


async def test_an_id_asked_for_twice_is_one_transaction(chain: Chain, pool: Mempool) -> None:
    first = await chain.execute(transfer(1), request_id="rent")
    assert await chain.execute(transfer(1), request_id="rent") == first
    assert len(pool.sent) == 1


async def test_an_id_asked_for_at_once_is_one_transaction(chain: Chain, pool: Mempool) -> None:
    receipts = await asyncio.gather(
        *(chain.execute(transfer(1), request_id="rent") for _ in range(20))
    )
    assert len(set(receipts)) == 1
    assert len(pool.sent) == 1


async def test_an_id_asked_for_on_two_chains_of_one_store_is_one_transaction(
    rpc: Rpc, pool: Mempool, file: Store
) -> None:
    async with opened(rpc, store=file) as one, opened(rpc, store=file) as two:
        receipts = await asyncio.gather(
            *(each.execute(transfer(1), request_id="rent") for each in (one, two) * 5)
        )
    assert len(set(receipts)) == 1
    assert len(pool.sent) == 1


async def test_an_id_is_remembered_by_a_chain_that_is_opened_later(
    rpc: Rpc, pool: Mempool, file: Store
) -> None:
    async with opened(rpc, store=file) as chain:
        first = await chain.execute(transfer(1), request_id="rent")
    async with opened(rpc, store=file) as later:
        assert await later.execute(transfer(1), request_id="rent") == first
        with pytest.raises(RequestConflictError):
            await later.execute(transfer(2), request_id="rent")
    assert len(pool.sent) == 1


@pytest.mark.parametrize(
    "other", [transfer(2), transfer(1, data=b"\x01", gas=30_000), transfer(1, allow_spend=True)]
)
async def test_an_id_of_another_transaction_is_refused(
    chain: Chain, pool: Mempool, other: Any
) -> None:
    await chain.execute(transfer(1), request_id="rent")
    with pytest.raises(RequestConflictError, match="'rent'") as caught:
        await chain.execute(other, request_id="rent")
    assert caught.value.spent is Spent.NO
    assert len(pool.sent) == 1


async def test_what_is_paid_for_it_makes_no_other_transaction(chain: Chain, pool: Mempool) -> None:
    first = await chain.execute(transfer(1), request_id="rent")
    assert await chain.execute(transfer(1, gas=50_000), request_id="rent") == first
    assert len(pool.sent) == 1


async def test_an_id_that_was_refused_gets_the_same_nonce_again(
    chain: Chain, scripted: ScriptedChain, pool: Mempool
) -> None:
    refusal = error(-32000, "insufficient funds for gas * price + value")
    scripted.refusals[0] = lambda: refusal
    with pytest.raises(InsufficientFundsError) as caught:
        await chain.execute(transfer(1), request_id="rent")
    assert caught.value.spent is Spent.NO
    scripted.refusals.clear()
    assert (await chain.execute(transfer(1), request_id="rent")).succeeded
    assert [tx.nonce for tx in pool.sent] == [0]


async def test_an_id_whose_nonce_a_stranger_used_happens_once_at_another(
    chain: Chain, scripted: ScriptedChain, pool: Mempool
) -> None:
    def robbed() -> Any:
        scripted.refusals.clear()
        scripted.stranger()
        return error(-32000, "nonce too low")

    scripted.refusals[0] = robbed
    receipt = await chain.execute(transfer(1), request_id="rent")
    assert receipt.succeeded
    assert [tx.nonce for tx in pool.sent] == [1]
    assert pool.mined(1) == 1
    assert await chain.execute(transfer(1), request_id="rent") == receipt


async def test_bytes_that_were_refused_are_not_waited_for_while_another_process_signs_again(
    rpc: Rpc, scripted: ScriptedChain, pool: Mempool, file: Store, wallet: Wallet
) -> None:
    scripted.refusals[0] = lambda: error(-32000, "insufficient funds for gas * price + value")
    async with opened(rpc, wallet, store=file) as one, opened(rpc, store=file) as two:
        with pytest.raises(InsufficientFundsError):
            await one.execute(transfer(1), request_id="rent")
        scripted.refusals.clear()
        thinking = wallet.habits[1] = Thinking()
        again = asyncio.create_task(
            one.execute(transfer(1, max_fee_per_gas=10**9), request_id="rent")
        )
        await thinking.begun.wait()
        with pytest.raises(TransactionError, match="could not be signed"):
            await two.execute(transfer(1), request_id="rent", timeout=0.3)
        waiting = asyncio.create_task(two.execute(transfer(1), request_id="rent"))
        thinking.over.set()
        assert await again == await waiting
    assert pool.mined(1) == 1


# Time


async def test_what_is_not_mined_in_time_goes_on(chain: Chain, pool: Mempool) -> None:
    pool.mines = False
    outcomes = await chain.execute_many([transfer(1), transfer(2)], timeout=0.5)
    hashes = [signed.hash for signed in pool.chain.known.values()]
    for outcome, hash in zip(outcomes, hashes, strict=True):
        assert isinstance(outcome, ConfirmationTimeoutError)
        assert outcome.hash == hash
        assert outcome.spent is Spent.MAYBE
    pool.chain.mine(*hashes)
    followed = [chain.follow(signed) for signed in pool.chain.known.values()]
    assert all([(await one.wait()).succeeded for one in followed])


async def test_a_signer_that_takes_too_long_has_signed_nothing(
    asking: Chain, wallet: Wallet, pool: Mempool
) -> None:
    wallet.habits[1] = Thinking()
    with pytest.raises(TransactionError, match=r"within 1 s") as caught:
        await asking.execute(transfer(1), timeout=1.0)
    assert caught.value.spent is Spent.NO
    assert (await asking.build(transfer(2))).nonce == 0
    assert len(wallet.cancelled) == 1


async def test_the_time_is_for_building_too(chain: Chain, node: Any) -> None:
    hanging = asyncio.Event()

    async def hang() -> Any:
        await hanging.wait()
        raise AssertionError

    node.http = [hang] * 4
    with pytest.raises(TransactionError, match="within"):
        await chain.execute(transfer(1), timeout=0.2)
    hanging.set()


async def test_the_time_is_for_waiting_for_the_same_id_too(asking: Chain, wallet: Wallet) -> None:
    thinking = wallet.habits[1] = Thinking()
    first = asyncio.create_task(asking.execute(transfer(1), request_id="rent"))
    await thinking.begun.wait()
    with pytest.raises(TransactionError, match="within"):
        await asking.execute(transfer(1), request_id="rent", timeout=0.2)
    thinking.over.set()
    assert (await first).succeeded


# Closing


async def test_closing_ends_what_is_built_signed_and_waited_for(
    rpc: Rpc, node: Any, pool: Mempool, wallet: Wallet
) -> None:
    with no_task_left():
        chain = opened(rpc, wallet)
        assert (await chain.execute(transfer(9))).succeeded
        pool.mines = False
        thinking = wallet.habits[2] = Thinking()
        running = asyncio.create_task(
            chain.execute_many([transfer(value) for value in (1, 2, 3)], timeout=60)
        )
        await thinking.begun.wait()
        await pool.holds(3)
        await chain.aclose()
        outcomes = await asyncio.wait_for(running, 30)
    assert [type(outcome) for outcome in outcomes] == [ChainError, TransactionError, ChainError]
    assert isinstance(outcomes[1], TransactionError)
    assert outcomes[1].spent is Spent.NO
    assert len(wallet.cancelled) == 1


async def test_closing_while_it_is_built(rpc: Rpc, node: Any, pool: Mempool) -> None:
    hanging, begun = asyncio.Event(), asyncio.Event()

    async def hang() -> Any:
        begun.set()
        await hanging.wait()
        raise AssertionError

    with no_task_left():
        chain = opened(rpc)
        await chain.rpc.chain_id()
        node.http = [hang] * 4
        running = asyncio.create_task(
            chain.execute_many([transfer(1), transfer(2)], request_ids=["a", "b"])
        )
        await begun.wait()
        await chain.aclose()
        outcomes = await asyncio.wait_for(running, 30)
        hanging.set()
        node.http = []
    assert [str(outcome) for outcome in outcomes] == [str(outcomes[0])] * 2
    assert isinstance(outcomes[0], TransactionError)
    assert "closed" in str(outcomes[0])
    assert pool.sent == []


async def test_a_closed_chain_takes_nothing_more(rpc: Rpc, pool: Mempool) -> None:
    async with opened(rpc) as chain:
        await chain.rpc.chain_id()
    with no_task_left(), pytest.raises(TransactionError, match="closed"):
        await chain.execute(transfer(1))
    with no_task_left(), pytest.raises(TransactionError, match="closed"):
        await chain.build(transfer(1))
    assert pool.sent == []


async def test_what_was_on_its_way_when_it_was_closed_is_sent_by_the_next(
    rpc: Rpc, node: Any, scripted: ScriptedChain, pool: Mempool, file: Store
) -> None:
    chain = opened(rpc, store=file)
    arrived, over = asyncio.Event(), asyncio.Event()

    async def hang() -> Any:
        arrived.set()
        await over.wait()
        raise AssertionError

    post = chain._outbox.post

    async def held_up(signed: Any) -> Any:
        node.http = [hang]
        return await post(signed)

    chain._outbox.post = held_up  # type: ignore[method-assign]
    running = asyncio.create_task(chain.execute(transfer(1), request_id="rent"))
    await asyncio.wait_for(arrived.wait(), 30)
    await chain.aclose()
    with pytest.raises(ChainError) as caught:
        await asyncio.wait_for(running, 30)
    assert caught.value.spent is Spent.MAYBE
    over.set()
    node.http = []
    async with opened(rpc, store=file) as later:
        assert (await later.execute(transfer(1), request_id="rent")).succeeded
    assert pool.mined(1) == 1
    assert isinstance(caught.value, OpenGradientError)


async def test_opening_a_chain_takes_over_what_was_left_on_its_way(
    rpc: Rpc, node: Any, pool: Mempool, file: Store
) -> None:
    async with opened(rpc, store=file) as chain:
        signed = await chain.sign(await chain.build(transfer(1)))
        account = await chain._nonces.account(signed.tx.sender)
        await chain._journal.send(account, [signed])  # and no more: nobody has seen its bytes
    taken = asyncio.Event()

    def note(event: Any) -> None:
        if isinstance(event, TransactionsTakenOver):
            assert event.hashes == (signed.hash,)
            taken.set()

    async with opened(rpc, store=file, on_event=note) as later:
        await asyncio.wait_for(taken.wait(), 30)
        assert (await later.follow(signed).wait()).succeeded
    assert [tx.nonce for tx in pool.sent] == [signed.tx.nonce]


async def test_an_outage_is_waited_for_by_a_chain_that_was_there_before(
    chain: Chain, node: Any, pool: Mempool
) -> None:
    await chain.execute(transfer(1))
    seen = len(node.requests)

    def recovering() -> web.Response:
        if len(node.requests) > seen + 12:  # more than any number of tries in a row
            node.always = None
        return web.Response(status=503, headers={"Retry-After": "0"})

    node.always = recovering
    assert (await chain.execute(transfer(2))).succeeded


async def test_a_chain_that_was_never_there_is_given_up_soon(
    rpc: Rpc, node: Any, pool: Mempool
) -> None:
    node.always = lambda: web.Response(status=503, headers={"Retry-After": "0"})
    async with opened(rpc) as chain:
        with pytest.raises(RpcError, match="no RPC endpoint answered"):
            await chain.execute(transfer(1), timeout=1_000_000)
    assert pool.sent == []


async def test_an_id_that_is_done_is_not_simulated_again(
    chain: Chain, node: Any, pool: Mempool
) -> None:
    first = await chain.execute(transfer(1), request_id="rent")
    node.results["eth_estimateGas"] = {"__error__": {"code": 3, "message": "execution reverted"}}
    assert await chain.execute(transfer(1), request_id="rent") == first
    with pytest.raises(RevertedError):
        await chain.execute(transfer(1), request_id="next month")
    assert len(pool.sent) == 1


async def test_many_that_are_cancelled_leave_room_for_others(chain: Chain, pool: Mempool) -> None:
    for _ in range(3):
        running = asyncio.create_task(chain.execute_many([transfer(9)] * 600))
        await asyncio.sleep(0)  # its tasks are made, and most have not begun
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert (await chain.execute(transfer(1))).succeeded
    assert chain._executor._unsent_room._value == _MOST_UNSENT

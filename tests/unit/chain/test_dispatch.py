"""From draft to bytes: who is cancelled or refused takes no nonce along and holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.executing import (
    KEY,
    Mempool,
    Thinking,
    Wallet,
    no_task_left,
    opened,
    raising,
    transfer,
)
from support.scripted_chain import ScriptedChain, error

from opengradient_sdk.chain import Chain, Rpc
from opengradient_sdk.chain.outbox.events import NonceBlocked, NonceGapFilled, NonceSuperseded
from opengradient_sdk.chain.outbox.slots import SlotState
from opengradient_sdk.errors import (
    LedgerError,
    NonceError,
    PolicyRejectedError,
    SigningRejectedError,
    Spent,
)
from opengradient_sdk.signers import GuardedSigner, LocalSigner
from opengradient_sdk.types import PreparedTx, TxReceipt, TypedData


@pytest.fixture
def scripted(node: Any) -> ScriptedChain:
    return ScriptedChain(node)


@pytest.fixture
def pool(scripted: ScriptedChain) -> Mempool:
    return Mempool(scripted)


@pytest.fixture
def wallet() -> Wallet:
    return Wallet()


@pytest.fixture
def events() -> list[Any]:
    return []


@pytest.fixture
async def asking(
    rpc: Rpc, pool: Mempool, wallet: Wallet, events: list[Any]
) -> AsyncIterator[Chain]:
    """A chain whose signer is a foreign one."""
    async with opened(rpc, wallet, on_event=events.append) as chain:
        yield chain


@pytest.fixture
async def chain(rpc: Rpc, pool: Mempool, events: list[Any]) -> AsyncIterator[Chain]:
    async with opened(rpc, on_event=events.append) as chain:
        yield chain


async def slots(chain: Chain, *states: SlotState) -> list[int]:
    account = await chain._nonces.account(LocalSigner(KEY).address)
    return [slot.nonce for slot in await chain._journal.slots(account, *states)]


class Gate:
    """Stands before a method of an object: ``reached`` when it is called, ``open`` to let it."""

    def __init__(self, owner: Any, name: str, *, after: bool = False) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self.calls: list[tuple[Any, ...]] = []
        method = getattr(owner, name)

        async def gated(*arguments: Any, **options: Any) -> Any:
            self.calls.append(arguments)
            result = await method(*arguments, **options) if after else None
            self.reached.set()
            await self.open.wait()
            return result if after else await method(*arguments, **options)

        setattr(owner, name, gated)


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Cancelling


async def test_cancelled_while_it_is_built_takes_no_nonce(chain: Chain, pool: Mempool) -> None:
    gate = Gate(chain, "_completed")
    task = asyncio.create_task(chain.execute(transfer(1)))
    await gate.reached.wait()
    await cancelled(task)
    gate.open.set()
    assert (await chain.build(transfer(2))).nonce == 0
    assert pool.sent == []


@pytest.mark.parametrize("after", [False, True], ids=["before the book", "after the book"])
@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("request_id", [None, "rent"])
async def test_cancelled_while_a_nonce_is_leased_gives_it_back(
    rpc: Rpc, pool: Mempool, wallet: Wallet, request_id: str | None, foreign: bool, after: bool
) -> None:
    async with opened(rpc, wallet if foreign else None) as chain:
        gate = Gate(chain._nonces, "lease" if request_id is None else "lease_for", after=after)
        returned = Gate(chain._nonces, "give_back", after=True)
        returned.open.set()
        task = asyncio.create_task(chain.execute(transfer(1), request_id=request_id))
        await gate.reached.wait()
        await cancelled(task)
        gate.open.set()
        await asyncio.wait_for(returned.reached.wait(), 30)
        assert (await chain.execute(transfer(2))).succeeded
        assert {tx.value: tx.nonce for tx in pool.sent}[2] == 0
        assert pool.mined(1) == 0
        assert (await chain.execute(transfer(1), request_id=request_id)).succeeded
    assert pool.mined(1) == 1


async def test_cancelled_while_a_nonce_is_leased_by_hand_gives_it_back(chain: Chain) -> None:
    gate = Gate(chain._nonces, "lease", after=True)
    returned = Gate(chain._nonces, "give_back", after=True)
    returned.open.set()
    task = asyncio.create_task(chain.build(transfer(1)))
    await gate.reached.wait()
    await cancelled(task)
    gate.open.set()
    await asyncio.wait_for(returned.reached.wait(), 30)
    assert (await chain.build(transfer(2))).nonce == 0


async def test_cancelled_while_the_signer_thinks_cancels_the_signer(
    asking: Chain, wallet: Wallet, pool: Mempool
) -> None:
    thinking = wallet.habits[1] = Thinking()
    with no_task_left():
        task = asyncio.create_task(asking.execute(transfer(1)))
        await thinking.begun.wait()
        await cancelled(task)
        prepared = await asking.build(transfer(2))
    assert prepared.nonce == 0
    assert [tx.value for tx in wallet.cancelled] == [1]
    assert pool.sent == []


async def test_cancelled_after_it_was_written_down_goes_on(chain: Chain, pool: Mempool) -> None:
    gate = Gate(chain._outbox, "post")
    task = asyncio.create_task(chain.execute(transfer(1)))
    await gate.reached.wait()
    await cancelled(task)
    gate.open.set()
    await pool.holds(1)
    assert (await chain.execute(transfer(2))).succeeded
    assert [(tx.nonce, tx.value) for tx in pool.sent] == [(0, 1), (1, 2)]
    assert pool.mined(1) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before the book", "after the book"])
async def test_cancelled_while_it_is_written_down_goes_on(
    asking: Chain, pool: Mempool, after: bool
) -> None:
    gate = Gate(asking._journal, "sign", after=after)
    task = asyncio.create_task(asking.execute(transfer(1)))
    await gate.reached.wait()
    await cancelled(task)
    gate.open.set()
    await pool.holds(1)
    assert (await asking.execute(transfer(2))).succeeded
    assert [(tx.nonce, tx.value) for tx in pool.sent] == [(0, 1), (1, 2)]


async def test_cancelling_many_frees_what_is_not_signed(
    asking: Chain, wallet: Wallet, pool: Mempool
) -> None:
    pool.mines = False
    for value in range(3, 6):
        wallet.habits[value] = Thinking()
    with no_task_left():
        task = asyncio.create_task(asking.execute_many([transfer(value) for value in range(1, 6)]))
        await pool.holds(2)
        await wallet.habits[5].begun.wait()  # type: ignore[attr-defined]
        await cancelled(task)
        assert len(wallet.cancelled) == 3
        assert (await asking.build(transfer(9))).nonce == 2
        pool.chain.mine()
        await asyncio.gather(*(asking.follow(one).wait() for one in pool.chain.known.values()))
        await asking.aclose()


# Signers


async def test_a_signer_that_thinks_holds_up_nobody(
    asking: Chain, wallet: Wallet, pool: Mempool
) -> None:
    thinking = wallet.habits[1] = Thinking()
    slow = asyncio.create_task(asking.execute(transfer(1)))
    await thinking.begun.wait()
    quick = asyncio.create_task(asking.execute_many([transfer(2), transfer(3)]))
    await pool.holds(2)
    assert [(tx.nonce, tx.value) for tx in pool.sent] == [(1, 2), (2, 3)]
    thinking.over.set()
    assert (await slow).succeeded
    assert all(isinstance(outcome, TxReceipt) for outcome in await quick)
    assert len(pool.sent) == 3


async def test_a_local_signers_transactions_share_leases_and_writes(
    chain: Chain, pool: Mempool
) -> None:
    leases, writes = Gate(chain._nonces, "lease"), Gate(chain._journal, "sign")
    leases.open.set()
    writes.open.set()
    outcomes = await chain.execute_many([transfer(1, gas=21_000) for _ in range(300)])
    assert all(isinstance(outcome, TxReceipt) for outcome in outcomes)
    assert [tx.nonce for tx in pool.sent] == list(range(300))
    assert len(leases.calls) <= 10
    assert len(writes.calls) <= 10


class Refusing:
    """A policy that refuses transactions of some values."""

    def __init__(self, *values: int) -> None:
        self.values = values

    async def check_transaction(self, tx: PreparedTx) -> None:
        if tx.value in self.values:
            raise PolicyRejectedError(
                "not this one", field="value", asked=tx.value, allowed="others"
            )

    async def check_typed_data(self, data: TypedData) -> None:
        raise AssertionError


async def test_one_that_is_refused_amid_a_batch_leaves_no_gap(
    rpc: Rpc, pool: Mempool, events: list[Any]
) -> None:
    signer = GuardedSigner(LocalSigner(KEY), Refusing(2, 4))
    async with opened(rpc, signer, on_event=events.append) as chain:
        outcomes = await chain.execute_many([transfer(value) for value in range(1, 6)])
    kinds = [type(outcome).__name__ for outcome in outcomes]
    assert kinds == ["TxReceipt", "PolicyRejectedError"] * 2 + ["TxReceipt"]
    assert [(tx.nonce, tx.value) for tx in pool.sent] == [(0, 1), (1, 3), (2, 5)]
    assert not [event for event in events if isinstance(event, NonceGapFilled)]


async def test_a_gap_that_a_refusal_leaves_is_filled(
    asking: Chain, wallet: Wallet, pool: Mempool, events: list[Any]
) -> None:
    thinking = wallet.habits[1] = Thinking()
    refused = asyncio.create_task(asking.execute_many([transfer(1)]))
    await thinking.begun.wait()
    waiting = asyncio.create_task(asking.execute(transfer(2)))
    await pool.holds(1)
    wallet.habits[1] = raising(SigningRejectedError("no"))
    await cancelled(refused)
    assert (await waiting).succeeded
    assert sorted((tx.nonce, tx.value) for tx in pool.sent) == [(0, 0), (1, 2)]
    assert [event.nonce for event in events if isinstance(event, NonceGapFilled)] == [0]


# A store that fails


async def test_a_store_that_fails_at_the_lease_burns_no_nonce(
    chain: Chain, pool: Mempool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await chain._nonces.account(LocalSigner(KEY).address)
    run = chain._store.run
    with monkeypatch.context() as broken:
        broken.setattr(chain._store, "run", _locked)
        outcomes = await chain.execute_many([transfer(1), transfer(2)])
    assert [type(outcome) for outcome in outcomes] == [LedgerError, LedgerError]
    assert chain._store.run == run
    assert (await chain.build(transfer(3))).nonce == 0
    assert pool.sent == []


@pytest.mark.parametrize("request_id", [None, "rent"])
async def test_a_store_that_fails_when_it_is_written_down_burns_no_nonce(
    chain: Chain,
    pool: Mempool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    request_id: str | None,
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(chain._journal, "sign", _locked)
        broken.setattr(chain._journal, "give_back", _locked)
        with pytest.raises(LedgerError) as caught:
            await chain.execute(transfer(1), request_id=request_id)
    assert caught.value.spent is Spent.NO
    assert pool.sent == []
    assert "given back later" in caplog.text
    assert (await chain.execute(transfer(2))).succeeded
    assert [tx.nonce for tx in pool.sent] == [0]


async def test_a_store_that_fails_by_hand_burns_no_nonce(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = await chain.build(transfer(1))
    with monkeypatch.context() as broken:
        broken.setattr(chain._journal, "sign", _locked)
        with pytest.raises(LedgerError):
            await chain.sign(prepared)
    assert (await chain.build(transfer(2))).nonce == prepared.nonce


async def test_a_lease_that_was_lost_amid_a_batch_is_taken_anew(
    chain: Chain, rpc: Rpc, pool: Mempool
) -> None:
    async with opened(rpc) as elsewhere:
        robber = await elsewhere.sign(await elsewhere.build(transfer(7, nonce=1)))
    sign = chain._journal.sign

    async def robbed(*arguments: Any, **options: Any) -> Any:
        chain._journal.sign = sign  # type: ignore[method-assign]
        await chain.send(robber)
        return await sign(*arguments, **options)

    chain._journal.sign = robbed  # type: ignore[method-assign]
    drafts = [await chain._completed(transfer(value)) for value in (1, 2, 3)]
    items = [chain._dispatcher.submit(draft) for draft in drafts]
    for item in items:
        assert (await (await item.sent).wait()).succeeded
    nonces = {tx.value: tx.nonce for tx in pool.sent}
    assert nonces == {1: 0, 7: 1, 3: 2, 2: 3}


async def _locked(*_: Any, **__: Any) -> Any:
    raise LedgerError("the store is locked")


# By hand


async def test_signing_twice_keeps_the_nonce_and_sends_one(chain: Chain, pool: Mempool) -> None:
    prepared = await chain.build(transfer(1))
    first = await chain.sign(prepared)
    assert await chain.sign(prepared) == first
    assert [slot.nonce for slot in await chain.reserved()] == [0]
    assert (await (await chain.send(first)).wait()).succeeded
    assert await chain.reserved() == []
    assert pool.mined(1) == 1


async def test_a_second_signature_that_is_refused_leaves_the_first_its_nonce(
    asking: Chain, wallet: Wallet
) -> None:
    prepared = await asking.build(transfer(1))
    first = await asking.sign(prepared)
    wallet.habits[1] = raising(SigningRejectedError("once is enough"))
    with pytest.raises(SigningRejectedError):
        await asking.sign(prepared)
    assert [slot.attempts[0].signed.hash for slot in await asking.reserved()] == [first.hash]
    assert (await asking.build(transfer(2))).nonce == 1


@pytest.mark.parametrize("signed", [False, True])
async def test_what_is_discarded_gives_its_nonce_to_the_next(chain: Chain, signed: bool) -> None:
    prepared = await chain.build(transfer(1))
    await chain.discard(await chain.sign(prepared) if signed else prepared)
    assert await chain.reserved() == []
    assert (await chain.build(transfer(2))).nonce == prepared.nonce


async def test_what_another_chain_signed_can_be_sent(chain: Chain, rpc: Rpc, pool: Mempool) -> None:
    async with opened(rpc) as other:
        signed = await other.sign(await other.build(transfer(1)))
    assert (await (await chain.send(signed)).wait()).succeeded
    assert (await chain.build(transfer(2))).nonce == 1
    assert pool.mined(1) == 1


@pytest.mark.parametrize("whole", [False, True], ids=["build", "execute"])
async def test_a_nonce_that_is_named_supersedes_what_was_signed_with_it(
    chain: Chain, pool: Mempool, events: list[Any], whole: bool
) -> None:
    signed = await chain.sign(await chain.build(transfer(1)))
    request = transfer(2, nonce=0)
    if whole:
        assert (await chain.execute(request)).succeeded
    else:
        await chain.discard(await chain.build(request))
    assert events == [NonceSuperseded((signed.hash,), 0)]


async def test_a_nonce_that_is_named_twice_is_one_transaction(chain: Chain, pool: Mempool) -> None:
    outcomes = await chain.execute_many([transfer(1, nonce=0), transfer(2, nonce=0)])
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NonceError", "TxReceipt"]
    assert [tx.nonce for tx in pool.sent] == [0]


async def test_one_behind_a_signed_one_that_was_not_sent_is_told(
    chain: Chain, pool: Mempool, events: list[Any]
) -> None:
    await chain.sign(await chain.build(transfer(1)))
    second = await chain.build(transfer(2))
    assert events == [NonceBlocked(second.nonce, behind=0)]


@pytest.mark.parametrize("request_id", [None, "rent"])
async def test_what_was_promised_to_a_sponsor_is_sent_before_the_accounts_next(
    chain: Chain, pool: Mempool, events: list[Any], request_id: str | None
) -> None:
    prepared = await chain.build(transfer(1), sponsored=True)
    promised = await chain.sign(prepared, sponsored=True)
    assert [slot.sponsored for slot in await chain.reserved()] == [True]
    assert pool.sent == []
    assert (await chain.execute(transfer(2), request_id=request_id)).succeeded
    assert [(tx.nonce, tx.value) for tx in pool.sent] == [(0, 1), (1, 2)]
    assert (await chain.follow(promised).wait()).succeeded
    assert await chain.reserved() == []
    assert events == []


async def test_building_sends_no_promise_and_sending_does(
    chain: Chain, pool: Mempool, events: list[Any]
) -> None:
    await chain.sign(await chain.build(transfer(1), sponsored=True), sponsored=True)
    second = await chain.sign(await chain.build(transfer(2)))
    assert pool.sent == [], "to build costs nothing"
    assert (await (await chain.send(second)).wait()).succeeded
    assert [(tx.nonce, tx.value) for tx in pool.sent] == [(0, 1), (1, 2)]


async def test_a_sponsored_one_asks_for_no_balance(chain: Chain, node: Any) -> None:
    node.results["eth_getBalance"] = "0x0"
    assert (await chain.build(transfer(1), sponsored=True)).nonce == 0


async def test_a_promise_that_cannot_be_kept_leaves_no_lease_behind(
    chain: Chain, scripted: ScriptedChain, pool: Mempool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await chain.sign(await chain.build(transfer(1), sponsored=True), sponsored=True)
    with monkeypatch.context() as broken:
        broken.setattr(chain._journal, "send", _locked)
        with pytest.raises(LedgerError):
            await chain.execute(transfer(2))
    assert await slots(chain, SlotState.LEASED) == []
    assert (await chain.execute(transfer(2))).succeeded
    assert [(tx.nonce, tx.value) for tx in pool.sent] == [(0, 1), (1, 2)]


async def test_what_the_chain_refuses_by_hand_gives_its_nonce_back(
    chain: Chain, scripted: ScriptedChain
) -> None:
    signed = await chain.sign(await chain.build(transfer(1)))
    scripted.refusals[0] = lambda: error(-32000, "nonce too low")
    scripted.stranger()
    with pytest.raises(NonceError):
        await chain.send(signed)
    scripted.refusals.clear()
    assert (await chain.build(transfer(2))).nonce == 1

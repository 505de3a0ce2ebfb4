"""Leases on a chain whose endpoints may lag, lie or start anew."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk._core.store import IN_MEMORY, Store, open_store, sqlite
from opengradient_sdk.chain.outbox.journal import TxJournal
from opengradient_sdk.chain.outbox.nonces import NonceLeases
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.chain.outbox.slots import (
    Account,
    Inclusion,
    Known,
    Leased,
    RequestKey,
    SlotState,
)
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import LedgerError, NonceError, RpcError, Spent
from opengradient_sdk.types import Bytes32

from .makers import FRIEND, OWNER, included, signed

GENESIS = Bytes32("1f2e3d4c" + "00" * 28)
ACCOUNT = Account("31337-1f2e3d4c", OWNER)
RENT = RequestKey("rent", "f1")


class ChainFacts:
    """What the node of these tests says about the account."""

    def __init__(self, node: Any) -> None:
        self.counts: list[int] = [0]
        self.head = 100
        self.receipts: dict[Bytes32, Inclusion] = {}
        self.pooled: set[Bytes32] = set()
        self._node = node
        node.results.update(
            eth_getBlockByNumber=lambda *_: block(0, GENESIS),
            eth_getTransactionCount=lambda *_: hex(self._count()),
            eth_blockNumber=lambda *_: hex(self.head),
            eth_getTransactionReceipt=self._receipt,
            eth_getTransactionByHash=self._transaction,
        )

    def _count(self) -> int:
        """Say one count after the other, and the last one for ever."""
        return self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]

    def _receipt(self, hash_: str) -> object:
        found = self.receipts.get(Bytes32(hash_))
        return receipt(found) if found else None

    def _transaction(self, hash_: str) -> object:
        return {"hash": hash_} if Bytes32(hash_) in self.pooled else None

    def asked(self, method: str) -> int:
        """Return how often the node was asked."""
        count: int = self._node.methods.count(method)
        return count


def block(number: int, hash_: Bytes32) -> dict[str, Any]:
    return {
        "number": hex(number),
        "hash": str(hash_),
        "parentHash": "0x" + "00" * 32,
        "timestamp": "0x1",
        "gasLimit": hex(30_000_000),
    }


def receipt(found: Inclusion) -> dict[str, Any]:
    return {
        "transactionHash": str(found.hash),
        "blockNumber": hex(found.block_number),
        "blockHash": str(found.block_hash),
        "from": OWNER,
        "to": FRIEND,
        "contractAddress": None,
        "status": "0x1",
        "gasUsed": hex(21_000),
        "effectiveGasPrice": hex(10**9),
        "logs": [],
    }


@pytest.fixture
def facts(node: Any) -> ChainFacts:
    return ChainFacts(node)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = open_store(IN_MEMORY, SCHEMA)
    yield store
    await store.aclose()


@pytest.fixture
def journal(store: Store) -> TxJournal:
    return TxJournal(store)


@pytest.fixture
def leases(rpc: Rpc, journal: TxJournal, facts: ChainFacts) -> NonceLeases:
    assert facts.counts == [0]
    return NonceLeases(rpc, journal)


async def mine(journal: TxJournal, *nonces: int, block: int = 100, final: bool = False) -> None:
    """Bring transactions with these nonces into the book as mined."""
    await journal.mined(ACCOUNT, [included(signed(nonce), block) for nonce in nonces])
    if final:
        await journal.final(ACCOUNT, nonces)


async def test_a_book_is_of_one_chain_and_its_beginning(
    leases: NonceLeases, facts: ChainFacts
) -> None:
    accounts = await asyncio.gather(*(leases.account(OWNER) for _ in range(20)))
    assert set(accounts) == {ACCOUNT}
    assert facts.asked("eth_getBlockByNumber") == 1


async def test_many_at_once_ask_the_chain_once(leases: NonceLeases, facts: ChainFacts) -> None:
    got = await asyncio.gather(*(leases.lease(OWNER) for _ in range(50)))
    assert sorted(one.nonces[0] for one in got) == list(range(50))
    assert facts.asked("eth_getTransactionCount") == 1


async def test_accounts_have_nonces_of_their_own(leases: NonceLeases) -> None:
    assert await leases.lease(OWNER, 2) == Leased((0, 1))
    assert await leases.lease(FRIEND) == Leased((0,))


async def test_what_was_given_back_is_leased_next(leases: NonceLeases) -> None:
    await leases.lease(OWNER, 3)
    await leases.give_back(OWNER, [1])
    assert await leases.lease(OWNER, 2) == Leased((1, 3))


async def test_with_nothing_under_way_other_programs_are_noticed(
    leases: NonceLeases, journal: TxJournal, facts: ChainFacts
) -> None:
    await mine(journal, 0)
    facts.counts = [5]
    assert await leases.lease(OWNER) == Leased((5,))
    assert facts.asked("eth_getTransactionCount") == 2  # the book expected 1: it was read twice


async def test_an_expected_count_is_read_once(
    leases: NonceLeases, journal: TxJournal, facts: ChainFacts
) -> None:
    await mine(journal, 0)
    facts.counts = [1]
    assert await leases.lease(OWNER) == Leased((1,))
    assert facts.asked("eth_getTransactionCount") == 1


async def test_a_count_that_was_a_lie_is_not_believed(
    leases: NonceLeases, facts: ChainFacts
) -> None:
    facts.counts = [9_000, 4, 4]
    assert await leases.lease(OWNER) == Leased((4,))


async def test_endpoints_that_disagree_for_ever_are_an_error(
    leases: NonceLeases, facts: ChainFacts
) -> None:
    facts.counts = [1, 2, 3, 2, 1, 7]
    with pytest.raises(
        RpcError, match=r"disagree about the next nonce.*\[1, 2, 3, 2, 1\]"
    ) as error:
        await leases.lease(OWNER)
    assert error.value.spent is Spent.NO
    assert error.value.retryable
    assert await leases.lease(OWNER) == Leased((7,))


async def test_nothing_is_leased_when_the_chain_cannot_be_asked(
    node: Any, leases: NonceLeases
) -> None:
    await leases.account(OWNER)
    node.always = lambda: web.Response(status=503)
    with pytest.raises(RpcError):
        await leases.lease(OWNER)
    node.always = None
    assert await leases.lease(OWNER) == Leased((0,))


async def test_who_waits_for_a_count_asks_himself_when_the_asker_is_cancelled(
    node: Any, leases: NonceLeases
) -> None:
    await leases.account(OWNER)
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> web.Response:
        arrived.set()
        await go_on.wait()
        return web.Response(status=503)

    node.http.append(slow)
    first = asyncio.create_task(leases.lease(OWNER))
    await arrived.wait()
    second = asyncio.create_task(leases.lease(OWNER))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go_on.set()
    assert await second == Leased((0,))


# A chain that says less than the book


async def test_an_endpoint_that_lags_a_little_does_not_send_us_back(
    leases: NonceLeases, journal: TxJournal, facts: ChainFacts
) -> None:
    await mine(journal, 0, 1, block=100)
    facts.counts, facts.head = [1], 99
    assert await leases.lease(OWNER) == Leased((2,))


async def test_a_count_that_lags_behind_its_receipts_does_not_send_us_back(
    leases: NonceLeases, journal: TxJournal, facts: ChainFacts
) -> None:
    await mine(journal, 0, 1, final=True)
    facts.counts, facts.head = [0], 120
    facts.receipts[signed(1).hash] = included(signed(1))
    assert await leases.lease(OWNER) == Leased((2,))


@pytest.mark.parametrize(("final", "head"), [(True, 3), (True, 500), (False, 100)])
async def test_a_chain_that_went_back_is_believed(
    leases: NonceLeases,
    journal: TxJournal,
    facts: ChainFacts,
    caplog: pytest.LogCaptureFixture,
    final: bool,
    head: int,
) -> None:
    await mine(journal, 0, 1, 2, block=100, final=final)
    facts.counts, facts.head = [1], head
    with caplog.at_level(logging.WARNING, "opengradient_sdk.chain"):
        assert (await leases.lease(OWNER)).nonces == (1,)
    assert "went back" in caplog.text
    states = [slot.state for slot in await journal.slots(ACCOUNT)]
    assert states[0] in (SlotState.MINED, SlotState.FINAL)
    assert states[1:] == [SlotState.LEASED, SlotState.FREE]
    assert (await leases.lease(OWNER, 2)).nonces == (2, 3)


async def test_foreign_transactions_that_the_endpoint_forgot_are_not_ours_to_judge(
    leases: NonceLeases, journal: TxJournal, facts: ChainFacts
) -> None:
    await journal.taken(ACCOUNT, [0, 1])
    facts.counts = [1]
    assert await leases.lease(OWNER) == Leased((2,))


# Nonces that others are said to have


async def test_a_nonce_is_taken_when_three_readings_say_so(
    leases: NonceLeases, facts: ChainFacts
) -> None:
    facts.counts = [3]
    assert await leases.is_taken(OWNER, 2, [signed(2).hash])
    assert facts.asked("eth_getTransactionCount") == 3


@pytest.mark.parametrize("counts", [[2], [3, 2], [3, 3, 2, 3]])
async def test_one_reading_in_doubt_is_enough_to_go_on(
    leases: NonceLeases, facts: ChainFacts, counts: list[int]
) -> None:
    facts.counts = counts
    assert not await leases.is_taken(OWNER, 2, [signed(2).hash])


async def test_ones_own_transaction_in_a_block_or_a_pool_has_not_been_overtaken(
    leases: NonceLeases, facts: ChainFacts
) -> None:
    facts.counts = [3]
    facts.receipts[signed(2).hash] = included(signed(2))
    facts.pooled.add(signed(1).hash)
    hashes = [signed(2, value=1).hash, signed(2).hash]
    assert not await leases.is_taken(OWNER, 2, hashes)
    assert not await leases.is_taken(OWNER, 1, [signed(1).hash])


# Request ids


async def refuse(leases: NonceLeases, journal: TxJournal, facts: ChainFacts) -> None:
    """Let the rent be refused at nonce 0, and the chain go on to 2."""
    assert await leases.lease_for(OWNER, RENT) == Leased((0,))
    await journal.sign(ACCOUNT, [signed(0)], sending=True)
    await journal.refused(ACCOUNT, signed(0).hash)
    facts.counts = [2]


async def test_a_request_is_leased_once_and_known_then(leases: NonceLeases) -> None:
    assert await leases.lease_for(OWNER, RENT) == Leased((0,))
    assert isinstance(await leases.lease_for(OWNER, RENT), Known)


async def test_refused_bytes_that_were_mined_are_found(
    leases: NonceLeases, journal: TxJournal, facts: ChainFacts
) -> None:
    await refuse(leases, journal, facts)
    facts.receipts[signed(0).hash] = included(signed(0))
    found = await leases.lease_for(OWNER, RENT)
    assert isinstance(found, Known)
    assert found.slot.inclusion == included(signed(0))


async def test_a_request_whose_nonce_was_taken_gets_another(
    leases: NonceLeases, journal: TxJournal, facts: ChainFacts
) -> None:
    await refuse(leases, journal, facts)
    assert await leases.lease_for(OWNER, RENT) == Leased((2,))
    slot = await journal.slot(ACCOUNT, 0)
    assert slot is not None
    assert slot.state is SlotState.TAKEN


async def test_in_doubt_a_request_is_not_signed_again(
    leases: NonceLeases, journal: TxJournal, facts: ChainFacts
) -> None:
    await refuse(leases, journal, facts)
    facts.pooled.add(signed(0).hash)
    with pytest.raises(NonceError, match="not known yet") as error:
        await leases.lease_for(OWNER, RENT)
    assert error.value.retryable


# A book that cannot be written


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(tmp_path / "store.sqlite", SCHEMA)
    yield store
    await store.aclose()


async def test_a_locked_book_burns_no_nonce(
    file: Store, tmp_path: Path, rpc: Rpc, facts: ChainFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_LOCK_TIMEOUT", 0.05)
    leases = NonceLeases(rpc, TxJournal(file))
    assert await leases.lease(OWNER) == Leased((0,))
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="locked"):
            await leases.lease(OWNER)
        other.execute("ROLLBACK")
    finally:
        other.close()
    assert await leases.lease(OWNER) == Leased((1,))
    assert facts.asked("eth_getTransactionCount") == 1


async def test_a_read_only_book_burns_no_nonce(
    file: Store, rpc: Rpc, facts: ChainFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened read-only by SQLite itself: file modes do not bind root, who may run the tests."""
    leases = NonceLeases(rpc, TxJournal(file))
    assert await leases.lease(OWNER) == Leased((0,))
    await file.aclose()
    connect = sqlite3.connect

    def read_only(location: str, **options: Any) -> sqlite3.Connection:
        return connect(f"file:{location}?mode=ro", uri=True, **options)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with pytest.raises(LedgerError, match="read-only"):
        await leases.lease(OWNER)
    monkeypatch.undo()
    await file.aclose()
    assert await leases.lease(OWNER) == Leased((1,))
    assert facts.asked("eth_getTransactionCount") == 1

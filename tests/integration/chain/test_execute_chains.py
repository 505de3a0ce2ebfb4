"""``execute`` on anvil and on the embedded EVM: killed processes, stores, and bad input."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import cut_short
from support.anvil_pool import freed
from support.executing import BOB, Wallet, no_task_left, transfer

from opengradient_sdk._core.store import sqlite
from opengradient_sdk.chain import Chain
from opengradient_sdk.chain.contracts import Erc20
from opengradient_sdk.errors import (
    ChainError,
    ConfigurationError,
    InsufficientFundsError,
    LedgerError,
    OpenGradientError,
    RequestConflictError,
    SignerError,
    Spent,
    TransactionError,
    WrongChainError,
)
from opengradient_sdk.profiles import MAINNET
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, PreparedTx, SignedTx, TxReceipt

ETHER = 10**18
KEY = f"0x{1001:064x}"  # of the first of `accounts`
SENDER = LocalSigner.from_key(KEY).address
TESTS = Path(__file__).parents[2]


def connected(url: str | list[str], **options: Any) -> Any:
    signer = options.pop("signer", None) or LocalSigner.from_key(KEY)
    return Chain.connect(url, signer=signer, block_time=0.2, **options)


async def count(chain: Chain) -> int:
    return await chain.rpc.transaction_count(SENDER)


# Processes that are killed


@pytest.mark.parametrize("seam", cut_short.SEAMS)
async def test_a_request_of_a_killed_process_happens_once(
    chain_url: str, tmp_path: Path, seam: str
) -> None:
    store = str(tmp_path / "journal.sqlite")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        cut_short.__file__,
        *(chain_url, store, KEY, "7", "rent", seam),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), 60) == b"here\n"
    child.kill()
    await child.wait()
    async with connected(chain_url, store=store) as chain:
        receipt = await chain.execute(transfer(7), request_id="rent")
        assert receipt.succeeded
        assert await chain.execute(transfer(7), request_id="rent") == receipt
        with pytest.raises(RequestConflictError):
            await chain.execute(transfer(8), request_id="rent")
        assert await chain.rpc.get_balance(BOB) == 7
        assert await count(chain) == 1


# Stores


async def test_one_postgres_serves_two_chains(chain_url: str, fresh_database: str) -> None:
    async with (
        connected(chain_url, store=fresh_database) as one,
        connected(chain_url, store=fresh_database) as two,
    ):
        requests = [transfer(value) for value in range(1, 11)]
        ids = [str(request.value) for request in requests]
        first, second = await asyncio.gather(
            one.execute_many(requests, request_ids=ids),
            two.execute_many(requests[::-1], request_ids=ids[::-1]),
        )
        assert all(isinstance(outcome, TxReceipt) for outcome in first)
        assert first == second[::-1]
        assert await count(one) == len(requests)
        assert await one.rpc.get_balance(BOB) == sum(range(1, 11))


async def test_a_locked_store_is_told_and_burns_no_nonce(
    chain_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite"
    async with connected(chain_url, store=str(path)) as chain:
        assert (await chain.execute(transfer(1))).succeeded
        monkeypatch.setattr(sqlite, "_LOCK_TIMEOUT", 0.1)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(LedgerError, match="locked") as caught:
                await chain.execute(transfer(2), request_id="rent")
        finally:
            other.rollback()
            other.close()
        assert caught.value.spent is Spent.NO
        assert (await chain.execute(transfer(2), request_id="rent")).succeeded
        assert await count(chain) == 2


async def test_a_store_that_cannot_be_written_burns_no_nonce(
    chain_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite"
    async with connected(chain_url, store=str(path)) as chain:
        await chain.execute(transfer(1))
    with monkeypatch.context() as context:
        # what access says to a user who may only read; whoever runs this may be root
        context.setattr(os, "access", lambda *_: False)
        async with connected(chain_url, store=str(path)) as chain:
            with pytest.raises(LedgerError, match="read-only"):
                await chain.execute(transfer(2))
    async with connected(chain_url, store=str(path)) as chain:
        assert (await chain.build(transfer(2))).nonce == 1


# Bad input


async def test_the_wrong_chain_id_takes_no_nonce(chain: Chain) -> None:
    async with chain:
        with pytest.raises(WrongChainError, match=r"for chain 8453.*built on chain 31337"):
            await chain.execute(transfer(1, chain_id=8453))
        assert (await chain.build(transfer(1, chain_id=31337))).nonce == 0


def test_an_address_whose_checksum_is_wrong() -> None:
    with pytest.raises(ValueError, match="checksum"):
        Address(str(BOB)[:-1] + "9")


async def test_more_than_the_balance_names_both_numbers(chain: Chain) -> None:
    async with chain:
        for gas in (None, 21_000):
            with pytest.raises(InsufficientFundsError) as caught:
                await chain.execute(transfer(1_000 * ETHER, gas=gas))
            assert "has 100 ETH" in str(caught.value)
            assert "1000" in str(caught.value)
        assert (await chain.build(transfer(1))).nonce == 0


async def test_more_gas_than_a_block_holds_names_both_numbers(chain: Chain) -> None:
    async with chain:
        limit = (await chain.rpc.get_block()).gas_limit
        with pytest.raises(TransactionError, match=rf"it has {limit + 1}, .* holds {limit}"):
            await chain.execute(transfer(1, gas=limit + 1))
        assert (await chain.build(transfer(1))).nonce == 0


@pytest.mark.parametrize("values", [{"value": 1.0}, {"value": -1}, {"gas": 0}, {"nonce": -1}])
async def test_numbers_that_are_none(chain: Chain, values: dict[str, Any]) -> None:
    async with chain:
        with pytest.raises(ConfigurationError, match=next(iter(values))):
            await chain.execute(replace(transfer(1), **values))
        assert (await chain.build(transfer(1))).nonce == 0


class Changing(Wallet):
    """A signer that signs another value than it was asked for."""

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        return await super().sign_transaction(replace(tx, value=tx.value + 1))


async def test_a_signer_that_signs_something_else_sends_nothing(
    chain_url: str, accounts: list[LocalSigner]
) -> None:
    async with connected(chain_url, signer=Changing(accounts[0])) as chain:
        with pytest.raises(SignerError):
            await chain.execute(transfer(1))
        assert (await chain.build(transfer(1))).nonce == 0
        assert await chain.rpc.get_balance(BOB) == 0


# Reading and connecting


async def test_one_of_several_endpoints_is_dead(chain_url: str) -> None:
    async with connected(["http://127.0.0.1:9", chain_url]) as chain:
        assert chain.profile.chain_id == 31337
        assert (await chain.execute(transfer(1))).succeeded


async def test_no_endpoint_is_there() -> None:
    with pytest.raises(OpenGradientError):
        async with connected("http://127.0.0.1:9"):
            raise AssertionError
    with pytest.raises(ConfigurationError):
        async with connected("ftp://127.0.0.1:9"):
            raise AssertionError


async def test_many_reads_are_as_of_one_block(chain: Chain, accounts: list[LocalSigner]) -> None:
    async with chain:
        opg = Erc20(chain.rpc, MAINNET.opg)
        reads = [opg.decimals(), opg.balance_of(accounts[0].address), opg.balance_of(BOB)]
        assert await chain.read_many(reads) == [18, 10 * ETHER, 0]
        await chain.execute(replace(opg.transfer(BOB, 5), allow_spend=True))
        assert await chain.read_many([opg.balance_of(BOB)]) == [5]


async def test_events_of_what_was_executed_are_watched(chain: Chain) -> None:
    async with chain:
        opg = Erc20(chain.rpc, MAINNET.opg)
        watch = chain.watch(addresses=opg.address, from_block=1)
        receipt = await chain.execute(replace(opg.transfer(BOB, 5), allow_spend=True))
        item = await asyncio.wait_for(anext(watch), 30)
        assert item.event == item.log == receipt.logs[0]
        await watch.aclose()


# Many


@pytest.mark.anvil
async def test_a_thousand_are_mined_in_their_order(anvil: Chain) -> None:
    async with anvil:
        requests = [transfer(value, gas=21_000) for value in range(1, 1_001)]
        async with freed(anvil, SENDER):
            outcomes = await anvil.execute_many(requests)
        assert all(isinstance(outcome, TxReceipt) for outcome in outcomes)
        head = await anvil.rpc.block_number()
        blocks = await anvil.rpc.batch(
            [("eth_getBlockByNumber", [hex(number), True]) for number in range(1, head + 1)]
        )
        mined = [
            (int(tx["nonce"], 16), int(tx["value"], 16), tx["hash"])
            for block in blocks
            for tx in block["transactions"]
        ]
    assert mined == [
        (nonce, nonce + 1, str(outcome.hash))
        for nonce, outcome in enumerate(outcomes)
        if isinstance(outcome, TxReceipt)
    ]


@pytest.mark.anvil
async def test_many_are_closed_in_the_middle_and_go_on_at_the_next_opening(
    anvil: Chain, tmp_path: Path
) -> None:
    store = str(tmp_path / "journal.sqlite")
    await anvil.rpc.call("evm_setAutomine", [False])
    url = anvil.rpc.names[0]
    requests = [transfer(value, gas=21_000) for value in range(1, 51)]
    ids = [str(request.value) for request in requests]
    with no_task_left():
        async with connected(url, store=store) as chain:
            running = asyncio.create_task(chain.execute_many(requests, request_ids=ids))
            while await chain.rpc.transaction_count(SENDER, "pending") < 1:
                continue
        outcomes = await asyncio.wait_for(running, 30)
    assert all(isinstance(outcome, ChainError) for outcome in outcomes)
    await anvil.rpc.call("evm_setAutomine", [True])
    async with connected(url, store=store) as chain:
        again = await chain.execute_many(requests, request_ids=ids)
        assert all(isinstance(outcome, TxReceipt) for outcome in again)
        assert await count(chain) == len(requests)
        assert await chain.rpc.get_balance(BOB) == sum(range(1, 51))
    await anvil.aclose()

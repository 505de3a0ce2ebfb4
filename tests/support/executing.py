"""A chain that sends from one account, and a wallet that a test tells how to behave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opengradient_sdk.chain import Chain, Rpc
from opengradient_sdk.profiles import ChainProfile
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.signers.envelope import read_signed
from opengradient_sdk.types import Address, Bytes32, PreparedTx, SignedTx, TxRequest, TypedData

from .scripted_chain import ScriptedChain

BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
KEY = bytes([7]) * 32
PROFILE = ChainProfile("test", 31337, (), block_time=0.01)
WAIT = 30.0
"""Seconds after which something that should happen is given up."""


class Wallet:
    """A foreign signer. ``habits`` says what it does first with a transaction of that value."""

    def __init__(self, signer: LocalSigner | None = None) -> None:
        self._signer = signer or LocalSigner(KEY)
        self.address = self._signer.address
        self.habits: dict[int, Callable[[], Awaitable[Any]]] = {}
        self.asked: list[PreparedTx] = []
        self.cancelled: list[PreparedTx] = []

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        self.asked.append(tx)
        try:
            if tx.value in self.habits:
                await self.habits[tx.value]()
        except asyncio.CancelledError:
            self.cancelled.append(tx)
            raise
        return await self._signer.sign_transaction(tx)

    async def sign_typed_data(self, data: TypedData) -> bytes:
        return await self._signer.sign_typed_data(data)


class Thinking:
    """The habit of thinking until ``over`` is set; ``begun`` is set when it does."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.over = asyncio.Event()

    async def __call__(self) -> None:
        self.begun.set()
        await self.over.wait()


def raising(error: BaseException) -> Callable[[], Awaitable[None]]:
    """Return the habit of failing."""

    async def fail() -> None:
        raise error

    return fail


class Mempool:
    """What a scripted chain was sent, with events; it mines at once unless it is told not to."""

    def __init__(self, chain: ScriptedChain) -> None:
        self.chain = chain
        self.mines = True
        self._arrived = asyncio.Event()
        self._take = chain.node.results["eth_sendRawTransaction"]
        chain.node.results |= {
            "eth_sendRawTransaction": self._receive,
            "eth_estimateGas": hex(21_000),
            "eth_feeHistory": {"baseFeePerGas": ["0x9"], "reward": []},
            "eth_getBalance": hex(10**20),
        }

    @property
    def sent(self) -> list[PreparedTx]:
        """The transactions that the chain took, each once, in the order of their arrival."""
        return [signed.tx for signed in self.chain.known.values()]

    def mined(self, value: int) -> int:
        """Return how many transactions of ``value`` are in blocks."""
        hashes = [hash for block in self.chain.blocks for hash in block.transactions]
        return sum(self.chain.known[hash].tx.value == value for hash in hashes)

    async def holds(self, count: int) -> None:
        """Return when ``count`` transactions were sent."""
        async with asyncio.timeout(WAIT):
            while len(self.chain.known) < count:
                self._arrived.clear()
                await self._arrived.wait()

    def _receive(self, raw: str) -> Any:
        answer = self._take(raw)
        signed = read_signed(bytes.fromhex(raw[2:]))
        if self.mines and signed.hash in self.chain.pool:
            self._mine(signed.hash)
        self._arrived.set()
        return answer

    def _mine(self, hash: Bytes32) -> None:
        """Mine whatever is next, as an automining node does."""
        pool = sorted(self.chain.pool.values(), key=lambda signed: signed.tx.nonce)
        for signed in pool:
            if signed.tx.nonce == self.chain.used():
                self.chain.mine(signed.hash)


def transfer(value: int, **fields: Any) -> TxRequest:
    """Return a transfer that is told from others by its value in wei."""
    return TxRequest(to=BOB, value=value, **fields)


def opened(rpc: Rpc, signer: Any = None, **options: Any) -> Chain:
    """Return a chain for one account: ``async with opened(rpc) as chain``."""
    return Chain(rpc, profile=PROFILE, signer=signer or LocalSigner(KEY), **options)


@contextmanager
def no_task_left() -> Iterator[None]:
    """Fail if what runs within leaves a task of the SDK behind."""
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if _is_ours(task) and not task.done()]
    assert not left, left


def _is_ours(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "opengradient_sdk" in code.co_filename

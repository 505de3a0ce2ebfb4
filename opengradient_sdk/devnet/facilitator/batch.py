"""Hashes on chain: leaves gathered into Merkle batches, or settled one by one."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Final

from ..._core.clock import Clock
from ...errors import ChainError
from ...types import Address, Bytes32, keccak256
from . import abi
from .account import Account
from .blobs import BlobStore, blob_id_of
from .data import IndividualSettlement, Leaf
from .faults import Faults
from .jobs import BATCH_QUEUE, INDIVIDUAL_QUEUE, Job, JobBook, JobQueue, JobStatus
from .merkle import MerkleTree

_log = logging.getLogger(__name__)

BATCH_SIZE: Final = 20
IDLE_SECONDS: Final = 300.0
AGE_SECONDS: Final = 900.0
_POLL_SECONDS: Final = 1.0
_INDIVIDUAL_GAS: Final = 9_000_000
"""Fixed, as in the live facilitator, so that the hash is known before anything is simulated."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job
    leaf: Leaf
    since: float


class DataSettler:
    """Settles statements on the relay: in batches when they are due, individual ones at once."""

    def __init__(
        self,
        account: Account,
        relay: Address,
        blobs: BlobStore,
        book: JobBook,
        clock: Clock,
        faults: Faults | None = None,
    ) -> None:
        self._account = account
        self._relay = relay
        self._blobs = blobs
        self._book = book
        self._clock = clock
        self._faults = faults or Faults()
        self._buffer: list[_Waiting] = []
        self._full = asyncio.Event()
        self._flushing = asyncio.Lock()

    def add(self, leaf: Leaf) -> Job:
        """Return the job of a leaf that waits for its batch now."""
        job = self._book.open("settlement-batch", BATCH_QUEUE, settlement_type="batch")
        if self._faults.lose_records:
            return job
        self._buffer.append(_Waiting(job, leaf, self._clock.now()))
        if len(self._buffer) >= BATCH_SIZE:
            self._full.set()
        return job

    def due(self) -> bool:
        """Tell whether a batch should go out: full, idle for 5 minutes, or 15 minutes old."""
        if not self._buffer:
            return False
        now = self._clock.now()
        idle, age = now - self._buffer[-1].since, now - self._buffer[0].since
        return len(self._buffer) >= BATCH_SIZE or idle >= IDLE_SECONDS or age >= AGE_SECONDS

    async def run(self) -> None:
        """Send out batches when they are due, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._full.wait()
            except TimeoutError:
                pass  # the Devnet's clock may have been moved; look at it
            self._full.clear()
            if self.due():
                await self._try_flush()

    async def _try_flush(self) -> None:
        try:
            await self.flush()
        except ChainError as error:
            _log.warning("a batch stays in the buffer: %s", error.short_message)

    async def flush(self) -> None:
        """Settle everything that waits, in batches in order of arrival.

        Raises:
            ChainError: A batch did not reach the chain; it is kept for the next time.
        """
        async with self._flushing:
            while self._buffer:
                batch = self._buffer[:BATCH_SIZE]
                await self._settle(batch)
                del self._buffer[: len(batch)]

    async def _settle(self, batch: list[_Waiting]) -> None:
        leaves = [item.leaf for item in batch]
        tree = MerkleTree([*leaves, leaves[0]] if self._faults.duplicate_leaf else leaves)
        blob_id = self._keep(tree)
        for item in batch:
            self._book.move(item.job, JobStatus.PROCESSING)
        size = len(tree.leaves) + self._faults.wrong_batch_size
        call = abi.batch_settle(tree.root, size, blob_id)
        mined = await self._account.execute(self._relay, call)
        if not mined.succeeded:
            raise ChainError(f"the batch settlement {mined.hash} reverted")
        for item in batch:
            item.job.transaction, item.job.blob_id = mined.hash, blob_id
            item.job.signer = self._account.address
            result: dict[str, object] = {
                "merkleRoot": str(tree.root),
                "batchSize": size,
                "txHash": str(mined.hash),
                "walrusBlobId": blob_id,
            }
            self._book.move(item.job, JobStatus.SUCCEEDED, result=result)

    def _keep(self, tree: MerkleTree) -> str:
        """Put the batch's blob into the store, as well as the faults let it, and return its id."""
        blob = tree.blob()
        match self._faults.batch_blob:
            case "unnamed":
                return ""
            case "missing":
                return blob_id_of(blob)
            case "corrupted":
                blob = blob[:-1]
            case "another":
                blob = MerkleTree([replace(tree.leaves[0], timestamp=0)]).blob()
            case None:
                pass
        self._blobs.put(blob)
        return blob_id_of(blob)

    async def settle_individual(self, settlement: IndividualSettlement, queue: JobQueue) -> Job:
        """Return the job of a settlement whose transaction is on its way.

        As in the live facilitator the hash is a plan: the transaction may still revert.

        Raises:
            ChainError: The chain did not take the transaction.
        """
        blob = settlement.blob()
        blob_id = blob_id_of(blob)
        call = abi.settle_individual(settlement, blob_id)
        job = self._book.open(
            "settlement-individual", INDIVIDUAL_QUEUE, settlement_type="individual"
        )
        job.signer, job.blob_id = self._account.address, blob_id
        if self._faults.lose_records:
            job.transaction, job.queue_nonce = Bytes32(keccak256(call)), 0
            return job
        self._blobs.put(blob)
        sent = await self._account.submit(self._relay, call, gas=_INDIVIDUAL_GAS)
        job.transaction, job.queue_nonce = sent.hash, sent.nonce

        async def confirm(job: Job) -> dict[str, object]:
            mined = await self._account.wait(sent.hash)
            if not mined.succeeded:
                raise ChainError(f"the individual settlement {mined.hash} reverted")
            return {"txHash": str(mined.hash), "walrusBlobId": job.blob_id}

        queue.add(job, confirm)
        return job

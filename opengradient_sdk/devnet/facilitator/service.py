"""The facilitator of a Devnet: its parts put together, started and stopped."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from ..._core.clock import Clock
from ...signers import LocalSigner
from ...types import Address
from ..evm.interface import Evm
from .account import Account
from .batch import DataSettler
from .blobs import BlobStore
from .evm import Rpc
from .faults import Faults
from .heartbeat import HeartbeatRelay
from .jobs import JobBook, JobQueue
from .payments import PaymentChain, Payments
from .records import Records
from .routes import MAX_HEADER_BYTES, Routes
from .sponsoring import SponsorBounds
from .verify import Verifier

_HOST: Final = "127.0.0.1"


class Facilitator:
    """An x402 facilitator that settles for real on the chains it is given.

    It verifies payments by running their settlement without a transaction, settles them from its
    own account, sponsors approvals within ``bounds``, writes batches of hashes to the settlement
    relay and forwards heartbeats to the registry (protocol notes 2.9, 5.5, 6).

    Attributes:
        records: What was verified and what was settled.
        faults: What a test can make it do wrong.
    """

    def __init__(
        self,
        *,
        payments: Evm,
        registry: Evm,
        key: bytes,
        heartbeat_contract: Address,
        relay: Address,
        clock: Clock,
        bounds: SponsorBounds | None = None,
    ) -> None:
        signer = LocalSigner.from_key(key)
        payer = Account(Rpc(payments), signer)
        # one account has one nonce sequence: on one chain both jobs share it
        clerk = payer if registry.chain_id == payments.chain_id else Account(Rpc(registry), signer)
        self.address = signer.address
        self.records = Records()
        self.faults = Faults()
        self._book = JobBook(clock)
        self._payment_jobs = JobQueue(self._book)
        self._individual_jobs = JobQueue(self._book)
        chains = {
            f"eip155:{account.chain.chain_id}": PaymentChain(
                account,
                Verifier(
                    account.chain,
                    facilitator=signer.address,
                    clock=clock,
                    bounds=bounds or SponsorBounds(),
                ),
            )
            for account in (clerk, payer)
        }
        blobs = BlobStore()
        self._data = DataSettler(clerk, relay, blobs, self._book, clock, self.faults)
        self._routes = Routes(
            payments=Payments(
                chains,
                book=self._book,
                queue=self._payment_jobs,
                records=self.records,
                clock=clock,
                faults=self.faults,
            ),
            data=self._data,
            individual=self._individual_jobs,
            heartbeats=HeartbeatRelay(clerk, heartbeat_contract),
            blobs=blobs,
            book=self._book,
            records=self.records,
            clock=clock,
            faults=self.faults,
            networks=tuple(chains),
            address=self.address,
        )
        self._runner: web.AppRunner | None = None
        self._workers: asyncio.Task[None] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:40321``.

        Raises:
            RuntimeError: It is not started.
        """
        if not self._url:
            raise RuntimeError("the facilitator is not started")
        return self._url

    async def start(self) -> None:
        """Listen on a free loopback port and begin to work."""
        runner = web.AppRunner(
            self._routes.application(),
            access_log=None,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        await runner.setup()
        self._runner = runner
        try:
            site = web.TCPSite(runner, _HOST, 0)
            await site.start()
        except BaseException:
            await self.stop()
            raise
        self._url = f"http://{_HOST}:{runner.addresses[0][1]}"
        self._workers = asyncio.create_task(self._work(), name="facilitator workers")

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as workers:
            workers.create_task(self._payment_jobs.run(), name="payment settlements")
            workers.create_task(self._individual_jobs.run(), name="individual settlements")
            workers.create_task(self._data.run(), name="batch settlements")

    async def drain(self) -> None:
        """Return when every accepted settlement is done and the batch is on chain.

        Raises:
            ChainError: A batch did not reach the chain; it stays for the next time.
            RuntimeError: It is not started, or stopped meanwhile.
        """
        workers = self._workers
        if workers is None:
            raise RuntimeError("the facilitator is not started")
        await _join(self._payment_jobs, workers)
        await _join(self._individual_jobs, workers)
        await self._data.flush()

    async def stop(self) -> None:
        """Stop listening and working; what is queued is dropped, nothing stays behind."""
        if self._workers is not None:
            self._workers.cancel()
            await asyncio.wait({self._workers})
        if self._runner is not None:
            await self._runner.cleanup()
        workers, self._workers, self._runner, self._url = self._workers, None, None, ""
        if workers is not None and not workers.cancelled():
            workers.result()


async def _join(queue: JobQueue, workers: asyncio.Task[None]) -> None:
    """Wait until ``queue`` is empty, but not for workers that are no more."""
    joined = asyncio.create_task(queue.join())
    try:
        await asyncio.wait({joined, workers}, return_when=asyncio.FIRST_COMPLETED)
        if not joined.done():
            cause = None if workers.cancelled() else workers.exception()
            raise RuntimeError("the facilitator stopped with work left") from cause
    finally:
        joined.cancel()

"""Settlement jobs: accepted at once, done later, in order, one at a time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from ..._core.clock import Clock
from ...errors import OpenGradientError
from ...types import Address, Bytes32
from .reasons import RefusedError

PAYMENT_QUEUE: Final = "x402-settle-payment-queue"
BATCH_QUEUE: Final = "x402-settle-data-queue-v2"
INDIVIDUAL_QUEUE: Final = "x402-settle-data-individual-queue-v2"


class JobStatus(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(slots=True)
class Job:
    """One settlement, as ``GET /settle/{jobId}`` shows it; times are in Unix seconds."""

    id: str
    queue: str
    created_at: float
    updated_at: float
    status: JobStatus = JobStatus.QUEUED
    result: dict[str, object] | None = None
    error: str | None = None
    settlement_type: str | None = None
    queue_nonce: int | None = None
    signer: Address | None = None
    transaction: Bytes32 | None = None
    blob_id: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return the job object of the protocol notes (2.9); unknown members are left out."""
        optional = {
            "error": self.error,
            "settlementType": self.settlement_type,
            "queueNonce": self.queue_nonce,
            "signerAddress": self.signer,
            "txHash": None if self.transaction is None else str(self.transaction),
            "walrusBlobId": self.blob_id,
        }
        return {
            "jobId": self.id,
            "queue": self.queue,
            "status": self.status.value,
            "createdAt": _iso(self.created_at),
            "updatedAt": _iso(self.updated_at),
            "result": self.result,
            **{name: value for name, value in optional.items() if value is not None},
        }


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JobBook:
    """Every job of a facilitator, by id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: dict[str, Job] = {}

    def open(self, prefix: str, queue: str, *, settlement_type: str | None = None) -> Job:
        """Return a new queued job whose id starts with ``prefix``."""
        now = self._clock.now()
        job = Job(f"{prefix}-{uuid.uuid4()}", queue, now, now, settlement_type=settlement_type)
        self._jobs[job.id] = job
        return job

    def get(self, job_id: str) -> Job | None:
        """Return the job of that id, if there is one."""
        return self._jobs.get(job_id)

    def move(
        self,
        job: Job,
        status: JobStatus,
        *,
        result: dict[str, object] | None = None,
        error: str | None = None,
    ) -> None:
        """Note how far ``job`` is now."""
        job.status, job.updated_at = status, self._clock.now()
        job.result, job.error = result, error


Work = Callable[[Job], Awaitable[dict[str, object]]]
"""What a job does; it returns the job's result or raises why it failed."""


class JobQueue:
    """Jobs waiting for the single worker that ``run`` is."""

    def __init__(self, book: JobBook) -> None:
        self._book = book
        self._waiting: asyncio.Queue[tuple[Job, Work]] = asyncio.Queue()

    def add(self, job: Job, work: Work) -> None:
        """Let the worker do ``work`` after everything that waits already."""
        self._waiting.put_nowait((job, work))

    async def join(self) -> None:
        """Return when nothing waits or runs any more."""
        await self._waiting.join()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            job, work = await self._waiting.get()
            try:
                await self._do(job, work)
            finally:
                self._waiting.task_done()

    async def _do(self, job: Job, work: Work) -> None:
        self._book.move(job, JobStatus.PROCESSING)
        try:
            result = await work(job)
        except RefusedError as refusal:
            failure: dict[str, object] = {
                "success": False,
                "errorReason": refusal.reason,
                "errorMessage": refusal.message,
            }
            self._book.move(job, JobStatus.FAILED, result=failure, error=str(refusal))
        except OpenGradientError as error:
            self._book.move(job, JobStatus.FAILED, error=error.short_message)
        else:
            self._book.move(job, JobStatus.SUCCEEDED, result=result)

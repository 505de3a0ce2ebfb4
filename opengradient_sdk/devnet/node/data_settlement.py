"""Handing the hashes of answers to the facilitator (protocol notes 6.1)."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from typing import Final

from ..._core.clock import Clock
from .facilitator_client import FacilitatorClient, FacilitatorError
from .shapes import JsonObject
from .signing import Statement
from .tasks import stop_task

_LOG: Final = logging.getLogger(__name__)
_IGNORED: Final = str.maketrans("", "", " -_")


class SettlementKind(Enum):
    """How the record of an answer is to be settled."""

    PRIVATE = "private"
    BATCH = "batch"
    INDIVIDUAL = "individual"


_SPELLINGS: Final = {
    "private": SettlementKind.PRIVATE,
    "pivate": SettlementKind.PRIVATE,
    "individual": SettlementKind.INDIVIDUAL,
    "inidvidual": SettlementKind.INDIVIDUAL,
}


def settlement_kind(header: str | None) -> SettlementKind:
    """Return what an ``X-SETTLEMENT-TYPE`` header asks for; whatever is not known means batch."""
    key = (header or "").translate(_IGNORED).lower()
    return _SPELLINGS.get(key, SettlementKind.BATCH)


class DataSettlement:
    """Sends batch records in the background, one after another in the order of the answers."""

    def __init__(self, facilitator: FacilitatorClient, clock: Clock) -> None:
        self._facilitator = facilitator
        self._clock = clock
        self._records: asyncio.Queue[JsonObject] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the background worker."""
        self._worker = asyncio.create_task(self._work(), name="devnet-node-data-settlement")

    async def stop(self) -> None:
        """Stop the background worker; records that were not sent are lost."""
        if self._worker is not None:
            await stop_task(self._worker)

    async def drain(self) -> None:
        """Return when every record so far was sent or given up."""
        await self._records.join()

    def batch(self, statement: Statement) -> None:
        """Queue the record of an answer."""
        self._records.put_nowait({**_record(statement), "timestamp": int(self._clock.now())})

    async def individual(
        self, statement: Statement, *, request: JsonObject, answer: JsonObject, payment: JsonObject
    ) -> JsonObject:
        """Send request and answer for a settlement of their own; return the facilitator's job.

        Raises:
            FacilitatorError: It was not accepted.
        """
        record = {
            **_record(statement),
            "timestamp": str(int(self._clock.now())),
            "input": request,
            "output": answer,
            "eth_address": _named_account(payment),
        }
        return await self._facilitator.settle_data(SettlementKind.INDIVIDUAL.value, record)

    async def _work(self) -> None:
        while True:
            record = await self._records.get()
            try:
                await self._facilitator.settle_data(SettlementKind.BATCH.value, record)
            except FacilitatorError as failure:
                # the client was promised a batch entry and will find it overdue
                _LOG.warning("a record of an answer was not taken: %s", failure)
            finally:
                self._records.task_done()


def _record(statement: Statement) -> JsonObject:
    return {
        "tee_id": statement.tee_id,
        "input_hash": statement.request_hash,
        "output_hash": statement.output_hash,
        "tee_signature": statement.signature,
        "tee_timestamp": statement.timestamp,
    }


def _named_account(payment: JsonObject) -> str:
    """Return what the node software puts down as the user: the spender (protocol notes, S19)."""
    return str(payment["payload"]["permit2Authorization"].get("spender"))

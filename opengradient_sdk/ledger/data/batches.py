"""The batches behind the roots on chain: each blob is read once, however many receipts ask."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from ..._core.clock import Clock
from ...chain.contracts.settlement_relay import BatchSettlement
from ...errors import SettlementError
from ...types import Bytes32
from ...verification.merkle import BatchDump, read_dump
from .blobs import BlobReader, Lack, Unreadable

_MOST_LEAVES: Final = 131_072
"""Leaves of all batches that are kept (some 150 MB); more than the two largest that are read."""

_AGAIN_AFTER: Final = 30.0
"""Seconds after which a blob that could not be read, or stores that are away, are asked again."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """When a blob could not be read, in Unix seconds of the client's clock, and why."""

    at: float
    why: Unreadable


class Batches:
    """Reads batches by what the relay's events say of them, and keeps the latest used.

    **Trust**: a batch is what its root says. A blob with another root, or another number of leaves
    than the event states, is refused.
    """

    def __init__(self, blobs: BlobReader, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._dumps: OrderedDict[Bytes32, BatchDump] = OrderedDict()
        self._leaves = 0
        self._missing: dict[BatchSettlement, _Failure] = {}
        self._stores_away: _Failure | None = None

    async def read(self, batch: BatchSettlement) -> BatchDump | Unreadable:
        """Return the batch of an event, or why it cannot be read at present."""
        known = self._dumps.get(batch.merkle_root)
        if known is not None and len(known.leaves) == batch.batch_size:
            self._dumps.move_to_end(batch.merkle_root)
            return known
        # stores that are away cost their time-out: not once more for each of a thousand batches
        for failure in (self._missing.get(batch), self._stores_away):
            if failure is not None and self._is_fresh(failure):
                return failure.why
        return self._remember(batch, await self._ask(batch))

    async def _ask(self, batch: BatchSettlement) -> BatchDump | Unreadable:
        def accept(blob: bytes) -> BatchDump:
            dump = read_dump(blob)
            if dump.root != batch.merkle_root:
                raise SettlementError(f"its root is {dump.root}, on chain it is another")
            if len(dump.leaves) != batch.batch_size:
                raise SettlementError(
                    f"it has {len(dump.leaves)} leaves, on chain they are {batch.batch_size}"
                )
            return dump

        return await self._blobs.read(blob_name(batch.blob_id), accept)

    def _remember(
        self, batch: BatchSettlement, found: BatchDump | Unreadable
    ) -> BatchDump | Unreadable:
        if isinstance(found, Unreadable):
            failure = _Failure(self._clock.now(), found)
            if found.lack is Lack.UNREACHABLE:
                self._stores_away = failure
            else:
                old = self._missing.items()
                self._missing = {one: since for one, since in old if self._is_fresh(since)}
                self._missing[batch] = failure
            return found
        self._missing.pop(batch, None)
        self._stores_away = None
        before = self._dumps.pop(found.root, None)
        self._leaves += len(found.leaves) - (0 if before is None else len(before.leaves))
        self._dumps[found.root] = found
        while self._leaves > _MOST_LEAVES:
            self._leaves -= len(self._dumps.popitem(last=False)[1].leaves)
        return found

    def _is_fresh(self, failure: _Failure) -> bool:
        return 0 <= self._clock.now() - failure.at < _AGAIN_AFTER


def blob_name(blob_id: bytes) -> str:
    """Return the id that an event carries as UTF-8 text; of other bytes, their hex."""
    try:
        return blob_id.decode()
    except UnicodeDecodeError:
        return "0x" + blob_id.hex()

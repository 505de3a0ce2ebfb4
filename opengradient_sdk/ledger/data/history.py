"""The relay's events as one endpoint tells them; what is sure is read once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ...chain.abi import AbiError
from ...chain.contracts.events import Event
from ...chain.contracts.settlement_relay import (
    BATCH_SETTLEMENT,
    INDIVIDUAL_SETTLEMENT,
    BatchSettlement,
    IndividualSettlement,
)
from ...chain.rpc import Rpc
from ...errors import RpcError
from ...types import Address, Bytes32, Log

Settlement = BatchSettlement | IndividualSettlement

_SPAN: Final = 5_000
"""Blocks of which logs are asked for at once; endpoints that find it too many get halves."""

_MOST_KEPT: Final = 50_000
"""Events after which all are forgotten before the next range is read."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An event of the relay and its place in the chain; equal only where all of it is."""

    event: Settlement
    block_number: int
    block_hash: Bytes32
    transaction: Bytes32
    log_index: int

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in the order of the chain."""
        return self.block_number, self.log_index


class RelayHistory:
    """The relay's batches, or one node's individual settlements, through one endpoint.

    One question at a time: two at once would read the same blocks twice.
    """

    def __init__(self, rpc: Rpc, relay: Address, tee_id: Bytes32 | None) -> None:
        self._rpc = rpc
        self._relay = relay
        self._event: Event[Settlement]
        if tee_id is None:
            self._event, self._topics = BATCH_SETTLEMENT, BATCH_SETTLEMENT.topics()
        else:
            self._event = INDIVIDUAL_SETTLEMENT
            self._topics = INDIVIDUAL_SETTLEMENT.topics(tee_id=tee_id)
        self._read = Spans()
        self._kept: list[Seen] = []

    async def between(self, first: int, last: int, *, sure: int) -> list[Seen]:
        """Return the events of blocks ``first`` to ``last``, oldest first.

        What comes after the block ``sure`` is read anew each time: it may have changed.

        Raises:
            RpcError: The endpoint does not answer, or with nonsense.
        """
        if len(self._kept) > _MOST_KEPT:  # never in the middle of a range: events would be missed
            self._read, self._kept = Spans(), []
        for gap in self._read.missing(first, min(last, sure)):
            await self._fill(*gap)
        start = bisect_left(self._kept, (first, 0), key=_place)
        end = bisect_right(self._kept, (min(last, sure) + 1, -1), key=_place)
        return self._kept[start:end] + await self._events(max(first, sure + 1), last)

    async def _fill(self, first: int, last: int) -> None:
        for start in range(first, last + 1, _SPAN):
            end = min(start + _SPAN - 1, last)
            found = await self._events(start, end)
            for seen in found:
                insort(self._kept, seen, key=_place)
            self._read.add(start, end)

    async def _events(self, first: int, last: int) -> list[Seen]:
        if first > last:
            return []
        logs = await self._rpc.get_logs(self._relay, self._topics, from_block=first, to_block=last)
        return sorted((self._seen(log, first, last) for log in logs), key=_place)

    def _seen(self, log: Log, first: int, last: int) -> Seen:
        asked = log.address == self._relay and first <= log.block_number <= last
        try:
            event = self._event.decode(log)
        except AbiError as error:
            raise self._nonsense(f"an event that is none of the relay ({error})") from error
        if not asked or log.topics[: len(self._topics)] != tuple(self._topics):
            raise self._nonsense("events that it was not asked for")
        if log.block_hash is None:
            raise self._nonsense("an event without the hash of its block")
        return Seen(event, log.block_number, log.block_hash, log.transaction_hash, log.index)

    def _nonsense(self, what: str) -> RpcError:
        return RpcError(
            f"{', '.join(self._rpc.names)} answered with {what}",
            hint="Is this the JSON-RPC endpoint of a node?",
        )


def _place(seen: Seen) -> tuple[int, int]:
    return seen.place


class Spans:
    """Ranges of numbers, both ends included, joined where they touch."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._ranges)

    def add(self, first: int, last: int) -> None:
        """Add the numbers from ``first`` to ``last``; none where ``last`` is smaller."""
        if first > last:
            return
        apart: list[tuple[int, int]] = []
        for start, end in self._ranges:
            if end + 1 < first or last + 1 < start:
                apart.append((start, end))
            else:
                first, last = min(first, start), max(last, end)
        self._ranges = sorted([*apart, (first, last)])

    def missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return what of ``first`` to ``last`` is not in here, in order."""
        gaps: list[tuple[int, int]] = []
        for start, end in self._ranges:
            if start > last:
                break
            if first < start:
                gaps.append((first, start - 1))
            first = max(first, end + 1)
        return [*gaps, (first, last)] if first <= last else gaps

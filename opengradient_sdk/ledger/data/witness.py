"""One endpoint, asked about the relay. Nothing here believes it; that is the verdict's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...chain import blocks
from ...chain.blocks import Block
from ...chain.jsonrpc import Outcome
from ...chain.node_errors import Fault
from ...chain.rpc import Rpc
from ...errors import ChainError, ReorgError
from ...payments.settlement.testimony import Silent
from ...types import Address, Bytes32
from .history import RelayHistory, Seen, Spans
from .wanted import Wanted

_TRIES: Final = 3

_UNSURE: Final = 32
"""Blocks at the head that are read again each time, final or not: where blocks are final at once,
nodes still write down their logs a little later, and an event that was missed once stays missed."""


@dataclass(frozen=True, slots=True)
class View:
    """What an endpoint sees: its head, its finalized block (where it names one), and the events.

    ``searched_to`` is the last block that was searched for statements that are looked for until a
    certain time, by that time.
    """

    name: str
    latest: Block
    finalized: Block | None
    events: frozenset[Seen] = field(repr=False)
    searched_to: Mapping[float, int] = field(repr=False)

    def has_searched(self, wanted: Wanted, block_number: int) -> bool:
        """Whether it has looked into this block for this statement."""
        return wanted.first <= block_number <= self.searched_to[wanted.until]

    def is_final(self, block_number: int) -> bool:
        """Whether this endpoint says that the block of this number cannot be taken back."""
        return self.finalized is not None and block_number <= self.finalized.number


class RelayWitness:
    """One RPC that is asked about the relay's events; it is asked one thing at a time."""

    def __init__(self, rpc: Rpc, relay: Address) -> None:
        self.name = ", ".join(rpc.names)
        self._rpc = rpc
        self._relay = relay
        self._histories: dict[Bytes32 | None, RelayHistory] = {}
        self._ends: dict[float, int] = {}

    async def chain_id(self) -> int:
        """Return the chain's id, as configured or as this endpoint says it."""
        return await self._rpc.chain_id()

    async def testify(self, wanted: Sequence[Wanted]) -> View | Silent:
        """Return the events among which the statements would be, as the endpoint sees them now."""
        try:
            for _ in range(_TRIES):
                view = await self._view(wanted)
                if view is not None:
                    return view
            raise ReorgError(
                f"the chain of {self.name} was replaced each time its events were read",
                hint="Ask again when it has come to rest.",
            )
        except ChainError as error:
            return Silent(self.name, error)

    async def block_of(self, seen: Seen) -> Block | Silent | None:
        """Return the block of an event, ``None`` where its chain has another one in that place."""
        try:
            return await self._block_of(seen)
        except ChainError as error:
            return Silent(self.name, error)

    async def _block_of(self, seen: Seen) -> Block | None:
        (answer,) = await self._rpc.outcomes(
            [("eth_getBlockByNumber", [hex(seen.block_number), False])]
        )
        if isinstance(answer, Fault):
            raise answer.to_error()
        block = self._block(answer)
        return block if block is not None and block.hash == seen.block_hash else None

    async def _view(self, wanted: Sequence[Wanted]) -> View | None:
        latest, finalized = await self._heads()
        sure = -1 if finalized is None else min(finalized.number, latest.number - _UNSURE)
        firsts: dict[float, int] = {}
        for one in wanted:
            firsts[one.until] = min(one.first, firsts.get(one.until, one.first))
        ends = {until: await self._end(until, firsts[until], latest, sure) for until in firsts}
        events: set[Seen] = set()
        for tee_id, spans in _spans(wanted, ends).items():
            history = self._histories.setdefault(
                tee_id, RelayHistory(self._rpc, self._relay, tee_id)
            )
            for first, last in spans:
                events.update(await history.between(first, last, sure=sure))
        # the last blocks were read by number: are they still of the same chain?
        if (await self._rpc.get_block(latest.number)).hash != latest.hash:
            return None
        return View(self.name, latest, finalized, frozenset(events), ends)

    async def _heads(self) -> tuple[Block, Block | None]:
        latest, finalized = await self._rpc.outcomes(
            [("eth_getBlockByNumber", [tag, False]) for tag in ("latest", "finalized")]
        )
        if isinstance(latest, Fault):
            raise latest.to_error()
        return self._rpc.parse(blocks.block, latest, "a block"), self._block(finalized)

    async def _end(self, until: float, first: int, latest: Block, sure: int) -> int:
        """Return the number of the last block from ``first`` on that is not later than ``until``.

        Blocks before ``first`` are not asked for: many nodes have thrown the old ones away.
        """
        if latest.timestamp <= until:
            return latest.number
        if until in self._ends:
            return self._ends[until]
        low, high = min(first, latest.number), latest.number
        while low < high:
            middle = (low + high + 1) // 2
            if (await self._rpc.get_block(middle)).timestamp <= until:
                low = middle
            else:
                high = middle - 1
        if low < sure:
            self._ends[until] = low
        return low

    def _block(self, answer: Outcome) -> Block | None:
        if answer is None or isinstance(answer, Fault):
            return None
        return self._rpc.parse(blocks.block, answer, "a block")


def _spans(wanted: Iterable[Wanted], ends: Mapping[float, int]) -> dict[Bytes32 | None, Spans]:
    """Return which blocks are searched: for batches, and for each node's own settlements."""
    spans: dict[Bytes32 | None, Spans] = {}
    for one in wanted:
        spans.setdefault(one.tee_id, Spans()).add(one.first, ends[one.until])
    return spans

"""The logs of a chain as a sequence that can be taken back: additions, and removals at a reorg.

Blocks are read one after the other, each linked to the one before by its parent's hash, and the
logs of a block are asked for by the block's hash (EIP-234): whatever happens between two questions,
what is handed out belongs to the chain that was linked. Far behind the head, where no reorg
reaches, ranges are read by number, and the blocks at both ends are compared before and after.

Nothing is kept on the node: filters and subscriptions die with a connection, questions do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from ..errors import ChainError, ConfigurationError, ReorgError
from ..types import Bytes32, Log
from .blocks import BlockRef
from .headers import Header, Linked, LinkedBlocks, header_call, header_of, read_headers
from .jsonrpc import RpcCall
from .logs import Cursor, LogFilter, mined_logs
from .node_errors import Fault, FaultKind
from .rpc import Rpc

Depth = int | Literal["safe", "finalized"]
"""How many blocks deep a log must be, its own included, or the certainty of its block."""

Start = int | Literal["earliest", "latest", "safe", "finalized"]
"""The first block to look into."""

_KEPT: Final = 128
"""The blocks near the head that are read one by one, and remembered to be taken back."""
_MOST_BLOCKS: Final = 50
_FIRST_SPAN: Final = 1_000
_LONGEST_SPAN: Final = 10_000
_REFUSALS_TO_BE_SURE: Final = 5


class NodeRefusesError(Exception):
    """The node does not hand out these logs, and will not later either."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.error: ChainError = fault.to_error()


@dataclass(frozen=True, slots=True)
class Change:
    """A log that was added to the chain, or is no longer part of it.

    ``cursor`` is the place in the sequence of logs once this change is taken into account.
    """

    log: Log
    cursor: Cursor
    removed: bool = False


class LogFollower:
    """Follows the logs that match ``wanted``, step by step. Nothing is asked before the first step.

    A step changes what is remembered only after its last question was answered: one that fails or
    is cancelled has not happened.
    """

    def __init__(
        self,
        rpc: Rpc,
        wanted: LogFilter,
        *,
        start: Start | None,
        after: Cursor | None,
        confirmations: Depth,
    ) -> None:
        if isinstance(confirmations, int) and confirmations < 1:
            raise ConfigurationError(
                f"logs cannot be watched with {confirmations} confirmations",
                hint="1 is the block that a log is in.",
            )
        self._rpc = rpc
        self._wanted = wanted
        self._after = after
        self._start: Start | None = 0 if start is None and after is not None else start
        self._head: BlockRef = "latest" if isinstance(confirmations, int) else confirmations
        self._above = confirmations - 1 if isinstance(confirmations, int) else 0
        self._blocks: LinkedBlocks[Log] = LinkedBlocks(_KEPT)
        self._span = _FIRST_SPAN
        self._refusals = 0

    async def step(self) -> list[Change] | None:
        """Return what one step changed; ``None`` where nothing is new for now.

        Raises:
            NodeRefusesError: The node has the blocks and does not hand out their logs.
            ReorgError: More of the chain was replaced than can be taken back.
            RpcError: No endpoint answered, or one with nonsense.
        """
        (head,) = await read_headers(self._rpc, [self._head])
        if head is None:
            return None  # a young chain has no finalized block
        if not self._blocks:
            return await self._begin(head)
        known = self._blocks.at(head.number)
        if known is not None and known != head:
            return await self._rewind()
        tip, goal = self._blocks.tip, head.number - self._above
        if goal <= tip.number:
            return None  # this node is no further, or behind another one that was asked before
        far = min(goal, head.number - _KEPT)
        if tip.number < far:
            return await self._catch_up(min(far, tip.number + self._span))
        return await self._link(min(goal, tip.number + _MOST_BLOCKS), head)

    async def _begin(self, head: Header) -> list[Change] | None:
        first = self._start = await self._first_block(head)
        if self._after is not None and self._after.block_number >= first:
            return await self._resume(self._after)
        if first > head.number - self._above:
            return None
        (header,) = await read_headers(self._rpc, [first])
        found = await self._found_in([header] if header else [])
        if header is None or not found:
            return None
        self._blocks.start(header, found[0])
        return _added(found[0])

    async def _first_block(self, head: Header) -> int:
        if isinstance(self._start, int):
            return self._start
        if self._start is None:
            return head.number - self._above + 1
        return (await self._rpc.get_block(self._start)).number

    async def _resume(self, after: Cursor) -> list[Change] | None:
        wanted = (after.block_number, after.block_hash)
        in_chain, header = await read_headers(self._rpc, wanted)
        if in_chain is None:
            return None  # this node is behind
        if header is None:
            raise _out_of_reach(after.block_number, after.block_hash)
        found = await self._found_in([header])
        if not found:
            return None
        old = [one for one in found[0] if after.includes(one)]
        # in a block that is no longer in the chain nothing is new, only old logs to take back
        new = [one for one in found[0] if one not in old] if in_chain == header else []
        self._after = None
        self._blocks.start(header, [*old, *new])
        return _added(new)

    async def _link(self, last: int, head: Header) -> list[Change] | None:
        """Read the blocks behind the tip one by one, by their hashes."""
        numbers = range(self._blocks.tip.number + 1, last + 1)
        headers = [head] if last == head.number == numbers[0] else None
        linked = _linked(self._blocks.tip, headers or await read_headers(self._rpc, numbers))
        if linked is None:
            return await self._rewind()
        found = await self._found_in(linked)
        for header, logs in zip(linked, found, strict=False):
            self._blocks.append(header, logs)
        return _added(one for logs in found for one in logs) if found else None

    async def _found_in(self, headers: Sequence[Header]) -> list[tuple[Log, ...]]:
        """Return the logs of each block, up to the first that the node does not know (now)."""
        if not headers:
            return []
        calls = [self._logs_call(header.hash) for header in headers]
        # some nodes answer for a block that they do not know (yet) as for an empty one
        known, *outcomes = await self._rpc.outcomes([header_call(headers[-1].hash), *calls])
        if header_of(self._rpc, known) is None:
            return []
        found: list[tuple[Log, ...]] = []
        for outcome in outcomes:
            if outcome is None or isinstance(outcome, Fault):
                break
            found.append(self._rpc.parse(mined_logs, outcome, "logs"))
        if found:
            self._refusals = 0
        elif isinstance(outcomes[0], Fault):
            self._refused(outcomes[0])
        return found

    async def _catch_up(self, last: int) -> list[Change] | None:
        """Read the logs up to block ``last``, which is deep in the chain, by number."""
        tip = self._blocks.tip
        # the end stands still from the first answer to the last, and with it all that is before it
        first, before, outcome, again = await self._rpc.outcomes(
            [
                header_call(last),
                header_call(tip.number),
                self._logs_call(tip.number + 1, last),
                header_call(last),
            ]
        )
        header, joint = header_of(self._rpc, first), header_of(self._rpc, before)
        if joint is None or header is None or header != header_of(self._rpc, again):
            return None
        if joint != tip:
            return await self._rewind()
        if isinstance(outcome, Fault):
            return await self._shorten(outcome, last, header)
        found = self._rpc.parse(mined_logs, outcome, "logs")
        self._span = min(self._span * 2, _LONGEST_SPAN)
        self._blocks.start(header, [one for one in found if one.block_hash == header.hash])
        return _added(found)

    async def _shorten(self, fault: Fault, last: int, header: Header) -> list[Change] | None:
        if fault.kind is not FaultKind.TOO_MANY_LOGS:
            raise NodeRefusesError(fault)
        self._span = max(1, (last - self._blocks.tip.number) // 2)
        if header.follows(self._blocks.tip):
            return await self._link(last, header)
        return []

    async def _rewind(self) -> list[Change] | None:
        """Take back what is no longer in the chain."""
        mine = self._blocks.headers
        now = await read_headers(self._rpc, [header.number for header in mine])
        agreeing = self._blocks.fork(now)
        if agreeing == len(mine) or now[agreeing] is None:
            return None  # nothing was replaced, or this node is only behind
        if agreeing:
            return _removed(self._blocks.keep_first(agreeing))
        if isinstance(self._start, int) and self._blocks.oldest.number <= self._start:
            return _removed(self._blocks.keep_first(0))  # begins again with the other first block
        return await self._reach_back()

    async def _reach_back(self) -> list[Change] | None:
        """Remember one block more: nodes know replaced blocks by their hashes for a while."""
        oldest = self._blocks.oldest
        wanted = (oldest.number - 1, oldest.parent)
        in_chain, parent = await read_headers(self._rpc, wanted)
        if in_chain is None:
            return None  # this node is behind
        if parent is None:
            raise _out_of_reach(*wanted)
        found = await self._found_in([parent])
        if not found:
            return None
        self._blocks.prepend(parent, found[0])
        return []

    def _logs_call(self, from_block: BlockRef, to_block: BlockRef = "latest") -> RpcCall:
        wanted = replace(self._wanted, from_block=from_block, to_block=to_block)
        return "eth_getLogs", [wanted.parameter()]

    def _refused(self, fault: Fault) -> None:
        # right after a reorg it may be the block that is gone; that shows with the next step
        if fault.kind is FaultKind.BEHIND:
            return
        self._refusals += 1
        if self._refusals >= _REFUSALS_TO_BE_SURE or fault.kind is FaultKind.TOO_MANY_LOGS:
            self._refusals = 0
            raise NodeRefusesError(fault)


def _linked(tip: Header, headers: Sequence[Header | None]) -> list[Header] | None:
    """Return the ``headers`` that follow ``tip``, one by one; ``None`` for another chain."""
    linked: list[Header] = []
    for header in headers:
        if header is None or not header.follows(tip):
            break
        linked.append(header)
        tip = header
    return None if not linked and headers and headers[0] is not None else linked


def _added(found: Iterable[Log]) -> list[Change]:
    return [Change(one, Cursor.behind(one)) for one in found]


def _removed(dropped: Iterable[Linked[Log]]) -> list[Change]:
    changes: list[Change] = []
    for block in dropped:  # newest first
        header = block.header
        places = [
            Cursor(header.number - 1, header.parent),
            *(Cursor.behind(one) for one in block.found),
        ]
        changes += [
            Change(one, place, removed=True)
            for one, place in zip(block.found[::-1], places[-2::-1], strict=True)
        ]
    return changes


def _out_of_reach(number: int, block_hash: Bytes32) -> ReorgError:
    return ReorgError(
        f"block {number} ({block_hash}) was replaced, and the node no longer knows it",
        hint="What it and the blocks before it reported is no longer certain: discard the last of "
        "it and watch again from a block before, or with more confirmations.",
    )

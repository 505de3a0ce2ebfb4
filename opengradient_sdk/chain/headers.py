"""Blocks linked by their parents' hashes: the part of a chain that a reader has seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..types import Bytes32
from . import blocks
from .blocks import BlockRef, block_parameter
from .jsonrpc import Outcome, RpcCall
from .node_errors import Fault, FaultKind
from .rpc import Rpc

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Header:
    """A block's place in the chain."""

    number: int
    hash: Bytes32
    parent: Bytes32

    def follows(self, other: Header) -> bool:
        """Whether ``other`` is the block before this one."""
        return self.number == other.number + 1 and self.parent == other.hash


def header_call(block: BlockRef) -> RpcCall:
    """Return the call that asks for a block's header."""
    if isinstance(block, Bytes32):
        return "eth_getBlockByHash", [str(block), False]
    return "eth_getBlockByNumber", [block_parameter(block), False]


def header_of(rpc: Rpc, outcome: Outcome) -> Header | None:
    """Return the header that a node answered with; ``None`` where it has no such block.

    Raises:
        RpcError: It answered with an error or with nonsense.
    """
    if isinstance(outcome, Fault):
        if outcome.kind is FaultKind.BEHIND:
            return None
        raise outcome.to_error()
    return rpc.parse(_header, outcome, "a block")


async def read_headers(rpc: Rpc, wanted: Iterable[BlockRef]) -> list[Header | None]:
    """Return each block's header, ``None`` where the node has no such block, in one round trip.

    Raises:
        RpcError: No endpoint answered, or one with an error or with nonsense.
        WrongChainError: An endpoint serves another chain.
    """
    outcomes = await rpc.outcomes([header_call(block) for block in wanted])
    return [header_of(rpc, outcome) for outcome in outcomes]


def _header(value: object) -> Header | None:
    if value is None:
        return None
    fields = blocks.members_of(value)
    return Header(
        number=blocks.quantity(fields.get("number")),
        hash=Bytes32(blocks.data(fields.get("hash"))),
        parent=Bytes32(blocks.data(fields.get("parentHash"))),
    )


@dataclass(frozen=True, slots=True)
class Linked(Generic[T]):
    """A block and what was found in it."""

    header: Header
    found: tuple[T, ...]


class LinkedBlocks(Generic[T]):
    """The newest blocks that were read, each the parent of the next, at most ``keep`` of them."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._blocks: list[Linked[T]] = []

    def __bool__(self) -> bool:
        return bool(self._blocks)

    @property
    def headers(self) -> list[Header]:
        """The blocks' headers, oldest first."""
        return [block.header for block in self._blocks]

    @property
    def oldest(self) -> Header:
        """The first block that is remembered."""
        return self._blocks[0].header

    @property
    def tip(self) -> Header:
        """The last block that was read."""
        return self._blocks[-1].header

    def at(self, number: int) -> Header | None:
        """Return the remembered block of that number."""
        place = number - self.oldest.number
        return self._blocks[place].header if 0 <= place < len(self._blocks) else None

    def start(self, header: Header, found: Sequence[T]) -> None:
        """Forget everything but this block."""
        self._blocks = [Linked(header, tuple(found))]

    def append(self, header: Header, found: Sequence[T]) -> None:
        """Add the block that follows the tip."""
        self._blocks.append(Linked(header, tuple(found)))
        del self._blocks[: -self._keep]

    def prepend(self, header: Header, found: Sequence[T]) -> None:
        """Add the block before the oldest one."""
        self._blocks.insert(0, Linked(header, tuple(found)))

    def fork(self, now: Sequence[Header | None]) -> int:
        """Return how many of the blocks, from the oldest on, are in the chain ``now``.

        ``now`` has the chain's block of each number here, ``None`` where it has none.
        """
        agreeing = [
            place
            for place, (block, header) in enumerate(zip(self._blocks, now, strict=True), 1)
            if block.header == header
        ]
        return agreeing[-1] if agreeing else 0

    def keep_first(self, count: int) -> list[Linked[T]]:
        """Forget all blocks but the first ``count``, and return those, newest first."""
        dropped = self._blocks[count:]
        del self._blocks[count:]
        return dropped[::-1]

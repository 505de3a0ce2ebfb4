"""Event logs: which are wanted, where one is in the chain, and reading ranges of them.

A range is read however little of it an endpoint hands out at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from ..types import Address, Bytes32, Log
from . import blocks
from .blocks import BlockRef, block_parameter
from .node_errors import Fault, FaultKind

if TYPE_CHECKING:
    from .rpc import Rpc

TopicFilter = tuple[tuple[Bytes32, ...], ...]

_EARLIEST: Final = 0


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which logs are wanted, from ``from_block`` to ``to_block`` inclusive.

    Any of ``addresses`` (none given: all), and at each topic position any of the given values
    (none given: all).
    """

    addresses: tuple[Address, ...] = ()
    topics: TopicFilter = ()
    from_block: BlockRef = "latest"
    to_block: BlockRef = "latest"

    @classmethod
    def of(
        cls,
        addresses: Address | Iterable[Address] = (),
        topics: Sequence[Bytes32 | Sequence[Bytes32] | None] = (),
        *,
        from_block: BlockRef = "latest",
        to_block: BlockRef = "latest",
    ) -> Self:
        """Return the filter; one address or topic may stand for a sequence of one."""
        return cls(
            (addresses,) if isinstance(addresses, Address) else tuple(addresses),
            tuple(_alternatives(topic) for topic in topics),
            from_block,
            to_block,
        )

    def parameter(self) -> dict[str, object]:
        """Return the filter as ``eth_getLogs`` takes it."""
        wanted: dict[str, object] = {
            "fromBlock": block_parameter(self.from_block),
            "toBlock": block_parameter(self.to_block),
        }
        if isinstance(self.from_block, Bytes32):
            wanted = {"blockHash": str(self.from_block)}
        if self.addresses:
            wanted["address"] = list(self.addresses)
        if self.topics:
            wanted["topics"] = [[str(one) for one in some] or None for some in self.topics]
        return wanted


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the sequence of a chain's logs: just behind one log, or behind a whole block.

    As text it is short and can be kept anywhere: ``str(cursor)`` and `parse`.

    Attributes:
        block_number: The block's number.
        block_hash: The block's hash, by which it is known whether it is still in the chain.
        index: The log's index in the block; ``None`` stands for all of the block's logs.
    """

    block_number: int
    block_hash: Bytes32
    index: int | None = None

    def __str__(self) -> str:
        return f"{self.block_number}:{self.block_hash}:{'' if self.index is None else self.index}"

    @classmethod
    def behind(cls, log: Log) -> Self:
        """Return the place just behind a mined log."""
        if log.block_hash is None:
            raise ValueError("a log without the hash of its block has no place in a chain")
        return cls(log.block_number, log.block_hash, log.index)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the cursor that ``str`` wrote.

        Raises:
            ValueError: Another text.

        Example:
            >>> from opengradient_sdk.chain.logs import Cursor
            >>> Cursor.parse("7:0x" + "11" * 32 + ":2").index
            2
        """
        parts = text.split(":")
        if len(parts) != 3:
            raise ValueError(f"not a cursor: {text[:100]!r}")
        number, block_hash, index = parts
        return cls(int(number), Bytes32(block_hash), int(index) if index else None)

    def includes(self, log: Log) -> bool:
        """Whether ``log``, which is in this block, lies before this place."""
        return self.index is None or log.index <= self.index


def mined_logs(value: object) -> tuple[Log, ...]:
    """Read a list of logs, each with the hash of its block, in the order of the chain.

    Raises:
        ValueError: Something else.
    """
    found = blocks.logs(value)
    if any(log.block_hash is None for log in found):
        raise ValueError("a log without the hash of its block")
    return tuple(sorted(found, key=lambda log: (log.block_number, log.index)))


def _alternatives(topic: Bytes32 | Sequence[Bytes32] | None) -> tuple[Bytes32, ...]:
    if topic is None:
        return ()
    return (topic,) if isinstance(topic, Bytes32) else tuple(topic)  # bytes are a sequence too


async def read_logs(rpc: Rpc, wanted: LogFilter) -> tuple[Log, ...]:
    """Return the logs that match, oldest first; a range that is refused as too large is halved.

    A ``Bytes32`` as ``from_block`` reads that one block, and ``to_block`` is not looked at.

    Raises:
        RpcError: No endpoint answered, or a single block is too much for it.
    """
    outcome = (await rpc.outcomes([("eth_getLogs", [wanted.parameter()])]))[0]
    if not isinstance(outcome, Fault):
        return rpc.parse(blocks.logs, outcome, "logs")
    if outcome.kind is not FaultKind.TOO_MANY_LOGS or isinstance(wanted.from_block, Bytes32):
        raise outcome.to_error()
    first = await _number(rpc, wanted.from_block)
    last = await _number(rpc, wanted.to_block)
    if first >= last:
        raise outcome.to_error()
    middle = (first + last) // 2
    older = await read_logs(rpc, replace(wanted, from_block=first, to_block=middle))
    newer = await read_logs(rpc, replace(wanted, from_block=middle + 1, to_block=last))
    return older + newer


async def _number(rpc: Rpc, block: BlockRef) -> int:
    if isinstance(block, int):
        return block
    return _EARLIEST if block == "earliest" else (await rpc.get_block(block)).number

"""Event logs of a range of blocks, however little of it an endpoint hands out at once."""

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

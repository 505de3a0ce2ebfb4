"""``eth_getLogs``: which blocks to look into and which logs match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import rpc_params as params
from .errors import invalid_params, refused
from .rpc_views import Json, log_topics, log_view

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eth.abc import LogAPI

    from .machine import Machine
    from .records import MinedBlock

_MAX_TOPICS: Final = 4


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What a log must have.

    One of ``addresses``, any where there are none; and at each position of ``topics`` one of the
    values, any where there is ``None``.
    """

    addresses: frozenset[bytes]
    topics: tuple[frozenset[bytes] | None, ...]

    @classmethod
    def parse(cls, fields: Mapping[str, object]) -> LogFilter:
        """Return the filter that a JSON-RPC filter object describes."""
        addresses = params.one_or_many(fields.get("address"))
        topics = params.items(fields.get("topics") or [])
        if len(topics) > _MAX_TOPICS:
            raise invalid_params("exceed max topics")
        return cls(
            addresses=frozenset(params.address(entry) for entry in addresses),
            topics=tuple(_alternatives(topic) for topic in topics),
        )

    def matches(self, log: LogAPI) -> bool:
        """Return whether ``log`` is wanted."""
        if self.addresses and log.address not in self.addresses:
            return False
        found = log_topics(log)
        if len(found) < len(self.topics):
            return False
        pairs = zip(self.topics, found, strict=False)
        return all(wanted is None or topic in wanted for wanted, topic in pairs)

    def logs_in(self, blocks: Sequence[MinedBlock]) -> list[Json]:
        """Return the wanted logs of ``blocks``, in their order."""
        return [
            log_view(block, mined, position)
            for block in blocks
            for mined in block.transactions
            for position, log in enumerate(mined.logs)
            if self.matches(log)
        ]


def blocks_of(
    machine: Machine, tags: params.Tags, fields: Mapping[str, object]
) -> Sequence[MinedBlock]:
    """Return the blocks a filter object speaks of: one by hash, or a range of numbers or tags."""
    if fields.get("blockHash") is not None:
        if fields.get("fromBlock") is not None or fields.get("toBlock") is not None:
            raise invalid_params("cannot specify both BlockHash and FromBlock/ToBlock")
        block = machine.by_hash.get(params.data(fields["blockHash"], length=32))
        if block is None:
            raise refused("unknown block")
        return [block]
    first = _bound(machine, tags, fields.get("fromBlock"))
    last = _bound(machine, tags, fields.get("toBlock"))
    if first > last:
        raise invalid_params("invalid block range params")
    return machine.blocks[first : last + 1]


def _bound(machine: Machine, tags: params.Tags, parameter: object) -> int:
    if parameter is None:
        return machine.head.number
    block = tags.block(parameter)
    # A number beyond the head is a range that has not filled up yet, not an error.
    return params.quantity(parameter) if block is None else block.number


def _alternatives(topic: object) -> frozenset[bytes] | None:
    if topic is None:
        return None
    entries = params.one_or_many(topic)
    if not entries or None in entries:
        return None
    return frozenset(params.data(entry, length=32) for entry in entries)

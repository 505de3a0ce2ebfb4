"""A chain in memory that forks, lags and forgets on command, and a node that speaks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from opengradient_sdk.chain import blocks
from opengradient_sdk.chain.node_errors import Fault
from opengradient_sdk.errors import RpcError
from opengradient_sdk.types import Address, Bytes32, bytes_to_hex, keccak256

TOKEN = Address("0x" + "aa" * 20)
TOPIC = Bytes32(keccak256(b"Ping(uint256)"))

Place = tuple[str, int]
"""A block's hash and a log's index in it."""


@dataclass(frozen=True)
class Block:
    number: int
    hash: str
    parent: str
    logs: int

    def header(self) -> dict[str, str]:
        return {
            "number": hex(self.number),
            "hash": self.hash,
            "parentHash": self.parent,
            "timestamp": "0x1",
        }

    def log(self, index: int) -> dict[str, Any]:
        return {
            "address": TOKEN,
            "topics": [str(TOPIC)],
            "data": bytes_to_hex(self.number.to_bytes(32, "big")),
            "blockNumber": hex(self.number),
            "blockHash": self.hash,
            "transactionHash": self.hash,
            "logIndex": hex(index),
        }

    def places(self) -> list[Place]:
        return [(self.hash, index) for index in range(self.logs)]


@dataclass
class ForkedChain:
    """``remembers``: whether replaced blocks are still known by their hashes."""

    remembers: bool = True
    chain: list[Block] = field(default_factory=list)
    known: dict[str, Block] = field(default_factory=dict)
    _names: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.mine(0)

    def mine(self, *logs: int) -> None:
        for amount in logs:
            name = bytes_to_hex(keccak256(b"block %d" % next(self._names)))
            parent = self.chain[-1].hash if self.chain else "0x" + "00" * 32
            block = Block(len(self.chain), name, parent, amount)
            self.chain.append(block)
            self.known[name] = block

    def reorg(self, depth: int, *logs: int) -> None:
        """Replace the last ``depth`` blocks (never the first one) by others, and one more."""
        depth = min(depth, len(self.chain) - 1)
        dropped = self.chain[len(self.chain) - depth :]
        del self.chain[len(self.chain) - depth :]
        if not self.remembers:
            for block in dropped:
                del self.known[block.hash]
        self.mine(*(logs[place % len(logs)] if logs else 0 for place in range(depth + 1)))

    def places(self, first: int = 0, last: int | None = None) -> list[Place]:
        """Every log of the chain now, from block ``first`` to ``last``."""
        return [place for block in self.chain[first:last] for place in block.places()]


class ForkedRpc:
    """What a `LogFollower` needs of an ``Rpc``; ``before_call`` runs before every single call.

    The last ``hidden`` blocks are those that this node does not have yet. It takes effect with the
    next batch: a batch is answered by one node.
    """

    def __init__(self, chain: ForkedChain) -> None:
        self.chain = chain
        self.before_call: Callable[[], None] = lambda: None
        self.hidden = 0
        self._behind = 0
        self.most_logs = 10**6
        self.fault: Fault | None = None
        self.down = False
        self.batches: list[list[str]] = []

    async def outcomes(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        self.batches.append([method for method, _ in calls])
        if self.down:
            raise RpcError("no RPC endpoint answered")
        self._behind = self.hidden
        answers = []
        for method, params in calls:
            self.before_call()
            answers.append(getattr(self, method)(*params))
        return answers

    async def get_block(self, block: Any) -> blocks.Block:
        (answer,) = await self.outcomes([("eth_getBlockByNumber", [block, False])])
        return blocks.block(answer)

    def parse(self, reader: Callable[[object], Any], answer: object, what: str) -> Any:
        return reader(answer)

    @property
    def _seen(self) -> list[Block]:
        return self.chain.chain[: max(1, len(self.chain.chain) - self._behind)]

    def eth_getBlockByNumber(self, number: str, _full: bool) -> Any:
        seen = self._seen
        named = {"latest": len(seen) - 1, "finalized": max(0, len(seen) - 5), "earliest": 0}
        place = named[number] if number in named else int(number, 16)
        return seen[place].header() if place < len(seen) else None

    def eth_getBlockByHash(self, name: str, _full: bool) -> Any:
        block = self.chain.known.get(name)
        return block.header() if block and self._sees(block) else None

    def eth_getLogs(self, wanted: dict[str, Any]) -> Any:
        if self.fault is not None:
            return self.fault
        if "blockHash" in wanted:
            block = self.chain.known.get(wanted["blockHash"])
            chosen = [block] if block and self._sees(block) else []  # as anvil: empty, no error
        else:
            first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
            chosen = self._seen[first : last + 1]
        logs = [block.log(index) for block in chosen for index in range(block.logs)]
        if len(logs) > self.most_logs:
            return Fault(-32005, f"query returned more than {self.most_logs} results")
        return logs

    def _sees(self, block: Block) -> bool:
        return block.number < len(self._seen)

"""A chain that a test plays by hand, behind the JSON-RPC server of the unit tests' ``Node``.

It is a fake: it runs no transactions. It keeps a pool, mines what it is told to, takes blocks
back, and lies on request. ``await chain.looked()`` returns when it was asked for its latest block
once more, so that no test has to wait for time to pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from opengradient_sdk.signers.envelope import read_signed
from opengradient_sdk.types import Bytes32, SignedTx, keccak256

GENESIS = Bytes32(keccak256(b"genesis"))


@dataclass
class ScriptedBlock:
    """A block and what is in it. ``strangers`` counts transactions that nobody here signed."""

    hash: Bytes32
    transactions: list[Bytes32] = field(default_factory=list)
    strangers: int = 0


class ScriptedChain:
    """What the node says, until a test says otherwise through ``node.results``."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.blocks = [ScriptedBlock(GENESIS)]
        self.pool: dict[Bytes32, SignedTx] = {}
        self.known: dict[Bytes32, SignedTx] = {}
        self.received: list[Bytes32] = []
        self.failed: set[Bytes32] = set()
        self.gas_used = 21_000
        self.levels: dict[str, int | None] = {"safe": None, "finalized": None}
        self.count_lies: list[int] = []
        self.refusals: dict[int, Callable[[], Any]] = {}
        self._fork = count()
        self._watchers: list[tuple[int, asyncio.Future[None]]] = []
        self._looks = 0
        node.results |= {
            "eth_getBlockByNumber": self._block,
            "eth_getTransactionCount": self._count,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getTransactionByHash": self._transaction,
            "eth_sendRawTransaction": self._send,
            "eth_blockNumber": lambda: hex(self.head),
        }

    @property
    def head(self) -> int:
        return len(self.blocks) - 1

    def mine(self, *wanted: Bytes32, blocks: int = 1) -> None:
        """Mine ``wanted`` (all of the pool without any), then further empty blocks."""
        self.blocks.append(self._new_block(list(wanted or self.pool)))
        self.empty(blocks - 1)

    def empty(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.blocks.append(self._new_block([]))

    def stranger(self) -> None:
        """Mine a transaction of the same account that another program sent; its rivals are gone."""
        self.drop()
        block = self._new_block([])
        block.strangers = 1
        self.blocks.append(block)

    def reorg(self, depth: int, *, shorter: int = 0) -> None:
        """Take ``depth`` blocks back and put empty ones in their place."""
        del self.blocks[-depth:]
        self.empty(depth - shorter)

    def drop(self) -> None:
        """Forget the pool."""
        for hash in self.pool:
            del self.known[hash]
        self.pool.clear()

    def used(self) -> int:
        """Return how many nonces the chain has used."""
        return sum(len(block.transactions) + block.strangers for block in self.blocks)

    async def looked(self, times: int = 1) -> None:
        """Return when the latest block has been read ``times`` more."""
        seen = asyncio.get_running_loop().create_future()
        self._watchers.append((self._looks + times, seen))
        await asyncio.wait_for(seen, 30)

    def _new_block(self, wanted: list[Bytes32]) -> ScriptedBlock:
        for hash in wanted:
            self.pool.pop(hash, None)
        name = f"{len(self.blocks)} of {next(self._fork)}"
        return ScriptedBlock(Bytes32(keccak256(name.encode())), wanted)

    def _block(self, tag: str, _: bool) -> Any:
        if tag == "latest":
            self._looks += 1
            for watcher in [each for each in self._watchers if each[0] <= self._looks]:
                self._watchers.remove(watcher)
                if not watcher[1].done():
                    watcher[1].set_result(None)
            number: int | None = self.head
        elif tag in self.levels:
            number = self.levels[tag]
        else:
            number = int(tag, 16)
        if number is None or number > self.head:
            return None
        parent = self.blocks[number - 1].hash if number else Bytes32(bytes(32))
        return {
            "number": hex(number),
            "hash": str(self.blocks[number].hash),
            "parentHash": str(parent),
            "timestamp": "0x1",
            "gasLimit": hex(30_000_000),
        }

    def _count(self, _: str, __: str) -> str:
        return hex(self.count_lies.pop(0) if self.count_lies else self.used())

    def _receipt(self, hash: str) -> Any:
        wanted = Bytes32(hash)
        for number, block in enumerate(self.blocks):
            if wanted in block.transactions:
                tx = self.known[wanted].tx
                return {
                    "transactionHash": hash,
                    "blockNumber": hex(number),
                    "blockHash": str(block.hash),
                    "from": tx.sender.lower(),
                    "to": tx.to and tx.to.lower(),
                    "contractAddress": None,
                    "status": "0x0" if wanted in self.failed else "0x1",
                    "gasUsed": hex(self.gas_used),
                    "effectiveGasPrice": "0x2",
                    "logs": [],
                }
        return None

    def _transaction(self, hash: str) -> Any:
        signed = self.known.get(Bytes32(hash))
        if signed is None:
            return None
        return {
            "hash": hash,
            "from": signed.tx.sender.lower(),
            "to": signed.tx.to and signed.tx.to.lower(),
            "nonce": hex(signed.tx.nonce),
            "value": hex(signed.tx.value),
            "input": "0x" + signed.tx.data.hex(),
            "blockNumber": None,
            "blockHash": None,
        }

    def _send(self, raw: str) -> Any:
        signed = read_signed(bytes.fromhex(raw[2:]))
        self.received.append(signed.hash)
        if (refusal := self.refusals.get(signed.tx.nonce)) is not None:
            return refusal()
        if signed.hash in self.known:
            return error(-32000, "already known")
        if signed.tx.nonce < self.used():
            return error(-32000, "nonce too low")
        rival = self._rival(signed)
        if rival is not None:
            if signed.tx.max_fee_per_gas * 10 < rival.tx.max_fee_per_gas * 11:
                return error(-32000, "replacement transaction underpriced")
            del self.pool[rival.hash]
        self.pool[signed.hash] = self.known[signed.hash] = signed
        return str(signed.hash)

    def _rival(self, signed: SignedTx) -> SignedTx | None:
        same = [one for one in self.pool.values() if one.tx.nonce == signed.tx.nonce]
        return same[0] if same else None


def error(code: int, message: str) -> dict[str, Any]:
    """An answer's error member."""
    return {"__error__": {"code": code, "message": message}}

"""A chain with a relay that a test plays by hand, and receipts whose hashes are looked for there.

It is a mock: no contract runs, and whatever a test writes down counts as mined.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import web
from eth_abi.abi import encode

from opengradient_sdk.chain.contracts.settlement_relay import (
    BATCH_SETTLEMENT,
    INDIVIDUAL_SETTLEMENT,
)
from opengradient_sdk.devnet.facilitator.blobs import BlobStore, blob_id_of
from opengradient_sdk.devnet.facilitator.data import Leaf
from opengradient_sdk.devnet.facilitator.merkle import MerkleTree
from opengradient_sdk.ledger import DataState, DataStatus, Receipt, RegistryFacts
from opengradient_sdk.ledger.data_status import DataMode
from opengradient_sdk.network.records import NodeRecord
from opengradient_sdk.types import Address, Bytes32, keccak256
from opengradient_sdk.verification import BatchLeaf, SignedFields, batch_leaf_of

from ..receipts import a_receipt

RELAY = Address("0x" + "5e" * 20)
CHAIN_ID = 10740
BLOCK_TIME = 2
BORN = 1_800_000_000
Json = dict[str, Any]


class MockRelayChain:
    """What one endpoint says, until a test says otherwise; every call is noted.

    ``fork`` is part of every block's hash from ``forked_at`` on.
    """

    def __init__(self, length: int = 100, finalized: int | None = 80) -> None:
        self.length = length
        self.finalized = finalized
        self.fork, self.forked_at = "", 0
        self.logs: list[Json] = []
        self.calls: list[tuple[str, list[Any]]] = []
        self.errors: dict[str, Json] = {}
        self.before: dict[str, Callable[[], None]] = {}
        self.most_blocks: int | None = None

    def hash_of(self, number: int) -> str:
        fork = self.fork if number >= self.forked_at else ""
        return "0x" + keccak256(f"block {number} {fork}".encode()).hex()

    def time_of(self, number: int) -> int:
        return BORN + BLOCK_TIME * number

    def ranges(self) -> list[tuple[int, int]]:
        """The blocks whose logs were asked for, in order."""
        asked = [params[0] for method, params in self.calls if method == "eth_getLogs"]
        return [(int(one["fromBlock"], 16), int(one["toBlock"], 16)) for one in asked]

    def settle_batch(
        self, number: int, root: bytes, size: int, blob_id: bytes, **changes: Any
    ) -> Json:
        data = encode(["uint256", "bytes"], [size, blob_id])
        return self._log(number, [bytes(BATCH_SETTLEMENT.topic), root], data, changes)

    def settle_individually(self, number: int, leaf: BatchLeaf, blob_id: bytes) -> Json:
        words = [leaf.input_hash, leaf.output_hash, leaf.timestamp, blob_id, leaf.signature]
        data = encode(["bytes32", "bytes32", "uint256", "bytes", "bytes"], words)
        topics = [bytes(INDIVIDUAL_SETTLEMENT.topic), leaf.tee_id, b"\x11".rjust(32, b"\0")]
        return self._log(number, topics, data, {})

    def _log(self, number: int, topics: list[bytes], data: bytes, changes: Json) -> Json:
        log: Json = {
            "address": RELAY,
            "topics": ["0x" + topic.hex() for topic in topics],
            "data": "0x" + data.hex(),
            "blockNumber": hex(number),
            "blockHash": self.hash_of(number),
            "transactionHash": "0x" + keccak256(f"tx {number} {data.hex()}".encode()).hex(),
            "logIndex": hex(sum(log["blockNumber"] == hex(number) for log in self.logs)),
            **changes,
        }
        self.logs.append(log)
        return log

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a batch of calls, or one."""
        body = await request.json()
        calls = body if isinstance(body, list) else [body]
        answers = [self._answer(call) for call in calls]
        return web.json_response(answers if isinstance(body, list) else answers[0])

    def _answer(self, call: Json) -> Json:
        method, params = call["method"], call["params"]
        self.calls.append((method, params))
        if hook := self.before.get(method):
            hook()
        answer: Json = {"jsonrpc": "2.0", "id": call["id"]}
        if method in self.errors:
            return {**answer, "error": self.errors[method]}
        match method:
            case "eth_chainId":
                return {**answer, "result": hex(CHAIN_ID)}
            case "eth_getBlockByNumber":
                return {**answer, "result": self._block(params[0])}
            case "eth_getLogs":
                return {**answer, **self._found(params[0])}
            case _:
                raise AssertionError(f"{method} is not asked")

    def _block(self, which: str) -> Json | None:
        tags = {"latest": self.length, "finalized": self.finalized}
        number = tags[which] if which in tags else int(which, 16)
        if number is None or number > self.length:
            return None
        return {
            "number": hex(number),
            "hash": self.hash_of(number),
            "parentHash": self.hash_of(number - 1),
            "timestamp": hex(self.time_of(number)),
        }

    def _found(self, wanted: Json) -> Json:
        first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        if self.most_blocks is not None and last - first >= self.most_blocks:
            return {"error": {"code": -32005, "message": "query returned more than 10000 results"}}
        topics = wanted["topics"]
        return {
            "result": [
                log
                for log in self.logs
                if first <= int(log["blockNumber"], 16) <= last
                and all(
                    t is None or got in t for t, got in zip(topics, log["topics"], strict=False)
                )
            ]
        }


def _matches(wanted: list[list[str] | None], topics: list[str]) -> bool:
    return all(any_ is None or got in any_ for any_, got in zip(wanted, topics, strict=False))


def batch_of(store: BlobStore, *leaves: BatchLeaf) -> tuple[Bytes32, int, bytes]:
    """Put a batch's blob into the store; return its root, size and blob id."""
    tree = MerkleTree(
        [Leaf(x.tee_id, x.input_hash, x.output_hash, x.signature, x.timestamp) for x in leaves]
    )
    store.put(tree.blob())
    return tree.root, len(leaves), blob_id_of(tree.blob()).encode()


def a_statement(number: int, *, at_block: int = 20) -> SignedFields:
    """What a node says that it signed when the chain had so many blocks."""
    tee, asked, answered = (
        keccak256(f"{what} {number}".encode()).hex() for what in ("t", "q", "a")
    )
    signature = base64.b64encode(b"s" * 255 + bytes([number % 256])).decode()
    return SignedFields(tee, asked, answered, BORN + BLOCK_TIME * at_block, signature)


def promised(
    number: int = 1, *, mode: DataMode = "batch", at_block: int = 20, **changes: Any
) -> Receipt:
    """A receipt of an answer whose hashes the node promised to settle within 500 seconds."""
    signed = a_statement(number, at_block=at_block)
    data = DataStatus(DataState.PROMISED, mode, "promised", due_at=float(signed.timestamp + 500))
    members: dict[str, Any] = {"signed": signed, "data": data, "registered": registry(at_block)}
    return replace(a_receipt(number), **members | changes)


def leaf_of(receipt: Receipt) -> BatchLeaf:
    assert receipt.signed is not None
    return batch_leaf_of(receipt.signed)


def registry(block: int) -> RegistryFacts:
    """The registry's word on the node, as of a block."""
    record = NodeRecord.__new__(NodeRecord)  # nothing here looks into it
    zero = Bytes32(bytes(32))
    return RegistryFacts(CHAIN_ID, RELAY, block, zero, BORN, ("mock",), record)

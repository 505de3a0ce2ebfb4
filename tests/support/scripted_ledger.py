"""A payments chain that holds what a test puts there, behind as many endpoints as a test likes.

It is a fake: it runs no transactions. The SDK's own ``Rpc`` asks it over JSON-RPC, so batches,
errors and parsing are the real ones; only the network in between is left out.

    ledger = ScriptedLedger()
    rpcs = endpoints(ledger, ScriptedLedger(latest=29))    # the second is a block behind
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opengradient_sdk._core.http import HttpResponse
from opengradient_sdk.chain.contracts.erc20 import TRANSFER_EVENT
from opengradient_sdk.chain.contracts.permit2 import UNORDERED_NONCE_INVALIDATION
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import TransportError
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.types import Address, Bytes32, keccak256

Json = dict[str, Any]


class RefusalError(Exception):
    """A JSON-RPC error in place of a result."""


@dataclass
class ScriptedLedger:
    """Blocks are a second apart, block 0 at zero, unless ``times`` says otherwise.

    ``lies`` replaces what the node says to a method: called with the parameters and the honest
    answer. ``down`` refuses every connection, ``held`` keeps requests waiting. ``asked``
    lists the batches, as names of methods.
    """

    latest: int = 30
    finalized: int = 25
    fork: str = ""
    fork_from: int = 0
    times: dict[int, int] = field(default_factory=dict)
    used_since: dict[int, int] = field(default_factory=dict)
    logs: list[Json] = field(default_factory=list)
    transactions: dict[str, Json] = field(default_factory=dict)
    lies: dict[str, Callable[[list[Any], Any], Any]] = field(default_factory=dict)
    down: bool = False
    held: asyncio.Event | None = None
    asked: list[list[str]] = field(default_factory=list)
    ranges: list[tuple[str, str]] = field(default_factory=list)

    def use(self, nonce: int, *, block: int = 22) -> None:
        """Let the owner's nonce be used from this block on."""
        self.used_since[nonce] = block

    def mine(
        self,
        data: bytes,
        *,
        owner: Address,
        recipient: Address,
        to: Address | None = DEVNET.upto_proxy,
        moved: int | None,
        block: int = 22,
        failed: bool = False,
    ) -> Bytes32:
        """Put a transaction on chain with its Transfer, if it moved anything."""
        found = Bytes32(keccak256(data + bytes([len(self.transactions)])))
        topics = [TRANSFER_EVENT.topic, padded(owner), padded(recipient)]
        self._add(found, data, to, block, failed=failed)
        if moved is not None:
            self._log(found, DEVNET.opg, topics, moved.to_bytes(32, "big"))
        return found

    def burn(self, nonce: int, *, owner: Address, block: int = 22) -> Bytes32:
        """Let the owner make a nonce void."""
        found = Bytes32(keccak256(b"burn" + nonce.to_bytes(32, "big")))
        data = (nonce >> 8).to_bytes(32, "big") + (1 << (nonce & 255)).to_bytes(32, "big")
        self._add(found, b"", DEVNET.permit2, block, failed=False)
        topics = [UNORDERED_NONCE_INVALIDATION.topic, padded(owner)]
        self._log(found, DEVNET.permit2, topics, data)
        self.used_since.setdefault(nonce, block)
        return found

    def hash_of(self, number: int) -> str:
        """The hash of a block."""
        fork = self.fork if number >= self.fork_from else ""
        return "0x" + keccak256(f"block {number}{fork}".encode()).hex()

    def _add(
        self, found: Bytes32, data: bytes, to: Address | None, block: int, *, failed: bool
    ) -> None:
        self.transactions[str(found)] = {
            "hash": str(found), "from": "0x" + "fa" * 20, "to": to, "nonce": "0x0", "value": "0x0",
            "input": "0x" + data.hex(), "blockNumber": hex(block), "failed": failed, "logs": [],
        }  # fmt: skip

    def _log(self, found: Bytes32, address: Address, topics: list[Bytes32], data: bytes) -> None:
        log = {
            "address": address,
            "topics": [str(topic) for topic in topics],
            "data": "0x" + data.hex(),
            "blockNumber": self.transactions[str(found)]["blockNumber"],
            "transactionHash": str(found),
            "logIndex": hex(len(self.logs)),
        }
        self.logs.append(log)
        self.transactions[str(found)]["logs"].append(log)

    def answer(self, method: str, params: list[Any]) -> Any:
        """What this endpoint says: the truth, unless ``lies`` has something else."""
        honest = getattr(self, f"_{method}")(*params)
        lie = self.lies.get(method)
        return lie(params, honest) if lie else honest

    def _eth_chainId(self) -> str:
        return hex(DEVNET.payments.chain_id)

    def _eth_getBlockByNumber(self, block: str, _full: bool) -> Json | None:
        number = self._number(block)
        return None if number > self.latest else self._block(number)

    def _eth_getBlockByHash(self, block_hash: str, _full: bool) -> Json | None:
        known = {self.hash_of(number): number for number in range(self.latest + 1)}
        return self._block(known[block_hash]) if block_hash in known else None

    def _eth_call(self, call: Json, block: Any) -> str:
        data = bytes.fromhex(call["data"][2:])
        assert call["to"] == DEVNET.permit2
        if isinstance(block, dict):
            assert block["requireCanonical"] is True
            found = self._eth_getBlockByHash(block["blockHash"], False)
            if found is None:
                raise RefusalError("hash is not currently canonical")
            number = int(found["number"], 16)
        else:
            number = self._number(block)
        word = int.from_bytes(data[36:68], "big")
        used = [n for n, since in self.used_since.items() if n >> 8 == word and since <= number]
        return "0x" + sum(1 << (nonce & 255) for nonce in used).to_bytes(32, "big").hex()

    def _eth_getLogs(self, wanted: Json) -> list[Json]:
        self.ranges.append((wanted["fromBlock"], wanted["toBlock"]))
        first, last = int(wanted["fromBlock"], 16), self._number(wanted["toBlock"])
        return [
            {**log, "blockHash": self.hash_of(int(log["blockNumber"], 16))}
            for log in self.logs
            if log["address"] in wanted["address"]
            and all(
                not some or topic in some
                for some, topic in zip(wanted["topics"], log["topics"], strict=False)
            )
            and first <= int(log["blockNumber"], 16) <= last
        ]

    def _eth_getTransactionByHash(self, found: str) -> Json | None:
        return self.transactions.get(found)

    def _eth_getTransactionReceipt(self, found: str) -> Json | None:
        transaction = self.transactions.get(found)
        if transaction is None:
            return None
        in_block = {"blockHash": self.hash_of(int(transaction["blockNumber"], 16))}
        return {
            "transactionHash": found,
            "blockNumber": transaction["blockNumber"],
            **in_block,
            "from": transaction["from"],
            "to": transaction["to"],
            "status": "0x0" if transaction["failed"] else "0x1",
            "gasUsed": "0x1",
            "effectiveGasPrice": "0x1",
            "logs": [{**log, **in_block} for log in transaction["logs"]],
        }

    def _number(self, block: str) -> int:
        tags = {"latest": self.latest, "finalized": self.finalized}
        return tags[block] if block in tags else int(block, 16)

    def _block(self, number: int) -> Json:
        time = self.times.get(number, number)
        return {"number": hex(number), "hash": self.hash_of(number), "timestamp": hex(time)}


class ScriptedHttp:
    """The network between the SDK and the ledgers, by host name."""

    def __init__(self, ledgers: Mapping[str, ScriptedLedger]) -> None:
        self._ledgers = ledgers

    async def request(self, method: str, url: str, **rest: Any) -> HttpResponse:
        assert method == "POST"
        ledger = self._ledgers[url.removeprefix("http://").strip("/")]
        if ledger.held is not None:
            await ledger.held.wait()
        if ledger.down:
            raise TransportError("connection refused", sent=False)
        body = json.loads(rest["body"])
        calls = body if isinstance(body, list) else [body]
        ledger.asked.append([call["method"] for call in calls])
        answers = [self._answer(ledger, call) for call in calls]
        said = json.dumps(answers if isinstance(body, list) else answers[0])
        return HttpResponse(200, {}, said.encode())

    @staticmethod
    def _answer(ledger: ScriptedLedger, call: Json) -> Json:
        head = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            return {**head, "result": ledger.answer(call["method"], call["params"])}
        except RefusalError as refusal:
            return {**head, "error": {"code": -32602, "message": str(refusal)}}


def endpoints(*ledgers: ScriptedLedger) -> list[Rpc]:
    """An ``Rpc`` for each of them, named ``a``, ``b``, ``c`` …; the path is a secret."""
    hosts = dict(zip("abcdefgh", ledgers, strict=False))
    http: Any = ScriptedHttp({f"{host}/secret": ledger for host, ledger in hosts.items()})
    chain_id = DEVNET.payments.chain_id
    return [Rpc([f"http://{host}/secret"], http, chain_id=chain_id) for host in hosts]


def padded(address: Address) -> Bytes32:
    """An address as it stands in a topic."""
    return Bytes32(address.to_bytes().rjust(32, b"\0"))

"""What the contract tests speak to a chain with, and the cast they share."""

from __future__ import annotations

import itertools
import json
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opengradient_sdk.devnet.contracts import artifacts
from opengradient_sdk.types import Address, keccak256

ROOT = Path(__file__).resolve().parents[4]
NOW = 1784200000
GENESIS_TIME = NOW - 3600
ADMIN = Address("0x" + "ad" * 20)
OPERATOR = Address("0x" + "0f" * 20)
RELAYER = Address("0x" + "4e" * 20)
STRANGER = Address("0x" + "57" * 20)
PAYERS = (
    Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
)
LEGACY_OPG = Address("0x240b09731D96979f50B2C649C9CE10FcF9C7987F")
OG_CHAIN_OPG = Address("0x1111111111111111111111111111111111111111")
RICH = 10**24


class RevertedError(AssertionError):
    """A call reverted, with the name and the arguments of the error that some contract defines."""

    def __init__(self, data: bytes) -> None:
        self.name, self.arguments = decode_revert(data)
        super().__init__(f"reverted with {self.name}{self.arguments}")


def decode_revert(data: bytes) -> tuple[str, tuple[Any, ...]]:
    from eth_abi.abi import decode

    if data[:4] == keccak256(b"Error(string)")[:4]:
        return "Error", decode(["string"], data[4:])
    for name in artifacts.NAMES:
        known = artifacts.load(name).decode_error(data)
        if known is not None:
            return known
    return "0x" + data.hex(), ()


@dataclass
class Anvil:
    """JSON-RPC to an anvil; whoever is named as the sender may send, keys are not asked for."""

    url: str
    _ids: Any = field(default_factory=itertools.count)

    def request(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        request = urllib.request.Request(
            self.url, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        if "error" in answer:
            if answer["error"].get("code") == 3:
                raise RevertedError(bytes.fromhex(answer["error"]["data"][2:]))
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def call_raw(self, to: str, data: bytes, sender: str = STRANGER) -> bytes:
        call = {"from": sender, "to": to, "data": "0x" + data.hex()}
        return bytes.fromhex(self.request("eth_call", call, "latest")[2:])

    def call(self, to: str, name: str, function: str, *arguments: Any) -> Any:
        """Return what a view returns; a single value comes without its tuple."""
        artifact = artifacts.load(name)
        data = self.call_raw(to, artifact.encode_call(function, *arguments))
        values = artifact.decode_output(function, data)
        return values[0] if len(values) == 1 else values

    def send_raw(self, sender: str, to: str, data: bytes) -> dict[str, Any]:
        """Send a transaction as anybody and mine it, and return its receipt.

        Raises:
            RevertedError: It would revert; nothing was mined.
        """
        transaction = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(10_000_000)}
        self.request("eth_call", transaction, "latest")
        transaction_hash = self.request("eth_sendTransaction", transaction)
        self.request("evm_mine")
        receipt: dict[str, Any] = self.request("eth_getTransactionReceipt", transaction_hash)
        assert receipt["status"] == "0x1"
        return receipt

    def send(
        self, sender: str, to: str, name: str, function: str, *arguments: Any
    ) -> dict[str, Any]:
        return self.send_raw(sender, to, artifacts.load(name).encode_call(function, *arguments))

    def set_time(self, timestamp: int) -> None:
        """Mine a block at this time and stop the clock there."""
        self.request("evm_setNextBlockTimestamp", timestamp)
        self.request("evm_mine")
        self.request("anvil_setBlockTimestampInterval", 0)

    def events(self, receipt: dict[str, Any], name: str, event: str) -> list[dict[str, Any]]:
        artifact = artifacts.load(name)
        topic = "0x" + artifact.topic(event).hex()
        return [
            artifact.decode_event(
                event,
                [bytes.fromhex(t[2:]) for t in log["topics"]],
                bytes.fromhex(log["data"][2:]),
            )
            for log in receipt["logs"]
            if log["topics"][0] == topic
        ]


def vectors(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / f"tests/assets/vectors/{name}.json").read_text())
    return loaded

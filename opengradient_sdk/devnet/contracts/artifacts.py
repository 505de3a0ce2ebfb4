"""What the Solidity compiler made of the devnet's contracts, and the ABI codec over it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final, cast

from ...types import keccak256

AbiEntry = Mapping[str, Any]

NAMES: Final = (
    "InferenceSettlementRelay",
    "Multicall3",
    "OPG",
    "Permit2",
    "TEEBatchVerifier",
    "TEEInferenceVerifier",
    "TEERegistry",
    "TEERegistryApril",
    "TEEVerifier",
    "X402ExactPermit2Proxy",
    "X402UptoPermit2Proxy",
)

_WORD: Final = 32


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract.

    ``immutables`` names every immutable variable and the byte offsets in ``deployed_bytecode`` at
    which its 32 bytes stand; ``slots`` names every state variable and its storage slot.
    """

    name: str
    abi: Sequence[AbiEntry] = field(repr=False)
    bytecode: bytes = field(repr=False)
    deployed_bytecode: bytes = field(repr=False)
    immutables: Mapping[str, Sequence[int]] = field(repr=False)
    slots: Mapping[str, int] = field(repr=False)

    def linked(self, values: Mapping[str, bytes]) -> bytes:
        """Return the run-time code with every immutable filled in, as a constructor would do it.

        Args:
            values: 32 bytes for each name in ``immutables``, no more and no fewer names.

        Raises:
            ValueError: The names are not those of the contract, or a value has not 32 bytes.
        """
        if values.keys() != self.immutables.keys():
            raise ValueError(f"{self.name} has the immutables {sorted(self.immutables)}")
        code = bytearray(self.deployed_bytecode)
        for name, value in values.items():
            if len(value) != _WORD:
                raise ValueError(f"{self.name}.{name} takes {_WORD} bytes, not {len(value)}")
            for offset in self.immutables[name]:
                code[offset : offset + _WORD] = value
        return bytes(code)

    def function(self, name: str) -> AbiEntry:
        """Return the ABI entry of a function, given its name or its full signature.

        Raises:
            KeyError: There is no such function, or several that share the name.
        """
        return self._entry("function", name)

    def selector(self, function: str) -> bytes:
        """Return the 4 bytes that calldata of a function begins with."""
        return keccak256(signature(self.function(function)).encode())[:4]

    def topic(self, event: str) -> bytes:
        """Return the 32 bytes of an event's first topic."""
        return keccak256(signature(self._entry("event", event)).encode())

    def encode_call(self, function: str, *arguments: object) -> bytes:
        """Return the calldata of a call; structs are tuples or lists of their members."""
        from eth_abi.abi import encode

        types = _types(self.function(function)["inputs"])
        return self.selector(function) + encode(types, arguments)

    def decode_output(self, function: str, data: bytes) -> tuple[Any, ...]:
        """Return what a function returned, one element for each return value."""
        from eth_abi.abi import decode

        return decode(_types(self.function(function)["outputs"]), data)

    def decode_event(self, event: str, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """Return the members of a log by name; indexed dynamic members are their hash.

        Raises:
            ValueError: The log is not of this event.
        """
        from eth_abi.abi import decode

        inputs = self._entry("event", event)["inputs"]
        indexed = [item for item in inputs if item["indexed"]]
        plain = [item for item in inputs if not item["indexed"]]
        if len(topics) != 1 + len(indexed) or topics[0] != self.topic(event):
            raise ValueError(f"the log is not {self.name}.{event}")
        values = dict(
            zip((item["name"] for item in plain), decode(_types(plain), data), strict=True)
        )
        for item, topic in zip(indexed, topics[1:], strict=True):
            kind = _canonical_type(item)
            is_hashed = kind in ("string", "bytes") or kind.endswith((")", "]"))
            values[item["name"]] = topic if is_hashed else decode([kind], topic)[0]
        return values

    def decode_error(self, data: bytes) -> tuple[str, tuple[Any, ...]] | None:
        """Return the name and the arguments of a custom error, or None where it is not ours."""
        from eth_abi.abi import decode

        for entry in self.abi:
            if entry["type"] == "error" and data[:4] == keccak256(signature(entry).encode())[:4]:
                return entry["name"], decode(_types(entry["inputs"]), data[4:])
        return None

    def _entry(self, kind: str, name: str) -> AbiEntry:
        found = [
            entry
            for entry in self.abi
            if entry["type"] == kind and name in (entry["name"], signature(entry))
        ]
        if len(found) != 1:
            raise KeyError(f"{self.name} has {len(found)} entries for the {kind} {name!r}")
        return found[0]


def signature(entry: AbiEntry) -> str:
    """Return the text that selectors and topics are hashes of: ``transfer(address,uint256)``."""
    return f"{entry['name']}({','.join(_types(entry['inputs']))})"


@cache
def load(name: str) -> Artifact:
    """Return a compiled contract by its name, one of ``NAMES``.

    Raises:
        ValueError: There is no such contract.
    """
    if name not in NAMES:
        raise ValueError(f"no contract is called {name!r}; there are {', '.join(NAMES)}")
    file = files("opengradient_sdk.devnet.contracts").joinpath("artifacts", f"{name}.json")
    raw = cast("dict[str, Any]", json.loads(file.read_text("utf-8")))
    return Artifact(
        name=raw["contractName"],
        abi=tuple(raw["abi"]),
        bytecode=bytes.fromhex(raw["bytecode"][2:]),
        deployed_bytecode=bytes.fromhex(raw["deployedBytecode"][2:]),
        immutables={
            variable: tuple(place["start"] for place in places)
            for variable, places in raw["immutableReferences"].items()
        },
        slots={variable["label"]: variable["slot"] for variable in raw["storageLayout"]},
    )


def _types(parameters: Sequence[AbiEntry]) -> list[str]:
    return [_canonical_type(parameter) for parameter in parameters]


def _canonical_type(parameter: AbiEntry) -> str:
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_types(parameter['components']))}){kind.removeprefix('tuple')}"

"""What ``/settle_data`` is asked to settle: the two settlement headers, read and checked."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from ...types import Address, Bytes32
from .permit import Json

_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/]")
_SEPARATORS: Final = re.compile(r"[\s_-]+")
_INTEGER: Final = re.compile(r"(0[xX][0-9a-fA-F]{1,64}|[0-9]{1,78})\Z")
_UINT256_LIMIT: Final = 1 << 256
_TYPES: Final = {
    "private": "private",
    "pivate": "private",
    "batch": "batch",
    "individual": "individual",
    "inidvidual": "individual",
}


class SettlementHeaderError(ValueError):
    """The settlement headers cannot be used; ``status`` is the HTTP status that says so."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        # the live facilitator tells its own errors from others by this word in their text
        self.status = 400 if "settlement" in message else 500


@dataclass(frozen=True, slots=True)
class Leaf:
    """The signed statement about one answer; ``timestamp`` is in Unix seconds."""

    tee_id: Bytes32
    input_hash: Bytes32
    output_hash: Bytes32
    signature: bytes = field(repr=False)
    timestamp: int

    def value(self) -> list[str]:
        """Return the leaf as it stands in a batch's blob."""
        return [
            str(self.tee_id),
            str(self.input_hash),
            str(self.output_hash),
            "0x" + self.signature.hex(),
            str(self.timestamp),
        ]


@dataclass(frozen=True, slots=True)
class PrivateSettlement:
    """Nothing is to be settled."""


@dataclass(frozen=True, slots=True)
class BatchSettlement:
    """One leaf for the next Merkle batch."""

    leaf: Leaf


@dataclass(frozen=True, slots=True)
class IndividualSettlement:
    """An answer whose text, too, becomes public; ``signature_text`` is base64 as it came."""

    leaf: Leaf
    signature_text: str = field(repr=False)
    eth_address: Address
    input: object = field(repr=False)
    output: object = field(repr=False)

    def blob(self) -> bytes:
        """Return the body of the blob, as the protocol notes (6.3) give it."""
        body = {
            "input": self.input,
            "output": self.output,
            "teeSignature": self.signature_text,
            "teeId": str(self.leaf.tee_id),
            "timestamp": str(self.leaf.timestamp),
            "ethAddress": self.eth_address,
        }
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


Settlement = PrivateSettlement | BatchSettlement | IndividualSettlement


def parse_settlement(kind: str | None, data: str | None) -> Settlement:
    """Return what the headers ``x-settlement-type`` and ``x-settlement-data`` ask for.

    Raises:
        SettlementHeaderError: A header is missing or cannot be used.
    """
    if not kind:
        raise SettlementHeaderError("Missing x-settlement-type header")
    settlement_type = _TYPES.get(_SEPARATORS.sub("", kind).lower())
    if settlement_type is None:
        raise SettlementHeaderError(f"Unsupported x-settlement-type: {kind}")
    if settlement_type == "private":
        return PrivateSettlement()
    fields = _decode(data)
    leaf = _leaf(fields)
    return BatchSettlement(leaf) if settlement_type == "batch" else _individual(fields, leaf)


def _decode(data: str | None) -> Json:
    if not data:
        raise SettlementHeaderError("Missing x-settlement-data header for settlement type")
    try:
        value: object = json.loads(lenient_base64(data))
    except ValueError:
        value = None
    if not isinstance(value, Mapping | list):
        raise SettlementHeaderError("x-settlement-data must be base64 encoded JSON")
    return cast("Json", value) if isinstance(value, Mapping) else {}


def _leaf(fields: Json) -> Leaf:
    tee_id = _bytes32("teeId", _text(fields, "tee_id"))
    input_hash = _bytes32("inputHash", _text(fields, "input_hash"))
    output_hash = _bytes32("outputHash", _text(fields, "output_hash"))
    signature = lenient_base64(_text(fields, "tee_signature"))
    return Leaf(tee_id, input_hash, output_hash, signature, _uint256(fields, "tee_timestamp"))


def _individual(fields: Json, leaf: Leaf) -> IndividualSettlement:
    _text(fields, "timestamp")
    address = _text(fields, "eth_address")
    for name in ("input", "output"):
        if fields.get(name) is None:
            raise _missing(name)
    try:
        eth_address = Address(address)
    except ValueError:
        raise SettlementHeaderError("Invalid ethAddress: expected an address") from None
    signature = _text(fields, "tee_signature")
    return IndividualSettlement(leaf, signature, eth_address, fields["input"], fields["output"])


def _text(fields: Json, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise _missing(name)
    return value


def _missing(name: str) -> SettlementHeaderError:
    return SettlementHeaderError(f"Missing required settlement field. Expected one of: {name}")


def _bytes32(name: str, text: str) -> Bytes32:
    try:
        return Bytes32(text)
    except ValueError:
        raise SettlementHeaderError(f"Invalid {name}: expected bytes32 hex value") from None


def _uint256(fields: Json, name: str) -> int:
    if name not in fields:
        raise _missing(name)
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SettlementHeaderError(f"Invalid uint256 field. Expected string or number for: {name}")
    text = str(value).strip()
    if (
        not _INTEGER.match(text)
        or int(text, 0 if text[:2].lower() == "0x" else 10) >= _UINT256_LIMIT
    ):
        raise SettlementHeaderError(f"Invalid uint256 value for: {name}")
    return int(text, 0 if text[:2].lower() == "0x" else 10)


def lenient_base64(text: str) -> bytes:
    """Return the bytes of base64 as the live facilitator's runtime reads it.

    It takes both alphabets, ends at the padding and passes over everything else; that is how the
    placeholder signature ``0x`` becomes the byte d3.
    """
    standard = text.split("=", 1)[0].replace("-", "+").replace("_", "/")
    digits = _NOT_BASE64.sub("", standard)
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    return base64.b64decode(digits + "=" * (-len(digits) % 4))

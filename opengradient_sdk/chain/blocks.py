"""What nodes say about blocks, transactions and logs, read strictly into our own types.

Every reader raises ``ValueError`` for anything that is not what it should be; ``Rpc`` turns that
into an ``RpcError`` which names the endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, TypeVar, cast

from ..types import Address, Bytes32, Log, TxReceipt, hex_to_bytes

BlockTag = Literal["latest", "safe", "finalized", "pending", "earliest"]
BlockRef = BlockTag | int | Bytes32
"""A block by tag, number or hash."""

T = TypeVar("T")
_UINT256_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class Block:
    """A block's head. ``timestamp`` is Unix seconds, ``base_fee`` wei per gas (EIP-1559 chains).

    ``gas_limit`` is 0 where the node states none.
    """

    number: int
    hash: Bytes32
    timestamp: int
    base_fee: int | None = None
    gas_limit: int = 0
    parent_hash: Bytes32 | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as a node knows it; ``block_number`` is ``None`` while it is pending.

    ``type`` is a ``TxType`` or another number that the chain knows. Fees are in wei per gas; where
    the type has one gas price, both fields hold it.
    """

    hash: Bytes32
    sender: Address
    to: Address | None
    nonce: int
    value: int
    data: bytes = field(repr=False)
    block_number: int | None
    block_hash: Bytes32 | None
    type: int = 0
    gas: int = 0
    max_fee_per_gas: int = 0
    max_priority_fee_per_gas: int = 0


def block_parameter(block: BlockRef) -> object:
    """Return ``block`` as a JSON-RPC parameter; hashes as EIP-1898 objects."""
    if isinstance(block, Bytes32):
        return {"blockHash": str(block)}
    return hex(block) if isinstance(block, int) else block


def members_of(value: object) -> Mapping[str, object]:
    """Return a JSON object's members."""
    if not isinstance(value, Mapping):
        raise ValueError(f"not an object: {str(value)[:80]}")
    return cast("Mapping[str, object]", value)


def items_of(value: object) -> list[object]:
    """Return a JSON array's items."""
    if not isinstance(value, list):
        raise ValueError(f"not a list: {str(value)[:80]}")
    return cast("list[object]", value)


def quantity(value: object) -> int:
    """Return a hex quantity of at most 256 bits."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError(f"not a quantity: {str(value)[:80]}")
    digits = value[2:]
    if not 0 < len(digits) <= _UINT256_DIGITS or not digits.isalnum():
        raise ValueError(f"not a quantity: {value[:80]}")
    return int(digits, 16)


def quantities(value: object) -> list[int]:
    """Return a list of hex quantities."""
    return [quantity(item) for item in items_of(value)]


def data(value: object) -> bytes:
    """Return the bytes of hex data."""
    return hex_to_bytes(_text(value))


def block(value: object) -> Block:
    """Read a block; a pending one has no hash and is refused."""
    fields = members_of(value)
    return Block(
        number=quantity(fields.get("number")),
        hash=_hash(fields.get("hash")),
        timestamp=quantity(fields.get("timestamp")),
        base_fee=_optional(quantity, fields.get("baseFeePerGas")),
        gas_limit=_optional(quantity, fields.get("gasLimit")) or 0,
        parent_hash=_optional(_hash, fields.get("parentHash")),
    )


def transaction(value: object) -> Transaction | None:
    """Read a transaction; ``None`` where the node does not know it."""
    if value is None:
        return None
    fields = members_of(value)
    price = _optional(quantity, fields.get("gasPrice")) or 0
    cap = _optional(quantity, fields.get("maxFeePerGas"))
    tip = _optional(quantity, fields.get("maxPriorityFeePerGas"))
    return Transaction(
        hash=_hash(fields.get("hash")),
        sender=_address(fields.get("from")),
        to=_optional(_address, fields.get("to")),
        nonce=quantity(fields.get("nonce")),
        value=quantity(fields.get("value")),
        data=data(fields.get("input")),
        block_number=_optional(quantity, fields.get("blockNumber")),
        block_hash=_optional(_hash, fields.get("blockHash")),
        type=_optional(quantity, fields.get("type")) or 0,
        gas=_optional(quantity, fields.get("gas")) or 0,
        max_fee_per_gas=price if cap is None else cap,
        max_priority_fee_per_gas=price if tip is None else tip,
    )


def receipt(value: object) -> TxReceipt | None:
    """Read a receipt; ``None`` while the transaction is in no block."""
    if value is None:
        return None
    fields = members_of(value)
    if fields.get("blockHash") is None:
        return None  # some nodes hand out receipts of pending transactions
    return TxReceipt(
        hash=_hash(fields.get("transactionHash")),
        block_number=quantity(fields.get("blockNumber")),
        block_hash=_hash(fields.get("blockHash")),
        sender=_address(fields.get("from")),
        to=_optional(_address, fields.get("to")),
        contract_address=_optional(_address, fields.get("contractAddress")),
        succeeded=quantity(fields.get("status")) == 1,
        gas_used=quantity(fields.get("gasUsed")),
        effective_gas_price=quantity(fields.get("effectiveGasPrice")),
        logs=logs(fields.get("logs")),
        l1_fee=_optional(quantity, fields.get("l1Fee")) or 0,
    )


def logs(value: object) -> tuple[Log, ...]:
    """Read a list of logs of mined transactions."""
    return tuple(_log(item) for item in items_of(value))


def _log(value: object) -> Log:
    fields = members_of(value)
    return Log(
        address=_address(fields.get("address")),
        topics=tuple(_hash(topic) for topic in items_of(fields.get("topics"))),
        data=data(fields.get("data")),
        block_number=quantity(fields.get("blockNumber")),
        transaction_hash=_hash(fields.get("transactionHash")),
        index=quantity(fields.get("logIndex")),
        block_hash=_optional(_hash, fields.get("blockHash")),
    )


def _optional(read: Callable[[object], T], value: object) -> T | None:
    return None if value is None else read(value)


def _hash(value: object) -> Bytes32:
    return Bytes32(data(value))


def _address(value: object) -> Address:
    return _known_address(_text(value))


@lru_cache(maxsize=4096)
def _known_address(text: str) -> Address:
    return Address(text)  # the same few accounts stand in thousands of receipts


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"not text: {str(value)[:80]}")
    return value

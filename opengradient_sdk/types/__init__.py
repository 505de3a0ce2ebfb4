"""Values that every floor speaks: addresses, amounts, hashes, typed data, transactions."""

from __future__ import annotations

from .amount import OPG, OPG_DECIMALS, Amount
from .keccak import keccak256
from .primitives import Address, Bytes32, bytes_to_hex, hex_to_bytes
from .transactions import (
    AccessList,
    CodeAuthorization,
    Log,
    PreparedTx,
    SignedTx,
    TxReceipt,
    TxRequest,
    TxType,
)
from .typed_data import Fields, TypedData

__all__ = [
    "OPG",
    "OPG_DECIMALS",
    "AccessList",
    "Address",
    "Amount",
    "Bytes32",
    "CodeAuthorization",
    "Fields",
    "Log",
    "PreparedTx",
    "SignedTx",
    "TxReceipt",
    "TxRequest",
    "TxType",
    "TypedData",
    "bytes_to_hex",
    "hex_to_bytes",
    "keccak256",
]

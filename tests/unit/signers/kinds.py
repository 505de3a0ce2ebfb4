"""One transaction of every type, every way to change one of its fields, and typed data."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import pytest

from opengradient_sdk.types import Address, Bytes32, CodeAuthorization, TxType, TypedData

from .test_local import TRANSACTION

_PRICE: Final = TRANSACTION.max_fee_per_gas
_AUTHORIZATION: Final = CodeAuthorization(
    chain_id=8453, address=Address("0x" + "55" * 20), nonce=3, y_parity=1, r=2**200, s=2**100
)

KINDS: Final = {
    "legacy": replace(
        TRANSACTION, type=TxType.LEGACY, access_list=(), max_priority_fee_per_gas=_PRICE
    ),
    "access list": replace(TRANSACTION, type=TxType.ACCESS_LIST, max_priority_fee_per_gas=_PRICE),
    "dynamic fee": TRANSACTION,
    "set code": replace(TRANSACTION, type=TxType.SET_CODE, authorizations=(_AUTHORIZATION,)),
}

RICH: Final = TypedData(
    (("name", "string"), ("chainId", "uint256"), ("verifyingContract", "address")),
    {"name": "t", "chainId": 8453, "verifyingContract": str(TRANSACTION.sender)},
    (
        ("Order", (("to", "address"), ("lines", "Line[]"), ("nonce", "uint256"))),
        ("Line", (("amount", "uint256"), ("less", "int64"), ("salt", "bytes32"), ("b", "bytes"))),
    ),
    "Order",
    {
        "to": str(TRANSACTION.sender),
        "lines": [{"amount": 2**255, "less": -5, "salt": b"\x07" * 32, "b": b"\x01\x02"}],
        "nonce": 7,
    },
)
"""Typed data with everything in it that programs spell differently."""

_OTHER_PRICE: Final = {"max_fee_per_gas": 10**10, "max_priority_fee_per_gas": 10**10}
_EVERYWHERE: Final[dict[str, dict[str, Any]]] = {
    "chain_id": {"chain_id": 1},
    "nonce": {"nonce": 8},
    "to": {"to": Address("0x" + "44" * 20)},
    "data": {"data": b"\x01"},
    "value": {"value": 6},
    "gas": {"gas": 70_001},
}


def changes_of(kind: str) -> dict[str, dict[str, Any]]:
    """Return a change of each field that a transaction of this kind has signed."""
    changes = dict(_EVERYWHERE)
    if kind in ("legacy", "access list"):
        changes["gas price"] = _OTHER_PRICE
    else:
        changes["max_fee_per_gas"] = {"max_fee_per_gas": 10**10}
        changes["max_priority_fee_per_gas"] = {"max_priority_fee_per_gas": 1}
    if kind != "legacy":
        changes["access_list"] = {"access_list": ()}
        changes["access_list keys"] = {
            "access_list": ((TRANSACTION.access_list[0][0], (Bytes32(b"\x02" * 32),)),)
        }
    if kind != "set code":
        changes["to nobody"] = {"to": None}
    else:
        for name, other in _changed(_AUTHORIZATION):
            changes[f"authorizations {name}"] = {"authorizations": (other,)}
        changes["authorizations twice"] = {"authorizations": (_AUTHORIZATION,) * 2}
    return changes


def _changed(authorization: CodeAuthorization) -> list[tuple[str, CodeAuthorization]]:
    others: dict[str, Any] = {"address": Address("0x" + "66" * 20), "y_parity": 0}
    for name in ("chain_id", "nonce", "r", "s"):
        others[name] = getattr(authorization, name) + 1
    assert others.keys() == {field.name for field in fields(authorization)}
    return [(name, replace(authorization, **{name: other})) for name, other in others.items()]


def changed_fields() -> list[Any]:
    """Return (what is asked for, what comes back) for every kind and each of its fields."""
    return [
        pytest.param(asked, replace(asked, **change), id=f"{kind}: {name}")
        for kind, asked in KINDS.items()
        for name, change in changes_of(kind).items()
    ]

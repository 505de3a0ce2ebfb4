"""Which fields a transaction of each type has, and in which order; both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...types import AccessList, Address, Bytes32, CodeAuthorization, PreparedTx, TxType
from .rlp import Item, integer

_HIGHEST_NONCE: Final = 2**64 - 2
_MOST_GAS: Final = 2**64 - 1
_ONE_PRICE: Final = (TxType.LEGACY, TxType.ACCESS_LIST)


def fields_of(tx: PreparedTx) -> list[Item]:
    """Return what is signed of ``tx``, in its type's order (EIP-155, 2930, 1559, 7702).

    Raises:
        ValueError, OverflowError, TypeError, AttributeError: A field is none that a transaction can
            have, or this type has no room for it: nothing is left out in silence.
    """
    _check_type(tx)
    nonce, cap = integer(tx.nonce), integer(tx.max_fee_per_gas)
    to = tx.to.to_bytes() if tx.to is not None else b""
    target: list[Item] = [integer(tx.gas), to, integer(tx.value), tx.data]
    if tx.type is TxType.LEGACY:
        return [nonce, cap, *target]
    listed = _access_rows(tx.access_list)
    if tx.type is TxType.ACCESS_LIST:
        return [integer(tx.chain_id), nonce, cap, *target, listed]
    fees = [integer(tx.max_priority_fee_per_gas), cap]
    fields = [integer(tx.chain_id), nonce, *fees, *target, listed]
    if tx.type is TxType.SET_CODE:
        fields.append([_authorization_row(one) for one in tx.authorizations])
    return fields


def transaction_of(
    kind: TxType, fields: Sequence[Item], sender: Address, *, chain_id: int
) -> PreparedTx:
    """Return the transaction that ``fields_of`` made ``fields`` of.

    ``chain_id`` counts for legacy transactions only, whose fields do not hold it.

    Raises:
        ValueError: These are not the fields of a transaction of this type.
    """
    chain, nonce, tip, cap, gas, to, value, data, listed, authorizations = _all_fields(
        kind, fields, chain_id
    )
    return PreparedTx(
        chain_id=_number(chain),
        sender=sender,
        nonce=_number(nonce),
        to=Address.from_bytes(target) if (target := _bytes(to)) else None,
        data=_bytes(data),
        value=_number(value),
        gas=_number(gas),
        max_fee_per_gas=_number(cap),
        max_priority_fee_per_gas=_number(tip),
        access_list=tuple(_access_entry(row) for row in _items(listed)),
        type=kind,
        authorizations=tuple(_authorization(row) for row in _items(authorizations)),
    )


def _check_type(tx: PreparedTx) -> None:
    if tx.chain_id < 1:
        raise ValueError(f"there is no chain {tx.chain_id}")
    if not 0 <= tx.nonce <= _HIGHEST_NONCE:
        raise ValueError(f"no account has a nonce {tx.nonce} (EIP-2681)")
    if not 0 <= tx.gas <= _MOST_GAS:
        raise ValueError(f"no transaction has {tx.gas} gas")
    _check_bytes(tx.data)
    if tx.type in _ONE_PRICE and tx.max_fee_per_gas != tx.max_priority_fee_per_gas:
        raise ValueError("a transaction of this type has one gas price, in both fee fields")
    if tx.type is TxType.LEGACY and tx.access_list:
        raise ValueError("a legacy transaction has no access list")
    if (tx.type is TxType.SET_CODE) != bool(tx.authorizations):
        raise ValueError("EIP-7702's transactions have authorizations, and no others have")
    if tx.type is TxType.SET_CODE and tx.to is None:
        raise ValueError("a transaction with authorizations creates no contract (EIP-7702)")


def _check_bytes(data: object) -> None:
    if not isinstance(data, bytes):  # a list of bytes could be written too, as something else
        raise TypeError(f"its data are of type {type(data).__name__}, not bytes")


def _all_fields(kind: TxType, fields: Sequence[Item], chain_id: int) -> Sequence[Item]:
    """Return ``fields`` in EIP-7702's order, with those that the older types lack."""
    match kind:
        case TxType.LEGACY:
            nonce, price, *rest = fields
            return [integer(chain_id), nonce, price, price, *rest, [], []]
        case TxType.ACCESS_LIST:
            chain, nonce, price, *rest = fields
            return [chain, nonce, price, price, *rest, []]
        case TxType.DYNAMIC_FEE:
            return [*fields, []]
        case TxType.SET_CODE:
            return fields


def _access_rows(access_list: AccessList) -> list[Item]:
    return [[address.to_bytes(), [Bytes32(key) for key in keys]] for address, keys in access_list]


def _access_entry(row: Item) -> tuple[Address, tuple[Bytes32, ...]]:
    address, keys = _items(row)
    return Address.from_bytes(_bytes(address)), tuple(Bytes32(_bytes(key)) for key in _items(keys))


def _authorization_row(one: CodeAuthorization) -> list[Item]:
    numbers = (one.nonce, one.y_parity, one.r, one.s)
    return [integer(one.chain_id), one.address.to_bytes(), *map(integer, numbers)]


def _authorization(row: Item) -> CodeAuthorization:
    chain_id, address, *numbers = _items(row)
    nonce, y_parity, r, s = (_number(one) for one in numbers)
    return CodeAuthorization(
        _number(chain_id), Address.from_bytes(_bytes(address)), nonce, y_parity, r, s
    )


def _number(item: Item) -> int:
    return int.from_bytes(_bytes(item), "big")


def _bytes(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise ValueError("a list where bytes belong")
    return item


def _items(item: Item) -> Sequence[Item]:
    if isinstance(item, bytes):
        raise ValueError("bytes where a list belongs")
    return item

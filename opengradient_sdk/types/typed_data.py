"""EIP-712 typed data: what a wallet is asked to sign, and its digest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias, cast

from .keccak import keccak256

Fields: TypeAlias = tuple[tuple[str, str], ...]
"""Ordered (name, type) pairs of one struct."""

_ARRAY: Final = re.compile(r"(.+)\[(\d*)\]\Z")
_INTEGER: Final = re.compile(r"(u?)int(\d{1,3})\Z")
_FIXED_BYTES: Final = re.compile(r"bytes(\d{1,2})\Z")


@dataclass(frozen=True, slots=True)
class TypedData:
    """A message for ``eth_signTypedData_v4`` (EIP-712).

    ``types`` has the primary type and everything it refers to, without ``EIP712Domain``; ``domain``
    has its members in the order of ``domain_type``. Addresses are hex text, integers are ``int``,
    bytes are ``bytes``.
    """

    domain_type: Fields
    domain: Mapping[str, object]
    types: tuple[tuple[str, Fields], ...]
    primary_type: str
    message: Mapping[str, object] = field(repr=False)

    def digest(self) -> bytes:
        """Return the 32 bytes that are signed: keccak(0x1901 || domainSeparator || structHash).

        Raises:
            ValueError: A member is missing, of another kind than its type, or out of range.
        """
        return keccak256(b"\x19\x01" + self.domain_separator() + self.struct_hash())

    def domain_separator(self) -> bytes:
        """Return the 32-byte hash of the domain."""
        # Keyed with the types of the values, because True == 1 == 1.0 are one key.
        values = tuple((name, type(value), value) for name, value in self.domain.items())
        try:
            return _domain_hash(self.domain_type, values)
        except TypeError:  # not hashable, so it fits no atomic type
            raise ValueError("the members of a domain are text, numbers or bytes") from None

    def struct_hash(self) -> bytes:
        """Return the 32-byte hash of the message."""
        return _struct_hash(self.primary_type, self.types, self.message)

    def to_json(self) -> dict[str, object]:
        """Return the object that wallets take over JSON-RPC: bytes as hex, integers as decimals."""
        every = (("EIP712Domain", self.domain_type), *self.types)
        return {
            "types": {name: [{"name": n, "type": t} for n, t in fields] for name, fields in every},
            "primaryType": self.primary_type,
            "domain": _plain(self.domain),
            "message": _plain(self.message),
        }


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value) if abs(value) > 2**53 else value
    if isinstance(value, Mapping):
        members = cast(Mapping[object, object], value)
        return {str(k): _plain(v) for k, v in members.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in cast(Sequence[object], value)]
    return value


@lru_cache(maxsize=256)
def _domain_hash(fields: Fields, values: tuple[tuple[str, type, object], ...]) -> bytes:
    """Return the hash of a domain; a process signs for few of them, over and over."""
    domain = {name: value for name, _, value in values}
    return _struct_hash("EIP712Domain", (("EIP712Domain", fields),), domain)


@lru_cache(maxsize=256)
def _type_hash(name: str, types: tuple[tuple[str, Fields], ...]) -> bytes:
    """Return keccak of encodeType: the struct, then what it refers to in order of name."""
    by_name = dict(types)
    if name not in by_name:
        raise ValueError(f"the type {name!r} is not among the types of this message")
    found: set[str] = set()
    queue = [name]
    while queue:
        current = queue.pop()
        if current in found:
            continue
        found.add(current)
        bases = (kind.split("[", 1)[0] for _, kind in by_name[current])
        queue.extend(base for base in bases if base in by_name)
    ordered = [name, *sorted(found - {name})]
    text = "".join(f"{n}({','.join(f'{k} {v}' for v, k in by_name[n])})" for n in ordered)
    return keccak256(text.encode())


def _struct_hash(
    name: str, types: tuple[tuple[str, Fields], ...], value: Mapping[str, object]
) -> bytes:
    parts = [_type_hash(name, types)]
    by_name = dict(types)
    for member, kind in by_name[name]:
        if member not in value:
            raise ValueError(f"{name}.{member} is missing")
        parts.append(_encode(f"{name}.{member}", kind, types, by_name, value[member]))
    return keccak256(b"".join(parts))


def _encode(
    where: str,
    kind: str,
    types: tuple[tuple[str, Fields], ...],
    by_name: Mapping[str, Fields],
    value: object,
) -> bytes:
    if kind in by_name:
        if not isinstance(value, Mapping):
            raise ValueError(f"{where} must be an object")
        return _struct_hash(kind, types, cast(Mapping[str, object], value))
    if kind[-1] == "]" and (array := _ARRAY.match(kind)):
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise ValueError(f"{where} must be a list")
        items = cast(Sequence[object], value)
        if array[2] and len(items) != int(array[2]):
            raise ValueError(f"{where} must have {array[2]} items")
        return keccak256(b"".join(_encode(where, array[1], types, by_name, item) for item in items))
    return _encode_atom(where, kind, value)


def _encode_atom(where: str, kind: str, value: object) -> bytes:
    if kind == "string" and isinstance(value, str):
        return keccak256(value.encode())
    if kind == "bytes" and isinstance(value, bytes):
        return keccak256(value)
    if kind == "bool" and isinstance(value, bool):
        return int(value).to_bytes(32, "big")
    if kind == "address" and isinstance(value, str) and len(value) == 42:
        return bytes.fromhex(value[2:]).rjust(32, b"\0")
    if isinstance(value, bytes) and (fixed := _FIXED_BYTES.match(kind)):
        if len(value) != int(fixed[1]):
            raise ValueError(f"{where} must have {fixed[1]} bytes, not {len(value)}")
        return value.ljust(32, b"\0")
    if type(value) is int and (bounds := _bounds(kind)):
        if not bounds[0] <= value < bounds[1]:
            raise ValueError(f"{where} = {value} does not fit {kind}")
        return value.to_bytes(32, "big", signed=bounds[0] < 0)
    raise ValueError(f"{where} must be {kind}, not {type(value).__name__}")


@lru_cache(maxsize=64)
def _bounds(kind: str) -> tuple[int, int] | None:
    """Return the lowest and one past the highest value of an integer type."""
    match = _INTEGER.match(kind)
    if match is None:
        return None
    bits = int(match[2])
    return (0, 1 << bits) if match[1] else (-(1 << bits - 1), 1 << bits - 1)

"""Encoding and decoding of plain type lists, as Solidity's ``abi.encode`` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .kinds import AbiError, Reader, Struct
from .parsing import parse_parameters

MAX_BYTES: Final = 1 << 24
"""The longest data that is decoded, in bytes (16 MiB; a registry of 1000 nodes takes 1.4 MB)."""


def encode(types: Sequence[str], values: Sequence[object]) -> bytes:
    """Return ``abi.encode`` of ``values``.

    Raises:
        AbiError: A value is of another kind than its type, or out of its range.
    """
    return parse_parameters(f"({','.join(types)})").kind.encode(tuple(values))


def decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Return the values that ``data`` encodes. Bytes behind the last value are allowed.

    Raises:
        AbiError: ``data`` is no such encoding, or longer than ``MAX_BYTES``.
    """
    return decode_struct(parse_parameters(f"({','.join(types)})").kind, data)


def decode_struct(kind: Struct, data: bytes) -> tuple[Any, ...]:
    """Return the members of ``kind`` that ``data`` encodes; see `decode`."""
    if len(data) > MAX_BYTES:
        raise AbiError(f"{len(data)} bytes are more than the {MAX_BYTES} that are decoded")
    return kind.read(Reader(data), 0)

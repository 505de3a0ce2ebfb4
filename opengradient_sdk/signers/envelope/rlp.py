"""Recursive length prefix: how Ethereum writes nested lists of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

Item = bytes | Sequence["Item"]
"""What RLP knows: bytes, or a list of items."""

_SHORT: Final = 55
_BYTES: Final = 0x80
_LIST: Final = 0xC0
_DEEPEST: Final = 8  # no transaction nests deeper than four


def encode(item: Item) -> bytes:
    """Return ``item`` in the one encoding it has."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < _BYTES:
            return item
        return _head(len(item), _BYTES) + item
    body = b"".join([encode(part) for part in item])
    return _head(len(body), _LIST) + body


def integer(value: int) -> bytes:
    """Return ``value`` as RLP writes numbers: big-endian, no leading zero, nothing for zero.

    Raises:
        OverflowError: ``value`` is negative or has more than 256 bits.
    """
    if value >> 256:  # -1 for every negative number
        raise OverflowError(f"{value} does not fit into 256 bits without a sign")
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode(raw: bytes) -> Item:
    """Return the item that ``raw`` holds.

    Lenient about the form: who needs the one canonical form encodes the item again and compares.

    Raises:
        ValueError: ``raw`` is cut short, goes on behind the item, or nests too deeply.
    """
    item, end = _item(raw, 0, _DEEPEST)
    if end != len(raw):
        raise ValueError(f"{len(raw) - end} bytes follow the item")
    return item


def _item(raw: bytes, at: int, depth: int) -> tuple[Item, int]:
    if not depth:
        raise ValueError("the lists nest too deeply")
    start, end = _span(raw, at)
    if raw[at] < _LIST:
        return raw[start:end], end
    parts: list[Item] = []
    while start < end:
        part, start = _item(raw, start, depth - 1)
        parts.append(part)
    if start != end:
        raise ValueError("an item is longer than its list")
    return parts, end


def _span(raw: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the item at ``at`` starts and ends, inside ``raw``."""
    if at >= len(raw):
        raise ValueError("the bytes end before the item")
    head = raw[at]
    if head < _BYTES:
        return at, at + 1
    start = at + 1
    size = head - (_BYTES if head < _LIST else _LIST)
    if size > _SHORT:
        start += size - _SHORT
        size = int.from_bytes(raw[at + 1 : start], "big")
    if start + size > len(raw):
        raise ValueError("the bytes end inside an item")
    return start, start + size


def _head(size: int, offset: int) -> bytes:
    if size <= _SHORT:
        return bytes([offset + size])
    digits = integer(size)
    return bytes([offset + _SHORT + len(digits)]) + digits

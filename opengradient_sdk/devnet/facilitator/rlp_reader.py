"""Just enough RLP to take a signed transaction apart and to know what was signed."""

from __future__ import annotations

from dataclasses import dataclass, field

_SHORT = 55
_STRING, _LONG_STRING, _LIST, _LONG_LIST = 0x80, 0xB7, 0xC0, 0xF7


@dataclass(frozen=True, slots=True)
class Item:
    """One member of a list: its bytes without the header, and where the next one begins."""

    content: bytes = field(repr=False)
    is_list: bool
    end: int

    def integer(self) -> int:
        """Return the member as a big-endian integer.

        Raises:
            ValueError: It is a list, has more than 32 bytes, or a leading zero.
        """
        if self.is_list or len(self.content) > 32 or self.content[:1] == b"\0":
            raise ValueError("not an RLP integer")
        return int.from_bytes(self.content, "big")


def read_list(data: bytes) -> tuple[bytes, list[Item]]:
    """Return the payload of the one list that ``data`` is, and the list's members.

    Raises:
        ValueError: ``data`` is no canonical RLP list, or something follows it.
    """
    outer = _item(data, 0)
    if not outer.is_list or outer.end != len(data):
        raise ValueError("not one RLP list")
    items: list[Item] = []
    while (start := items[-1].end if items else 0) < len(outer.content):
        items.append(_item(outer.content, start))
    return outer.content, items


def list_of(payload: bytes) -> bytes:
    """Return ``payload`` (members, already encoded) as an RLP list."""
    if len(payload) <= _SHORT:
        return bytes([_LIST + len(payload)]) + payload
    length = len(payload).to_bytes((len(payload).bit_length() + 7) // 8, "big")
    return bytes([_LONG_LIST + len(length)]) + length + payload


def _item(data: bytes, start: int) -> Item:
    if start >= len(data):
        raise ValueError("RLP ends too early")
    prefix = data[start]
    if prefix < _STRING:
        return Item(data[start : start + 1], is_list=False, end=start + 1)
    is_list = prefix >= _LIST
    long_form = _LONG_LIST if is_list else _LONG_STRING
    if prefix <= long_form:
        begin, size = start + 1, prefix - (_LIST if is_list else _STRING)
    else:
        begin = start + 1 + prefix - long_form
        length = data[start + 1 : begin]
        size = int.from_bytes(length, "big")
        if length[:1] == b"\0" or size <= _SHORT:
            raise ValueError("an RLP length is not minimal")
    content = data[begin : begin + size]
    if len(content) != size:
        raise ValueError("RLP ends too early")
    if not is_list and size == 1 and content[0] < _STRING:
        raise ValueError("an RLP byte is not minimal")
    return Item(content, is_list=is_list, end=begin + size)

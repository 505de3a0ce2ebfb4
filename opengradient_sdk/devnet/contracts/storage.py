"""Contract storage as the Solidity compiler lays it out (see "Layout in Storage" in its manual)."""

from __future__ import annotations

from typing import Final

from ...types import keccak256

_WORD: Final = 32
_LONGEST_SHORT: Final = 31


def word(value: int | bytes) -> bytes:
    """Return a value as the 32 bytes of a word: numbers and addresses to the right."""
    if isinstance(value, bytes):
        return value.rjust(_WORD, b"\0")
    return value.to_bytes(_WORD, "big")


def mapping_slot(slot: int, *keys: int | bytes) -> int:
    """Return where a mapping, or a mapping of mappings, keeps the value of its key or keys.

    Keys are value types: numbers, or the bytes of an address or of a bytes32.
    """
    for key in keys:
        slot = int.from_bytes(keccak256(word(key) + word(slot)), "big")
    return slot


def namespaced_slot(namespace: str) -> int:
    """Return the slot of a storage namespace (ERC-7201)."""
    outer = word(int.from_bytes(keccak256(namespace.encode()), "big") - 1)
    return int.from_bytes(keccak256(outer)[:-1] + b"\0", "big")


def short_text(text: str) -> bytes:
    """Return the word of a text under 32 bytes, as OpenZeppelin keeps it in an immutable.

    Raises:
        ValueError: The text is longer; it has no such word.
    """
    data = text.encode()
    if len(data) > _LONGEST_SHORT:
        raise ValueError(f"a short text has at most {_LONGEST_SHORT} bytes: {text!r}")
    return data.ljust(_LONGEST_SHORT, b"\0") + bytes([len(data)])


def bytes_slots(slot: int, data: bytes) -> dict[int, int]:
    """Return the slots of a ``bytes`` or ``string`` variable that holds the data."""
    if len(data) <= _LONGEST_SHORT:
        return {slot: int.from_bytes(data.ljust(_WORD, b"\0"), "big") | 2 * len(data)}
    first = int.from_bytes(keccak256(word(slot)), "big")
    slots = {slot: 2 * len(data) + 1}
    for start in range(0, len(data), _WORD):
        piece = data[start : start + _WORD].ljust(_WORD, b"\0")
        slots[first + start // _WORD] = int.from_bytes(piece, "big")
    return slots


def uint8_array_slots(slot: int, values: bytes) -> dict[int, int]:
    """Return the slots of a ``uint8[]`` variable: 32 of them share a word, the first one lowest."""
    first = int.from_bytes(keccak256(word(slot)), "big")
    slots = {slot: len(values)}
    for start in range(0, len(values), _WORD):
        slots[first + start // _WORD] = int.from_bytes(values[start : start + _WORD], "little")
    return slots

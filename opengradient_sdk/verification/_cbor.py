"""As much CBOR (RFC 8949) as attestation documents need, and nothing that is not needed.

Integers, byte and text strings, arrays, maps, null and booleans, in their shortest encoding only.
Maps may have an indefinite length, because the Nitro hypervisor writes them so; no other indefinite
length, no float, no tag and no duplicate key is read. Size and nesting are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from ._shapes import is_array

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 16

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_INDEFINITE: Final = 31
_BREAK: Final = b"\xff"
_FALSE, _TRUE, _NULL = 20, 21, 22
_CONSTANTS: Final = {_FALSE: False, _TRUE: True, _NULL: None}
# the bytes of an argument by its length code, and the least value that needs so many
_ARGUMENTS: Final = {24: (1, 24), 25: (2, 1 << 8), 26: (4, 1 << 16), 27: (8, 1 << 32)}
_LEAST_CODE: Final = min(_ARGUMENTS)


def decode(data: bytes) -> object:
    """Return the one value that ``data`` encodes: int, bytes, str, list, dict, bool or None.

    Raises:
        ValueError: Not one complete value of the accepted kinds, in its shortest form and within
            the bounds.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"CBOR of {len(data)} bytes is longer than {MAX_BYTES}")
    reader = _Reader(data)
    value = reader.value(MAX_DEPTH)
    if reader.remaining:
        raise ValueError(f"CBOR is followed by {reader.remaining} bytes")
    return value


def encode(value: object) -> bytes:
    """Return the CBOR of a value in its shortest form; a dict keeps its order.

    Raises:
        ValueError: A value of another kind than ``decode`` returns, or an integer over 64 bits.
    """
    match value:
        case None:
            return _head(_SIMPLE, _NULL)
        case bool():
            return _head(_SIMPLE, _TRUE if value else _FALSE)
        case int():
            return _head(_UINT, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
        case bytes():
            return _head(_BYTES, len(value)) + value
        case str():
            text = value.encode()
            return _head(_TEXT, len(text)) + text
        case dict():
            members = cast(Mapping[object, object], value).items()
            body = b"".join(encode(key) + encode(member) for key, member in members)
            return _head(_MAP, len(members)) + body
        case _ if is_array(value):
            return _head(_ARRAY, len(value)) + b"".join(encode(item) for item in value)
        case _:
            raise ValueError(f"no CBOR for {type(value).__name__}")


def _head(major: int, argument: int) -> bytes:
    if argument < _LEAST_CODE:
        return bytes([major << 5 | argument])
    for code, (size, _) in _ARGUMENTS.items():
        if argument < 1 << 8 * size:
            return bytes([major << 5 | code]) + argument.to_bytes(size, "big")
    raise ValueError("no CBOR for an integer over 64 bits")


class _Reader:
    """A position in CBOR data; every read is checked against the end.

    A document has some sixty items: heads and byte strings, which most of them are, are read
    without a call of their own.
    """

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)

    @property
    def remaining(self) -> int:
        return self._end - self._at

    def value(self, depth: int) -> object:
        if depth == 0:
            raise ValueError(f"CBOR is nested deeper than {MAX_DEPTH}")
        at = self._at
        if at == self._end:
            raise _early(1)
        initial = self._data[at]
        self._at = at + 1
        major, code = initial >> 5, initial & 0x1F
        if major == _MAP and code == _INDEFINITE:
            return self._open_map(depth)
        argument = code if code < _LEAST_CODE else self._argument(code)
        if major == _BYTES:
            return self._take(argument)
        if major == _UINT:
            return argument
        match major:
            case 1:
                return -1 - argument
            case 3:
                return self._take(argument).decode()  # a UnicodeDecodeError is a ValueError
            case 4:
                return self._array(argument, depth)
            case 5:
                return self._map(argument, depth)
            case 7 if code in _CONSTANTS:
                return _CONSTANTS[code]
            case _:
                raise ValueError(f"CBOR item 0x{initial:02x} is not accepted here")

    def _argument(self, code: int) -> int:
        if code not in _ARGUMENTS:
            raise ValueError(f"CBOR length code {code} is not accepted here")
        size, least = _ARGUMENTS[code]
        argument = int.from_bytes(self._take(size), "big")
        if argument < least:
            raise ValueError("CBOR is not in its shortest form")
        return argument

    def _array(self, count: int, depth: int) -> list[object]:
        self._require(count)
        return [self.value(depth - 1) for _ in range(count)]

    def _map(self, count: int, depth: int) -> dict[int | bytes | str, object]:
        self._require(2 * count)
        members: dict[int | bytes | str, object] = {}
        for _ in range(count):
            self._member(members, depth)
        return members

    def _open_map(self, depth: int) -> dict[int | bytes | str, object]:
        members: dict[int | bytes | str, object] = {}
        while self._data[self._at : self._at + 1] != _BREAK:
            self._member(members, depth)
        self._at += 1
        return members

    def _member(self, members: dict[int | bytes | str, object], depth: int) -> None:
        key = self.value(depth - 1)
        if isinstance(key, bool) or not isinstance(key, int | bytes | str):
            raise ValueError("a CBOR map has a key that is neither number, bytes nor text")
        if key in members:
            raise ValueError(f"a CBOR map has the key {key!r} twice")
        members[key] = self.value(depth - 1)

    def _take(self, size: int) -> bytes:
        start = self._at
        end = start + size
        if end > self._end:
            raise _early(end - self._end)
        self._at = end
        return self._data[start:end]

    def _require(self, size: int) -> None:
        # every item has at least one byte: a length that cannot be true is refused before it is
        # believed, and no claim of a document can make this reserve memory
        if size > self.remaining:
            raise _early(size - self.remaining)


def _early(missing: int) -> ValueError:
    return ValueError(f"CBOR ends {missing} bytes too early")

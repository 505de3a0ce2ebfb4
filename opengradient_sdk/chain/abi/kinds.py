"""The kinds of ABI values: how each is written and read, bit for bit.

Python values: integers are ``int``, addresses ``Address``, ``bytes32`` is ``Bytes32``, other bytes
are ``bytes``, arrays and structs are tuples. Reading is strict: padding must be zero, a tail lies
behind its head, and no byte is read twice (so that a few kilobytes cannot unfold into gigabytes).
"""
# ruff: noqa: D102 - what `encode` and `read` promise is said once, on Kind

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, cast

from ...types import Address, Bytes32

WORD: Final = 32


class AbiError(ValueError):
    """Data is not a valid encoding of its ABI type, or a value does not fit it."""


class Reader:
    """Encoded data, of which every byte can be read once."""

    __slots__ = ("_data", "_unread")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._unread = len(data)

    @property
    def size(self) -> int:
        """The length of the data in bytes."""
        return len(self._data)

    def take(self, at: int, size: int) -> bytes:
        """Return ``size`` bytes from position ``at``.

        Raises:
            AbiError: They lie beyond the end, or more was read by now than there is.
        """
        end = at + size
        if end > len(self._data):
            raise AbiError(f"the data ends at byte {len(self._data)}; byte {end} is needed")
        self._unread -= size
        if self._unread < 0:
            raise AbiError("several values claim the same bytes")
        return self._data[at:end]

    def word(self, at: int) -> int:
        """Return the 32-byte number at position ``at``."""
        return int.from_bytes(self.take(at, WORD), "big")


class Kind(ABC):
    """One ABI type.

    Attributes:
        name: Its canonical name, as it is hashed into selectors.
        dynamic: Whether its place in a head holds an offset to a tail.
        head_size: The bytes it takes in a head.
    """

    __slots__ = ("dynamic", "head_size", "name")

    def __init__(self, name: str, *, dynamic: bool = False, head_size: int = WORD) -> None:
        self.name = name
        self.dynamic = dynamic
        self.head_size = WORD if dynamic else head_size

    @abstractmethod
    def encode(self, value: object) -> bytes:
        """Return the encoding of ``value`` (its tail, for a dynamic kind)."""

    @abstractmethod
    def read(self, reader: Reader, at: int) -> Any:  # noqa: ANN401 - each kind has its own
        """Return the value encoded at position ``at``."""

    def _misfit(self, value: object) -> AbiError:
        return AbiError(f"{self.name} cannot hold {type(value).__name__} {str(value)[:80]!r}")


class Integer(Kind):
    """``uintN`` and ``intN``."""

    __slots__ = ("_high", "_low", "_signed")

    def __init__(self, bits: int, *, signed: bool) -> None:
        super().__init__(f"{'int' if signed else 'uint'}{bits}")
        self._signed = signed
        self._low = -(1 << bits - 1) if signed else 0
        self._high = 1 << (bits - 1 if signed else bits)

    def encode(self, value: object) -> bytes:
        if type(value) is not int or not self._low <= value < self._high:
            raise self._misfit(value)
        return value.to_bytes(WORD, "big", signed=self._signed)

    def read(self, reader: Reader, at: int) -> int:
        value = int.from_bytes(reader.take(at, WORD), "big", signed=self._signed)
        if not self._low <= value < self._high:
            raise AbiError(f"{value} does not fit {self.name}")
        return value


class AddressKind(Kind):
    """``address``."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("address")

    def encode(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise self._misfit(value)
        try:
            return Address(value).to_bytes().rjust(WORD, b"\0")
        except ValueError as error:
            raise AbiError(str(error)) from None

    def read(self, reader: Reader, at: int) -> Address:
        word = reader.take(at, WORD)
        if any(word[:12]):
            raise AbiError("an address is padded with something other than zeros")
        return Address.from_bytes(word[12:])


class Bool(Kind):
    """``bool``."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("bool")

    def encode(self, value: object) -> bytes:
        if not isinstance(value, bool):
            raise self._misfit(value)
        return int(value).to_bytes(WORD, "big")

    def read(self, reader: Reader, at: int) -> bool:
        value = reader.word(at)
        if value > 1:
            raise AbiError("a bool is neither 0 nor 1")
        return value == 1


class FixedBytes(Kind):
    """``bytes1`` to ``bytes32``; exactly that many bytes are taken and given."""

    __slots__ = ("_size",)

    def __init__(self, size: int) -> None:
        super().__init__(f"bytes{size}")
        self._size = size

    def encode(self, value: object) -> bytes:
        if not isinstance(value, bytes) or len(value) != self._size:
            raise self._misfit(value)
        return bytes(value).ljust(WORD, b"\0")

    def read(self, reader: Reader, at: int) -> bytes:
        word = reader.take(at, WORD)
        if self._size == WORD:
            return Bytes32(word)
        if any(word[self._size :]):
            raise AbiError(f"{self.name} is padded with something other than zeros")
        return word[: self._size]


class Bytes(Kind):
    """``bytes``."""

    __slots__ = ()

    def __init__(self, name: str = "bytes") -> None:
        super().__init__(name, dynamic=True)

    def encode(self, value: object) -> bytes:
        if not isinstance(value, bytes):
            raise self._misfit(value)
        return len(value).to_bytes(WORD, "big") + value + bytes(-len(value) % WORD)

    def read(self, reader: Reader, at: int) -> Any:  # noqa: ANN401 - String reads text
        size = reader.word(at)
        padded = reader.take(at + WORD, size + -size % WORD)
        if any(padded[size:]):
            raise AbiError(f"{self.name} is padded with something other than zeros")
        return padded[:size]


class String(Bytes):
    """``string``: UTF-8 text."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("string")

    def encode(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise self._misfit(value)
        try:
            return super().encode(value.encode())
        except UnicodeEncodeError:
            raise AbiError("a string holds half a surrogate pair") from None

    def read(self, reader: Reader, at: int) -> str:
        raw: bytes = super().read(reader, at)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise AbiError("a string is not UTF-8") from None


class Struct(Kind):
    """A tuple: a head of values and offsets, then the tails."""

    __slots__ = ("members",)

    def __init__(self, members: Sequence[Kind]) -> None:
        self.members = tuple(members)
        super().__init__(
            f"({','.join(kind.name for kind in self.members)})",
            dynamic=any(kind.dynamic for kind in self.members),
            head_size=sum(kind.head_size for kind in self.members),
        )

    def encode(self, value: object) -> bytes:
        values = _sequence(value)
        if values is None or len(values) != len(self.members):
            raise AbiError(f"{self.name} takes {len(self.members)} values")
        return _encode_row(self.members, values)

    def read(self, reader: Reader, at: int) -> tuple[Any, ...]:
        return _read_row(self.members, reader, at)


class Array(Kind):
    """``T[]`` and ``T[n]``."""

    __slots__ = ("_item", "_length")

    def __init__(self, item: Kind, length: int | None) -> None:
        if item.head_size == 0 or length == 0:
            raise AbiError("an array of nothing has no encoding")
        super().__init__(
            f"{item.name}[{'' if length is None else length}]",
            dynamic=length is None or item.dynamic,
            head_size=item.head_size * (length or 0),
        )
        self._item = item
        self._length = length

    def encode(self, value: object) -> bytes:
        values = _sequence(value)
        if values is None or self._length not in (None, len(values)):
            raise self._misfit(value)
        count = len(values).to_bytes(WORD, "big") if self._length is None else b""
        return count + _encode_row((self._item,) * len(values), values)

    def read(self, reader: Reader, at: int) -> tuple[Any, ...]:
        if self._length is not None:
            return _read_row((self._item,) * self._length, reader, at)
        length = reader.word(at)
        if length > reader.size // self._item.head_size:
            raise AbiError(f"{self.name} claims {length} items, more than the data can hold")
        return _read_row((self._item,) * length, reader, at + WORD)


def _sequence(value: object) -> Sequence[object] | None:
    return cast(Sequence[object], value) if isinstance(value, list | tuple) else None


def _encode_row(kinds: Sequence[Kind], values: Sequence[object]) -> bytes:
    tail_at = sum(kind.head_size for kind in kinds)
    heads: list[bytes] = []
    tails: list[bytes] = []
    for kind, value in zip(kinds, values, strict=True):
        encoded = kind.encode(value)
        if kind.dynamic:
            heads.append(tail_at.to_bytes(WORD, "big"))
            tails.append(encoded)
            tail_at += len(encoded)
        else:
            heads.append(encoded)
    return b"".join(heads + tails)


def _read_row(kinds: Sequence[Kind], reader: Reader, base: int) -> tuple[Any, ...]:
    heads_end = sum(kind.head_size for kind in kinds)
    values: list[Any] = []
    at = base
    for kind in kinds:
        if kind.dynamic:
            offset = reader.word(at)
            if offset < heads_end:
                raise AbiError(f"the offset of {kind.name} points into the head before it")
            values.append(kind.read(reader, base + offset))
        else:
            values.append(kind.read(reader, at))
        at += kind.head_size
    return tuple(values)

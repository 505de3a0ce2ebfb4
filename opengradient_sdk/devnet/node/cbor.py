"""The few CBOR types that an attestation document needs (RFC 8949, definite lengths only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

_UNSIGNED: Final = 0
_NEGATIVE: Final = 1
_BYTES: Final = 2
_TEXT: Final = 3
_ARRAY: Final = 4
_MAP: Final = 5
_NULL: Final = b"\xf6"


def encode(value: object) -> bytes:
    """Return the CBOR of integers, bytes, text, ``None``, sequences and mappings of these.

    Mappings keep their order.

    Raises:
        TypeError: A value of another type.
    """
    match value:
        case None:
            return _NULL
        case bool():
            raise TypeError("an attestation document has no booleans")
        case int():
            return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
        case bytes():
            return _head(_BYTES, len(value)) + value
        case str():
            text = value.encode()
            return _head(_TEXT, len(text)) + text
        case Mapping():
            content = cast(Mapping[object, object], value)
            pairs = b"".join(encode(key) + encode(item) for key, item in content.items())
            return _head(_MAP, len(content)) + pairs
        case Sequence():
            items = cast(Sequence[object], value)
            return _head(_ARRAY, len(items)) + b"".join(map(encode, items))
        case _:
            raise TypeError(f"no CBOR here for {type(value).__name__}")


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | code]) + argument.to_bytes(size)
    raise ValueError(f"{argument} does not fit into eight bytes")

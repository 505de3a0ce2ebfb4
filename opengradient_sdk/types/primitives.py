"""Addresses and hashes: hex and bytes never mix without a type."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Self

from .keccak import keccak256

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")


@lru_cache(maxsize=4096)
def _checksummed(lowered: str) -> str:
    digest = keccak256(lowered[2:].encode()).hex()
    digits = (
        c.upper() if int(d, 16) >= 8 else c for c, d in zip(lowered[2:], digest, strict=False)
    )
    return "0x" + "".join(digits)


class Address(str):
    """A 20-byte account or contract address, always written with its EIP-55 checksum.

    Accepts ``0x`` and 40 hex digits (all lower case, all upper case, or correctly checksummed) or
    another ``Address``; comparing two of them is comparing strings.

    Raises:
        ValueError: Not an address, or mixed case whose checksum does not match (EIP-55).
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Return the checksummed address that ``value`` spells."""
        if type(value) is cls:
            return value
        if not _ADDRESS.match(value):
            raise ValueError(f"not an address: {value[:64]!r} (0x and 40 hex digits are needed)")
        checksummed = _checksummed("0x" + value[2:].lower())
        digits = value[2:]
        if value != checksummed and digits not in (digits.lower(), digits.upper()):
            raise ValueError(f"address {value} has a wrong EIP-55 checksum; is a digit mistyped?")
        return super().__new__(cls, checksummed)

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """Return the address of exactly 20 bytes."""
        if len(value) != 20:
            raise ValueError(f"an address has 20 bytes, not {len(value)}")
        return cls("0x" + value.hex())

    def to_bytes(self) -> bytes:
        """Return the 20 bytes."""
        return bytes.fromhex(self[2:])


class Bytes32(bytes):
    """Exactly 32 bytes: a transaction hash, a tee id, a PCR hash; printed as 0x-hex.

    Accepts 32 bytes, or 64 hex digits with or without ``0x``.

    Raises:
        ValueError: Another length, or not hex.
    """

    __slots__ = ()

    def __new__(cls, value: bytes | str) -> Self:
        """Return the 32 bytes that ``value`` holds or spells."""
        if type(value) is cls:
            return value
        if isinstance(value, str):
            try:
                value = bytes.fromhex(value.removeprefix("0x"))
            except ValueError:
                raise ValueError(f"not hex: {value[:80]!r}") from None
        if len(value) != 32:
            raise ValueError(f"32 bytes are needed, not {len(value)}")
        return super().__new__(cls, value)

    def __str__(self) -> str:
        return "0x" + self.hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}('0x{self.hex()}')"


def hex_to_bytes(value: str) -> bytes:
    """Return the bytes of ``0x``-prefixed hex.

    Raises:
        ValueError: No ``0x``, an odd number of digits, or not hex.
    """
    if not value.startswith("0x"):
        raise ValueError(f"hex without 0x: {value[:40]!r}")
    return bytes.fromhex(value[2:])


def bytes_to_hex(value: bytes) -> str:
    """Return ``0x``-prefixed lower-case hex."""
    return "0x" + value.hex()

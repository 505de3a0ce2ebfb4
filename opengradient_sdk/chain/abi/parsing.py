"""From Solidity's notation to ABI kinds: ``(address indexed from, uint256[] amounts)``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .kinds import (
    AbiError,
    AddressKind,
    Array,
    Bool,
    Bytes,
    FixedBytes,
    Integer,
    Kind,
    String,
    Struct,
)

_TOKEN: Final = re.compile(r"\s*([A-Za-z_$][\w$]*|\d+|[()\[\],])")
_INTEGER: Final = re.compile(r"(u?)int(\d*)\Z")
_FIXED_BYTES: Final = re.compile(r"bytes(\d+)\Z")
_PLAIN: Final[dict[str, Kind]] = {
    "address": AddressKind(),
    "bool": Bool(),
    "bytes": Bytes(),
    "string": String(),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """A parsed parameter list.

    Attributes:
        kind: The list as one ABI tuple.
        names: A name for each parameter, empty where none was written.
        indexed: Whether each is marked ``indexed`` (events only).
    """

    kind: Struct
    names: tuple[str, ...]
    indexed: tuple[bool, ...]


@lru_cache(maxsize=512)
def parse_parameters(text: str) -> Parameters:
    """Return the kinds, names and marks of a parenthesised list such as ``(address to, bytes)``.

    Raises:
        AbiError: Not a parameter list, or a type that has no encoding here.
    """
    parser = _Parser(text)
    parameters = parser.parameters()
    parser.end()
    return parameters


class _Parser:
    """A recursive descent over the tokens of one list."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._at = 0

    def parameters(self) -> Parameters:
        self._expect("(")
        kinds: list[Kind] = []
        names: list[str] = []
        indexed: list[bool] = []
        while self._peek() != ")":
            if kinds:
                self._expect(",")
            kinds.append(self._kind())
            indexed.append(self._accept("indexed"))
            names.append(self._next() if self._peek() not in (",", ")", "") else "")
        self._expect(")")
        return Parameters(Struct(kinds), tuple(names), tuple(indexed))

    def end(self) -> None:
        if self._at != len(self._text):
            raise self._error("nothing more")

    def _kind(self) -> Kind:
        kind = self.parameters().kind if self._peek() == "(" else _elementary(self._next())
        while self._accept("["):
            length = None if self._peek() == "]" else self._next()
            if length is not None and not length.isdecimal():
                raise self._error("a length")
            kind = Array(kind, None if length is None else int(length))
            self._expect("]")
        return kind

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return match[1] if match else ""

    def _next(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise self._error("a name or a type")
        self._at = match.end()
        return match[1]

    def _accept(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._next()
        return True

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise self._error(f"{token!r}")

    def _error(self, wanted: str) -> AbiError:
        return AbiError(f"{wanted} expected at {self._at} of {self._text[:200]!r}")


def _elementary(name: str) -> Kind:
    if name in _PLAIN:
        return _PLAIN[name]
    if match := _INTEGER.match(name):
        bits = int(match[2] or 256)
        if bits % 8 == 0 and 8 <= bits <= 256:
            return Integer(bits, signed=not match[1])
    if (match := _FIXED_BYTES.match(name)) and 1 <= int(match[1]) <= 32:
        return FixedBytes(int(match[1]))
    raise AbiError(f"not an ABI type: {name!r}")

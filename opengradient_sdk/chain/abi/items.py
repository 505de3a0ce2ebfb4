"""Functions and events of a contract, written as Solidity writes them."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from ...types import Bytes32, Log, keccak256
from .codec import decode_struct
from .kinds import AbiError
from .parsing import Parameters, parse_parameters

_SELECTOR_BYTES: Final = 4


def _split(text: str) -> tuple[str, Parameters]:
    name, bracket, rest = text.partition("(")
    if not bracket or not name.strip().isidentifier():
        raise AbiError(f"not a signature: {text[:200]!r}")
    return name.strip(), parse_parameters(bracket + rest)


class Function:
    """A contract function: its selector, its calldata and its results.

    Nothing is parsed or hashed before it is needed: declaring contracts costs no import time.

    Args:
        signature: ``approve(address spender, uint256 amount)``; names are optional.
        returns: The result types, ``bool`` or ``uint8[], (string,uint256)[]``.
    """

    def __init__(self, signature: str, returns: str = "") -> None:
        self._text = signature
        self._returns = returns

    @cached_property
    def name(self) -> str:
        """The function's bare name."""
        return _split(self._text)[0]

    @cached_property
    def inputs(self) -> Parameters:
        """The parameters."""
        return _split(self._text)[1]

    @cached_property
    def outputs(self) -> Parameters:
        """The results."""
        return parse_parameters(f"({self._returns})")

    @cached_property
    def signature(self) -> str:
        """The canonical signature that is hashed."""
        return self.name + self.inputs.kind.name

    @cached_property
    def selector(self) -> bytes:
        """The first 4 bytes of calldata."""
        return keccak256(self.signature.encode())[:_SELECTOR_BYTES]

    def encode(self, *args: object) -> bytes:
        """Return calldata for a call with ``args``.

        Raises:
            AbiError: An argument is missing, of the wrong kind, or out of range.
        """
        return self.selector + self.inputs.kind.encode(args)

    def decode_args(self, calldata: bytes) -> tuple[Any, ...]:
        """Return the arguments of a call. Bytes behind them, such as attribution tags, are allowed.

        Raises:
            AbiError: A call of another function, or arguments that are no valid encoding.
        """
        if calldata[:_SELECTOR_BYTES] != self.selector:
            raise AbiError(f"not a call of {self.signature}: 0x{calldata[:_SELECTOR_BYTES].hex()}")
        return decode_struct(self.inputs.kind, calldata[_SELECTOR_BYTES:])

    def decode_result(self, data: bytes) -> tuple[Any, ...]:
        """Return the results, always as a tuple.

        Raises:
            AbiError: ``data`` is not what this function returns.
        """
        return decode_struct(self.outputs.kind, data)

    def __repr__(self) -> str:
        return f"Function({self._text!r}, {self._returns!r})"


class Event:
    """A contract event: its topic and the values of its logs.

    Args:
        signature: ``Transfer(address indexed sender, address indexed recipient, uint256 amount)``;
            every parameter has a name.
    """

    def __init__(self, signature: str) -> None:
        self._text = signature

    @cached_property
    def inputs(self) -> Parameters:
        """The parameters, indexed and not."""
        return _split(self._text)[1]

    @cached_property
    def signature(self) -> str:
        """The canonical signature that is hashed."""
        return _split(self._text)[0] + self.inputs.kind.name

    @cached_property
    def topic(self) -> Bytes32:
        """The first topic of every log of this event."""
        return Bytes32(keccak256(self.signature.encode()))

    @cached_property
    def _indexed(self) -> Parameters:
        return self._part(indexed=True)

    @cached_property
    def _plain(self) -> Parameters:
        return self._part(indexed=False)

    def _part(self, *, indexed: bool) -> Parameters:
        every = zip(self.inputs.kind.members, self.inputs.names, self.inputs.indexed, strict=True)
        chosen = [(kind, name) for kind, name, mark in every if mark is indexed]
        # Of an indexed value that is longer than a word, the log has only the hash.
        types = ["bytes32" if indexed and k.dynamic else k.name for k, _ in chosen]
        listed = ",".join(f"{t} {n}" for t, (_, n) in zip(types, chosen, strict=True))
        return parse_parameters(f"({listed})")

    def matches(self, log: Log) -> bool:
        """Whether ``log`` says that it is of this event."""
        return bool(log.topics) and log.topics[0] == self.topic

    def decode(self, log: Log) -> dict[str, Any]:
        """Return the values of ``log`` by parameter name, in the order of declaration.

        Raises:
            AbiError: Another event, or topics and data that do not fit this one.
        """
        if not self.matches(log):
            raise AbiError(f"not a log of {self.signature}")
        if len(log.topics) != 1 + len(self._indexed.names):
            raise AbiError(f"{self.signature} does not have {len(log.topics)} topics")
        topics = decode_struct(self._indexed.kind, b"".join(log.topics[1:]))
        values = dict(zip(self._indexed.names, topics, strict=True))
        data = decode_struct(self._plain.kind, log.data)
        values.update(zip(self._plain.names, data, strict=True))
        return {name: values[name] for name in self.inputs.names}

    def topics(self, **indexed: object) -> list[Bytes32 | None]:
        """Return the topics of a log filter: this event, with these indexed values.

        ``None`` stands for "any"; trailing ones are left out.

        Raises:
            AbiError: No such indexed parameter, or a value that does not fit it.
        """
        unknown = indexed.keys() - set(self._indexed.names)
        if unknown:
            raise AbiError(f"{self.signature} has no indexed {', '.join(sorted(unknown))}")
        wanted: list[Bytes32 | None] = [self.topic]
        for kind, name in zip(self._indexed.kind.members, self._indexed.names, strict=True):
            wanted.append(Bytes32(kind.encode(indexed[name])) if name in indexed else None)
        while wanted[-1] is None:
            wanted.pop()
        return wanted

    def __repr__(self) -> str:
        return f"Event({self._text!r})"

"""What all contracts share: reads as values, and one way to ask for a transaction."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from ...errors import ChainError
from ...types import Address, Bytes32, TxRequest
from ..abi import AbiError, Function
from ..blocks import BlockRef

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Caller(Protocol):
    """What a contract needs of a JSON-RPC client."""

    async def eth_call(self, to: Address, data: bytes, block: BlockRef = "latest") -> bytes:
        """Return what ``to`` answers to ``data``, as of ``block``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Read(Generic[T_co]):
    """One question to a contract, as a value: awaiting it asks, each time anew.

    Many of them are asked at once, and at one block, with ``chain.read_many``.

    Attributes:
        rpc: The chain that is asked.
        target: The contract.
        function: What is asked, for error messages.
        data: The calldata.
        decode: Makes the result of the returned bytes; raises ``AbiError`` for nonsense.
        block: The block whose state is asked.
    """

    rpc: Caller = field(repr=False)
    target: Address
    function: Function
    data: bytes = field(repr=False)
    decode: Callable[[bytes], T_co] = field(repr=False)
    block: BlockRef = "latest"

    def __await__(self) -> Generator[Any, None, T_co]:
        """Ask now.

        Raises:
            ChainError: No contract there, or it answered something else.
            RevertedError: The contract refused; its reason is decoded.
            RpcError: No endpoint answered.
        """
        return self._ask().__await__()

    async def _ask(self) -> T_co:
        return self.result(await self.rpc.eth_call(self.target, self.data, self.block))

    def result(self, answer: bytes) -> T_co:
        """Return what ``answer``, the bytes that the contract returned, says.

        Raises:
            ChainError: No contract there, or it answered something else.
        """
        if not answer:
            raise ChainError(
                f"no contract answers {self.function.name} at {self.target}",
                hint="compare the address and the chain of the RPC with your configuration",
            )
        try:
            return self.decode(answer)
        except AbiError as error:
            raise ChainError(
                f"{self.target} does not answer {self.function.signature} as expected: {error}",
                hint="is another contract at this address?",
            ) from error


class Contract:
    """A contract at an address, read through a JSON-RPC client."""

    def __init__(self, rpc: Caller, address: Address) -> None:
        self._rpc = rpc
        self.address = address

    def _read(
        self,
        function: Function,
        *args: object,
        into: Callable[..., T],
        block: BlockRef = "latest",
    ) -> Read[T]:
        """Return the question ``function(*args)``; ``into`` is called with its results."""
        return self._question(function, *args, decode=_results(function, into), block=block)

    def _question(
        self,
        function: Function,
        *args: object,
        decode: Callable[[bytes], T],
        block: BlockRef = "latest",
    ) -> Read[T]:
        data = function.encode(*args)
        return Read(self._rpc, self.address, function, data, decode, block)

    def _transaction(
        self, function: Function, *args: object, allow_spend: bool = False
    ) -> TxRequest:
        return TxRequest(to=self.address, data=function.encode(*args), allow_spend=allow_spend)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"


def hashes(words: Iterable[bytes]) -> tuple[Bytes32, ...]:
    """Return a list of ``bytes32`` as its own type."""
    return tuple(Bytes32(word) for word in words)


def _results(function: Function, into: Callable[..., T]) -> Callable[[bytes], T]:
    def decode(answer: bytes) -> T:
        return into(*function.decode_result(answer))

    return decode

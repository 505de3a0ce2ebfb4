"""What all contracts share: one way to read and one way to ask for a transaction."""

from __future__ import annotations

from typing import Any, Protocol

from ...errors import ChainError
from ...types import Address, TxRequest
from ..abi import AbiError, Function
from ..blocks import BlockRef


class Caller(Protocol):
    """What a contract needs of a JSON-RPC client."""

    async def eth_call(self, to: Address, data: bytes, block: BlockRef = "latest") -> bytes:
        """Return what ``to`` answers to ``data``, as of ``block``."""
        ...


class Contract:
    """A contract at an address, read through a JSON-RPC client."""

    def __init__(self, rpc: Caller, address: Address) -> None:
        self._rpc = rpc
        self.address = address

    async def _read(
        self, function: Function, *args: object, block: BlockRef = "latest"
    ) -> tuple[Any, ...]:
        """Return the results of ``function``.

        Raises:
            ChainError: No contract there, or it answered something else.
            RevertedError: The contract refused.
        """
        data = await self._rpc.eth_call(self.address, function.encode(*args), block)
        if not data:
            raise ChainError(
                f"no contract answers {function.name} at {self.address}",
                hint="compare the address and the chain of the RPC with your configuration",
            )
        try:
            return function.decode_result(data)
        except AbiError as error:
            raise ChainError(
                f"{self.address} does not answer {function.signature} as expected: {error}",
                hint="is another contract at this address?",
            ) from error

    def _transaction(
        self, function: Function, *args: object, allow_spend: bool = False
    ) -> TxRequest:
        return TxRequest(to=self.address, data=function.encode(*args), allow_spend=allow_spend)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"

"""What the rest of the Devnet needs from a chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ...types import Address


class GenesisAccount(Protocol):
    """One account of the state a chain starts with. ``balance`` is in wei."""

    @property
    def code(self) -> bytes:
        """The runtime code; empty for a wallet."""
        ...

    @property
    def storage(self) -> Mapping[int, int]:
        """Storage slots that are not zero."""
        ...

    @property
    def balance(self) -> int:
        """The balance in wei."""
        ...

    @property
    def nonce(self) -> int:
        """The number of transactions it has sent."""
        ...


Alloc = Mapping[Address, GenesisAccount]
"""The state of block 0, by address."""


class Evm(Protocol):
    """A chain that runs on this machine and answers JSON-RPC over HTTP.

    Its time is the clock it was made with: after the clock was moved, ``mine`` brings the chain
    along. ``finalized`` lags behind ``latest`` by the depth it was made with.
    """

    @property
    def chain_id(self) -> int:
        """The EIP-155 chain id."""
        ...

    @property
    def rpc_url(self) -> str:
        """Where JSON-RPC is served; known once the chain has started."""
        ...

    async def start(self) -> None:
        """Start the chain and its server; what was begun is undone when this fails."""
        ...

    async def stop(self) -> None:
        """Stop everything that ``start`` started; returns when it is gone."""
        ...

    async def mine(self, blocks: int = 1) -> None:
        """Mine ``blocks`` empty blocks at the clock's time."""
        ...

    async def request(self, method: str, params: Sequence[object] = ()) -> object:
        """Return the result of one JSON-RPC call.

        Raises:
            JsonRpcError: The chain answered with an error.
        """
        ...

"""The registry of nodes as the client uses it: fresh enough, and read once for all who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from .._core.clock import Clock
from ..chain.rpc import Rpc
from ..errors import (
    ConfigurationError,
    OpenGradientError,
    RegistryEmptyError,
    RegistryUnavailableError,
    WrongChainError,
)
from ..types import Address
from .reading import CHECK_RPC, read_active_tees
from .records import RegistrySnapshot, sort_out

MAX_AGE: Final = 300.0
"""How long a reading is used, in seconds."""


class Registry:
    """The nodes that the TEERegistry at ``address`` lists as active.

    Nothing is read before the first `snapshot`.

    Args:
        rpcs: One JSON-RPC client, or several that must give the same answer at the same block.
        address: The registry contract.
        chain_id: The chain it is on.
        clock: What a reading's age is measured by.
        max_age: How long a reading is used, in seconds.

    Raises:
        ConfigurationError: No JSON-RPC client.
    """

    def __init__(
        self,
        rpcs: Sequence[Rpc],
        address: Address,
        *,
        chain_id: int,
        clock: Clock,
        max_age: float = MAX_AGE,
    ) -> None:
        if not rpcs:
            raise ConfigurationError("the registry needs an RPC endpoint", hint=CHECK_RPC)
        self._rpcs = tuple(rpcs)
        self._address = address
        self._chain_id = chain_id
        self._clock = clock
        self._max_age = max_age
        self._reading = asyncio.Lock()
        self._snapshot: RegistrySnapshot | None = None
        self._last_result: RegistrySnapshot | OpenGradientError | None = None

    async def snapshot(self, *, refresh: bool = False) -> RegistrySnapshot:
        """Return the active nodes, read at most ``max_age`` ago; with ``refresh``, read anew.

        Callers that come while a reading is under way share its result, good or bad.

        **Trust**: the registry says what the configured endpoints say it says. With several,
        run by different people, a lie needs all of them.

        Raises:
            RegistryUnavailableError: An endpoint is down, the endpoints disagree, or there is no
                node registry at the address. Which nodes exist is then not known.
            RegistryEmptyError: The registry was read and lists no active node.
            WrongChainError: An endpoint serves another chain.
        """
        if not refresh and (fresh := self._fresh()):
            return fresh
        before = self._last_result
        async with self._reading:
            if self._last_result is not before:
                return _value(self._last_result)
            return await self._read()

    async def _read(self) -> RegistrySnapshot:
        # A cancelled reading leaves no result behind: the next in line reads for itself.
        try:
            snapshot = await self._take_snapshot()
        except (RegistryUnavailableError, RegistryEmptyError, WrongChainError) as failure:
            self._last_result = failure
            raise
        self._last_result = self._snapshot = snapshot
        return snapshot

    async def _take_snapshot(self) -> RegistrySnapshot:
        read_at = self._clock.now()
        reading = await read_active_tees(self._rpcs, self._address, self._chain_id)
        block = reading.block
        if not reading.tees:
            raise RegistryEmptyError(
                f"the registry {self._address} lists no active node at block {block.number}",
                hint="nodes drop out when their heartbeats stop; is this the network you mean?",
            )
        nodes, skipped = sort_out(reading.tees)
        return RegistrySnapshot(
            chain_id=self._chain_id,
            registry=self._address,
            block_number=block.number,
            block_hash=block.hash,
            block_timestamp=block.timestamp,
            read_at=read_at,
            rpc_urls=reading.endpoints,
            nodes=nodes,
            skipped=skipped,
            layout=reading.layout,
        )

    def _fresh(self) -> RegistrySnapshot | None:
        if self._snapshot is None:
            return None
        age = self._clock.now() - self._snapshot.read_at
        return self._snapshot if 0 <= age < self._max_age else None


def _value(result: RegistrySnapshot | OpenGradientError | None) -> RegistrySnapshot:
    if isinstance(result, RegistrySnapshot):
        return result
    assert result is not None  # a finished reading has a result
    raise result

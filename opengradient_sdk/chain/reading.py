"""What a chain can be asked without an account: calls, many at once, and events as they happen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from ..errors import ChainError
from ..profiles import ChainProfile
from ..types import Address, Bytes32, Log
from .blocks import BlockRef
from .rpc import Rpc

if TYPE_CHECKING:
    from web3 import AsyncWeb3
    from web3.providers.async_base import AsyncJSONBaseProvider

    from .contracts.base import Read
    from .contracts.events import Event
    from .following import Depth, Start
    from .logs import Cursor
    from .watch import Watch

T = TypeVar("T")


class ReadableChain:
    """One chain, to be read."""

    def __init__(self, rpc: Rpc, profile: ChainProfile) -> None:
        self.rpc = rpc
        self.profile = profile

    async def read(self, to: Address, data: bytes, block: BlockRef = "latest") -> bytes:
        """Return what calling ``to`` with ``data`` returns; nothing changes and nothing is paid.

        Raises:
            RevertedError: The call reverts; its reason is decoded.
            RpcError: No endpoint answered.
        """
        return await self.rpc.eth_call(to, data, block)

    @overload
    async def read_many(
        self,
        reads: Sequence[Read[T]],
        *,
        block: BlockRef = ...,
        allow_failure: Literal[False] = ...,
    ) -> list[T]: ...
    @overload
    async def read_many(
        self, reads: Sequence[Read[T]], *, block: BlockRef = ..., allow_failure: bool
    ) -> list[T | ChainError]: ...
    async def read_many(
        self,
        reads: Sequence[Read[T]],
        *,
        block: BlockRef = "latest",
        allow_failure: bool = False,
    ) -> list[T] | list[T | ChainError]:
        """Return what each of ``reads`` returns, in order, all as of one block and in one call.

        The questions are those of the typed contracts, not awaited. They go through Multicall3
        (as one JSON-RPC batch where a chain has none); hundreds are one call, more are split and
        pinned to one block. With ``allow_failure`` a read that failed is an error value in its
        place; without it the first such error is raised.

        Raises:
            ConfigurationError: A read of another chain, or one that names a block of its own.
            RevertedError: A contract refused; its reason is decoded.
            ChainError: No contract there, or it answered something else.
            RpcError: No endpoint answered.

        Example:
            >>> opg = client.contracts.opg
            >>> reads = [opg.decimals(), opg.allowance(friend, opg.address)]
            >>> await client.chains.payments.read_many(reads)
            [18, 0]
        """
        from .reads import read_many

        if allow_failure:
            return list[T | ChainError](
                await read_many(self.rpc, reads, block=block, allow_failure=True)
            )
        return await read_many(self.rpc, reads, block=block)

    @overload
    def watch(
        self,
        *,
        addresses: Address | Iterable[Address] = ...,
        topics: Sequence[Bytes32 | Sequence[Bytes32] | None] = ...,
        from_block: Start | None = ...,
        after: Cursor | None = ...,
        confirmations: Depth = ...,
    ) -> Watch[Log]: ...
    @overload
    def watch(
        self,
        *events: Event[T],
        addresses: Address | Iterable[Address] = ...,
        topics: Sequence[Bytes32 | Sequence[Bytes32] | None] = ...,
        from_block: Start | None = ...,
        after: Cursor | None = ...,
        confirmations: Depth = ...,
    ) -> Watch[T]: ...
    def watch(
        self,
        *events: Event[T],
        addresses: Address | Iterable[Address] = (),
        topics: Sequence[Bytes32 | Sequence[Bytes32] | None] = (),
        from_block: Start | None = None,
        after: Cursor | None = None,
        confirmations: Depth = 1,
    ) -> Watch[T] | Watch[Log]:
        """Return an endless iterator over ``events``: ``async for item in chain.watch(…)``.

        None is missed and none doubled, through lost connections, reorgs and restarts: an event
        whose block is given up comes again with ``removed`` set, and ``item.cursor`` says where to
        go on (``after=``). Nothing is asked while nobody waits for an item. See ``chain.watch``
        for every argument.

        Raises:
            ConfigurationError: Fewer than one confirmation.
        """
        from .watch import watch

        return watch(
            self.rpc,
            *events,
            addresses=addresses,
            topics=topics,
            from_block=from_block,
            after=after,
            confirmations=confirmations,
            block_time=self.profile.block_time,
        )

    def web3(self) -> AsyncWeb3[AsyncJSONBaseProvider]:
        """Return a web3.py client that speaks through this chain's own connections.

        It has no keys: to send, build the transaction here.
        """
        from .web3_bridge import web3_over  # 0.8 s of import, paid by those who ask for it

        return web3_over(self.rpc)

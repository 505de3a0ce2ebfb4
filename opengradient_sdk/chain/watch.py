"""``chain.watch``: events as they happen, through lost connections, reorgs and restarts."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Generic, Self, TypeVar, cast, overload

from ..errors import RpcError, WrongChainError
from ..types import Address, Bytes32, Log
from .abi import AbiError
from .contracts.events import Event
from .following import Change, Depth, LogFollower, NodeRefusesError, Start
from .logs import Cursor, LogFilter
from .rpc import Rpc

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_POLLS_PER_BLOCK: Final = 2

_log: Final = logging.getLogger("opengradient_sdk.chain")


@dataclass(frozen=True, slots=True)
class WatchedLog(Generic[T_co]):
    """An event that happened, or, where ``removed``, one that did not happen after all.

    Attributes:
        event: What the log says; the log itself where no events were named.
        log: The log: contract, transaction, the block that holds it, or held it.
        cursor: Where to go on after a restart, once this item is dealt with (``after=``).
        removed: Whether a reorg took it out of the chain. Its transaction is pending again, and
            if it is mined again, the event comes again.
    """

    event: T_co
    log: Log
    cursor: Cursor = field(repr=False)
    removed: bool = False


class Watch(AsyncIterator[WatchedLog[T_co]]):
    """An endless iterator over events: ``async for item in chain.watch(…)``; see `watch`.

    It has no task of its own: the chain is asked while somebody waits for the next item. A wait
    that is cancelled or fails loses nothing: the next ``anext`` goes on from there.
    """

    def __init__(
        self, follower: LogFollower, events: Sequence[Event[T_co]], *, interval: float
    ) -> None:
        self._follower = follower
        self._events = tuple(events)
        self._interval = interval
        self._ready: deque[WatchedLog[T_co]] = deque()
        self._turn = asyncio.Lock()
        self._closed = asyncio.Event()
        self._is_cut_off = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchedLog[T_co]:
        """Return the next item, however long that takes.

        Raises:
            WrongChainError: An endpoint serves another chain.
            ReorgError: More of the chain was replaced than can be taken back.
            ChainError: The node does not hand out logs.
        """
        async with self._turn:  # so that several readers share the items
            while not self._closed.is_set():
                if self._ready:
                    return self._ready.popleft()
                if not await self._step():
                    await self._pause()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the iteration, also for those who wait for an item."""
        self._closed.set()

    async def _step(self) -> bool:
        """Look once; whether it is worth looking again at once."""
        try:
            changes = await self._follower.step()
        except WrongChainError:
            raise
        except RpcError as error:
            self._note_outage(error)
            return False
        except NodeRefusesError as refusal:
            raise refusal.error from None
        self._note_answer()
        if changes is None:
            return False
        self._note_reorg(changes)
        for change in changes:
            self._ready.extend(self._items(change))
        return True

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await self._closed.wait()

    def _items(self, change: Change) -> Iterable[WatchedLog[T_co]]:
        for event in _decoded(change.log, self._events):
            yield WatchedLog(event, change.log, change.cursor, change.removed)

    def _note_outage(self, error: RpcError) -> None:
        if not self._is_cut_off:
            _log.warning("watching events waits for an RPC endpoint: %s", error.short_message)
        self._is_cut_off = True

    def _note_answer(self) -> None:
        if self._is_cut_off:
            _log.warning("watching events goes on")
        self._is_cut_off = False

    def _note_reorg(self, changes: Sequence[Change]) -> None:
        count = sum(change.removed for change in changes)
        if count:
            _log.warning("a reorg took back %d events", count)


def _decoded(log: Log, events: Sequence[Event[T]]) -> Iterable[T]:
    if not events:
        yield cast("T", log)  # watched without events, T is Log
        return
    for event in events:
        if event.matches(log):
            with suppress(
                AbiError
            ):  # only the topic is the same, as of ERC-20's and -721's Transfer
                yield event.decode(log)
                return


@overload
def watch(
    rpc: Rpc,
    *,
    addresses: Address | Iterable[Address] = ...,
    topics: Sequence[Bytes32 | Sequence[Bytes32] | None] = ...,
    from_block: Start | None = ...,
    after: Cursor | None = ...,
    confirmations: Depth = ...,
    block_time: float = ...,
) -> Watch[Log]: ...
@overload
def watch(
    rpc: Rpc,
    *events: Event[T],
    addresses: Address | Iterable[Address] = ...,
    topics: Sequence[Bytes32 | Sequence[Bytes32] | None] = ...,
    from_block: Start | None = ...,
    after: Cursor | None = ...,
    confirmations: Depth = ...,
    block_time: float = ...,
) -> Watch[T]: ...
def watch(
    rpc: Rpc,
    *events: Event[T],
    addresses: Address | Iterable[Address] = (),
    topics: Sequence[Bytes32 | Sequence[Bytes32] | None] = (),
    from_block: Start | None = None,
    after: Cursor | None = None,
    confirmations: Depth = 1,
    block_time: float = 2.0,
) -> Watch[T] | Watch[Log]:
    """Return an endless iterator over ``events``, none missed and none doubled.

    Every event of the chain is handed out once, in the chain's order. When a reorg replaces blocks
    whose events were handed out, each of those comes again with ``removed`` set, the newest first,
    and then the new blocks' events: what was added and not removed is always what the chain holds.
    With ``confirmations`` (a number of blocks, the event's own included, or ``"safe"`` or
    ``"finalized"``) only events that deep are handed out, so that only deeper reorgs show.

    Endpoints that fail are waited for, and said so once in the log. A node that is behind another
    one, or whose chain has become shorter, changes nothing until it has other blocks.

    Args:
        rpc: The chain.
        events: Which events; without any, the items' ``event`` is the log itself. A log that only
            shares an event's topic is left out.
        addresses: The contracts, all where none is given.
        topics: Further indexed values, such as ``Erc20.TRANSFER.topics(recipient=me)``.
        from_block: The first block to look into; ``None``: the one after what is the last (or the
            last that is deep enough) when the first item is asked for.
        after: The ``cursor`` of an item that was dealt with before: goes on behind it, and takes
            back what was replaced meanwhile. ``from_block`` then says where that had begun.
        confirmations: How deep an event must be.
        block_time: How long a block takes, in seconds; the chain is asked twice as often.

    Raises:
        ConfigurationError: Fewer than one confirmation.

    Example:
        >>> from opengradient_sdk.chain.contracts import Erc20
        >>> from opengradient_sdk.chain.watch import watch
        >>> chain, opg = client.chains.payments, client.contracts.opg
        >>> transfers = watch(
        ...     chain.rpc,
        ...     Erc20.TRANSFER,
        ...     addresses=opg.address,
        ...     topics=Erc20.TRANSFER.topics(recipient=friend),
        ...     from_block="latest",
        ...     block_time=0.1,
        ... )
        >>> receipt = await chain.execute(opg.transfer(friend, 5))
        >>> item = await anext(transfers)
        >>> item.event.amount, item.removed
        (5, False)
        >>> await transfers.aclose()
    """
    wanted = LogFilter.of(addresses, topics or _any_of(events))
    follower = LogFollower(rpc, wanted, start=from_block, after=after, confirmations=confirmations)
    return Watch(follower, events, interval=block_time / _POLLS_PER_BLOCK)


def _any_of(events: Sequence[Event[object]]) -> list[list[Bytes32]]:
    return [[event.topic for event in events]] if events else []

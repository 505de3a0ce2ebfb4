"""The registry's history, read from its events into the store that processes share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from ..._core.clock import Clock
from ..._core.store import Store
from ..._core.tasks import together
from ...chain.rpc import Rpc
from ...errors import ChainError, ConfigurationError, RegistryUnavailableError, WrongChainError
from ...types import Address
from . import origin, rows
from .events import Place, RegistryEvent
from .horizon import Horizon, Sighting
from .reading import CHECK_RPC, RangeTooLargeError, RegistryReader, Word
from .rows import Progress, Which

if TYPE_CHECKING:
    from .timeline import Timeline

T = TypeVar("T")

_FIRST_SPAN: Final = 2_000
_LONGEST_SPAN: Final = 50_000
_TRIES: Final = 3


class RegistryHistory:
    """What the registry at ``registry`` reported since ``first_block``, kept in a store.

    Nothing is read before the first `sync`. One that fails or is cancelled leaves whole ranges of
    blocks behind, and the next one goes on from there. Processes on one store share the history
    and do not undo each other's work.

    Events in blocks that every endpoint calls finalized are compared over all of them and kept for
    good. Later ones are the first endpoint's word: they are kept as not final and compared with
    the chain at every `sync`. Those that a reorg removed stay, marked as taken back. Of heartbeats
    only the spans are kept in which none was late, and those that were removed leave no mark.

    **Money**: none.
    **Trust**: what is final needs the word of all endpoints; one liar among them stops the
    history, and is named, but does not change it.

    Args:
        rpcs: One JSON-RPC client, or several that must say the same of final blocks.
        registry: The registry contract.
        chain_id: The chain it is on.
        store: Where it is kept; it must have been opened with ``schema.SCHEMA``.
        clock: The client's; sightings of blocks are told in its time.
        first_block: Where to begin: the registry's first block, or an earlier one. Where it is not
            given, the block of the deployment is looked for once, and kept.

    Raises:
        ConfigurationError: No JSON-RPC client, or a negative block.
    """

    def __init__(
        self,
        rpcs: Sequence[Rpc],
        registry: Address,
        *,
        chain_id: int,
        store: Store,
        clock: Clock,
        first_block: int | None = None,
    ) -> None:
        if not rpcs:
            raise ConfigurationError("the registry's history needs an RPC endpoint")
        if first_block is not None and first_block < 0:
            raise ConfigurationError(f"a history cannot begin with block {first_block}")
        self._readers = tuple(RegistryReader(rpc, registry, chain_id) for rpc in rpcs)
        self._which = Which(chain_id, registry)
        self._store = store
        self._clock = clock
        self._first_block = first_block
        self._span = _FIRST_SPAN
        self._turn = asyncio.Lock()
        self._begun = 0
        self._done = 0
        self._loaded: tuple[int, Timeline] | None = None

    async def sync(self) -> Horizon:
        """Read what is new, and return how far the history reaches now.

        Callers that come while one is waiting for its turn share the next reading.

        Raises:
            RegistryUnavailableError: An endpoint failed, they disagree about a final block, a
                final block was replaced, or an event has a shape that is not known.
            WrongChainError: An endpoint serves another chain.
            LedgerError: The store cannot be read or written.
        """
        asked = self._begun
        async with self._turn:
            if self._done <= asked:  # none has begun since and ended well
                self._begun += 1
                await self._read()
                self._done = self._begun
        return (await self._progress()).horizon

    async def timeline(self) -> Timeline:
        """Return what is stored, without asking the chain.

        Raises:
            LedgerError: The store cannot be read.
        """
        from .timeline import Timeline

        revision = (await self._progress()).revision
        if self._loaded is None or self._loaded[0] != revision:
            which, first = self._which, self._first_block or 0
            found = await self._store.run(lambda db: rows.stored(db, which, first))
            timeline = Timeline(found.events, found.progress.horizon, found.pulses, found.sightings)
            self._loaded = (found.progress.revision, timeline)
        return self._loaded[1]

    async def _read(self) -> None:
        await self._each(RegistryReader.check_chain)
        ages = await self._each(RegistryReader.max_age)
        if len(set(ages)) > 1:
            raise _disagreement(self._readers, ages, "for how long a heartbeat counts")
        await self._find_the_beginning()
        while await self._confirm_more(ages[0]):
            pass
        for _ in range(_TRIES):
            if await self._look_ahead(ages[0]):
                return

    async def _find_the_beginning(self) -> None:
        """Look for the block of the deployment, where nothing was read and nobody named one."""
        if self._first_block is None and (await self._progress()).horizon.final is None:
            goal = await self._finalized()
            if goal is not None:  # a chain without a final block is quickly read
                self._first_block = await origin.first_block(self._readers, goal)

    async def _each(self, ask: Callable[[RegistryReader], Awaitable[T]]) -> list[T]:
        """Ask every endpoint at the same time."""
        return await together(*(_asked(reader, ask) for reader in self._readers))

    async def _confirm_more(self, max_age: int) -> bool:
        """Make one range of blocks final; whether there may be more to do."""
        was = await self._progress()
        goal = await self._finalized()
        first = self._next(was.horizon)
        if goal is None or goal < first:
            return False
        last = min(goal, first + self._span - 1)
        try:
            words = await self._each(partial(RegistryReader.read, first=first, last=last))
        except RangeTooLargeError:
            self._span = max(1, (last - first + 1) // 2)
            return True
        for word in words[1:]:
            if word != words[0]:
                raise _disagreement(self._readers, words, f"blocks {first} to {last}")
        self._check_joint(was.horizon, words[0])
        self._span = min(self._span * 2, _LONGEST_SPAN)
        await self._write_final(was, words[0], max_age)
        return True  # also where another process was faster: it may have more to leave

    async def _write_final(self, was: Progress, word: Word, max_age: int) -> None:
        old, which = was.horizon, self._which
        head = word.last if old.head is None or old.head.block < word.last.block else old.head
        names = tuple(name for reader in self._readers for name in reader.rpc.names)
        now = replace(old, final=word.last, head=head, max_age=max_age, endpoints=names)
        at = self._clock.now()
        await self._store.run(lambda db: rows.confirm(db, which, was, now, word.events, at))

    async def _look_ahead(self, max_age: int) -> bool:
        """Read what is not final yet, as the first endpoint says it; whether that was kept.

        It is not where another process was faster: what it saw may be older or newer.
        """
        was, which = await self._progress(), self._which
        asked_at = self._clock.now()
        head = await _asked(self._readers[0], lambda reader: reader.block("latest"))
        old = was.horizon.head
        if head is None or (old is not None and head.block < old.block):
            return True  # an endpoint that is behind, or a shorter chain: nothing until it grows
        sighting = Sighting(asked_at, self._clock.now(), head)
        events = await self._ahead(was.horizon, head)
        now = replace(was.horizon, head=head, max_age=max_age)
        return await self._store.run(lambda db: rows.look(db, which, was, now, events, sighting))

    async def _ahead(self, known: Horizon, head: Place) -> list[RegistryEvent]:
        """Return the events behind what is final, of a chain that stood still meanwhile.

        Raises:
            RegistryUnavailableError: It did not.
        """
        reader, events = self._readers[0], list[RegistryEvent]()
        first = self._next(known)
        while first <= head.block:
            last = min(head.block, first + self._span - 1)
            try:
                word = await _asked(reader, partial(RegistryReader.read, first=first, last=last))
            except RangeTooLargeError:
                self._span = max(1, (last - first + 1) // 2)
                continue
            if first == self._next(known):
                self._check_joint(known, word)
            events += word.events
            first = last + 1
        if await _asked(reader, lambda r: r.block(head.block)) != head:
            raise RegistryUnavailableError(
                f"block {head.block} of {reader.name} was replaced while it was read",
                hint="try again in a moment",
            )
        return events

    async def _finalized(self) -> int | None:
        """Return the last block that every endpoint calls finalized."""
        places = await self._each(lambda reader: reader.block("finalized"))
        known = [place.block for place in places if place is not None]
        return min(known) if len(known) == len(places) else None

    def _next(self, known: Horizon) -> int:
        return known.first_block if known.final is None else known.final.block + 1

    def _check_joint(self, known: Horizon, word: Word) -> None:
        if known.final is not None and word.before != known.final.hash:
            raise RegistryUnavailableError(
                f"block {known.final.block} of chain {self._which.chain_id} was final and is now "
                "another one",
                hint="is this another network under the same chain id? Keep it in another store.",
            )

    async def _progress(self) -> Progress:
        which, first = self._which, self._first_block or 0
        return await self._store.run(lambda db: rows.progress_of(db, which, first))


async def _asked(reader: RegistryReader, ask: Callable[[RegistryReader], Awaitable[T]]) -> T:
    try:
        return await ask(reader)
    except WrongChainError:
        raise
    except ChainError as error:
        raise RegistryUnavailableError(
            f"the history of the registry cannot be read from {reader.name}: {error.short_message}",
            hint=f"what was read before is kept; {CHECK_RPC}",
        ) from error


def _disagreement(
    readers: Sequence[RegistryReader], said: Sequence[object], what: str
) -> RegistryUnavailableError:
    other = next(i for i, word in enumerate(said) if word != said[0])
    return RegistryUnavailableError(
        f"{readers[0].name} and {readers[other].name} disagree about {what} of the registry",
        hint="one of them is wrong or lies; the history goes on when they agree",
    )

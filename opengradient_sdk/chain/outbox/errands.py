"""What takes a signature: done beside the poller, which no thoughtful signer may hold up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..._core.tasks import Supervisor
from ...types import Address
from .book import Book, Shelf
from .followed import Followed
from .gaps import GapFiller
from .replacing import BumpPolicy, Replacer

_MOST_REPRICED: Final = 20
_PATIENT_BLOCKS: Final = 2
_MOST_DOUBLINGS: Final = 8
_PATIENT_BLOCK_TIMES: Final = 4  # for chains that mine no block while nothing can be mined

_log: Final = logging.getLogger("opengradient_sdk.chain")


@dataclass(slots=True)
class _Gap:
    """Since when an account's lowest pending nonce is above the chain's count.

    ``tries`` were made to fill it: each is waited for twice as long as the one before.
    """

    count: int
    head: int
    since: float
    tries: int = 0

    def is_old(self, head: int, now: float, block_time: float) -> bool:
        """Return whether its owner, if it has one, had time enough."""
        patience = 1 << self.tries
        return (
            head - self.head > _PATIENT_BLOCKS * patience
            or now - self.since > _PATIENT_BLOCK_TIMES * block_time * patience
        )


class Errands:
    """Re-prices what is stuck and fills gaps, one round of it at a time."""

    def __init__(
        self,
        shelf: Shelf,
        replacer: Replacer,
        gaps: GapFiller,
        *,
        owner: Address | None,
        bump: BumpPolicy,
        supervisor: Supervisor,
        block_time: float,
    ) -> None:
        self._shelf = shelf
        self._replacer = replacer
        self._gaps = gaps
        self._owner = owner
        self._bump = bump
        self._supervisor = supervisor
        self._block_time = block_time
        self._waiting: dict[Address, _Gap] = {}
        self._running: asyncio.Task[None] | None = None

    def consider(self, head: int, now: float) -> None:
        """Start a round if something needs it, and none is under way."""
        if self._running is not None and not self._running.done():
            return
        books = list(self._shelf)
        gapped = [(book, book.count or 0) for book in books if self._has_gap(book, head, now)]
        stuck = [
            slot
            for book in books
            if book.address == self._owner
            for slot in self._stuck(book, head)
        ]
        if gapped or stuck:
            self._running = self._supervisor.spawn(self._run(gapped, stuck), name="errands")

    def _stuck(self, book: Book, head: int) -> list[Followed]:
        """Return those that could be mined, and were not, for as long as the policy says."""
        stuck: list[Followed] = []
        if not self._bump.enabled:
            return stuck
        expected = book.count or 0
        for slot in book.ready():
            if slot.nonce != expected or len(stuck) == _MOST_REPRICED:
                break
            expected += 1
            if slot.pending_since is None:
                slot.pending_since = head
            elif head - slot.pending_since >= self._bump.after_blocks:
                slot.pending_since = head
                stuck.append(slot)
        return stuck

    def _has_gap(self, book: Book, head: int, now: float) -> bool:
        ready = book.ready()
        count = book.count
        if not ready or count is None or ready[0].nonce == count:
            self._waiting.pop(book.address, None)
            return False
        gap = self._waiting.get(book.address)
        if gap is None or gap.count != count:
            self._waiting[book.address] = _Gap(count, head, now)
            return False
        if not gap.is_old(head, now, self._block_time):
            return False
        self._waiting[book.address] = _Gap(count, head, now, min(gap.tries + 1, _MOST_DOUBLINGS))
        return True

    async def _run(self, gapped: Sequence[tuple[Book, int]], stuck: Sequence[Followed]) -> None:
        for book, count in gapped:
            try:
                await self._gaps.fill(book, count)
            except Exception as error:  # noqa: BLE001 - a foreign signer may raise anything
                _log.warning("nonce %s of %s is not filled: %s", count, book.address, error)
        for slot in stuck:
            await self._replacer.reprice(slot, self._bump)

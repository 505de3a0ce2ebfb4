"""Promises to settle hashes are followed until the relay's chain has spoken; no node is asked."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from ..errors import ChainError, LedgerError
from ..ledger.data.wanted import SEARCHED_AFTER_DUE, Wanted
from ..ledger.data.watcher import Word
from ..ledger.data_status import SETTLED_WITHIN, DataState, DataStatus
from ..ledger.ledger import Ledger
from ..ledger.query import ReceiptQuery
from ..ledger.receipt import Receipt
from ..verification.policy import CallFacts
from ..verification.settlement_statistics import (
    Promise,
    PromiseState,
    SettlementLog,
    SettlementStatistics,
)
from .core import Core
from .events import DataResolved
from .refreshing import Refreshing
from .required import facts_of_receipt, found_in

_BLOCKS_BETWEEN_LOOKS: Final = 15
"""Half a minute of the real network, whose batches go out after five idle minutes."""

_AT_ONCE: Final = 200
"""Statements in one search: all that is usually open, and never long on the event loop."""

_MOST_OPEN: Final = 100_000
"""Promises that are watched at a time (some 150 MB); those beyond stay unclear, and are said to."""

_PAGE: Final = 200
_PAGES: Final = 25
"""How many receipts of earlier clients are looked through, the newest first."""

_log: Final = logging.getLogger("opengradient_sdk.client")


@dataclass(slots=True, eq=False)
class _Followed:
    """A promise that is watched. ``wanted.before`` is what the ledger says of it."""

    receipt_id: str
    wanted: Wanted
    promise: Promise


class Following:
    """Watches the relay's chain for the hashes that the policy wants to see settled.

    One background task looks for all of them together. It begins with the client's first answer,
    rests for some blocks between two looks, goes on through outages of the chain, and ends when
    nothing is open or the client is closed: what is open then is said by its receipt, and taken up
    by the next client of this wallet and store whose policy wants to see it settled.

    **Money**: free. **Trust**: as ``DataWatcher``. A promise counts as broken when every endpoint
    says so and no batch that could hold it was unreadable; then its node is left.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._policy = core.config.require
        self._refreshing = Refreshing(core)
        self._counts = SettlementLog()
        self._open: dict[str, _Followed] = {}
        self._earlier = _Earlier(core.ledger, core.opened_at)
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._rest = core.config.profile.registry.block_time * _BLOCKS_BETWEEN_LOOKS

    def answered(self, receipt: Receipt, facts: CallFacts) -> None:
        """Count the promise of an accepted answer, and follow it if the policy says so."""
        self._add(receipt, facts)
        if self._has_work and (self._task is None or self._task.done()):
            self._task = self._core.supervisor.spawn(self._follow(), name="follow settlements")

    def statistics(self) -> SettlementStatistics:
        """Return what has become of the promises by now."""
        return self._counts.statistics(self._core.clock.now())

    async def look(self) -> None:
        """Look once for everything that is open, and write down what was found.

        Raises:
            ChainError: No endpoint could be asked.
            LedgerError: The store could not be read. What does not need it was done.
        """
        failures: list[LedgerError] = []
        async with self._looking:
            with _collecting(failures):
                await self._take_up()
            for some in _groups(list(self._open.values())):
                words = await self._core.data_watcher.words([one.wanted for one in some])
                for one, word in zip(some, words, strict=True):
                    with _collecting(failures):
                        await self._heard(one, word)
        if failures:
            raise failures[0]

    @property
    def _has_work(self) -> bool:
        return bool(self._open) or not self._earlier.are_read

    async def _follow(self) -> None:
        while self._has_work:
            try:
                await self.look()
            except (ChainError, LedgerError) as error:
                _log.info("%d promised settlements wait: %s", len(self._open), error.short_message)
            await asyncio.sleep(self._rest)  # a chain tells nobody; it is asked

    async def _take_up(self) -> None:
        """Go on with what was open when this client began.

        Which of them are followed is drawn again from their own ids: whoever made the calls, and
        whatever was found of them since, it is a random sample.
        """
        while not self._earlier.are_read:
            for receipt in await self._earlier.next_page():
                facts = facts_of_receipt(receipt)
                if not self._policy.unmet(facts, found_in(receipt)):
                    self._add(receipt, facts)

    def _add(self, receipt: Receipt, facts: CallFacts) -> None:
        forgotten = receipt.signed is None and receipt.data.proof is None
        if receipt.data.state is DataState.NONE or forgotten:
            return
        choice = self._policy.settlement_choice(facts, found_in(receipt))
        promise = self._counts.promised(
            receipt.tee_id, choice, receipt.data.due_at or receipt.created_at
        )
        if not choice.follow:
            return
        if receipt.data.proof is not None:
            self._counts.found(promise, PromiseState.KEPT)
        wanted = Wanted.of(receipt)
        if isinstance(wanted, Wanted) and len(self._open) < _MOST_OPEN:
            self._open[receipt.id] = _Followed(receipt.id, wanted, promise)

    async def _heard(self, one: _Followed, word: Word) -> None:
        """Write down what the chain says of a promise, and what follows from it."""
        status = word.status
        if _differs(status, one.wanted.before):
            status = await self._written(one, status)
        one.wanted = replace(one.wanted, before=status)
        state = _state_of(status, unread=word.unread)
        if state is not one.promise.state:
            self._counts.found(one.promise, state)
            self._tell(one, status)
        if self._is_over(one, status):
            del self._open[one.receipt_id]

    async def _written(self, one: _Followed, status: DataStatus) -> DataStatus:
        """Add a status to its receipt, and return what the receipt says then.

        What another client or a refresh has written meanwhile is left as it is, and looked at
        again. Two that look in the same moment may tell the same twice.
        """
        before = one.wanted.before

        async def told(receipt: Receipt) -> Receipt:
            if _differs(receipt.data, before):
                return receipt
            return await self._refreshing.with_status(receipt, status)

        known = await self._refreshing.known(one.receipt_id)
        return (await self._refreshing.with_(known, (told,))).data

    def _tell(self, one: _Followed, status: DataStatus) -> None:
        core, tee_id = self._core, one.promise.tee_id
        if one.promise.state is PromiseState.BROKEN and not core.health.complaint(tee_id):
            core.leave(tee_id, f"its hashes were not settled: {status.reason}")
        core.emit(DataResolved(one.receipt_id, tee_id, status))

    def _is_over(self, one: _Followed, status: DataStatus) -> bool:
        return (
            status.state is DataState.FINAL
            or one.promise.state is PromiseState.BROKEN
            or self._core.clock.now() > one.wanted.until
        )


class _Earlier:
    """The receipts that were there when the client began: those of about a day, newest first.

    Where a page cannot be read, the next question is for the same page.
    """

    def __init__(self, ledger: Ledger, until: float) -> None:
        self._ledger = ledger
        self._since = until - max(SETTLED_WITHIN.values()) - SEARCHED_AFTER_DUE
        self._until = until
        self._pages_left = _PAGES
        self._at_the_edge: set[str] = set()

    @property
    def are_read(self) -> bool:
        """Whether there are no more, or enough were read."""
        return not self._pages_left

    async def next_page(self) -> Sequence[Receipt]:
        """Return the next ones.

        Raises:
            LedgerError: The store cannot be read.
        """
        page = await self._ledger.select(
            ReceiptQuery(since=self._since, until=self._until, newest_first=True, limit=_PAGE)
        )
        new = [receipt for receipt in page if receipt.id not in self._at_the_edge]
        self._pages_left = self._pages_left - 1 if len(page) == _PAGE else 0
        if page:
            oldest = page[-1].created_at
            self._until = math.nextafter(oldest, math.inf)  # others may have come with the oldest
            self._at_the_edge = {one.id for one in page if one.created_at == oldest}
        return new


@contextmanager
def _collecting(failures: list[LedgerError]) -> Generator[None, None, None]:
    """Go on after a failure: one receipt that cannot be read must not hide the others' news."""
    try:
        yield
    except LedgerError as error:
        failures.append(error)


def _state_of(status: DataStatus, *, unread: int) -> PromiseState:
    if status.proof is not None:
        return PromiseState.KEPT
    # who hides a blob hides whether the promise was kept: no reason to accuse the node
    broken = status.state is DataState.OVERDUE and not unread
    return PromiseState.BROKEN if broken else PromiseState.PENDING


def _differs(status: DataStatus, before: DataStatus) -> bool:
    return (status.state, status.proof) != (before.state, before.proof)


def _groups(followed: Sequence[_Followed]) -> Iterator[Sequence[_Followed]]:
    for start in range(0, len(followed), _AT_ONCE):
        yield followed[start : start + _AT_ONCE]

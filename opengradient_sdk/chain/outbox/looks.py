"""One look at the chain, and everything that follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from ..._core.tasks import together
from ...errors import LedgerError, OpenGradientError, RpcError, WrongChainError
from ...types import Bytes32, TxReceipt
from ..rpc import Rpc
from . import look
from .book import FINAL_DEPTH, Book, MinedBlock, Shelf
from .broadcast import Broadcaster
from .errands import Errands
from .events import Announcer, TransactionReorged, TransactionResent
from .followed import Followed, Waiter
from .inheriting import Inheritance
from .journal import TxJournal
from .look import View
from .nonces import NonceLeases
from .pace import Pace
from .suspicion import Suspicion
from .verdicts import Reception

_MOST_RESENT: Final = 200
_QUIET_BLOCKS: Final = 2


class Looks:
    """Looks at the chain for everything on the shelf, in two or three round trips.

    First the latest block and the accounts' counts; then, together, the receipts of what may have
    been mined and the hashes of the blocks whose transactions are watched. What was seen is told
    to those who wait, then to the journal; then what seems lost is sent again.
    """

    def __init__(
        self,
        rpc: Rpc,
        journal: TxJournal,
        nonces: NonceLeases,
        shelf: Shelf,
        pace: Pace,
        *,
        broadcaster: Broadcaster,
        inheritance: Inheritance,
        errands: Errands,
        announcer: Announcer,
    ) -> None:
        self._rpc = rpc
        self._journal = journal
        self._nonces = nonces
        self._shelf = shelf
        self._pace = pace
        self._broadcaster = broadcaster
        self._inheritance = inheritance
        self._errands = errands
        self._announcer = announcer
        self._suspicion = Suspicion(
            rpc, journal, nonces, announcer=announcer, block_time=pace.block_time
        )
        self.trouble: OpenGradientError | None = None
        """Why the last look did not see everything."""

    async def look(self) -> None:
        """Look once.

        What cannot be read or written is remembered in ``trouble`` and tried again the next time.

        Raises:
            WrongChainError: An endpoint serves another chain.
        """
        trouble: list[OpenGradientError] = []
        try:
            await self._look(trouble)
        except WrongChainError:
            raise
        except (RpcError, LedgerError) as error:
            trouble.append(error)
        self.trouble = trouble[0] if trouble else None

    async def write_down(self) -> OpenGradientError | None:
        """Tell the journal what was seen; return why it does not know all of it yet."""
        try:
            for book in self._shelf:
                if not book.is_written:
                    await book.write(self._journal, await self._nonces.account(book.address))
        except (LedgerError, RpcError) as error:
            return error
        return None

    async def _look(self, trouble: list[OpenGradientError]) -> None:
        now = asyncio.get_running_loop().time()
        await self._inherit(now, trouble)
        books = self._shelf.busy
        seen = await look.view(self._rpc, [book.address for book in books], list(self._shelf.tags))
        self._pace.saw(seen.head.number, now)
        for book in books:
            book.saw(seen.counts[book.address], now)
        hashes, found = await together(
            look.hashes(self._rpc, _unverified(books, seen)),
            look.receipts(self._rpc, _perhaps_mined(books)),
        )
        if found.trouble is not None:
            trouble.append(found.trouble)
        for book in books:
            self._check_blocks(book, seen, hashes, now)
            self._take_in(book, seen, found.receipts)
        if (unwritten := await self.write_down()) is not None:
            trouble.append(unwritten)  # what was seen is not less true for it
        for book in books:
            await self._suspicion.follow_up(book, seen.head.number, found.receipts, now)
            await self._send_again(book, now)
        self._errands.consider(seen.head.number, now)

    async def _inherit(self, now: float, trouble: list[OpenGradientError]) -> None:
        try:
            await self._inheritance.claim(now)
        except LedgerError as error:
            trouble.append(error)  # the chain can be read all the same

    def _check_blocks(
        self, book: Book, seen: View, hashes: Mapping[int, Bytes32 | None], now: float
    ) -> None:
        for block in list(book.blocks.values()):
            if _is_verified(block, seen) or hashes.get(block.number) == block.hash:
                block.verified_under = seen.head.hash
                block.absent_since = None
                self._deepen(book, block, seen)
            elif hashes.get(block.number) is not None:
                self._give_up(book, block, now)
            elif block.absent_since is None:
                block.absent_since = now  # that endpoint may only be behind
            elif now - block.absent_since > _QUIET_BLOCKS * self._pace.block_time:
                self._give_up(book, block, now)

    def _deepen(self, book: Book, block: MinedBlock, seen: View) -> None:
        """Tell those who wait for a depth that is reached now."""
        for slot in block.slots.values():
            if slot.waiters:
                slot.answer_those(lambda waiter: _is_deep_enough(waiter, block, seen))
        if seen.head.number - block.number + 1 >= FINAL_DEPTH:
            book.settle(block)

    def _give_up(self, book: Book, block: MinedBlock, now: float) -> None:
        for slot in block.slots.values():
            assert slot.receipt is not None  # it is in a block
            self._announcer.say(TransactionReorged(slot.receipt.hash, slot.nonce, block.number))
        book.reorged(block, now)

    def _take_in(
        self, book: Book, seen: View, receipts: Mapping[Bytes32, TxReceipt | None]
    ) -> None:
        """Note what is in a block by now; one confirmation is all that most wait for."""
        mined = [
            (slot, receipt)
            for slot in _used(book)
            if (receipt := _receipt_of(slot, receipts)) is not None
        ]
        for slot, receipt in mined:
            book.mined(slot, receipt)
            slot.answer_those(lambda waiter: waiter.confirmations == 1)
            if slot.waiters and receipt.block_number < seen.head.number:
                self._pace.hurry()  # it may be deep enough already: its block is checked next
        if book.count is not None:
            self._broadcaster.reached(book.address, book.count)

    async def _send_again(self, book: Book, now: float) -> None:
        """Send what a node may have dropped: when nothing moves, or when its block was given up."""
        ready = book.ready()
        quiet = now - book.progress_at > _QUIET_BLOCKS * self._pace.block_time
        wanted = [slot for slot in ready if quiet or slot.nonce in book.resend][:_MOST_RESENT]
        book.resend.difference_update(slot.nonce for slot in wanted)
        again = [(slot, sent) for slot in wanted if (sent := slot.best) is not None]
        if not again:
            return
        book.progress_at = now
        answers = await self._broadcaster.post(again, again=True)
        for (slot, sent), answer in zip(again, answers, strict=True):
            if answer is Reception.NEW:
                self._announcer.say(TransactionResent(sent.signed.hash, slot.nonce))


def _unverified(books: Sequence[Book], seen: View) -> list[int]:
    """Return the heights to be read: what stood under the same latest block stands still."""
    return sorted(
        {
            block.number
            for book in books
            for block in book.blocks.values()
            if not _is_verified(block, seen)
        }
    )


def _is_verified(block: MinedBlock, seen: View) -> bool:
    head = seen.head
    return head.hash in (block.verified_under, block.hash) or head.parent_hash == block.hash


def _is_deep_enough(waiter: Waiter, block: MinedBlock, seen: View) -> bool:
    wanted = waiter.confirmations
    if isinstance(wanted, int):
        return seen.head.number - block.number + 1 >= wanted
    return block.number <= seen.levels.get(wanted, -1)


def _perhaps_mined(books: Sequence[Book]) -> list[Bytes32]:
    return [sent.signed.hash for book in books for slot in _used(book) for sent in slot.live]


def _used(book: Book) -> list[Followed]:
    count = book.count or 0
    return [slot for nonce, slot in book.pending.items() if nonce < count]


def _receipt_of(slot: Followed, receipts: Mapping[Bytes32, TxReceipt | None]) -> TxReceipt | None:
    for hash in slot.attempts:
        if (receipt := receipts.get(hash)) is not None:
            return receipt
    return None

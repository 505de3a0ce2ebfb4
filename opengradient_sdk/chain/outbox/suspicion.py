"""Nonces that are used, with no receipt to be found: whose transaction was it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...types import Bytes32, TxReceipt
from ..rpc import Rpc
from . import look
from .book import Book
from .events import Announcer, NonceSuperseded
from .followed import Followed, Missing, replaced
from .journal import TxJournal
from .nonces import NonceLeases

_LOOKS_TO_BE_SURE: Final = 3
_BLOCKS_TO_BE_SURE: Final = 2
_MOST_AT_ONCE: Final = 8


class Suspicion:
    """Believes that a stranger took a nonce only when nothing else is left.

    An endpoint may lag behind, or lie; a look may be put together from two of them.
    """

    def __init__(
        self,
        rpc: Rpc,
        journal: TxJournal,
        nonces: NonceLeases,
        *,
        announcer: Announcer,
        block_time: float,
    ) -> None:
        self._rpc = rpc
        self._journal = journal
        self._nonces = nonces
        self._announcer = announcer
        self._block_time = block_time

    async def follow_up(
        self, book: Book, head: int, receipts: Mapping[Bytes32, TxReceipt | None], now: float
    ) -> None:
        """Count one more look for each nonce without a receipt, and settle those that are sure.

        Raises:
            RpcError, LedgerError: It could not be found out.
        """
        count = book.count or 0
        suspects: list[Followed] = []
        for slot in book.pending.values():
            if slot.nonce >= count:
                slot.missing = None
            elif all(sent.signed.hash in receipts for sent in slot.live) and self._is_sure(
                slot, head, now
            ):
                suspects.append(slot)
        for slot in suspects[:_MOST_AT_ONCE]:
            await self._settle(book, slot)

    def _is_sure(self, slot: Followed, head: int, now: float) -> bool:
        missing = slot.missing
        if missing is None:
            missing = slot.missing = Missing(0, head, now)
        missing.looks += 1
        waited = now - missing.since > _BLOCKS_TO_BE_SURE * self._block_time
        return missing.looks >= _LOOKS_TO_BE_SURE and (waited or head > missing.head)

    async def _settle(self, book: Book, slot: Followed) -> None:
        """Look for every transaction this nonce ever had; then it was a stranger's."""
        slot.missing = None
        account = await self._nonces.account(book.address)
        stored = await self._journal.slot(account, slot.nonce)
        for attempt in stored.attempts if stored else ():
            # another process may have re-priced it, and what was refused may have arrived elsewhere
            slot.add(attempt.signed, refused=attempt.refused or attempt.discarded)
        hashes = list(slot.attempts)
        found = await look.receipts(self._rpc, hashes)
        receipt = next((one for one in found.receipts.values() if one is not None), None)
        if receipt is not None:
            book.mined(slot, receipt)
            slot.answer_those(lambda waiter: waiter.confirmations == 1)
        elif found.trouble is None and await self._nonces.is_taken(
            book.address, slot.nonce, hashes
        ):
            await self._journal.taken(account, [slot.nonce])
            self._lose(book, slot)

    def _lose(self, book: Book, slot: Followed) -> None:
        self._announcer.say(NonceSuperseded(tuple(slot.attempts), slot.nonce))
        book.drop(slot)
        slot.fail(lambda waiter: replaced(waiter.wanted))

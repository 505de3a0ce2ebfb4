"""What the journal says is on its way: followed from here when its holder is gone."""

from __future__ import annotations

import asyncio
from typing import Final

from ...types import Address
from .book import Shelf
from .events import Announcer, TransactionsTakenOver
from .followed import Followed
from .journal import TxJournal
from .nonces import NonceLeases
from .slots import Slot, SlotState

_BETWEEN_CLAIMS: Final = 5.0  # seconds: a third of the time after which a silent holder is dead


class Inheritance:
    """Shows that this holder is alive, and takes over from those who are not."""

    def __init__(
        self,
        journal: TxJournal,
        nonces: NonceLeases,
        shelf: Shelf,
        announcer: Announcer,
        *,
        owner: Address | None,
    ) -> None:
        self._journal = journal
        self._nonces = nonces
        self._shelf = shelf
        self._announcer = announcer
        self._owner = owner
        self._claimed_at: float | None = None

    async def claim(self, now: float) -> None:
        """Follow what the dead have left, if it is time to ask again; send what was to be sent.

        Raises:
            RpcError, LedgerError: It could not be asked for; tried again at the next look.
        """
        if self._claimed_at is not None and now - self._claimed_at < _BETWEEN_CLAIMS:
            return
        for address in self._accounts():
            slots = await self._journal.take_over(await self._nonces.account(address))
            taken = [self.follow(address, slot, now) for slot in slots if slot.attempts]
            if taken:
                hashes = tuple(hash for slot in taken for hash in slot.attempts)
                self._announcer.say(TransactionsTakenOver(hashes))
        self._claimed_at = now

    def follow(self, address: Address, slot: Slot, now: float | None = None) -> Followed:
        """Return what follows ``slot``, which has an attempt, from here on.

        What is to be sent and has this journal's holder is sent by us.
        """
        now = asyncio.get_running_loop().time() if now is None else now
        book = self._shelf.book(address)
        is_new = slot.nonce not in book.slots
        followed = book.enter(Followed(address, slot.nonce), now)
        for attempt in slot.attempts:
            gone = attempt.refused or attempt.discarded
            followed.add(attempt.signed, may_be_out=True, refused=gone)
        if is_new:
            followed.fee_cap = slot.attempts[0].signed.tx.fee_cap
        if slot.holder == self._journal.holder and slot.state in _TO_BE_SENT:
            followed.ours = True
            if is_new and slot.state is SlotState.SENDING:
                book.resend.add(slot.nonce)
        return followed

    def _accounts(self) -> list[Address]:
        ours = [
            book.address
            for book in self._shelf
            if any(slot.ours for slot in book.pending.values()) and book.address != self._owner
        ]
        return ours if self._owner is None else [self._owner, *ours]


_TO_BE_SENT: Final = (SlotState.SENDING, SlotState.MINED)

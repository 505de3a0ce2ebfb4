"""Nonces that nobody holds, and that transactions with higher ones are waiting for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from ...errors import ChainError
from ...signers.guard import sign_checked
from ...signers.protocol import Signer
from ...types import TxType
from ..rpc import Rpc
from .book import Book, Shelf
from .broadcast import Broadcaster
from .events import Announcer, NonceBlocked, NonceGapFilled
from .journal import TxJournal
from .nonces import NonceLeases
from .pricing import FeeSource, Price, nothing
from .slots import Account, AttemptKind, SlotState

_MOST_FILLED: Final = 64
_NOT_SENT: Final = (SlotState.LEASED, SlotState.SIGNED)


class GapFiller:
    """Uses up nonces that were given back while higher ones were on their way.

    **Money**: each costs the fee of 21,000 gas, which is what it takes to move the others on.
    Nothing is filled while somebody who is alive has the nonce.
    """

    def __init__(
        self,
        rpc: Rpc,
        journal: TxJournal,
        nonces: NonceLeases,
        shelf: Shelf,
        *,
        signer: Signer | None,
        fees: FeeSource,
        broadcaster: Broadcaster,
        announcer: Announcer,
    ) -> None:
        self._rpc = rpc
        self._journal = journal
        self._nonces = nonces
        self._shelf = shelf
        self._signer = signer
        self._fees = fees
        self._broadcaster = broadcaster
        self._announcer = announcer

    async def fill(self, book: Book, count: int) -> None:
        """Fill the gaps at and above ``count`` below what is being sent, or say who blocks it.

        Raises:
            ChainError, SignerError, PolicyRejectedError, LedgerError: Some are not filled; their
                nonces are free again.
        """
        account = await self._nonces.account(book.address)
        nonces: Sequence[int] = ()
        if self._signer is not None and self._signer.address == book.address:
            nonces = await self._journal.gaps(account, count, _MOST_FILLED)
        if not nonces:
            await self._say_who_blocks(book, account, count)
            return
        left = list(nonces)
        try:
            price = Price.quoted(quote := await self._fees.quote(self._rpc))
            kind = TxType.LEGACY if quote.base_fee is None else TxType.DYNAMIC_FEE
            while left:
                await self._use_up(self._signer, account, left[0], price, kind)
                del left[0]
        finally:
            if left:
                await asyncio.shield(self._journal.give_back(account, left))

    async def _use_up(
        self, signer: Signer | None, account: Account, nonce: int, price: Price, kind: TxType
    ) -> None:
        assert signer is not None  # without one there are no gaps to fill
        chain_id = await self._rpc.chain_id()
        signed = await sign_checked(signer, nothing(chain_id, account.address, nonce, price, kind))
        await self._journal.attempt(account, signed, AttemptKind.FILLER)
        slot = self._shelf.follow(signed, asyncio.get_running_loop().time())
        slot.ours = True
        (answer,) = await self._broadcaster.post([(slot, slot.attempts[signed.hash])])
        if isinstance(answer, ChainError):
            if not slot.live:
                self._shelf.book(account.address).drop(slot)
            raise answer
        self._announcer.say(NonceGapFilled(nonce, signed.hash))

    async def _say_who_blocks(self, book: Book, account: Account, count: int) -> None:
        """Say once that a nonce waits for one that is leased or signed, but not sent."""
        if book.blocked_at == count:
            return
        slot = await self._journal.slot(account, count)
        ready = book.ready()
        if slot is not None and slot.state in _NOT_SENT and ready:
            book.blocked_at = count
            self._announcer.say(NonceBlocked(ready[0].nonce, behind=count))

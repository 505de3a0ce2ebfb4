"""One poller for all transactions that are not final. It runs while there are any."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from ..._core.tasks import Supervisor
from ...errors import ChainError, LedgerError, WrongChainError
from ...types import SignedTx
from ..pending import Confirmations
from .book import Shelf
from .followed import Followed, Waiter
from .looks import Looks
from .pace import Pace

_log: Final = logging.getLogger("opengradient_sdk.chain")


class Tracker:
    """Follows what is on the shelf, and tells those who wait.

    The poller is a supervised task that starts with the first thing to follow and ends with the
    last. An outage makes it slower; an endpoint of another chain, or a mistake of ours, ends every
    wait with that error, and the next wait starts it again.
    """

    def __init__(self, shelf: Shelf, looks: Looks, pace: Pace, supervisor: Supervisor) -> None:
        self._shelf = shelf
        self._looks = looks
        self._pace = pace
        self._supervisor = supervisor
        self._woken = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._closed = False

    def follow(self, signed: SignedTx, *, ours: bool) -> Followed:
        """Return what follows the nonce of ``signed``; ``ours``: it is sent again until mined."""
        was_quiet = not self._shelf.is_pending
        slot = self._shelf.follow(signed, asyncio.get_running_loop().time())
        if ours:
            slot.ours = True
            slot.fee_cap = signed.tx.fee_cap
        self.wake(hurry=was_quiet)
        return slot

    def wake(self, *, hurry: bool) -> None:
        """Have the poller look; ``hurry``: now, not when it is time."""
        if self._closed:
            raise ChainError(
                "the chain is closed, so nothing is followed any more",
                hint="What was sent may still be mined: follow it on a new Chain.",
            )
        if hurry:
            self._pace.hurry()
            self._woken.set()
        if self._polling is None or self._polling.done():
            self._polling = self._supervisor.spawn(self._poll(), name="follow transactions")

    def wait_for(
        self, slot: Followed, wanted: SignedTx, confirmations: Confirmations
    ) -> tuple[Followed, Waiter]:
        """Return a waiter, and what it waits at: ``slot``, or what follows its nonce by now."""
        book = self._shelf.book(slot.sender)
        was_quiet = not self._shelf.is_pending
        slot = book.enter(slot, asyncio.get_running_loop().time())
        waiter = slot.wait_for(wanted, confirmations)
        if not isinstance(confirmations, int):
            self._shelf.tags[confirmations] += 1
        # what is known of a mined one may be old: its block is looked at again
        self.wake(hurry=was_quiet or slot.receipt is not None)
        return slot, waiter

    def forget(self, slot: Followed, waiter: Waiter) -> None:
        """End a waiter; its transaction goes on being followed."""
        slot.forget(waiter)
        tag = waiter.confirmations
        if not isinstance(tag, int):
            self._shelf.tags[tag] -= 1
            if not self._shelf.tags[tag]:
                del self._shelf.tags[tag]

    def drop(self, slot: Followed) -> None:
        """Stop following a nonce that is no longer ours."""
        self._shelf.book(slot.sender).drop(slot)

    def where(self, slot: Followed, confirmations: Confirmations) -> str:
        """Return how far the transactions of ``slot`` have come, in words."""
        trouble = self._looks.trouble
        if isinstance(trouble, LedgerError) and slot.receipt is None:
            return f"the journal cannot be written ({trouble.short_message})"
        if trouble is not None and not isinstance(trouble, LedgerError):
            return f"the chain cannot be read ({trouble.short_message})"
        if slot.receipt is not None:
            return f"it is in block {slot.receipt.block_number}, not yet {confirmations} deep"
        return f"it is in no block yet{self._why_not(slot)}"

    async def aclose(self) -> None:
        """End the poller, and every wait; what is not final stays in the journal."""
        self._closed = True
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        self._shelf.fail(
            ChainError(
                "the chain was closed while a transaction was waited for",
                hint="It may still be mined: follow it on a new Chain.",
            )
        )
        await self._looks.write_down()

    def _why_not(self, slot: Followed) -> str:
        if slot.complaint:
            return f"; the node does not take it now ({slot.complaint})"
        book = self._shelf.book(slot.sender)
        if book.count is None or slot.nonce <= book.count:
            return ""
        if book.count in book.pending:
            return f"; the account's transaction with nonce {book.count} comes first"
        return f"; nonce {book.count}, which comes before it, is not sent yet"

    async def _poll(self) -> None:
        try:
            while self._shelf.busy:
                self._woken.clear()
                await self._looks.look()
                await self._pause()
        except WrongChainError as error:
            self._shelf.fail(error)
        except Exception as error:  # a fault of ours: those who wait must hear of it too
            _log.exception("following transactions failed")
            self._shelf.fail(error)
            raise

    async def _pause(self) -> None:
        """Wait until it is time to look again, or until there is a reason to."""
        waited_for = self._shelf.is_pending or self._shelf.has_waiters
        try:
            async with asyncio.timeout(self._pace.pause(pending=waited_for)):
                await self._woken.wait()
        except TimeoutError:
            return  # it is time
        # a node that mines at once still needs a moment
        await asyncio.sleep(self._pace.pause(pending=True))

"""Everything between signed and final."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..._core.clock import SystemClock
from ..._core.tasks import Supervisor
from ...errors import ChainError, ConfigurationError
from ...profiles import ChainProfile
from ...signers.protocol import Signer
from ...types import SignedTx, TxReceipt, TxRequest
from ..draft import Draft
from ..fillers import recommended_fillers
from ..pending import Confirmations, PendingTx
from ..rpc import Rpc
from .book import Shelf
from .broadcast import Broadcaster
from .errands import Errands
from .events import Announcer, Emit
from .followed import Followed
from .gaps import GapFiller
from .inheriting import Inheritance
from .journal import TxJournal
from .looks import Looks
from .nonces import NonceLeases
from .pace import Pace
from .pricing import FeeSource
from .replacing import BumpPolicy, Complete, Replacer
from .slots import AttemptKind, Slot
from .tracker import Tracker
from .verdicts import Answer, Judge


class Outbox:
    """Brings signed transactions of one chain into it, and follows them until they are final.

    What it sends was journalled as on its way. It is sent again when nodes drop it or a block is
    given up, re-priced within ``bump`` when it is stuck, and taken over when its process is gone.
    ``complete`` fills in the open fields of a replacement; without it, the recommended fillers do.
    """

    def __init__(
        self,
        rpc: Rpc,
        journal: TxJournal,
        nonces: NonceLeases,
        *,
        profile: ChainProfile,
        signer: Signer | None,
        fees: FeeSource,
        supervisor: Supervisor,
        emit: Emit,
        bump: BumpPolicy,
        complete: Complete | None = None,
    ) -> None:
        self.rpc = rpc
        self._profile = profile
        self._signer = signer
        owner = signer.address if signer is not None else None
        shelf = Shelf()
        pace = Pace(profile.block_time)
        announcer = Announcer(emit)
        self._broadcaster = Broadcaster(rpc, Judge(rpc, journal, nonces), supervisor)
        self._inheritance = Inheritance(journal, nonces, shelf, announcer, owner=owner)
        self._replacer = Replacer(
            rpc,
            journal,
            nonces,
            signer=signer,
            fees=fees,
            complete=complete or self._completed,
            broadcaster=self._broadcaster,
            announcer=announcer,
        )
        gaps = GapFiller(
            rpc,
            journal,
            nonces,
            shelf,
            signer=signer,
            fees=fees,
            broadcaster=self._broadcaster,
            announcer=announcer,
        )
        errands = Errands(
            shelf,
            self._replacer,
            gaps,
            owner=owner,
            bump=bump,
            supervisor=supervisor,
            block_time=profile.block_time,
        )
        looks = Looks(
            rpc,
            journal,
            nonces,
            shelf,
            pace,
            broadcaster=self._broadcaster,
            inheritance=self._inheritance,
            errands=errands,
            announcer=announcer,
        )
        self._tracker = Tracker(shelf, looks, pace, supervisor)

    async def post(self, signed: Sequence[SignedTx]) -> list[PendingTx | ChainError]:
        """Send transactions that are journalled as on their way; return one outcome each, in order.

        They go in nonce order, with whatever else is sent at the same time. An ``RpcError`` whose
        ``spent`` is MAYBE is one that goes on being followed and sent again. Any other error is a
        refusal: the transaction will not be mined, and its nonce was given back. Cancelling the
        caller takes nothing back.

        **Money**: they may be mined from here on.
        """
        slots = [self._tracker.follow(one, ours=True) for one in signed]
        answers = await self._broadcaster.post(
            [(slot, slot.attempts[one.hash]) for slot, one in zip(slots, signed, strict=True)]
        )
        return [
            self._outcome(slot, one, answer)
            for slot, one, answer in zip(slots, signed, answers, strict=True)
        ]

    def follow(self, signed: SignedTx) -> PendingTx:
        """Return what follows a transaction that was sent before, perhaps by another process."""
        return PendingTx(signed, self._tracker.follow(signed, ours=False), self)

    async def follow_slot(self, slot: Slot) -> PendingTx:
        """Return what follows a slot of the journal that has an attempt.

        It is that of the transaction the slot is for: where something else was put in its place
        and mined, waiting says so.
        """
        meant = [one for one in slot.attempts if one.kind is AttemptKind.ORIGINAL] or slot.attempts
        wanted = meant[-1].signed
        followed = self._inheritance.follow(wanted.tx.sender, slot)
        self._tracker.wake(hurry=True)
        return PendingTx(wanted, followed, self)

    async def resume(self) -> None:
        """Take over what the dead have left on their way; the poller does so too while it runs.

        Raises:
            RpcError, LedgerError: It could not be found out now.
        """
        await self._inheritance.claim(asyncio.get_running_loop().time())
        self._tracker.wake(hurry=True)

    async def aclose(self) -> None:
        """End the poller and every wait. What is not final stays in the journal."""
        await self._tracker.aclose()

    # What a PendingTx does

    async def receipt_of(
        self, slot: Followed, wanted: SignedTx, confirmations: Confirmations
    ) -> TxReceipt:
        """Return the receipt of ``wanted``, or of the same content at another price.

        Raises:
            ReplacedError: Other content has its nonce.
            WrongChainError: An endpoint serves another chain.
        """
        slot, waiter = self._tracker.wait_for(slot, wanted, confirmations)
        try:
            return await waiter.outcome
        finally:
            self._tracker.forget(slot, waiter)

    def where(self, slot: Followed, confirmations: Confirmations) -> str:
        """Return in words how far a transaction has come."""
        return self._tracker.where(slot, confirmations)

    async def replace(
        self, slot: Followed, old: SignedTx, request: TxRequest | None, fee_bump: int | None
    ) -> PendingTx:
        """Send ``old`` at a higher price, or ``request`` in its place."""
        return PendingTx(await self._replacer.replace(slot, old, request, fee_bump), slot, self)

    async def cancel(self, slot: Followed, old: SignedTx, fee_bump: int | None) -> PendingTx:
        """Send nothing in the place of ``old``."""
        return PendingTx(await self._replacer.cancel(slot, old, fee_bump), slot, self)

    def _outcome(self, slot: Followed, signed: SignedTx, answer: Answer) -> PendingTx | ChainError:
        if not isinstance(answer, ChainError):
            return PendingTx(signed, slot, self)
        if not slot.live:
            self._tracker.drop(slot)
            slot.fail(lambda _: answer)
        return answer

    async def _completed(self, request: TxRequest) -> Draft:
        if self._signer is None:
            raise ConfigurationError("there is no signer", hint="Pass signer=… to the Chain.")
        draft = Draft(request, self._signer.address)
        for filler in recommended_fillers(self._profile, SystemClock()):
            draft = await filler.fill(draft, self.rpc)
        return draft

"""The journal of one client: what is signed and sent, written down before it happens."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from ..._core.clock import Clock
from ..._core.gathering import Gathering
from ..._core.store import Db, Store
from ..._core.tasks import Supervisor
from ..._core.vault import Vault
from ...errors import ConfigurationError, LedgerError, OpenGradientError
from ...types import Address, Bytes32
from ..budget.pools import Limits, Pool
from ..budget.standing import Standing
from ..schemes import Authorization
from ..state import OpenAuthorization
from ..status import PaymentState, PaymentStatus
from . import authorizations, calls, holders, refusals, restoring, tagging
from .authorizations import Reservation
from .calls import Admission, Replied, check_call_key
from .documents import from_document, to_document
from .entries import JournalEntry
from .holders import Desk
from .lines import Lines
from .records import CallRecord
from .refusals import Refusal
from .restoring import Found, Inherited
from .sealing import about_authorization, about_reply, check_key
from .tagging import TagShare

T = TypeVar("T")
_log: Final = logging.getLogger("opengradient_sdk.payments")

pause = asyncio.sleep
"""What a heart does between two beats."""


class PaymentJournal:
    """What one client (a *holder*) reserves, signs and sends, in a store that others may share.

    A holder keeps what it has for as long as it shows signs of life; what a dead one had, the next
    one inherits. ``async`` methods are durable when they return, and raise ``LedgerError`` where
    the store cannot be read or written: then nothing of what they should do was done. The others
    queue a line that is written a moment later.

    ``clock`` is the client's; who is alive is decided by the store's own.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        *,
        owner: Address,
        network: str,
        pool: Pool,
        limits: Limits,
        clock: Clock,
        supervisor: Supervisor,
        gathering: Gathering,
    ) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._supervisor = supervisor
        self._desk = Desk(owner, network, pool, limits, secrets.token_hex(16))
        self._lines = Lines(gathering, self._desk, self.join)
        self._joining: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._has_left = False
        self._counted: dict[str, TagShare] = {}

    def __repr__(self) -> str:
        desk = self._desk
        return f"PaymentJournal(owner={desk.owner!r}, network={desk.network!r})"

    @property
    def holder(self) -> str:
        """The random id under which this client holds things."""
        return self._desk.holder

    # Coming and going

    async def join(self) -> None:
        """Open the journal for this client; every other method does so where it has to.

        Raises:
            ConfigurationError: The store's place or its key cannot be used.
            LedgerError: The store cannot be opened or written, or this client has left.
        """
        if self._has_left:
            raise LedgerError(
                "the payment journal is closed", hint="Keep the client open until its calls end."
            )
        joining = self._joining
        if joining is None or _has_failed(joining):
            joining = self._supervisor.spawn(self._join(), name="join the payment journal")
            self._joining = joining
        if not joining.done():
            await asyncio.shield(joining)  # one caller's cancellation is not the others'
        joining.result()

    async def leave(self) -> None:
        """Write what is queued, and leave everything this client holds to the next one.

        Never raises for what the store cannot take: that is logged, and ends by itself when this
        holder has shown no life for a while.
        """
        try:
            await self._lines.flushed()  # which joins, where nothing has before
            await self._stop_beating()
            if self._joining is not None:
                await self._store.run(
                    lambda db: restoring.let_go(db, self._desk, self._clock.now())
                )
                self._joining = None
        except (LedgerError, ConfigurationError) as error:
            _log.warning("the payment journal could not be closed in order: %s", error)
        finally:
            self._lines.close()
            self._has_left = True
            await self._stop_beating()

    async def _stop_beating(self) -> None:
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            await asyncio.wait([beating])

    # Authorizations

    async def reserve(self, reservation: Reservation) -> Standing:
        """Hold a cap in the budget, before anything is signed; return how the budget stands then.

        Raises:
            BudgetExceededError: The budget does not cover the cap. Nothing was reserved.
        """
        return await self._run(
            lambda db: authorizations.add(db, self._desk, reservation, self._clock.now())
        )

    async def withdraw(self, nonce: int) -> None:
        """Give a reservation back: nothing was signed, or what was signed never left.

        Never raises: what cannot be given back now is when this client leaves or dies, or when the
        permit has ended.
        """
        try:
            await self._run(lambda db: authorizations.remove(db, self._desk, nonce))
        except (LedgerError, ConfigurationError) as error:
            _log.warning("a reserved cap could not be given back: %s", error)

    async def write(self, life: OpenAuthorization) -> None:
        """Write down what was signed for a reservation of the same nonce and cap, and seal it.

        **Money**: only when this has returned may its first byte leave this process.

        Raises:
            LedgerError: It could not be written, or the reservation was given away as this client
                was thought dead. Nothing may be sent.
        """
        await self.join()
        signed = life.authorization
        about = about_authorization(self._desk, signed.nonce)
        secret = self._vault.seal(to_document(signed), about)
        await self._store.run(lambda db: authorizations.sign(db, self._desk, life, secret))

    def note(self, life: OpenAuthorization) -> None:
        """Write down soon what became of an authorization on our side (its ``state``)."""
        self._lines.life(life)

    async def resolve(self, life: OpenAuthorization, status: PaymentStatus) -> PaymentState:
        """Write down what the chain says, and what the budget makes of it; return the former word.

        The former word is the journal's own: with several clients that look at one authorization,
        only the first to tell sees it change. A last word is never taken back.
        """
        return await self._run(
            lambda db: authorizations.resolve(db, self._desk, life, status, self._clock.now())
        )

    async def inherit(self) -> list[Inherited]:
        """Take over every open authorization that nobody alive holds, oldest first.

        **Money**: what dead clients had reserved and not signed is given back to the budget.
        """
        found = await self._run(lambda db: restoring.inherit(db, self._desk, self._clock.now()))
        return [restoring.rebuilt(self._desk, one, self._unsealed) for one in found]

    async def find(self, nonce: int) -> OpenAuthorization | None:
        """Return any authorization of this wallet and network that was ever written down.

        It can be watched and cancelled, not sent: its header is left where it is.
        """
        found = await self._run(lambda db: restoring.find(db, self._desk, nonce))
        return None if found is None else found.life(self._desk, None)

    async def entries(self) -> list[JournalEntry]:
        """Return every authorization of this wallet and network, oldest first."""
        return await self._run(lambda db: restoring.entries(db, self._desk))

    # Calls

    def begin(self, record: CallRecord) -> None:
        """Write a call down soon, while it is under way.

        Raises:
            LedgerError: The last lines could not be written: nothing more may be sent. They are
                tried again.
        """
        self._lines.require_writable()
        self._lines.call(record)

    def change(self, record: CallRecord) -> None:
        """Write down soon what became of a call. Never raises: an answer in hand is not lost."""
        self._lines.call(record)

    async def admit(self, record: CallRecord) -> Admission:
        """Decide who makes a call that has a key or a limited tag; durable before it is sent.

        Its estimated cost counts under its tag from here on.

        Raises:
            IdempotencyConflictError: The key was used for another call.
            BudgetExceededError: The tag's limit does not cover the call.
        """
        check_call_key(record.key)
        self._lines.require_writable()
        admission, share = await self._run(
            lambda db: tagging.admit(db, self._desk, record, self._clock.now())
        )
        if share is not None:
            self._counted[admission.record.id] = share
        if isinstance(admission, Replied):
            return replace(admission, reply=self._reply_of(admission.record))
        return admission

    async def finish(self, record: CallRecord, reply: bytes | None = None) -> None:
        """Write down how an admitted call ended; ``reply`` is sealed and kept for its key.

        Raises:
            LedgerError: It could not be written yet; it is kept and tried again, as ``change``.
        """
        await self.join()
        if reply is not None:
            record.reply = self._vault.seal(reply, about_reply(self._desk, record.id))
        share = self._counted.pop(record.id, None)
        try:
            await self._store.run(lambda db: tagging.end(db, self._desk, record, share))
        except LedgerError:
            self._lines.call(record)
            raise
        self._lines.forget_call(record.id)

    async def calls(self, nonce: int) -> list[CallRecord]:
        """Return the calls that joined an authorization, oldest first."""
        return await self._run(lambda db: calls.of_authorization(db, self._desk, nonce))

    async def forget(self, call_id: str) -> None:
        """Delete the stored reply of a call, and the hash its question could be guessed from."""
        await self._lines.flushed()
        await self._run(lambda db: calls.forget(db, self._desk, call_id))

    async def flushed(self) -> None:
        """Return when every line that was queued before is durable."""
        await self._lines.flushed()

    # Refusals and the budget

    def refuse(self, field: str, asked: object, allowed: object, tee_id: Bytes32 | None) -> None:
        """Write down soon that something was asked which is not allowed."""
        at = self._clock.now()
        self._lines.refusal(Refusal(at, field, str(asked), str(allowed), tee_id))

    async def refusals(self) -> list[Refusal]:
        """Return everything that was refused to this wallet's clients, oldest first."""
        await self._lines.flushed()
        return await self._run(lambda db: refusals.refusals(db, self._desk))

    async def standing(self) -> Standing:
        """Return how this client's budget stands."""
        return await self._run(lambda db: tagging.standing_of(db, self._desk, self._clock.now()))

    # Inside

    async def _run(self, work: Callable[[Db], T]) -> T:
        await self.join()
        return await self._store.run(work)

    async def _join(self) -> None:
        await self._vault.open()
        key_id = self._vault.key_id

        def enter(db: Db) -> None:
            check_key(db, key_id)
            holders.enter(db, self._desk, self._clock.now())

        await self._store.run(enter)
        self._beating = self._supervisor.spawn(self._beat(), name="payment journal heartbeat")

    async def _beat(self) -> None:
        while True:
            await pause(holders.BEAT)  # real seconds: the store's clock is no simulation
            try:
                await self._store.run(lambda db: holders.attend(db, self._desk, self._clock.now()))
            except OpenGradientError as error:
                _log.warning("the payment journal could not be renewed: %s", error)

    def _unsealed(self, found: Found) -> Authorization | None:
        """Return a sealed authorization, ``None`` where it can only be watched."""
        if found.secret is None:
            return None
        about = about_authorization(self._desk, found.nonce)
        try:
            return from_document(self._vault.unseal(found.secret, about))
        except LedgerError as error:
            _log.warning("an open authorization can only be watched: %s", error)
            return None

    def _reply_of(self, record: CallRecord) -> bytes | None:
        if record.reply is None:
            return None
        return self._vault.unseal(record.reply, about_reply(self._desk, record.id))


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)

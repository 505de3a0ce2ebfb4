"""Idempotency keys: one key is one call, in this process, in others, and after a crash."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from ..errors import LedgerError, PaymentOutcomeUnknownError, Spent, VerificationError
from ..ledger.receipt import Receipt
from ..payments.journal import (
    Admission,
    Begun,
    CallRecord,
    CallState,
    Interrupted,
    PaymentJournal,
    Replied,
    UnderWay,
)
from ..payments.lives import Lives
from ..payments.state import OpenAuthorization
from ..payments.status import PaymentState
from ..types import Amount
from .call import Call
from .callbook import Errand
from .reply import Reply
from .stored import reply_from_bytes, reply_to_bytes

_log: Final = logging.getLogger("opengradient_sdk.client")
_FIRST_LOOK: Final = 0.05
_LAST_LOOK: Final = 1.0


class Once:
    """Makes calls that are on disk before they are sent.

    Those have a key, which names one call for ever, or a tag with a limit, which counts them.
    """

    def __init__(
        self,
        journal: PaymentJournal,
        lives: Lives,
        resolve: Callable[[OpenAuthorization], Awaitable[object]],
        take_over: Callable[[], Awaitable[None]],
        *,
        takes: Callable[[OpenAuthorization], bool],
        repeated: Callable[[Receipt], None],
        recorded: Callable[[], Awaitable[None]],
    ) -> None:
        self._takes = takes
        self._repeated = repeated
        self._recorded = recorded
        self._journal = journal
        self._lives = lives
        self._resolve = resolve
        self._take_over = take_over
        self._under_way: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def attempt(self, call: Call, errand: Errand) -> AsyncGenerator[Reply | Errand, None]:
        """Yield the answer that the key has, or the errand to run; write down how it ended.

        **Money**: nothing is signed or sent for a key that has an answer. A call that a crash or
        a lost connection interrupted is sent once more under the *same* authorization; while the
        outcome of that one is open, no other is signed for it.

        Raises:
            IdempotencyConflictError: The key belongs to a call with other parameters.
            BudgetExceededError: The limit of its tag does not cover it; nothing was sent.
            PaymentOutcomeUnknownError: It was sent, and it cannot be told yet whether it was
                billed.
            VerificationError: It was answered and paid, and the answer was refused, or proves less
                than this client requires.
        """
        async with self._turn(call):
            known = await self._admitted(call, errand)
            if isinstance(known, Reply):
                call.lineage.repeated(known.receipt.id)  # later calls of a chained run rest on it
                yield known
                return
            errand.record = known.record
            if isinstance(known, Interrupted):
                await self._stay_with_the_first(errand)
            try:
                yield errand
            except BaseException:
                await asyncio.shield(self._ended(errand.record))
                raise
            await asyncio.shield(self.keep(errand))

    async def keep(self, errand: Errand) -> None:
        """Write down how it ended, with the answer if it has a key.

        Raises:
            LedgerError: It could not be written yet; it is tried again.
        """
        if errand.kept:
            return
        record = errand.record
        reply = None if record.key is None else errand.reply
        try:
            await self._write(record, None if reply is None else reply_to_bytes(reply))
        except LedgerError as error:
            if record.state is CallState.SERVED:
                raise _unwritten(record, error) from error
            raise
        errand.kept = True

    async def _ended(self, record: CallRecord) -> None:
        try:
            await self._write(record, None)
        except LedgerError as error:  # its line is kept, and tried again
            _log.warning("how a call ended is not written down yet: %s", error.short_message)

    async def _write(self, record: CallRecord, reply: bytes | None) -> None:
        """Write down how a call ended, the receipt first: nobody asks twice for what a key has."""
        try:
            if record.key is not None and record.state is CallState.SERVED:
                await self._recorded()
        finally:
            await self._journal.finish(record, reply)

    @asynccontextmanager
    async def _turn(self, call: Call) -> AsyncGenerator[None, None]:
        """Let callers of one key in this process go one after the other."""
        key = call.key
        if key is None:
            yield
            return
        try:
            async with asyncio.timeout(call.timeout):
                while (other := self._under_way.get(key)) is not None:
                    await other.wait()  # its answer is in the store then
        except TimeoutError:
            raise _under_way_elsewhere(call) from None
        done = self._under_way[key] = asyncio.Event()
        try:
            yield
        finally:
            del self._under_way[key]
            done.set()

    async def _admitted(self, call: Call, errand: Errand) -> Reply | Begun | Interrupted:
        try:
            async with asyncio.timeout(call.timeout):
                return await self._asked(errand)
        except TimeoutError:
            raise _under_way_elsewhere(call) from None

    async def _asked(self, errand: Errand) -> Reply | Begun | Interrupted:
        pause = _FIRST_LOOK
        while True:
            match await self._admit(errand.record):
                case Replied(record, reply):
                    return await self._revived(_stored(record, reply), record)
                case UnderWay():  # in another process, which has no other way to tell us
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LAST_LOOK)
                case ours:
                    return ours

    async def _admit(self, record: CallRecord) -> Admission:
        """Be admitted; the key of a caller that is cancelled meanwhile is not left to nobody."""
        admitting = asyncio.ensure_future(self._journal.admit(record))
        try:
            return await asyncio.shield(admitting)
        except asyncio.CancelledError:
            await asyncio.wait([admitting])
            if not admitting.cancelled() and admitting.exception() is None:
                await self._given_up(admitting.result())
            raise

    async def _given_up(self, admission: Admission) -> None:
        record = admission.record
        if isinstance(admission, Begun):
            record.state, record.cost, record.reason = CallState.FAILED, 0, "CancelledError"
            await self._ended(record)
        elif isinstance(admission, Interrupted):
            record.state = CallState.UNKNOWN
            await self._ended(record)

    async def _revived(self, reply: Reply, record: CallRecord) -> Reply:
        """Hold a stored answer to what this client requires, and let its receipt be asked about.

        Raises:
            AssuranceError: Another client asked for less.
        """
        life = await self.life_of(record.nonce)
        if life is not None:
            receipt = replace(reply.receipt, life=life, payment=life.status)
            reply = replace(reply, receipt=receipt)
        self._repeated(reply.receipt)
        return reply

    async def _stay_with_the_first(self, errand: Errand) -> None:
        """Have an interrupted call go on under its authorization, if that is allowed."""
        record = errand.record
        try:
            life = await self._open_life(record) if record.attempts else None
        except BaseException:
            record.state = CallState.UNKNOWN
            await asyncio.shield(self._ended(record))
            raise
        if life is None:  # it was not sent, or not billed: it is a new call
            record.attempts = record.maybe_billed = 0
            record.nonce = None
        else:
            errand.under, errand.lost = life, record.attempts

    async def _open_life(self, record: CallRecord) -> OpenAuthorization | None:
        """Return what an interrupted call must go on with; ``None`` if it may begin anew.

        Raises:
            PaymentOutcomeUnknownError: Neither; nothing is sent.
            ChainError: The chain could not be asked.
        """
        life = await self.life_of(record.nonce)
        if life is None:
            raise _forgotten()
        if record.attempts == 1 and self._takes(life):
            return life  # its session is open: the same header goes out once more
        if not life.status.is_last_word:
            await self._resolve(life)
        if _spared(life):
            return None
        if life.status.is_last_word:
            raise _billed_and_lost(life)
        why = "it was sent twice already" if record.attempts > 1 else "its session has ended"
        raise _still_open(life, why)

    async def life_of(self, nonce: int | None) -> OpenAuthorization | None:
        """Return the authorization of that nonce, as far as the journal has it."""
        if nonce is None:
            return None
        if self._lives.find(nonce) is None:
            await self._take_over()  # a dead client's header is had by inheriting it
        # what another client counts in its own changes all the time: it is read anew, and not kept
        return self._lives.find(nonce) or await self._journal.find(nonce)


def _spared(life: OpenAuthorization) -> bool:
    """Whether the chain shows for good that a call which nobody has counted was not billed."""
    state, charged = life.status.state, life.status.amount
    if state is PaymentState.NOT_CHARGED:
        return True
    return life.status.is_last_word and charged is not None and charged.atoms <= life.served


def _stored(record: CallRecord, reply: bytes | None) -> Reply:
    if reply is not None:
        return reply_from_bytes(reply)
    raise VerificationError(
        f"the answer to this idempotency key was paid, and refused: {record.reason}",
        hint="Use a new key to ask again, which is paid again.",
        spent=Spent.YES,
        amount=None if record.cost is None else Amount(record.cost),
    )


def _unwritten(record: CallRecord, error: LedgerError) -> LedgerError:
    what = "its answer is" if record.key is not None else "it is"
    return LedgerError(
        f"the call was answered and paid, and that is not written down yet: {error.short_message}",
        hint=f"{error.hint} When the store can be written, {what} in it.".lstrip(),
        spent=Spent.YES,
        amount=None if record.cost is None else Amount(record.cost),
    )


def _under_way_elsewhere(call: Call) -> PaymentOutcomeUnknownError:
    return PaymentOutcomeUnknownError(
        f"another caller with this idempotency key was not done in {call.timeout:g} seconds",
        hint="Ask again with this key: its answer is returned when it is there.",
        spent=Spent.MAYBE,
    )


def _still_open(life: OpenAuthorization, why: str) -> PaymentOutcomeUnknownError:
    return PaymentOutcomeUnknownError(
        f"the call was sent before and it is not known whether it was billed; {why}",
        hint="Nothing was sent. Ask again with this key when the chain has spoken; "
        "client.payments.resolve() asks it.",
        spent=Spent.MAYBE,
        amount=Amount(life.cap),
    )


def _forgotten() -> PaymentOutcomeUnknownError:
    return PaymentOutcomeUnknownError(
        "the call was sent before, on an authorization that the journal no longer has",
        hint="Nothing was sent. Was the store changed by hand? To ask anew, use a new key.",
        spent=Spent.MAYBE,
    )


def _billed_and_lost(life: OpenAuthorization) -> PaymentOutcomeUnknownError:
    return PaymentOutcomeUnknownError(
        f"the call was sent before, its answer was lost, and its session was charged "
        f"{life.status.amount}",
        hint="Nothing was sent. To ask and pay once more, use a new key.",
        spent=Spent.MAYBE,
        amount=life.status.amount,
    )

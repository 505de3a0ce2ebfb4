"""Calls with idempotency keys over a real journal, without a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.client.call import CHAT_ROUTE, Call
from opengradient_sdk.client.callbook import CallBook, Errand
from opengradient_sdk.client.once import Once
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.errors import (
    ChainError,
    LedgerError,
    PaymentOutcomeUnknownError,
    SignatureError,
    Spent,
)
from opengradient_sdk.ledger.receipt import Receipt
from opengradient_sdk.payments.conduct import NodeConduct
from opengradient_sdk.payments.journal import CallState
from opengradient_sdk.payments.lives import Lives
from opengradient_sdk.payments.sessions import SessionPool
from opengradient_sdk.payments.state import OpenAuthorization
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.types import Amount

from ..ledger.receipts import a_receipt
from ..payments.journal.clients import Client

CALL = Call(CHAT_ROUTE, "gpt-5", {"messages": "hi"}, b"{}", None, "batch", 60.0, key="order 7")
HASTY = replace(CALL, timeout=0.2)
ESTIMATE = 1000
OPEN = PaymentStatus(PaymentState.OPEN, "not yet")
NOT_CHARGED = PaymentStatus(PaymentState.NOT_CHARGED, "never")
CANCELLED = PaymentStatus(PaymentState.CANCELLED, "", Amount(0), final=True)
SETTLED = PaymentStatus(PaymentState.SETTLED, "", Amount(70), final=True)


class CrashError(BaseException):
    """The process ends here: nothing after it is done."""


class Shop:
    """One client's keys, over a real journal; what the chain says is ``word``."""

    def __init__(self, place: str = ":memory:", **options: Any) -> None:
        self.client = Client(place, **options)
        self.lives = Lives(
            self.client.clock, self.client.journal.note, NodeConduct(self.client.clock)
        )
        self.pool = SessionPool(self.client.clock, self.client.supervisor, self.lives)
        self.calls = CallBook(self.client.journal, self.client.clock)
        self.word: PaymentStatus | Exception = OPEN
        self.kept: list[Receipt] = []
        self.sent: list[int] = []
        self.recorded: list[int] = []
        self.ledger_failure: LedgerError | None = None
        self.once = Once(
            self.client.journal,
            self.lives,
            self._resolve,
            self._take_over,
            takes=self.pool.takes,
            repeated=self.kept.append,
            recorded=self._record,
        )

    async def _resolve(self, life: OpenAuthorization) -> None:
        if isinstance(self.word, Exception):
            raise self.word
        self.lives.account(life, self.word)

    async def _record(self) -> None:
        """Make receipts durable, after so many calls were sent."""
        if self.ledger_failure is not None:
            raise self.ledger_failure
        self.recorded.append(len(self.sent))

    async def _take_over(self) -> None:
        for left in await self.client.journal.inherit():
            self.lives.add(left.life)
            if not left.may_serve:
                self.lives.retire(left.life)

    async def signed(self, nonce: int = 1) -> OpenAuthorization:
        life = await self.client.signed(nonce)
        self.lives.add(life)
        self.lives.sent(life)
        return life

    def errand(self, call: Call = CALL) -> Errand:
        return Errand(self.calls.record(call, estimate=ESTIMATE))

    async def ask(
        self,
        send: Callable[[Errand], Awaitable[Reply]],
        call: Call = CALL,
        errand: Errand | None = None,
    ) -> Reply:
        """Make a call as ``CallWork`` does; ``send`` is the way to the node and back."""
        errand = errand or self.errand(call)
        async with self.once.attempt(call, errand) as entry:
            if isinstance(entry, Reply):
                return entry
            try:
                entry.reply = await send(entry)
            except CrashError:
                raise
            except BaseException as error:
                self.calls.failed(entry, error)
                raise
            return entry.reply

    async def send(self, errand: Errand) -> OpenAuthorization:
        """Send on what the errand must stay with, or on a new authorization."""
        life = errand.under or await self.signed(len(self.sent) + 1)
        await self.calls.sending(errand, life)
        self.sent.append(life.nonce)
        return life

    async def answer(self, errand: Errand) -> Reply:
        """Send, and be answered."""
        life = await self.send(errand)
        life.answered(700)
        self.calls.served(errand, 700)
        return a_reply(life)

    async def lose(self, errand: Errand) -> Reply:
        """Send, and hear nothing."""
        life = await self.send(errand)
        life.answered(None)
        self.calls.lost(errand)
        raise PaymentOutcomeUnknownError("no answer came", spent=Spent.MAYBE)

    async def refuse(self, errand: Errand) -> Reply:
        """Send, and be answered with something that proves nothing."""
        await self.answer(errand)
        raise SignatureError("it does not hold", spent=Spent.YES)

    async def fail(self, errand: Errand) -> Reply:
        """Find no node: nothing is sent."""
        raise ChainError("no registry", spent=Spent.NO)

    async def never(self, errand: Errand) -> Reply:
        raise AssertionError("nothing may be sent")

    async def lost_once(self) -> None:
        with pytest.raises(PaymentOutcomeUnknownError):
            await self.ask(self.lose)

    async def state(self, nonce: int = 1) -> tuple[CallState, int, int]:
        """The state of the one call of an authorization, its attempts, what may be billed."""
        await self.client.journal.flushed()
        (record,) = await self.client.journal.calls(nonce)
        return record.state, record.attempts, record.maybe_billed


def a_reply(life: OpenAuthorization, text: str = "Grüezi") -> Reply:
    return Reply(text, {}, (), "stop", None, "gpt-5", a_receipt(life=life))

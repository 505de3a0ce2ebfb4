"""An exchange with one node whose answers are a script, over a real journal in memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from opengradient_sdk.client.call import CHAT_ROUTE, Call
from opengradient_sdk.client.callbook import CallBook, Errand
from opengradient_sdk.client.config import OnAmbiguous
from opengradient_sdk.client.events import Event
from opengradient_sdk.client.exchange import Delivery, Exchange
from opengradient_sdk.errors import (
    LedgerError,
    NetworkError,
    NodeTimeoutError,
    TransportError,
)
from opengradient_sdk.payments.conduct import NodeConduct
from opengradient_sdk.payments.journal import CallRecord, PaymentJournal
from opengradient_sdk.payments.lives import Lives
from opengradient_sdk.payments.sessions import SessionPool
from opengradient_sdk.payments.state import OpenAuthorization

from ..payments.journal.clients import Client
from ..payments.makers import TEE

CALL = Call(CHAT_ROUTE, "gpt-5", {}, b"{}", None, "batch", 60.0)
KEYED = replace(CALL, key="order 7")
ESTIMATE = 1000
CUT = TransportError("the connection broke", sent=True)
UNREACHED = TransportError("no connection", sent=False)
LATE = NodeTimeoutError("no answer in time")
BARE = b'{"error": "Session expired or exhausted"}'


@dataclass
class Answer:
    """A node's answer; ``session`` names the session that it was served on."""

    status: int = 200
    session: str | None = "s-1"
    text: bytes = b"{}"
    reason: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        headers = {"X-Upto-Session": self.session} if self.session else {}
        if self.reason is not None:
            document = {"x402Version": 2, "error": self.reason, "accepts": []}
            headers["PAYMENT-REQUIRED"] = base64.b64encode(json.dumps(document).encode()).decode()
        return headers


GONE = Answer(402, None, BARE)


def refusing(reason: str) -> Answer:
    return Answer(402, None, b"{}", reason)


@dataclass
class Wire:
    """Sends by a script, and keeps the headers that paid, and the call's lines at that moment."""

    script: list[Answer | NetworkError]
    journal: PaymentJournal
    written: list[list[CallRecord]] = field(default_factory=list)
    paid_with: list[str] = field(default_factory=list)
    last: Answer = field(default_factory=Answer)

    async def send(self, headers: Mapping[str, str]) -> int:
        assert headers["X-SETTLEMENT-TYPE"] == "batch"
        (payment,) = set(headers) & {"PAYMENT-SIGNATURE", "X-Upto-Session"}
        self.paid_with.append(headers[payment])
        self.written.append(await self.journal.calls(len(await self.journal.entries())))
        step = self.script.pop(0)
        if isinstance(step, NetworkError):
            raise step
        self.last = step
        return step.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.last.headers

    async def body(self) -> bytes:
        return self.last.text


class FailingLines:
    """A journal's lines, which can be told that the disk is full from some step on."""

    def __init__(self, journal: PaymentJournal) -> None:
        self._journal = journal
        self.good_for: int | None = None

    def change(self, record: CallRecord) -> None:
        self._journal.change(record)

    async def flushed(self) -> None:
        if self.good_for == 0:
            raise LedgerError("disk full")
        if self.good_for is not None:
            self.good_for -= 1
        await self._journal.flushed()


class Counter:
    """An exchange with one node over a real journal, and everything that can be seen of it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.clock = client.clock
        self.lines = FailingLines(client.journal)
        self.calls = CallBook(self.lines, self.clock)
        self.conduct = NodeConduct(self.clock)
        self.lives = Lives(self.clock, client.journal.note, self.conduct)
        self.pool = SessionPool(self.clock, client.supervisor, self.lives)
        self.events: list[Event] = []
        self.signed: list[OpenAuthorization] = []
        self.nonces = count(1)
        self.refusal: Exception | None = None

    async def sign(self, _call: Call) -> OpenAuthorization:
        if self.refusal:
            raise self.refusal
        life = await self.client.signed(next(self.nonces))
        self.lives.add(life)
        self.signed.append(life)
        return life

    def exchange(self, on_ambiguous: OnAmbiguous = "retry_same") -> Exchange:
        return Exchange(
            Node(),  # type: ignore[arg-type]
            self.pool,
            self.sign,
            lives=self.lives,
            calls=self.calls,
            conduct=self.conduct,
            on_ambiguous=on_ambiguous,
            emit=self.events.append,
        )

    def wire(self, *script: Answer | NetworkError) -> Wire:
        return Wire(list(script), self.client.journal)

    def errand(self, call: Call = CALL, **changes: Any) -> Errand:
        return Errand(self.calls.record(call, estimate=ESTIMATE), **changes)

    async def deliver(
        self,
        *script: Answer | NetworkError,
        on_ambiguous: OnAmbiguous = "retry_same",
        errand: Errand | None = None,
        call: Call = CALL,
    ) -> tuple[Delivery, Wire]:
        wire, errand = self.wire(*script), errand or self.errand(call)
        try:
            async with self.exchange(on_ambiguous).deliver(call, wire, errand) as delivery:
                assert delivery.authorization.in_flight == 1
        finally:
            assert wire.script == []
            assert all(life.in_flight == 0 for life in self.lives.unresolved)
        return delivery, wire

    def header(self, number: int) -> str:
        return self.signed[number].authorization.header


class Node:
    """As much of a connection as an exchange needs."""

    @property
    def record(self) -> Any:
        return self

    tee_id = TEE

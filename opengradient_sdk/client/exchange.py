"""Sending a paid request: one authorization, the node's 402s, and what may be sent again.

The rules are the money rules of the architecture. Before an authorization exists everything may be
retried; afterwards only the same authorization is sent again, byte for byte, to the same node. A
refused one may be followed by one new one. After a bare 402 the original payment header is tried
before anything new is signed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from .._core.bearer import Bearer
from ..errors import (
    LedgerError,
    NetworkError,
    OpenGradientError,
    PaymentOutcomeUnknownError,
    PaymentRejectedError,
    PinMismatchError,
    RedirectError,
    Spent,
    TransportError,
)
from ..network.connection import NodeConnection
from ..payments.challenge import BareRefusal, parse_402
from ..payments.conduct import NodeConduct
from ..payments.lives import Lives
from ..payments.sessions import SessionPool
from ..payments.state import OpenAuthorization
from ..types import Amount
from .call import Call
from .callbook import CallBook, Errand
from .config import OnAmbiguous
from .events import Emit, PaymentRefused, RequestResent

_SESSION_HEADER = "X-Upto-Session"
_MAX_CONNECTS = 3


class Transmission(Protocol):
    """One way of sending the request: whole or streamed. ``send`` may be called again."""

    async def send(self, headers: Mapping[str, str]) -> int:
        """Send the request with these headers; return the status of the answer."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the last answer."""
        ...

    async def body(self) -> bytes:
        """The whole body of the last answer (only asked for on refusals and errors)."""
        ...


@dataclass(slots=True)
class Delivery:
    """A request that was answered (with whatever status but 402) under ``authorization``."""

    authorization: OpenAuthorization
    status: int
    resent: int


class Exchange:
    """Delivers paid requests to one node."""

    def __init__(
        self,
        connection: NodeConnection,
        sessions: SessionPool,
        open_: Callable[[Call], Awaitable[OpenAuthorization]],
        *,
        lives: Lives,
        calls: CallBook,
        conduct: NodeConduct,
        on_ambiguous: OnAmbiguous,
        emit: Emit,
    ) -> None:
        self.tee_id = connection.record.tee_id
        self.lives = lives
        self.calls = calls
        self.conduct = conduct
        self._sessions = sessions
        self._open = open_
        self._on_ambiguous: OnAmbiguous = on_ambiguous
        self._emit = emit

    @asynccontextmanager
    async def deliver(
        self, call: Call, transmission: Transmission, errand: Errand
    ) -> AsyncGenerator[Delivery, None]:
        """Send ``call`` until it is answered or must be given up; count it while it is open.

        Raises:
            PaymentRejectedError: The node refused two authorizations for this call.
            PaymentOutcomeUnknownError: It was sent and no answer came; nothing new was signed.
            PaymentError, NetworkError: The authorization could not be made; nothing was sent.
        """
        refused: PaymentRejectedError | None = None
        while True:
            try:
                life = await self._join(call, errand)
            except OpenGradientError as error:
                if refused is None:
                    raise
                raise refused from error  # nothing new was signed, but its cap is exposed
            sender = _Sender(self, life, call, transmission, errand)
            try:
                refusal = await sender.until_answered()
                if refusal is None:
                    self.conduct.served(self.tee_id)
                    yield Delivery(life, sender.status, errand.lost)
                    return
            finally:
                if sender.unanswered:
                    life.answered(None)  # the node may bill it; nobody here knows how much
                life.leave()
            self._ended_by_node(call, life, refusal)
            if errand.lost:
                # the lost request may have been served: no second cap for the same call
                raise _unknown(life, refusal.short_message) from refusal
            if refused is not None:
                raise refusal from refused
            refused = refusal

    def _ended_by_node(
        self, call: Call, life: OpenAuthorization, refusal: PaymentRejectedError
    ) -> None:
        self.lives.retire(life, by_node=True)
        self._emit(PaymentRefused(call.route, life.tee_id, refusal.reason))

    async def _join(self, call: Call, errand: Errand) -> OpenAuthorization:
        if errand.under is not None:
            if not self._sessions.takes(errand.under):
                raise _unknown(errand.under, "its session takes no more requests")
            life = errand.under
            life.enter()
        else:
            life = await self._sessions.join(self.tee_id, call.route, lambda: self._open(call))
        try:
            if errand.block is not None:
                errand.block.join(life.nonce, life.cap)
                life.blocks.add(errand.block)
        except BaseException:
            life.leave()
            raise
        return life

    def may_resend(self) -> bool:
        """Whether a request of unknown outcome is sent once more under the same authorization."""
        return self._on_ambiguous == "retry_same"

    def resending(self, call: Call, life: OpenAuthorization, error: NetworkError) -> None:
        """Count and tell that a request is sent again and may be billed twice within its cap."""
        life.resent += 1
        self._emit(RequestResent(call.route, life.tee_id, error.short_message))


class _Sender:
    """One call under one authorization."""

    def __init__(
        self,
        exchange: Exchange,
        life: OpenAuthorization,
        call: Call,
        transmission: Transmission,
        errand: Errand,
    ) -> None:
        self._exchange = exchange
        self._life = life
        self._call = call
        self._transmission = transmission
        self._errand = errand
        self.status = 0
        self.unanswered = False

    async def until_answered(self) -> PaymentRejectedError | None:
        """Send under this authorization; return the node's refusal, ``None`` if it took it."""
        used_session = self._life.session_id
        refusal = await self._attempt(self._life.headers())
        if refusal is not None and used_session is not None:
            # the node may have lost the session and still honour the permit it came from
            self._life.lost(used_session)
            refusal = await self._attempt(self._life.payment_header())
        return refusal

    async def _attempt(self, payment: Mapping[str, str]) -> PaymentRejectedError | None:
        exchange, losses = self._exchange, self._life.losses
        self.status = await self._sent({**self._call.headers, **payment})
        if self.status != 402:
            if session := self._transmission.headers.get(_SESSION_HEADER):
                session = Bearer(session)  # also for those who see this frame in a traceback
                exchange.lives.opened(self._life, session, losses=losses)
            return None
        exchange.calls.unserved(self._errand)
        answer = parse_402(self._transmission.headers, await self._transmission.body())
        if isinstance(answer, BareRefusal):
            exchange.conduct.bare_refusal(exchange.tee_id, nonce=self._life.nonce)
            return self._refusal(answer.error)
        return self._refusal(answer.error or "payment required")

    async def _sent(self, headers: Mapping[str, str]) -> int:
        """Send until an answer begins: free retries while nothing arrived, then one more copy."""
        exchange, errand, connects = self._exchange, self._errand, 0
        while True:
            await self._written_down()
            exchange.lives.sent(self._life)
            self.unanswered = True  # also when a cancelled caller hears no more of it
            try:
                status = await self._transmission.send(headers)
            except NetworkError as error:
                connects += 1
                if _never_arrived(error):
                    exchange.calls.unserved(errand)
                    if _may_connect_again(error) and connects < _MAX_CONNECTS:
                        continue  # the same header may go out again freely
                    if errand.lost:  # this copy was not served, but the lost one may have been
                        raise _unknown(self._life, error.short_message) from error
                    self.unanswered = False
                    raise
                exchange.calls.lost(errand)
                if errand.lost > 1 or not exchange.may_resend():
                    raise _unknown(self._life, error.short_message) from error
                exchange.resending(self._call, self._life, error)
            else:
                self.unanswered = False
                return status

    async def _written_down(self) -> None:
        calls, errand = self._exchange.calls, self._errand
        try:
            await calls.sending(errand, self._life)
        except LedgerError as error:
            calls.unserved(errand)
            if errand.lost:
                raise _unknown(self._life, error.short_message) from error
            raise

    def _refusal(self, reason: str) -> PaymentRejectedError:
        return PaymentRejectedError(
            f"the node refused the payment: {reason}",
            reason=reason,
            hint=_HINTS.get(reason, "The cap stays reserved until the chain shows its end."),
            amount=Amount(self._life.cap),
        )


def _never_arrived(error: NetworkError) -> bool:
    if isinstance(error, TransportError):
        return not error.sent
    return isinstance(error, PinMismatchError | RedirectError)


def _may_connect_again(error: NetworkError) -> bool:
    return isinstance(error, TransportError)


def _unknown(life: OpenAuthorization, what: str) -> PaymentOutcomeUnknownError:
    return PaymentOutcomeUnknownError(
        f"the request was sent and no answer came: {what}",
        hint="The node may have done the work and billed it. No second payment was signed; "
        "the authorization is listed in client.payments.unresolved.",
        spent=Spent.MAYBE,
        amount=Amount(life.cap),
    )


_HINTS = {
    "erc20_approval_tx_out_of_bounds": "A transaction of this wallet may be in the way. When it is "
    "mined, try again; or call client.wallet.ensure_allowance() once, before the first call.",
    "permit2_allowance_required": "Call client.wallet.ensure_allowance() and try again.",
    "permit2_insufficient_balance": "The wallet holds less OPG than the cap; send it some.",
    "permit2_simulation_failed": "The wallet may lack OPG or the allowance; see "
    "client.wallet.balances().",
    "permit2_deadline_expired": "The clock of this machine may be wrong.",
    "permit2_not_yet_valid": "The clock of this machine may be wrong.",
}

"""What a node does unasked: settle sessions that are over, and say that it is alive."""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import Final

from ..._core.clock import Clock
from ...types import Address, keccak256
from .facilitator_client import FacilitatorClient, FacilitatorError
from .faults import Faults
from .identity import Enclave
from .sessions import Session, SessionBook, SessionState
from .shapes import JsonObject

HEARTBEAT_SECONDS: Final = 900
HEARTBEAT_BUFFER_SECONDS: Final = 300
_HEARTBEAT_TRIES: Final = 3
_RETRY_SECONDS: Final = 10
_LOG: Final = logging.getLogger(__name__)


class Reaper:
    """Hands in the sums of sessions that are idle or used up (protocol notes 2.8)."""

    def __init__(
        self,
        book: SessionBook,
        facilitator: FacilitatorClient,
        clock: Clock,
        faults: Faults,
        idle_seconds: float,
    ) -> None:
        self._book = book
        self._facilitator = facilitator
        self._clock = clock
        self._faults = faults
        self._idle_seconds = idle_seconds

    async def settle_due(self) -> None:
        """Settle what is due now; a session that the facilitator does not take stays due."""
        for session in self._book.due(self._clock.now(), self._idle_seconds):
            if session.cost == 0:
                self._book.expire(session)
            else:
                await self._settle(session)

    async def settle_now(self, session: Session) -> None:
        """Settle an open session that nobody is served on, idle or not."""
        if session.state is SessionState.OPEN and session.cost and not session.in_flight:
            await self._settle(session)

    async def _settle(self, session: Session) -> None:
        session.state = SessionState.SETTLING
        try:
            job = await self._facilitator.settle(session.payment, self._bill(session))
        except FacilitatorError as failure:
            _LOG.warning("a session's settlement was not taken: %s", failure)
            session.state = SessionState.OPEN
        except asyncio.CancelledError:
            session.state = SessionState.OPEN
            raise
        else:
            self._book.settled(session, job)

    def _bill(self, session: Session) -> JsonObject:
        amount = min(session.cap, session.cost + self._faults.overcharge)
        return {**session.requirements, "amount": str(amount)}


class Heartbeat:
    """Signs and sends heartbeats (protocol notes 5.5): one is due every ``HEARTBEAT_SECONDS``.

    The signed time lies ``HEARTBEAT_BUFFER_SECONDS`` back, because the chain's clock may be late. A
    heartbeat that fails is tried again after ten seconds, three times in all. The first one is due
    an interval after the start: registration counts as the one before it.
    """

    def __init__(
        self,
        enclave: Enclave,
        facilitator: FacilitatorClient,
        contract: Address,
        clock: Clock,
        faults: Faults,
    ) -> None:
        self._enclave = enclave
        self._facilitator = facilitator
        self._contract = contract
        self._clock = clock
        self._faults = faults
        self._due = clock.now() + HEARTBEAT_SECONDS
        self._tries = 0
        self._sent = 0
        self._errors = 0
        self._last_success: int | None = None
        self._last_transaction: str | None = None
        self._last_error: str | None = None

    async def send_if_due(self) -> None:
        """Send a heartbeat if the clock says so."""
        now = self._clock.now()
        if now < self._due or self._faults.stale_heartbeat:
            return
        self._tries += 1
        try:
            receipt = await self._facilitator.heartbeat(await self._message(int(now)))
        except FacilitatorError as failure:
            self._errors += 1
            self._last_error = str(failure)
            _LOG.warning("a heartbeat was not taken: %s", failure)
            if self._tries < _HEARTBEAT_TRIES:
                self._due = now + _RETRY_SECONDS
                return
        else:
            self._sent += 1
            self._last_success = int(now)
            self._last_transaction = receipt.get("txHash")
        self._due = now + HEARTBEAT_SECONDS
        self._tries = 0

    def status(self) -> JsonObject:
        """Return what ``/heartbeat/status`` tells."""
        return {
            "enabled": True,
            "running": not self._faults.stale_heartbeat,
            "tee_id": str(self._enclave.tee_id),
            "registry": str(self._contract),
            "wallet": None,
            "relay_mode": "facilitator",
            "facilitator_url": self._facilitator.url,
            "heartbeat_endpoint": self._facilitator.url + "/heartbeat",
            "interval_seconds": HEARTBEAT_SECONDS,
            "total_sent": self._sent,
            "total_errors": self._errors,
            "last_success_timestamp": self._last_success,
            "last_tx_hash": self._last_transaction,
            "last_error": self._last_error,
        }

    async def _message(self, now: int) -> JsonObject:
        timestamp = now - HEARTBEAT_BUFFER_SECONDS
        message = keccak256(self._enclave.tee_id + timestamp.to_bytes(32))
        signature = await self._enclave.sign(message)
        return {
            "teeId": str(self._enclave.tee_id),
            "timestamp": str(timestamp),
            "signature": base64.b64encode(signature).decode(),
            "contractAddress": str(self._contract),
        }

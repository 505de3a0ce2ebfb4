"""Sessions: one verified payment, many answers, one settlement (protocol notes 2.8).

A session is found by its id, or by the permit that pays it. The permit is its payer and nonce, not
the text of the header that carried it: one permit in two spellings opens one session (protocol
notes, S9).
"""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from ..._core.clock import Clock
from .shapes import JsonObject, is_object

MAX_PERMIT_NONCE: Final = 2**256 - 1


@dataclass(frozen=True, slots=True)
class Permit:
    """The payer and the unordered nonce of a Permit2 authorization: what can be settled once."""

    payer: str
    nonce: int

    @classmethod
    def of(cls, payment: JsonObject) -> Permit | None:
        """Return the permit of a payment payload, ``None`` where it carries none."""
        payload = payment.get("payload")
        authorization = payload.get("permit2Authorization") if is_object(payload) else None
        if not is_object(authorization):
            return None
        payer, nonce = authorization.get("from"), authorization.get("nonce")
        if not isinstance(payer, str) or not isinstance(nonce, str):
            return None
        if not (nonce.isascii() and nonce.isdecimal()) or int(nonce) > MAX_PERMIT_NONCE:
            return None
        return cls(payer.lower(), int(nonce))


class SessionState(Enum):
    """Where a session is in its life."""

    OPEN = "open"
    SETTLING = "settling"
    SETTLED = "settled"
    EXPIRED = "expired"
    FORGOTTEN = "forgotten"


@dataclass(slots=True)
class Session:
    """What one payment allows, and what was served on it.

    ``cap`` and ``cost`` are atoms of OPG, ``last_activity`` is Unix seconds. ``cost`` is the sum of
    the answers that fitted under the cap; ``unbilled`` counts those that did not. ``id`` is a
    bearer secret worth the cap, so it is not in the repr.
    """

    id: str = field(repr=False)
    route: str
    permit: Permit
    payment: JsonObject = field(repr=False)
    requirements: JsonObject = field(repr=False)
    cap: int
    last_activity: float
    cost: int = 0
    billed: int = 0
    unbilled: int = 0
    in_flight: int = 0
    state: SessionState = SessionState.OPEN
    job: str | None = None

    @property
    def payer(self) -> str:
        """The payer's address, in lower case."""
        return self.permit.payer

    @property
    def nonce(self) -> int:
        """The Permit2 nonce."""
        return self.permit.nonce

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left under the cap."""
        return self.cost >= self.cap

    def serves(self, route: str) -> bool:
        """Say whether a request to ``route`` may use this session."""
        return self.state is SessionState.OPEN and self.route == route and not self.exhausted

    def charge(self, cost: int) -> None:
        """Add the cost of an answer; one that does not fit under the cap is served for nothing."""
        if self.cost + cost > self.cap:
            self.unbilled += 1
            return
        self.cost += cost
        self.billed += 1

    @contextmanager
    def serving(self, clock: Clock) -> Generator[None]:
        """Keep the session from being settled while a request is served on it."""
        self.in_flight += 1
        self.last_activity = clock.now()
        try:
            yield
        finally:
            self.in_flight -= 1
            self.last_activity = clock.now()


class SessionBook:
    """All sessions of a node, live and past. Memory only: a restarted node has forgotten them."""

    def __init__(self) -> None:
        self._every: list[Session] = []
        self._by_id: dict[str, Session] = {}
        self._by_permit: dict[Permit, Session] = {}

    @property
    def every(self) -> tuple[Session, ...]:
        """All sessions since the start, in the order in which they were opened."""
        return tuple(self._every)

    def find(self, session_id: str) -> Session | None:
        """Return the live session of an id."""
        return self._by_id.get(session_id)

    def paid_by(self, permit: Permit) -> Session | None:
        """Return the session that a permit pays: a live one, or one that was handed in."""
        return self._by_permit.get(permit)

    def open(
        self, permit: Permit, payment: JsonObject, requirements: JsonObject, route: str, now: float
    ) -> Session:
        """Open a session for a verified payment."""
        session = Session(
            id=str(uuid.uuid4()),
            route=route,
            permit=permit,
            payment=payment,
            requirements=requirements,
            cap=int(requirements["amount"]),
            last_activity=now,
        )
        self._every.append(session)
        self._by_id[session.id] = session
        self._by_permit[permit] = session
        return session

    def due(self, now: float, idle_seconds: float) -> list[Session]:
        """Return the open sessions that are exhausted, or idle for longer than allowed."""
        return [
            session
            for session in self._by_id.values()
            if session.state is SessionState.OPEN
            and not session.in_flight
            and (session.exhausted or now - session.last_activity > idle_seconds)
        ]

    def expire(self, session: Session) -> None:
        """Forget a session that served nothing worth settling; its permit may be used again."""
        session.state = SessionState.EXPIRED
        self._by_id.pop(session.id, None)
        self._by_permit.pop(session.permit, None)

    def forget(self) -> None:
        """Lose every live session, as a restart does: nobody will be asked for what they cost."""
        for session in self._by_id.values():
            session.state = SessionState.FORGOTTEN
        self._by_id.clear()
        self._by_permit.clear()

    def settled(self, session: Session, job: str) -> None:
        """Close a session whose settlement the facilitator has accepted under ``job``."""
        session.state = SessionState.SETTLED
        session.job = job
        self._by_id.pop(session.id, None)

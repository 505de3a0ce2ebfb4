"""What the journal keeps of a call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class CallState(Enum):
    """How a call ended, as far as this side knows.

    ``PENDING``: under way. ``SERVED``: answered. ``FAILED``: ended, and nothing of it is billed.
    ``UNKNOWN``: sent, and nobody here knows whether it was served and billed.
    """

    PENDING = "pending"
    SERVED = "served"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(slots=True, eq=False)
class CallRecord:
    """One logical call, however often it was sent. Amounts are atoms of OPG.

    ``key`` is the caller's ``idempotency_key``, ``fingerprint`` says what was asked. ``nonce`` is
    the authorization that it joined, ``attempts`` how often it was sent on it. ``maybe_billed`` is
    what the network may have billed for copies of it whose answers were lost; ``estimate`` the most
    that one copy costs, by its tokens, ``None`` where no price is published. ``started_at`` and
    ``ended_at`` are Unix seconds of the client's clock. ``reply`` is the sealed answer, for calls
    with a key.
    """

    id: str
    fingerprint: str
    route: str
    model: str
    started_at: float
    key: str | None = None
    tag: str | None = None
    nonce: int | None = None
    state: CallState = CallState.PENDING
    attempts: int = 0
    maybe_billed: int = 0
    estimate: int | None = None
    cost: int | None = None
    ended_at: float | None = None
    reason: str = ""
    reply: str | None = None

"""What is written down of calls: before they are sent, when they are sent again, at their end."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from .._core.clock import Clock
from ..errors import OpenGradientError, Spent
from ..payments.budget import Block
from ..payments.journal import CallRecord, CallState
from ..payments.state import OpenAuthorization
from ..verification.policy import CallFacts
from .call import Call
from .reply import Reply

_DIGITS: Final = 24
"""Hex digits of a call's id: eight say its second, and the others are random."""


class CallLines(Protocol):
    """Where the lines go: the journal."""

    def change(self, record: CallRecord) -> None:
        """Write ``record`` down soon."""
        ...

    async def flushed(self) -> None:
        """Return when all that was to be written is on disk; ``LedgerError`` if it cannot be."""
        ...


@dataclass(slots=True, eq=False)
class Errand:
    """One call on its way: its line in the journal, and what it counts against.

    ``under`` is the authorization it must stay with, because it was sent on it before. ``lost``
    counts the copies of it whose answers were lost: the node may have served and billed them.
    ``cap`` is that of the authorization it was last sent on, in atoms: the most a copy can cost.
    ``facts`` are those that its node was chosen by, if one was: its answer is judged by the same.
    ``ended``: its line says how. ``kept``: that line, with ``reply``, is on disk.
    """

    record: CallRecord
    block: Block | None = None
    under: OpenAuthorization | None = None
    lost: int = 0
    cap: int = 0
    reply: Reply | None = field(default=None, repr=False)
    facts: CallFacts | None = None
    ended: bool = False
    kept: bool = False

    @property
    def copy(self) -> int:
        """Which copy of the call is answered, if it was interrupted before; else 1.

        A client may have ended after it had written a receipt, and before it said so of the key.
        What is answered then is another answer, perhaps billed as well, with another receipt.
        """
        return 1 if self.under is None else self.record.attempts


class CallBook:
    """Writes down how calls go.

    A call with an idempotency key is on disk before it is sent: another process may be asked for
    it after a crash. Others are written down while they are under way, so that none waits for the
    disk; after a crash the last of them may be missing, and their authorization says so.
    """

    def __init__(self, lines: CallLines, clock: Clock) -> None:
        self._lines = lines
        self._clock = clock

    def record(self, call: Call, *, estimate: int | None) -> CallRecord:
        """Return the line of a call that is about to be made; nothing is written yet."""
        return CallRecord(
            id=_new_id(self._clock.now()),
            # only keys are compared; without one, nothing should let the question be guessed
            fingerprint="" if call.key is None else fingerprint(call),
            route=call.route,
            model=call.model,
            started_at=self._clock.now(),
            key=call.key,
            tag=call.tag,
            estimate=estimate,
        )

    def handed_out(self, life: OpenAuthorization) -> None:
        """Write down that calls may be made on ``life`` which this client never sees."""
        now = self._clock.now()
        self._lines.change(
            CallRecord(
                id=_new_id(self._clock.now()),
                fingerprint="",
                route=life.route,
                model="",
                started_at=now,
                nonce=life.nonce,
                state=CallState.UNKNOWN,
                maybe_billed=life.cap,
                ended_at=now,
                reason="its header was handed to the caller",
            )
        )

    async def sending(self, errand: Errand, life: OpenAuthorization) -> None:
        """Write down that a copy is about to be sent on ``life``.

        Raises:
            LedgerError: The journal cannot be written; it must not be sent.
        """
        record = errand.record
        record.nonce, errand.cap = life.nonce, life.cap
        record.attempts += 1
        self._lines.change(record)
        if record.key is not None:
            await self._lines.flushed()

    def unserved(self, errand: Errand) -> None:
        """Take the last copy back: it is certain that it was not served."""
        errand.record.attempts -= 1

    def lost(self, errand: Errand) -> None:
        """Count a copy whose answer was lost: it may be billed."""
        errand.lost += 1
        _count_one_more(errand)
        # as it is now: its end is written with its answer only
        self._lines.change(replace(errand.record))

    def served(self, errand: Errand, cost: int | None) -> None:
        """Write down that it was answered, and the cost of the answer."""
        self._end(errand, CallState.SERVED, "", cost=cost)

    def failed(self, errand: Errand, error: BaseException) -> None:
        """Write down how it failed: for nothing, or so that nobody knows what it cost."""
        record = errand.record
        if errand.ended:  # it was answered, and the answer was refused afterwards
            record.reason = _reason(error)
            self._write_end(record)
        elif record.attempts == 0 or (
            # a copy of before may have been billed, however this one failed
            errand.lost == 0 and isinstance(error, OpenGradientError) and error.spent is Spent.NO
        ):
            self._end(errand, CallState.FAILED, _reason(error), cost=0)
        else:
            self._unknown(errand, _reason(error))

    def abandoned(self, errand: Errand) -> None:
        """Write down that its answer was not read to the end: what was produced is billed."""
        self._unknown(errand, "the answer was not read to its end")

    def _unknown(self, errand: Errand, reason: str) -> None:
        if errand.record.attempts > errand.lost:  # the last copy is not among the lost ones
            _count_one_more(errand)
        self._end(errand, CallState.UNKNOWN, reason, cost=None)

    def _end(self, errand: Errand, state: CallState, reason: str, *, cost: int | None) -> None:
        record = errand.record
        errand.ended = True
        record.state, record.reason, record.cost = state, reason, cost
        record.ended_at = self._clock.now()
        if errand.block is not None:
            errand.block.answered(record.estimate, cost)
        self._write_end(record)

    def _write_end(self, record: CallRecord) -> None:
        """Write down soon how it ended; of a call with a key, ``Once`` does, with the answer.

        An end without it would say that the key was answered, and the answer refused.
        """
        if record.key is None:
            self._lines.change(record)


def _new_id(now: float) -> str:
    """Return an id. Those that are made later sort later, so that an index grows at its end.

    Ids that are random from their first digit on dirty a page of every index for each call.
    """
    return f"call_{int(now) & 0xFFFFFFFF:08x}{secrets.token_hex(8)}"


def receipt_id_of(call_id: str, copy: int = 1) -> str:
    """Return the id of the receipt of a call's answer: the same random digits.

    ``copy`` is the errand's: before the digits of a later answer stands the number of its copy.
    """
    number = "" if copy == 1 else f"{copy:02x}"
    return f"rcpt_{number}{call_id.removeprefix('call_')}"


def call_id_of(receipt_id: str) -> str:
    """Return the id of the call of a receipt."""
    return "call_" + receipt_id.removeprefix("rcpt_")[-_DIGITS:]


def fingerprint(call: Call) -> str:
    """Return what tells whether two calls ask the same: 64 hex digits.

    Whether an answer is streamed makes no difference to what is asked.
    """
    asked = {name: value for name, value in call.body.items() if name != "stream"}
    text = json.dumps([call.route, call.settlement, asked], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _count_one_more(errand: Errand) -> None:
    """Count the most that one more copy can be billed; all copies share one cap."""
    record = errand.record
    most = errand.cap if record.estimate is None else record.estimate
    record.maybe_billed = min(record.maybe_billed + most, errand.cap)


def _reason(error: BaseException) -> str:
    # other texts may repeat what was sent; the journal holds none of that in plain
    if isinstance(error, OpenGradientError):
        return f"{type(error).__name__}: {error.short_message}"[:500]
    return type(error).__name__

"""The rows of calls: which are under way, which key has an answer, and who may go on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from ..._core.store import Db, Row, Value
from ...errors import ConfigurationError, IdempotencyConflictError
from .holders import Desk, is_alive
from .records import CallRecord, CallState
from .text import plain, plain_or_none

_COLUMNS: Final = (
    "id, owner, network, idempotency_key, fingerprint, route, model, tag, nonce, holder, state,"
    " attempts, maybe_billed, estimate, cost, started_at, ended_at, reason, reply"
)
_PUT: Final = (
    f"INSERT INTO payment_call ({_COLUMNS})"  # noqa: S608  # literals
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET tag = excluded.tag, nonce = excluded.nonce,"
    " holder = excluded.holder, state = excluded.state, attempts = excluded.attempts,"
    " maybe_billed = excluded.maybe_billed, estimate = excluded.estimate, cost = excluded.cost,"
    " started_at = excluded.started_at, ended_at = excluded.ended_at, reason = excluded.reason,"
    " reply = excluded.reply"
)
PUT_MINE: Final = _PUT + " WHERE payment_call.holder = excluded.holder"
"""Write a call, unless it is another holder's by now."""

LONGEST_KEY: Final = 255
"""Characters of an idempotency key."""
_LEFT_BEHIND: Final = "its client ended while it was under way"


@dataclass(frozen=True, slots=True)
class Begun:
    """Nobody sent this call: it is ours to send. ``record`` is to be used from here on."""

    record: CallRecord


@dataclass(frozen=True, slots=True)
class Replied:
    """The key has an answer; nothing is sent. ``reply`` is ``None`` where none was kept."""

    record: CallRecord
    reply: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A living client is at it: this one itself (``mine``), or another one."""

    record: CallRecord
    mine: bool


@dataclass(frozen=True, slots=True)
class Interrupted:
    """It was sent, and nobody knows how it ended; it is ours now, and PENDING again.

    ``record`` says what it joined and what the network may have billed for it
    (``maybe_billed``). Who does not go on with it writes it back as UNKNOWN, with ``finish``.
    """

    record: CallRecord


FORGOTTEN: Final = "its content was forgotten"

Admission: TypeAlias = Begun | Replied | UnderWay | Interrupted


def check_call_key(key: str | None) -> None:
    """Return if ``key`` can be an idempotency key.

    Raises:
        ConfigurationError: It is empty, too long, or holds what no database keeps.
    """
    if key is None or (0 < len(key) <= LONGEST_KEY and plain(key) == key):
        return
    raise ConfigurationError(
        f"an idempotency key has 1 to {LONGEST_KEY} characters of valid Unicode, and no NUL",
        hint="Nothing was sent.",
    )


def row_of(desk: Desk, record: CallRecord) -> tuple[Value, ...]:
    """Return a call as it is written now."""
    return (
        record.id,
        desk.owner,
        desk.network,
        record.key,
        record.fingerprint,
        plain(record.route),
        plain(record.model),
        plain_or_none(record.tag),
        _text(record.nonce),
        desk.holder,
        record.state.value,
        record.attempts,
        str(record.maybe_billed),
        _text(record.estimate),
        _text(record.cost),
        record.started_at,
        record.ended_at,
        plain(record.reason),
        record.reply,
    )


def admit(db: Db, desk: Desk, record: CallRecord) -> Admission:
    """Decide who makes a call, and write it down as this holder's where that is this one.

    Raises:
        IdempotencyConflictError: Its key belongs to another call.
    """
    if record.key is None:
        db.execute(_PUT, row_of(desk, record))
        return Begun(record)
    db.lock(f"payment call {desk.network}/{desk.owner}/{record.key}")
    known = _by_key(db, desk, record.key)
    if known is None:
        db.execute(_PUT, row_of(desk, record))
        return Begun(record)
    former, holder = known
    if former.reason == FORGOTTEN:
        raise IdempotencyConflictError(
            "this idempotency key was answered, and the answer was forgotten",
            hint="Nothing was sent. To ask and pay once more, use a new key.",
        )
    if former.fingerprint != record.fingerprint:
        raise _conflict(former)
    return _admit_again(db, desk, record, former, holder)


def _admit_again(
    db: Db, desk: Desk, record: CallRecord, former: CallRecord, holder: str | None
) -> Admission:
    match former.state:
        case CallState.SERVED:
            return Replied(former)
        case CallState.FAILED:
            fresh = replace(record, id=former.id)
            db.execute(_PUT, row_of(desk, fresh))
            return Begun(fresh)
        case CallState.PENDING if holder == desk.holder:
            return UnderWay(former, mine=True)
        case CallState.PENDING if is_alive(db, holder):
            return UnderWay(former, mine=False)
        case CallState.PENDING:
            billed = _maybe_billed(db, desk, former, holder)
            return _taken_over(db, desk, replace(former, maybe_billed=billed))
        case _:  # UNKNOWN
            return _taken_over(db, desk, replace(former, state=CallState.PENDING, ended_at=None))


def _taken_over(db: Db, desk: Desk, record: CallRecord) -> Interrupted:
    db.execute(_PUT, row_of(desk, record))
    return Interrupted(record)


def end(db: Db, desk: Desk, record: CallRecord) -> None:
    """Write down how a call ended.

    Where another holder has taken it over, as this one was thought dead, what is known of this
    copy is a row of its own: it was served on the same authorization, and is part of its charge.
    """
    if db.execute(PUT_MINE + " RETURNING id", row_of(desk, record)):
        return
    beside = replace(record, id=f"{record.id}+{desk.holder}", key=None, reply=None)
    db.execute(_PUT, row_of(desk, beside))


def abandon(db: Db, desk: Desk, now: float) -> None:
    """Say of every call that the dead left under way that nobody knows how it ended."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM payment_call"  # noqa: S608  # literals
        " WHERE state = 'pending' AND owner = ? AND network = ?"
        " AND holder NOT IN (SELECT id FROM payment_client)",
        (desk.owner, desk.network),
    )
    for row in rows:
        record, holder = _record(row)
        billed = _maybe_billed(db, desk, record, holder)
        db.execute(
            "UPDATE payment_call SET state = ?, maybe_billed = ?, ended_at = ?, reason = ?"
            " WHERE id = ? AND state = 'pending' AND holder = ?",
            (CallState.UNKNOWN.value, str(billed), now, _LEFT_BEHIND, record.id, holder),
        )


def of_authorization(db: Db, desk: Desk, nonce: int) -> list[CallRecord]:
    """Return the calls that joined an authorization, oldest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM payment_call"  # noqa: S608  # literals
        " WHERE owner = ? AND network = ? AND nonce = ? ORDER BY started_at, id",
        (desk.owner, desk.network, str(nonce)),
    )
    return [_record(row)[0] for row in rows]


def forget(db: Db, desk: Desk, id_: str) -> None:
    """Delete what tells of a call's content: its stored reply, and what it could be guessed from.

    Its key stays taken: asking again with it is refused, and never paid twice.
    """
    db.execute(
        "UPDATE payment_call SET reply = NULL, fingerprint = '', reason = ?"
        " WHERE id = ? AND owner = ? AND network = ?",
        (FORGOTTEN, id_, desk.owner, desk.network),
    )


def _maybe_billed(db: Db, desk: Desk, record: CallRecord, holder: str | None) -> int:
    """Return what may be billed with one more copy, which a dead holder may have sent (atoms).

    A copy costs its estimate, or the cap it joined where no price is known; all copies share that
    cap. Where no line tells which one it was, it is the largest that the holder had.
    """
    by, value = ("nonce", _text(record.nonce)) if record.nonce is not None else ("holder", holder)
    caps = db.execute(
        f'SELECT cap FROM "authorization" WHERE owner = ? AND network = ? AND {by} = ?',  # noqa: S608  # a literal
        (desk.owner, desk.network, value),
    )
    cap = max((int(cap) for (cap,) in caps), default=None)
    if cap is None:  # it ended before it wrote one down: nothing bounds the estimate
        return record.maybe_billed + (record.estimate or 0)
    copy = cap if record.estimate is None else record.estimate
    return min(record.maybe_billed + copy, cap)


def _by_key(db: Db, desk: Desk, key: str) -> tuple[CallRecord, str | None] | None:
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM payment_call"  # noqa: S608  # literals
        " WHERE owner = ? AND network = ? AND idempotency_key = ?",
        (desk.owner, desk.network, key),
    )
    return _record(rows[0]) if rows else None


def _record(row: Row) -> tuple[CallRecord, str | None]:
    """Return a call as it was written, and its holder."""
    (id_, _, _, key, fingerprint, route, model, tag, nonce, holder, state) = row[:11]
    (attempts, maybe_billed, estimate, cost, started_at, ended_at, reason, reply) = row[11:]
    record = CallRecord(
        id=id_,
        fingerprint=fingerprint,
        route=route,
        model=model,
        started_at=float(started_at),
        key=key,
        tag=tag,
        nonce=_number(nonce),
        state=CallState(state),
        attempts=int(attempts),
        maybe_billed=int(maybe_billed),
        estimate=_number(estimate),
        cost=_number(cost),
        ended_at=None if ended_at is None else float(ended_at),
        reason=reason,
        reply=reply,
    )
    return record, holder


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _conflict(former: CallRecord) -> IdempotencyConflictError:
    return IdempotencyConflictError(
        f"this idempotency key was used for another call, of {former.model} at {former.route}",
        hint="Nothing was sent. A key names one call with all its parameters; use a new one.",
    )

"""Budgets that many clients share: what counts is in the store, and nobody overshoots it.

A pool is one budget. What counts against it is read from the rows of its authorizations, so that
the budget and the journal cannot disagree: a cap counts while its authorization's row is there and
the chain has not spoken. Only what the chain has charged is kept as a sum beside them, for one
*run* at a time. Functions here take an open transaction, and the pool's lock until it ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Final

from ..._core.store import Db, Row, Value
from ...errors import BudgetExceededError, LedgerError
from ...types import Address, Amount
from .standing import Standing, no_room

_THE_ONLY_RUN: Final = "ever"
_OPEN: Final = "state IN ('open', 'unknown')"  # word for word as in the partial index
_CHARGED_SINCE: Final = f"signed_at > ? AND NOT {_OPEN} AND charged IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Pool:
    """One budget: every client of this wallet, network and name on the same store shares it.

    Without a name it counts in runs. With one it counts for ever.
    """

    owner: Address
    network: str
    name: str = ""

    @property
    def named(self) -> bool:
        """Whether the user gave it a name."""
        return bool(self.name)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client holds itself to, in atoms; others of its pool may have other limits.

    ``window`` is in seconds.
    """

    total: int | None
    window: float | None = None
    tags: Mapping[str, int] = field(default_factory=dict[str, int])


def lock_pool(db: Db, pool: Pool) -> None:
    """Wait until no other process works on the pool; held until the transaction ends.

    Every function here that decides or writes takes it by itself; a second time costs little. Take
    it first where something else that was read decides too, such as an authorization's former
    state. Who takes the locks of two pools takes them in the order of their names.
    """
    db.lock(f"budget {pool.network} {pool.owner} {pool.name}")


# Runs


def begin_run(db: Db, pool: Pool, *, shared: bool, now: float) -> str:
    """Return the run in which a client that joins the pool counts; a new one where the last ended.

    Called once when a client joins. ``shared``: another client of the pool is alive, as the
    journal knows. ``now`` is Unix seconds of the client's clock. The last run goes on while it is
    shared or one of its open authorizations can still be collected; a named pool's run has no end.
    A new run has nothing charged. What the chain charges later for authorizations of older runs is
    counted nowhere; until then their caps are.
    """
    lock_pool(db, pool)
    run = _run_of(db, pool)
    if run is not None and (pool.named or shared or _can_be_collected(db, pool, run, now)):
        return run
    _forget_runs(db, pool)
    run = _THE_ONLY_RUN if pool.named else secrets.token_hex(8)
    db.execute(
        "INSERT INTO budget_run (owner, network, pool, run, began_at, charged)"
        " VALUES (?, ?, ?, ?, ?, '0')",
        (*_key(pool), run, db.now()),
    )
    return run


def present_run(db: Db, pool: Pool) -> str:
    """Return the run that the pool is in; authorizations are written down with it.

    Asked in every transaction that reserves, after ``lock_pool``: while a client was thought dead
    (its host asleep, say), another may have begun a new run, and both count in that one.

    Raises:
        LedgerError: No client has joined the pool.
    """
    run = _run_of(db, pool)
    if run is None:
        raise LedgerError("this budget has no run: its client has not joined it")
    return run


def _run_of(db: Db, pool: Pool) -> str | None:
    rows = db.execute(
        "SELECT run FROM budget_run WHERE owner = ? AND network = ? AND pool = ?", _key(pool)
    )
    return str(rows[0][0]) if rows else None


def _can_be_collected(db: Db, pool: Pool, run: str, now: float) -> bool:
    where = f"{_OPEN} AND run = ? AND deadline >= ? LIMIT 1"
    return bool(_authorizations(db, pool, "nonce", where, run, now))


def _forget_runs(db: Db, pool: Pool) -> None:
    """Leave no run behind: a pool has one, and what is charged to older ones finds no row."""
    for forget in (
        "DELETE FROM budget_run WHERE owner = ? AND network = ? AND pool = ?",
        "DELETE FROM budget_tag WHERE owner = ? AND network = ? AND pool = ?",
    ):
        db.execute(forget, _key(pool))


# What counts


def reserve(db: Db, pool: Pool, run: str, limits: Limits, cap: int, now: float) -> Standing:
    """Return how the pool stands with one more cap in it, if this client's total covers that.

    The caller inserts the authorization's row in this same transaction, with the pool's name and
    ``run``: the row is the reservation. Deleting it gives the cap back. ``now`` is Unix seconds of
    the client's clock.

    Raises:
        BudgetExceededError: The total does not cover it. Nothing was reserved or signed.
        LedgerError: ``run`` has ended; ``present_run`` knows the one to count in.
    """
    lock_pool(db, pool)
    before = standing(db, pool, run, limits, now)
    if before.remaining is not None and cap > before.remaining:
        whose = f"the budget {pool.name!r}" if pool.named else "the budget"
        raise no_room(before, cap, whose=whose, relief=_relief(db, pool, limits, now))
    return replace(before, exposed=before.exposed + cap)


def charge(db: Db, pool: Pool, run: str, before: int, after: int) -> None:
    """Replace what was charged for one authorization of ``run``, in atoms: ``before`` by ``after``.

    Called in the transaction that changes the authorization's state, with its row's pool and run;
    nothing charged is 0. A reorg takes a charge back with ``after`` 0. A run that has ended counts
    nothing any more.
    """
    lock_pool(db, pool)
    charged = _charged(db, pool, run)
    if charged is not None:
        db.execute(
            "UPDATE budget_run SET charged = ? WHERE owner = ? AND network = ? AND pool = ?",
            (str(charged - before + after), *_key(pool)),
        )


def standing(db: Db, pool: Pool, run: str, limits: Limits, now: float) -> Standing:
    """Return how the pool stands in its present ``run``, against this client's limits.

    Nothing is written. With a window, what was charged counts by when it was signed, in whatever
    run: time forgets it, and a program that starts again does not.

    Raises:
        LedgerError: ``run`` has ended; ``present_run`` knows the one to ask for.
    """
    charged = _charged(db, pool, run)
    if charged is None:
        raise _ended(run)
    if limits.window is not None:
        since = now - limits.window
        charged = _sum(_authorizations(db, pool, "charged", _CHARGED_SINCE, since))
    exposed = _sum(_authorizations(db, pool, "cap", _OPEN))
    return Standing(limits.total, exposed, charged, _estimated(db, pool, run))


def _charged(db: Db, pool: Pool, run: str) -> int | None:
    """Return what was charged in ``run``; ``None`` when that is not the pool's run any more."""
    rows = db.execute(
        "SELECT charged FROM budget_run WHERE owner = ? AND network = ? AND pool = ? AND run = ?",
        (*_key(pool), run),
    )
    return int(rows[0][0]) if rows else None


def _ended(run: str) -> LedgerError:
    return LedgerError(
        f"the run {run} of this budget has ended: another client began a new one",
        hint="Nothing was reserved. Count in the budget's present run.",
    )


def _relief(db: Db, pool: Pool, limits: Limits, now: float) -> str:
    """Say when something comes free: at a deadline at the latest, or when the window has moved."""
    found = _authorizations(db, pool, "min(deadline)", f"{_OPEN} AND deadline >= ?", now)
    relief = _in_seconds("The first of these can be collected for {} s more.", found, now)
    if limits.window is not None:
        since = now - limits.window
        found = _authorizations(db, pool, "min(signed_at)", _CHARGED_SINCE, since)
        relief += _in_seconds("The first charge leaves the window in {} s.", found, since)
    return relief


def _in_seconds(sentence: str, found: Sequence[Row], since: float) -> str:
    ((moment,),) = found
    return "" if moment is None else " " + sentence.format(ceil(moment - since))


def _authorizations(db: Db, pool: Pool, what: str, where: str, *values: Value) -> list[Row]:
    """Read the pool's authorizations, of every run. ``what`` and ``where`` are literals."""
    return db.execute(
        f'SELECT {what} FROM "authorization"'  # noqa: S608  # literals
        f" WHERE owner = ? AND network = ? AND pool = ? AND {where}",
        (*_key(pool), *values),
    )


def _sum(rows: Sequence[Row]) -> int:
    return sum(int(atoms) for (atoms,) in rows)  # they are text: no database adds such numbers


# Tags


def reserve_tag(db: Db, pool: Pool, run: str, limits: Limits, tag: str, estimate: int) -> None:
    """Count the estimated cost of a call that begins (atoms), under its tag.

    A tag without a limit is counted and never refused: another client may limit it. Tags count for
    the whole run, window or not.

    Raises:
        BudgetExceededError: The tag's limit does not cover it. Nothing was counted or sent.
        LedgerError: ``run`` has ended.
    """
    lock_pool(db, pool)
    if _run_of(db, pool) != run:
        raise _ended(run)
    estimated = _estimated(db, pool, run).get(tag, 0)
    limit = limits.tags.get(tag)
    if limit is not None and estimated + estimate > limit:
        raise BudgetExceededError(
            f"the tag {tag!r} has {Amount(max(limit - estimated, 0))} of its {Amount(limit)} left,"
            f" and this call is estimated to cost up to {Amount(estimate)}",
            hint="Lower max_tokens, or raise the tag's limit: Budget(…, tags={…}).",
        )
    _write_tag(db, pool, run, tag, estimated + estimate)


def correct_tag(db: Db, pool: Pool, run: str, tag: str, by: int) -> None:
    """Correct a tag's sum by so many atoms (negative, most times) when a call's cost is known.

    A run that has ended counts nothing any more. A sum never falls below nothing: the call may have
    begun in an older run than this.
    """
    lock_pool(db, pool)
    if _run_of(db, pool) == run:
        _write_tag(db, pool, run, tag, max(_estimated(db, pool, run).get(tag, 0) + by, 0))


def _estimated(db: Db, pool: Pool, run: str) -> dict[str, int]:
    rows = db.execute(
        "SELECT tag, estimated FROM budget_tag"
        " WHERE owner = ? AND network = ? AND pool = ? AND run = ?",
        (*_key(pool), run),
    )
    return {str(tag): int(estimated) for tag, estimated in rows}


def _write_tag(db: Db, pool: Pool, run: str, tag: str, estimated: int) -> None:
    db.execute(
        "INSERT INTO budget_tag (owner, network, pool, run, tag, estimated)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (owner, network, pool, run, tag)"
        " DO UPDATE SET estimated = excluded.estimated",
        (*_key(pool), run, tag, str(estimated)),
    )


def _key(pool: Pool) -> tuple[Value, ...]:
    return (str(pool.owner), pool.network, pool.name)

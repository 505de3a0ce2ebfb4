"""The rows of authorizations, from the reserved cap to the chain's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..._core.store import Db, Value
from ...errors import LedgerError
from ...types import Address, Bytes32
from ..budget.pools import Pool, charge, lock_pool, reserve
from ..budget.standing import Standing
from ..state import AuthorizationState, OpenAuthorization
from ..status import LAST_WORDS, PaymentState, PaymentStatus
from .holders import Desk, run_of

_SECRET_UNTIL: Final = (*LAST_WORDS, PaymentState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A cap that is about to be signed: the budget holds it from here on.

    ``nonce`` is drawn before anything is signed and must be the nonce of what is. ``cap`` is in
    atoms; ``deadline`` and ``at`` are Unix seconds, ``at`` by the client's clock.
    """

    nonce: int
    cap: int
    asset: Address
    recipient: Address
    deadline: int
    tee_id: Bytes32
    route: str
    at: float


def add(db: Db, desk: Desk, reservation: Reservation, now: float) -> Standing:
    """Write a reservation down, if the budget covers it.

    Raises:
        BudgetExceededError: It does not. Nothing was written.
    """
    run = run_of(db, desk, now)
    standing = reserve(db, desk.pool, run, desk.limits, reservation.cap, now)
    db.execute(
        'INSERT INTO "authorization" (owner, network, nonce, asset, cap, recipient, spender,'
        " deadline, tee_id, route, signed_at, from_block, state, life, holder, pool, run)"
        " VALUES (?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)",
        (
            desk.owner,
            desk.network,
            str(reservation.nonce),
            reservation.asset,
            str(reservation.cap),
            reservation.recipient,
            reservation.deadline,
            str(reservation.tee_id),
            reservation.route,
            reservation.at,
            PaymentState.OPEN.value,
            AuthorizationState.RESERVED.value,
            desk.holder,
            desk.pool.name,
            run,
        ),
    )
    return standing


def remove(db: Db, desk: Desk, nonce: int) -> None:
    """Give back a reservation, or the cap of what was signed and never left this process."""
    lock_pool(db, desk.pool)
    db.execute(
        'DELETE FROM "authorization" WHERE owner = ? AND network = ? AND nonce = ? AND holder = ?'
        " AND life IN ('reserved', 'authorized')",
        (desk.owner, desk.network, str(nonce), desk.holder),
    )


def sign(db: Db, desk: Desk, life: OpenAuthorization, secret: str) -> None:
    """Make a reservation the signed authorization that it was made for.

    Raises:
        LedgerError: This holder has no such reservation any more. Nothing may be sent.
    """
    signed = life.authorization
    found = db.execute(
        'UPDATE "authorization" SET asset = ?, recipient = ?, facilitator = ?, spender = ?,'
        " deadline = ?, tee_id = ?, route = ?, signed_at = ?, from_block = ?, life = ?, secret = ?"
        " WHERE owner = ? AND network = ? AND nonce = ? AND cap = ? AND holder = ?"
        " AND life = 'reserved' RETURNING nonce",
        (
            signed.asset,
            signed.recipient,
            signed.facilitator,
            signed.spender,
            signed.deadline,
            str(life.tee_id),
            life.route,
            life.signed_at,
            life.from_block,
            AuthorizationState.AUTHORIZED.value,
            secret,
            signed.owner,
            signed.network,
            str(signed.nonce),
            str(signed.max_amount),
            desk.holder,
        ),
    )
    if not found:
        raise LedgerError(
            "the budget no longer holds the cap that was signed: this client was thought dead",
            hint="Nothing was sent, and what was signed was thrown away. Try again.",
        )


NOTE: Final = (
    'UPDATE "authorization" SET life = ?, ended_by_node = ?'
    " WHERE owner = ? AND network = ? AND nonce = ? AND holder = ?"
    " AND life NOT IN ('reserved', 'resolved')"
)


def note_of(desk: Desk, life: OpenAuthorization) -> tuple[Value, ...]:
    """Return the values of ``NOTE``: what became of an authorization on our side."""
    return (
        life.state.value,
        int(life.ended_by_node),
        desk.owner,
        desk.network,
        str(life.authorization.nonce),
        desk.holder,
    )


def resolve(
    db: Db, desk: Desk, life: OpenAuthorization, status: PaymentStatus, now: float
) -> PaymentState:
    """Write the chain's word down, and what it means for the budget; return the former word.

    The row's own former state decides, not what this client has seen: another one may have looked
    meanwhile. A last word is never taken back.

    Raises:
        LedgerError: The journal has no such authorization.
    """
    key = (desk.owner, desk.network, str(life.authorization.nonce))
    pool, run = _budget_of(db, desk, key)
    lock_pool(db, pool)
    state, charged, stage = _former(db, key)
    if state in LAST_WORDS:
        return state
    amount = status.amount.atoms if status.state.resolved and status.amount else 0
    if amount != charged:
        charge(db, pool, run, charged, amount)
    keeps_secret = status.state not in _SECRET_UNTIL and now <= life.authorization.deadline
    db.execute(
        'UPDATE "authorization" SET state = ?, charged = ?, tx = ?, life = ?,'
        " secret = CASE WHEN ? = 1 THEN secret ELSE NULL END"
        " WHERE owner = ? AND network = ? AND nonce = ?",
        (
            status.state.value,
            None if status.amount is None else str(status.amount.atoms),
            None if status.transaction is None else str(status.transaction),
            _stage_after(stage, status),
            int(keeps_secret),
            *key,
        ),
    )
    return state


def _budget_of(db: Db, desk: Desk, key: Sequence[Value]) -> tuple[Pool, str]:
    found = db.execute(
        'SELECT pool, run FROM "authorization" WHERE owner = ? AND network = ? AND nonce = ?', key
    )
    if not found:
        raise LedgerError(
            f"the journal has no authorization with the nonce {key[2]}",
            hint="Was the store exchanged or emptied while the client was open?",
        )
    ((pool, run),) = found
    return Pool(desk.owner, desk.network, pool), run


def _former(db: Db, key: Sequence[Value]) -> tuple[PaymentState, int, str]:
    """Return the chain's former word, what it had charged by it (atoms), and our own side's."""
    ((state, charged, stage),) = db.execute(
        'SELECT state, charged, life FROM "authorization"'
        " WHERE owner = ? AND network = ? AND nonce = ?",
        key,
    )
    former = PaymentState(state)
    return former, int(charged) if former.resolved and charged else 0, stage


def _stage_after(stage: str, status: PaymentStatus) -> str:
    if status.state.resolved:
        return AuthorizationState.RESOLVED.value
    if stage == AuthorizationState.RESOLVED.value:  # a reorg took it back; it serves no more calls
        return AuthorizationState.RETIRED.value
    return stage


def wipe_what_is_over(db: Db, desk: Desk, now: float) -> None:
    """Forget the secrets of permits whose deadline has passed: nobody can be paid with them."""
    db.execute(
        'UPDATE "authorization" SET secret = NULL'
        " WHERE owner = ? AND network = ? AND deadline < ? AND secret IS NOT NULL",
        (desk.owner, desk.network, now),
    )

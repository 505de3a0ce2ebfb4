"""What is in the journal, made into authorizations again: those of the dead, and of the past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from ..._core.store import Db, Row
from ...types import Address, Amount, Bytes32, TypedData
from ..challenge import Offer
from ..schemes import Authorization
from ..state import AuthorizationState, OpenAuthorization
from ..status import NOT_LOOKED, PaymentState, PaymentStatus
from . import calls
from .authorizations import wipe_what_is_over
from .entries import JournalEntry
from .holders import Desk, attend, forget, forget_the_dead
from .records import CallRecord, CallState

_COLUMNS: Final = (
    "nonce, asset, cap, recipient, facilitator, spender, deadline, tee_id, route, signed_at,"
    " from_block, state, charged, tx, life, secret, ended_by_node, interrupted, pool"
)
_OF_THE_DEAD: Final = "(holder IS NULL OR holder NOT IN (SELECT id FROM payment_client))"
_GOES_ON: Final = (
    AuthorizationState.AUTHORIZED,
    AuthorizationState.SENT,
    AuthorizationState.ACTIVE,
)


@dataclass(frozen=True, slots=True)
class Inherited:
    """An open authorization that nobody alive held, and that is this client's now.

    ``may_serve``: its header is known, and nothing says that its session has ended; whether it is
    young enough is the session pool's question. Else it can only be watched.
    """

    life: OpenAuthorization
    may_serve: bool


@dataclass(frozen=True, slots=True)
class Found:
    """An authorization's row, with the calls that joined it.

    ``shared``: somebody else who is alive makes calls on it.
    """

    columns: dict[str, Any]
    calls: list[CallRecord]
    shared: bool = False

    @property
    def secret(self) -> str | None:
        """The sealed authorization, where it is still kept."""
        secret: str | None = self.columns["secret"]
        return secret

    @property
    def nonce(self) -> int:
        """The authorization's nonce."""
        return int(self.columns["nonce"])

    @property
    def goes_on(self) -> bool:
        """Whether nothing says that its session has ended."""
        ended = bool(self.columns["ended_by_node"])
        return not ended and AuthorizationState(self.columns["life"]) in _GOES_ON

    def entry(self, desk: Desk) -> JournalEntry:
        """Return what a reader is told."""
        row = self.columns
        return JournalEntry(
            owner=desk.owner,
            network=desk.network,
            nonce=self.nonce,
            cap=int(row["cap"]),
            recipient=Address(row["recipient"]),
            deadline=int(row["deadline"]),
            tee_id=Bytes32(row["tee_id"]),
            route=row["route"],
            signed_at=float(row["signed_at"]),
            from_block=int(row["from_block"]),
            state=PaymentState(row["state"]),
            charged=Amount(int(row["charged"])) if row["charged"] else None,
            transaction=Bytes32(row["tx"]) if row["tx"] else None,
            life=AuthorizationState(row["life"]),
        )

    def life(self, desk: Desk, signed: Authorization | None) -> OpenAuthorization:
        """Return the authorization with everything that its calls say; ``signed`` if it is known.

        Without ``signed`` it can be watched and cancelled, but no call can be sent on it.
        """
        row = self.columns
        life = OpenAuthorization(
            authorization=signed or self._watched(desk),
            tee_id=Bytes32(row["tee_id"]),
            route=row["route"],
            signed_at=float(row["signed_at"]),
            from_block=int(row["from_block"]),
            state=AuthorizationState(row["life"]),
            ended_by_node=bool(row["ended_by_node"]),
            status=self._status(),
            shared=self.shared,
        )
        for call in self.calls:
            _count(life, call)
        for _ in range(int(row["interrupted"])):
            life.answered(None)
        return life

    def _watched(self, desk: Desk) -> Authorization:
        """Return what the chain can be asked about; the header and what was signed are gone."""
        row = self.columns
        asset, cap, recipient = Address(row["asset"]), int(row["cap"]), Address(row["recipient"])
        return Authorization(
            owner=desk.owner,
            network=desk.network,
            asset=asset,
            max_amount=cap,
            spender=Address(row["spender"]),
            recipient=recipient,
            facilitator=Address(row["facilitator"]) if row["facilitator"] else None,
            nonce=self.nonce,
            valid_after=0,
            deadline=int(row["deadline"]),
            typed_data=TypedData((), {}, (), "", {}),
            signature=b"",
            header="",
            scheme="",
            offer=Offer("", desk.network, asset, cap, recipient, 0, extra={}, raw={}),
        )

    def _status(self) -> PaymentStatus:
        state = PaymentState(self.columns["state"])
        if state is PaymentState.OPEN:
            return NOT_LOOKED
        charged, tx = self.columns["charged"], self.columns["tx"]
        return PaymentStatus(
            state,
            "as the journal has it",
            Amount(int(charged)) if charged else None,
            Bytes32(tx) if tx else None,
            from_journal=True,
        )


def inherit(db: Db, desk: Desk, now: float) -> list[Found]:
    """Make what nobody alive holds this holder's; return the open authorizations among it.

    Caps that the dead had reserved are given back: what is written down first and then sent cannot
    have been sent.
    """
    attend(db, desk, now)
    desk.lock(db)
    forget_the_dead(db, desk)
    mine = (desk.owner, desk.network)
    db.execute(
        'DELETE FROM "authorization" WHERE owner = ? AND network = ?'  # noqa: S608  # a literal
        f" AND life = 'reserved' AND state = 'open' AND {_OF_THE_DEAD}",
        mine,
    )
    calls.abandon(db, desk, now)
    wipe_what_is_over(db, desk, now)
    rows = db.execute(
        'UPDATE "authorization" SET holder = ?,'  # noqa: S608 - literals
        " interrupted = interrupted + CASE WHEN holder IS NULL THEN 0 ELSE 1 END"
        f" WHERE owner = ? AND network = ? AND state IN ('open', 'unknown') AND {_OF_THE_DEAD}"
        f" RETURNING {_COLUMNS}",
        (desk.holder, *mine),
    )
    found = [_found(db, desk, row) for row in rows]
    return sorted(found, key=lambda one: (one.columns["signed_at"], one.nonce))


def let_go(db: Db, desk: Desk, now: float) -> None:
    """Leave everything that this holder has to whoever comes next."""
    desk.lock(db)
    db.execute(
        'DELETE FROM "authorization" WHERE owner = ? AND network = ? AND holder = ?'
        " AND life = 'reserved'",
        (desk.owner, desk.network, desk.holder),
    )
    forget(db, desk.holder)
    calls.abandon(db, desk, now)
    db.execute(
        'UPDATE "authorization" SET holder = NULL WHERE owner = ? AND network = ? AND holder = ?',
        (desk.owner, desk.network, desk.holder),
    )


def find(db: Db, desk: Desk, nonce: int) -> Found | None:
    """Return the authorization with this nonce, whoever holds it; ``None`` if there is none."""
    rows = db.execute(
        f"SELECT {_COLUMNS}, CASE WHEN {_OF_THE_DEAD} OR holder = ? THEN 0 ELSE 1 END"  # noqa: S608 - literals
        ' FROM "authorization" WHERE owner = ? AND network = ? AND nonce = ?'
        " AND life <> 'reserved'",
        (desk.holder, desk.owner, desk.network, str(nonce)),
    )
    if not rows:
        return None
    *row, shared = rows[0]
    return replace(_found(db, desk, tuple(row)), shared=bool(shared))


def entries(db: Db, desk: Desk) -> list[JournalEntry]:
    """Return every authorization of this wallet on this network, oldest first."""
    rows = db.execute(
        f'SELECT {_COLUMNS} FROM "authorization"'  # noqa: S608 - literals
        " WHERE owner = ? AND network = ? ORDER BY signed_at, nonce",
        (desk.owner, desk.network),
    )
    return [Found(_named(row), []).entry(desk) for row in rows]


def rebuilt(desk: Desk, found: Found, unseal: Callable[[Found], Authorization | None]) -> Inherited:
    """Return an inherited authorization, with its header where that can be had."""
    signed = unseal(found)
    same_budget = found.columns["pool"] == desk.pool.name
    life = found.life(desk, signed)
    return Inherited(life, may_serve=signed is not None and found.goes_on and same_budget)


def _count(life: OpenAuthorization, call: CallRecord) -> None:
    life.resent += max(call.attempts - 1, 0)
    if call.state is CallState.SERVED:
        life.answered(call.cost)
    elif call.state is CallState.UNKNOWN:
        life.answered(None)


def _found(db: Db, desk: Desk, row: Row) -> Found:
    columns = _named(row)
    return Found(columns, calls.of_authorization(db, desk, int(columns["nonce"])))


def _named(row: Row) -> dict[str, Any]:
    return dict(zip(_COLUMNS.split(", "), row, strict=True))

"""What was asked to be signed, or to be paid, and was refused."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from ..._core.store import Db, Value
from ...types import Bytes32
from .holders import Desk
from .text import plain

_LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal: the member that failed, what was asked there, and what is allowed.

    ``at`` is Unix seconds of the client's clock, ``tee_id`` the node that asked, where one did.
    """

    at: float
    field: str
    asked: str
    allowed: str
    tee_id: Bytes32 | None


def row_of(desk: Desk, refusal: Refusal) -> tuple[Value, ...]:
    """Return a refusal as it is written: a hostile node may ask in megabytes."""
    return (
        secrets.token_hex(16),
        desk.owner,
        desk.network,
        refusal.at,
        None if refusal.tee_id is None else str(refusal.tee_id),
        plain(refusal.field)[:_LONGEST],
        plain(refusal.asked)[:_LONGEST],
        plain(refusal.allowed)[:_LONGEST],
    )


INSERT: Final = (
    "INSERT INTO payment_refusal (id, owner, network, at, tee_id, field, asked, allowed)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)


def refusals(db: Db, desk: Desk) -> list[Refusal]:
    """Return every refusal of this wallet on this network, oldest first."""
    rows = db.execute(
        "SELECT at, field, asked, allowed, tee_id FROM payment_refusal"
        " WHERE owner = ? AND network = ? ORDER BY at, id",
        (desk.owner, desk.network),
    )
    return [
        Refusal(float(at), member, asked, allowed, Bytes32(tee_id) if tee_id else None)
        for at, member, asked, allowed, tee_id in rows
    ]

"""The transaction of a request id: however often it is asked for, there is one."""

from __future__ import annotations

from ...errors import RequestConflictError
from .leasing import bounds_of, lease_exactly, lease_lowest
from .page import Page, attend
from .schema import read_slot
from .slots import Blocked, Known, Leased, Overtaken, RequestKey, Slot, SlotState


def lease_for(
    page: Page, request: RequestKey, count: int | None
) -> Leased | Known | Blocked | Overtaken | None:
    """Return the request's slot, or lease one; ``None``: the chain's ``count`` is needed for it.

    What a request signed can be mined for as long as its nonce is not used. So it gets a second
    transaction at the same nonce, or when something else has used that nonce.

    Raises:
        RequestConflictError: The id was used for another transaction.
    """
    attend(page)
    nonce = _nonce_of(page, request)
    slot = None if nonce is None else read_slot(page.db, page.account, nonce)
    if slot is None:
        return _lease_anew(page, request, count)
    if slot.request_id == request.id and slot.state.is_open:
        return Known(slot)
    hashes = _hashes_of(page, request, slot.nonce)
    if slot.state in (SlotState.MINED, SlotState.FINAL) and _mined_hash(slot) in hashes:
        return Known(slot)
    if slot.state.is_used or not hashes:
        return _lease_anew(page, request, count)
    if slot.state.is_open:
        return Blocked(slot.nonce)
    return _lease_again(page, request, slot, count)


def known(page: Page, request: RequestKey) -> Known | None:
    """Return what was signed for the request and may be in the chain, leasing nothing.

    Raises:
        RequestConflictError: The id was used for another transaction.
    """
    nonce = _nonce_of(page, request)
    slot = None if nonce is None else read_slot(page.db, page.account, nonce)
    if slot is None or not slot.attempts:
        return None
    if slot.request_id == request.id and slot.state.is_open:
        return Known(slot)
    if _mined_hash(slot) in _hashes_of(page, request, slot.nonce):
        return Known(slot)
    return None


def _lease_anew(page: Page, request: RequestKey, count: int | None) -> Leased | None:
    leased = lease_lowest(page, 1, count, request.id)
    if leased is not None:
        page.db.execute(
            "INSERT INTO nonce_request (account, request_id, fingerprint, nonce)"
            " VALUES (?, ?, ?, ?) ON CONFLICT (account, request_id) DO UPDATE SET"
            " nonce = excluded.nonce",
            (page.account, request.id, request.fingerprint, leased.nonces[0]),
        )
    return leased


def _lease_again(
    page: Page, request: RequestKey, slot: Slot, count: int | None
) -> Leased | Overtaken | None:
    """Lease the free nonce that the request's bytes have, unless the chain has passed it."""
    bounds = bounds_of(page, count)
    if bounds is None:
        return None
    if slot.nonce < bounds.start_at:
        return Overtaken(slot)
    return lease_exactly(page, bounds, slot.nonce, request.id)


def _nonce_of(page: Page, request: RequestKey) -> int | None:
    rows = page.db.execute(
        "SELECT nonce, fingerprint FROM nonce_request WHERE account = ? AND request_id = ?",
        (page.account, request.id),
    )
    if not rows:
        return None
    nonce, fingerprint = rows[0]
    if fingerprint != request.fingerprint:
        raise RequestConflictError(
            f"the request id {request.id!r} was used before, for another transaction",
            hint="Nothing was sent. Give every transaction an id of its own, and the same "
            "transaction the same id.",
        )
    return int(nonce)


def _hashes_of(page: Page, request: RequestKey, nonce: int) -> set[str]:
    """Return the hashes of all that was ever signed for the request at this nonce."""
    rows = page.db.execute(
        "SELECT hash FROM nonce_attempt WHERE account = ? AND nonce = ? AND request_id = ?",
        (page.account, nonce, request.id),
    )
    return {hash_ for (hash_,) in rows}


def _mined_hash(slot: Slot) -> str:
    return str(slot.inclusion.hash) if slot.inclusion else ""

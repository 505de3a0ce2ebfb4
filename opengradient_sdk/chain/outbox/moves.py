"""How a slot goes from one state to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ...errors import NonceError
from ...types import Bytes32, SignedTx, bytes_to_hex
from .page import Page, check_nonces, renew
from .schema import in_chunks
from .slots import AttemptKind, Inclusion, SlotState

_HAS_LIVE: Final = (
    "EXISTS (SELECT 1 FROM nonce_attempt a WHERE a.account = nonce_slot.account"
    " AND a.nonce = nonce_slot.nonce AND a.fate = 'LIVE')"
)
_FREE: Final = "state = 'FREE', holder = NULL, expires = NULL"
_NOT_MINED: Final = "mined_hash = NULL, block_number = NULL, block_hash = NULL"


def sign(page: Page, signed: Sequence[SignedTx], state: SlotState, *, sponsored: bool) -> None:
    """Write down what was signed for leases of this holder; they become ``state``."""
    nonces = [one.tx.nonce for one in signed]
    check_nonces(nonces)
    leases = _leases(page, nonces)
    fresh = [one for one in signed if one.tx.nonce in leases]
    _check_lost(page, [one for one in signed if one.tx.nonce not in leases], state)
    page.db.execute_many(
        "UPDATE nonce_slot SET state = ?, expires = NULL, sponsored = ?"
        " WHERE account = ? AND nonce = ?",
        [(state, int(sponsored), page.account, one.tx.nonce) for one in fresh],
    )
    write_attempts(page, fresh, AttemptKind.ORIGINAL, leases)


def attempt(page: Page, signed: SignedTx, kind: AttemptKind) -> None:
    """Write down another transaction for an open slot, which is being sent from now on."""
    renew(page.db, page.holder, page.now)
    rows = page.db.execute(
        "SELECT state, holder, request_id FROM nonce_slot WHERE account = ? AND nonce = ?",
        (page.account, signed.tx.nonce),
    )
    state, holder, request_id = rows[0] if rows else (SlotState.FREE, None, None)
    _check_attempt(page, signed.tx.nonce, SlotState(state), holder)
    if state != SlotState.SENDING:
        page.db.execute(
            "UPDATE nonce_slot SET state = 'SENDING', holder = ?, expires = NULL, sponsored = 0"
            " WHERE account = ? AND nonce = ?",
            (page.holder, page.account, signed.tx.nonce),
        )
    write_attempts(page, [signed], kind, {signed.tx.nonce: request_id})


def give_back(page: Page, nonces: Iterable[int]) -> None:
    """Free what this holder leased, or signed and kept; discard what was signed and kept.

    What a sponsor was given stays live: the lease that gets its nonce says so.
    """
    for nonce in nonces:
        freed = page.db.execute(
            f"UPDATE nonce_slot SET {_FREE} WHERE account = ? AND nonce = ? AND holder = ?"  # noqa: S608  # a literal
            " AND state IN ('LEASED', 'SIGNED') RETURNING sponsored",
            (page.account, nonce, page.holder),
        )
        if freed and not freed[0][0]:
            _discard(page, nonce)


def refused(page: Page, hash: Bytes32) -> None:
    """Write down that the chain does not take ``hash``; the slot is free if nothing is left."""
    rows = page.db.execute(
        "UPDATE nonce_attempt SET fate = 'REFUSED' WHERE account = ? AND hash = ? RETURNING nonce",
        (page.account, str(hash)),
    )
    for (nonce,) in rows:
        page.update(
            f"{_FREE}, sponsored = 0",
            f"nonce = ? AND state IN ('SIGNED', 'SENDING') AND NOT {_HAS_LIVE}",
            nonce,
        )


def taken(page: Page, nonces: Sequence[int]) -> None:
    """Write down that transactions which are not ours have these nonces."""
    page.db.execute_many(
        "INSERT INTO nonce_slot (account, nonce, state, sponsored) VALUES (?, ?, 'TAKEN', 0)"
        " ON CONFLICT (account, nonce) DO UPDATE SET state = 'TAKEN', holder = NULL,"
        " expires = NULL WHERE nonce_slot.state NOT IN ('MINED', 'FINAL')",
        [(page.account, nonce) for nonce in nonces],
    )
    _passed(page, nonces)


def mined(page: Page, inclusions: Sequence[Inclusion]) -> None:
    """Write down which blocks transactions are in; they stay watched."""
    renew(page.db, page.holder, page.now)
    page.db.execute_many(
        "INSERT INTO nonce_slot (account, nonce, state, holder, sponsored, mined_hash,"
        " block_number, block_hash) VALUES (?, ?, 'MINED', ?, 0, ?, ?, ?)"
        " ON CONFLICT (account, nonce) DO UPDATE SET state = 'MINED', expires = NULL,"
        " holder = COALESCE(nonce_slot.holder, excluded.holder),"
        " mined_hash = excluded.mined_hash, block_number = excluded.block_number,"
        " block_hash = excluded.block_hash WHERE nonce_slot.state <> 'FINAL'",
        [
            (
                page.account,
                one.nonce,
                page.holder,
                str(one.hash),
                one.block_number,
                str(one.block_hash),
            )
            for one in inclusions
        ],
    )
    _passed(page, [one.nonce for one in inclusions])


def reorged(page: Page, nonces: Sequence[int]) -> None:
    """Write down that these are in no block any more.

    What a sponsor was to send is again his to send; where all bytes had been given up, the nonce
    is free.
    """
    if not nonces:
        return
    for nonce in nonces:
        page.update(
            "state = CASE WHEN sponsored = 1 THEN 'SIGNED' ELSE 'SENDING' END, " + _NOT_MINED,
            f"nonce = ? AND state = 'MINED' AND {_HAS_LIVE}",
            nonce,
        )
        page.update(f"{_FREE}, {_NOT_MINED}", "nonce = ? AND state = 'MINED'", nonce)
    lowest = min(nonces)
    page.db.execute(
        "UPDATE nonce_account SET start_at = ?, absent_at = ? WHERE account = ? AND start_at > ?",
        (lowest, lowest, page.account, lowest),
    )


def final(page: Page, nonces: Sequence[int]) -> None:
    """Leave these alone from now on; only bytes that a request id may ask for are kept."""
    named = [(page.account, nonce) for nonce in nonces]
    page.db.execute_many(
        "UPDATE nonce_slot SET state = 'FINAL', holder = NULL"
        " WHERE account = ? AND nonce = ? AND state = 'MINED'",
        named,
    )
    page.db.execute_many(
        "DELETE FROM nonce_attempt WHERE account = ? AND nonce = ? AND request_id IS NULL"
        " AND EXISTS (SELECT 1 FROM nonce_slot s WHERE s.account = nonce_attempt.account"
        " AND s.nonce = nonce_attempt.nonce AND s.state = 'FINAL')",
        named,
    )


def write_attempts(
    page: Page,
    signed: Iterable[SignedTx],
    kind: AttemptKind,
    requests: Mapping[int, str | None],
) -> None:
    """Write down signed transactions as ours to send; ``requests`` has the nonces' request ids.

    Bytes that were given up and are now wanted again are revived.
    """
    page.db.execute_many(
        "INSERT INTO nonce_attempt (account, nonce, place, hash, raw, kind, fate, allow_spend,"
        " l1_fee, fee_cap, request_id) VALUES (?, ?, (SELECT COALESCE(MAX(place) + 1, 0)"
        " FROM nonce_attempt WHERE account = ? AND nonce = ?), ?, ?, ?, 'LIVE', ?, ?, ?, ?)"
        " ON CONFLICT (hash, account) DO UPDATE SET fate = 'LIVE',"
        " request_id = COALESCE(excluded.request_id, nonce_attempt.request_id)",
        [
            (
                page.account,
                one.tx.nonce,
                page.account,
                one.tx.nonce,
                str(one.hash),
                bytes_to_hex(one.raw),
                kind,
                int(one.tx.allow_spend),
                str(one.tx.l1_fee),
                None if one.tx.fee_cap is None else str(one.tx.fee_cap),
                requests.get(one.tx.nonce),
            )
            for one in signed
        ],
    )


def _leases(page: Page, nonces: Sequence[int]) -> dict[int, str | None]:
    """Return the request ids of those nonces that this holder has on lease."""
    found: dict[int, str | None] = {}
    for places, part in in_chunks(nonces):
        rows = page.db.execute(
            "SELECT nonce, request_id FROM nonce_slot WHERE account = ? AND holder = ?"  # noqa: S608  # placeholders
            f" AND state = 'LEASED' AND nonce IN {places}",
            (page.account, page.holder, *part),
        )
        found.update((int(nonce), request_id) for nonce, request_id in rows)
    return found


def _check_lost(page: Page, signed: Sequence[SignedTx], state: SlotState) -> None:
    """Return if all of these are what they should become: the same was signed twice.

    Raises:
        NonceError: A lease has expired.
    """
    for one in signed:
        rows = page.db.execute(
            "SELECT 1 FROM nonce_slot s JOIN nonce_attempt a ON a.account = s.account"
            " AND a.nonce = s.nonce WHERE s.account = ? AND s.nonce = ? AND s.holder = ?"
            " AND s.state = ? AND a.hash = ? AND a.fate = 'LIVE'",
            (page.account, one.tx.nonce, page.holder, state, str(one.hash)),
        )
        if not rows:
            raise NonceError(
                f"the lease of the nonce {one.tx.nonce} has expired",
                hint="Nothing was sent. Build the transaction again.",
            )


def _check_attempt(page: Page, nonce: int, state: SlotState, holder: str | None) -> None:
    if state is SlotState.LEASED and holder == page.holder:
        return
    if state not in (SlotState.SIGNED, SlotState.SENDING):
        raise NonceError(
            f"no transaction with the nonce {nonce} is waiting to be mined (it is {state.value})",
            hint="Nothing was sent. There is nothing to replace or cancel any more.",
        )


def _discard(page: Page, nonce: int) -> None:
    page.db.execute(
        "UPDATE nonce_attempt SET fate = 'DISCARDED'"
        " WHERE account = ? AND nonce = ? AND fate = 'LIVE'",
        (page.account, nonce),
    )


def _passed(page: Page, nonces: Sequence[int]) -> None:
    """Lease nothing up to the highest of ``nonces`` again: the chain has passed them all."""
    if nonces:
        start_at = max(nonces) + 1
        page.db.execute(
            "UPDATE nonce_account SET start_at = ?,"
            " absent_at = CASE WHEN absent_at < ? THEN ? ELSE absent_at END"
            " WHERE account = ? AND start_at < ?",
            (start_at, start_at, start_at, page.account, start_at),
        )

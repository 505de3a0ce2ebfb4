"""Which nonces a caller gets: the lowest that are free, without a gap."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count as count_from
from typing import Final, NamedTuple

from ..._core.store import Db
from ...errors import NonceError
from ...types import Bytes32
from .page import LEASED_FOR, Page, attend, check_nonces
from .schema import in_chunks, read_slot
from .slots import Leased, Slot, SlotState

_UNDER_WAY: Final = "state IN ('LEASED', 'SENDING')"
_USED: Final = "state IN ('MINED', 'FINAL', 'TAKEN')"


class Bounds(NamedTuple):
    """No nonce below ``start_at`` may be leased; the book knows each up to ``absent_at``."""

    start_at: int
    absent_at: int


def lease(page: Page, wanted: int, count: int | None) -> Leased | None:
    """Lease the lowest free nonces; ``None`` where the chain's ``count`` is needed for it."""
    attend(page)
    return lease_lowest(page, wanted, count)


def lease_lowest(
    page: Page, wanted: int, count: int | None, request_id: str | None = None
) -> Leased | None:
    """Lease the lowest free nonces of a page that was attended to; ``None`` as ``lease``."""
    bounds = bounds_of(page, count)
    if bounds is None:
        return None
    free = _free(page, bounds.start_at, wanted)
    nonces, absent_at = _lowest(free, _absent(page, bounds.absent_at), wanted)
    _keep(page, Bounds(bounds.start_at, absent_at))
    occupy(page, nonces, request_id)
    known = set(free)
    superseded = supersede(page, [nonce for nonce in nonces if nonce in known])
    return Leased(tuple(nonces), superseded, _signed_below(page, nonces[-1]))


def lease_exactly(page: Page, bounds: Bounds, nonce: int, request_id: str) -> Leased:
    """Lease ``nonce``, which is free and within ``bounds``."""
    _keep(page, bounds)
    occupy(page, [nonce], request_id)
    return Leased((nonce,), supersede(page, [nonce]), _signed_below(page, nonce))


def claim(page: Page, nonce: int) -> tuple[Bytes32, ...]:
    """Lease exactly ``nonce``, in place of what was signed for it and not sent by us."""
    check_nonces([nonce])
    attend(page)
    rows = page.db.execute(
        "SELECT state, holder FROM nonce_slot WHERE account = ? AND nonce = ?",
        (page.account, nonce),
    )
    for state, holder in rows:
        _check_claim(page, nonce, SlotState(state), holder)
    occupy(page, [nonce], None)
    return supersede(page, [nonce])


def gaps(page: Page, count: int, limit: int) -> tuple[int, ...]:
    """Lease up to ``limit`` nonces that nobody has and that hold up a transaction being sent."""
    attend(page)
    top = _highest(page.db, page.account, "state = 'SENDING'")
    used = highest_used(page)
    start = count if used is None else max(count, used + 1)
    if top is None:
        return ()
    rows = page.db.execute(
        "SELECT nonce FROM nonce_slot WHERE account = ? AND nonce >= ? AND nonce < ?"
        " AND state <> 'FREE' ORDER BY nonce",
        (page.account, start, top),
    )
    missing = _not_in((int(nonce) for (nonce,) in rows), start)
    found = tuple(nonce for nonce, _ in zip(missing, range(limit), strict=False) if nonce < top)
    occupy(page, found, None)
    supersede(page, found)
    return found


def bounds_of(page: Page, count: int | None) -> Bounds | None:
    """Return where leasing starts, ``None`` where only the chain's ``count`` can tell.

    While a transaction is under way, the book knows better than any endpoint; with none, other
    programs may have used the account since, or a sponsor has sent what was signed for him.
    """
    rows = page.db.execute(
        f"SELECT start_at, absent_at, EXISTS (SELECT 1 FROM nonce_slot s WHERE {_UNDER_WAY}"  # noqa: S608  # a literal
        " AND s.account = a.account AND s.nonce >= a.start_at) FROM nonce_account a"
        " WHERE account = ?",
        (page.account,),
    )
    known = Bounds(rows[0][0], rows[0][1]) if rows else None
    if known is not None and rows[0][2]:
        return known
    if count is None:
        return None
    used = highest_used(page)
    start_at = count if used is None else max(count, used + 1)
    _forget_free_below(page, start_at)
    if known is None or start_at < known.start_at:
        return Bounds(start_at, start_at)
    return Bounds(start_at, max(start_at, known.absent_at))


def highest_used(page: Page) -> int | None:
    """Return the highest nonce that the chain has a transaction with, as far as is known."""
    return _highest(page.db, page.account, _USED)


def next_known(db: Db, account: str) -> int:
    """Return the nonce after the highest that is open or used, 0 where there is none."""
    highest = _highest(db, account, "state <> 'FREE'")
    return 0 if highest is None else highest + 1


def highest_mined(db: Db, account: str) -> Slot | None:
    """Return the highest slot whose block is known."""
    nonce = _highest(db, account, "mined_hash IS NOT NULL")
    return None if nonce is None else read_slot(db, account, nonce)


def occupy(page: Page, nonces: Sequence[int], request_id: str | None) -> None:
    """Lease ``nonces`` to this holder, whatever their slots were."""
    page.db.execute_many(
        "INSERT INTO nonce_slot (account, nonce, state, holder, expires, sponsored, request_id)"
        " VALUES (?, ?, 'LEASED', ?, ?, 0, ?) ON CONFLICT (account, nonce) DO UPDATE SET"
        " state = 'LEASED', holder = excluded.holder, expires = excluded.expires, sponsored = 0,"
        " request_id = excluded.request_id",
        [(page.account, nonce, page.holder, page.now + LEASED_FOR, request_id) for nonce in nonces],
    )


def supersede(page: Page, nonces: Sequence[int]) -> tuple[Bytes32, ...]:
    """Discard what was signed for ``nonces``; return the hashes of what was not given up before."""
    hashes: list[Bytes32] = []
    for places, part in in_chunks(nonces):
        rows = page.db.execute(
            "UPDATE nonce_attempt SET fate = 'DISCARDED' WHERE account = ? AND fate = 'LIVE'"  # noqa: S608  # placeholders
            f" AND nonce IN {places} RETURNING hash",
            (page.account, *part),
        )
        hashes += [Bytes32(hash_) for (hash_,) in rows]
    return tuple(hashes)


def rewind(page: Page, count: int) -> None:
    """Believe a chain that went back to ``count``: what it had above is free again."""
    page.update(
        "state = 'FREE', holder = NULL, mined_hash = NULL, block_number = NULL, block_hash = NULL",
        f"nonce >= ? AND {_USED}",
        count,
    )
    _keep(page, Bounds(count, count))


def _check_claim(page: Page, nonce: int, state: SlotState, holder: str | None) -> None:
    if state.is_used:
        raise NonceError(
            f"the account's nonce {nonce} was already used",
            hint="Leave the nonce out, and the next one is leased.",
        )
    if state is SlotState.SENDING:
        raise NonceError(
            f"a transaction with the nonce {nonce} is being sent",
            hint="Replace or cancel that one, or leave the nonce out.",
        )
    if state is SlotState.LEASED and holder != page.holder:
        raise NonceError(
            f"another process is building a transaction with the nonce {nonce}",
            hint="Leave the nonce out, and the next one is leased.",
        )


def _lowest(free: Iterable[int], absent: Iterator[int], wanted: int) -> tuple[list[int], int]:
    """Return the ``wanted`` lowest of both, and the first absent nonce that was not taken."""
    waiting = deque(free)
    next_absent = next(absent)
    nonces: list[int] = []
    while len(nonces) < wanted:
        if waiting and waiting[0] < next_absent:
            nonces.append(waiting.popleft())
        else:
            nonces.append(next_absent)
            next_absent = next(absent)
    return nonces, next_absent


def _free(page: Page, start_at: int, wanted: int) -> list[int]:
    rows = page.db.execute(
        "SELECT nonce FROM nonce_slot WHERE account = ? AND state = 'FREE' AND nonce >= ?"
        " ORDER BY nonce LIMIT ?",
        (page.account, start_at, wanted),
    )
    return [int(nonce) for (nonce,) in rows]


def _signed_below(page: Page, nonce: int) -> tuple[int, ...]:
    rows = page.db.execute(
        "SELECT nonce FROM nonce_slot WHERE account = ? AND state = 'SIGNED' AND nonce < ?"
        " ORDER BY nonce",
        (page.account, nonce),
    )
    return tuple(int(below) for (below,) in rows)


def _absent(page: Page, absent_at: int) -> Iterator[int]:
    """Yield the nonces that the book does not know. Few are known above ``absent_at``."""
    rows = page.db.execute(
        "SELECT nonce FROM nonce_slot WHERE account = ? AND nonce >= ? ORDER BY nonce",
        (page.account, absent_at),
    )
    return _not_in((int(nonce) for (nonce,) in rows), absent_at)


def _not_in(ascending: Iterable[int], start: int) -> Iterator[int]:
    """Yield the whole numbers from ``start`` on that are not in ``ascending``."""
    for present in ascending:
        yield from range(start, present)
        start = present + 1
    yield from count_from(start)


def _highest(db: Db, account: str, condition: str) -> int | None:
    rows = db.execute(
        f"SELECT nonce FROM nonce_slot WHERE account = ? AND {condition}"  # noqa: S608  # literals
        " ORDER BY nonce DESC LIMIT 1",
        (account,),
    )
    return int(rows[0][0]) if rows else None


def _keep(page: Page, bounds: Bounds) -> None:
    page.db.execute(
        "INSERT INTO nonce_account (account, start_at, absent_at) VALUES (?, ?, ?)"
        " ON CONFLICT (account) DO UPDATE SET start_at = excluded.start_at,"
        " absent_at = excluded.absent_at",
        (page.account, *bounds),
    )


def _forget_free_below(page: Page, start_at: int) -> None:
    """Forget free nonces that the chain has passed, except those a request may have used."""
    rows = page.db.execute(
        "DELETE FROM nonce_slot WHERE account = ? AND state = 'FREE' AND nonce < ?"
        " AND NOT EXISTS (SELECT 1 FROM nonce_attempt a WHERE a.account = nonce_slot.account"
        " AND a.nonce = nonce_slot.nonce AND a.request_id IS NOT NULL) RETURNING nonce",
        (page.account, start_at),
    )
    page.db.execute_many(
        "DELETE FROM nonce_attempt WHERE account = ? AND nonce = ?",
        [(page.account, nonce) for (nonce,) in rows],
    )

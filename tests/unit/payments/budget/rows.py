"""What the journal does around a budget, and what an outsider reads from the same tables."""

from __future__ import annotations

from opengradient_sdk._core.store import Db
from opengradient_sdk.payments.budget.pools import (
    Limits,
    Pool,
    begin_run,
    charge,
    lock_pool,
    present_run,
    reserve,
)
from opengradient_sdk.payments.budget.standing import Standing
from opengradient_sdk.types import Address

OWNER = Address("0x" + "ab" * 20)
NETWORK = "eip155:31337"
POOL = Pool(OWNER, NETWORK)
NOW = 1_800_000_000.0
LIVES = 300
CAP = 10**17


def join(db: Db, pool: Pool = POOL, *, shared: bool = False, now: float = NOW) -> str:
    """A client comes; ``shared``: another one is alive."""
    return begin_run(db, pool, shared=shared, now=now)


def sign(
    db: Db, nonce: int, limits: Limits, *, cap: int = CAP, pool: Pool = POOL, now: float = NOW
) -> Standing:
    """Reserve a cap and write its authorization down."""
    lock_pool(db, pool)
    run = present_run(db, pool)
    standing = reserve(db, pool, run, limits, cap, now)
    db.execute(
        'INSERT INTO "authorization" (owner, network, nonce, asset, cap, recipient, spender,'
        " deadline, tee_id, route, signed_at, from_block, state, life, pool, run)"
        " VALUES (?, ?, ?, '', ?, '', '', ?, '', '', ?, 0, 'open', 'reserved', ?, ?)",
        (pool.owner, pool.network, str(nonce), str(cap), int(now) + LIVES, now, pool.name, run),
    )
    return standing


def withdraw(db: Db, nonce: int, pool: Pool = POOL) -> None:
    """Give a cap back that was never sent."""
    db.execute(
        'DELETE FROM "authorization" WHERE owner = ? AND network = ? AND nonce = ?',
        (pool.owner, pool.network, str(nonce)),
    )


def resolve(db: Db, nonce: int, state: str, charged: int | None = None, pool: Pool = POOL) -> None:
    """Write down what the chain says of an authorization."""
    lock_pool(db, pool)
    key = (pool.owner, pool.network, str(nonce))
    where = "WHERE owner = ? AND network = ? AND nonce = ?"
    ((former, run),) = db.execute(f'SELECT charged, run FROM "authorization" {where}', key)
    values = (state, None if charged is None else str(charged), *key)
    db.execute(f'UPDATE "authorization" SET state = ?, charged = ? {where}', values)
    charge(db, pool, run, int(former or 0), charged or 0)


def at_risk(db: Db, pool: Pool = POOL) -> int:
    """Add up, without the budget's own sums, what is open and what was charged."""
    rows = db.execute(
        'SELECT state, cap, charged FROM "authorization"'
        " WHERE owner = ? AND network = ? AND pool = ?",
        (pool.owner, pool.network, pool.name),
    )
    return sum(
        int(cap) if state in ("open", "unknown") else int(charged or 0)
        for state, cap, charged in rows
    )

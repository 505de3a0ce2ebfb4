"""Who is at work on the journal: the living keep what they hold, the dead are inherited from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ..._core.processes import is_gone, this_process
from ..._core.store import Db
from ...types import Address
from ..budget.pools import Limits, Pool, begin_run, lock_pool, present_run

ALIVE_FOR: Final = 15.0
"""Seconds after its last sign of life for which a holder keeps what it holds."""
BEAT: Final = 5.0
"""Seconds between two signs of life."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one client works: whose money, which budget, and under which name it holds things.

    ``holder`` is a random id, new for every client: nobody else ever has it.
    """

    owner: Address
    network: str
    pool: Pool
    limits: Limits
    holder: str = field(repr=False)

    def lock(self, db: Db) -> None:
        """Wait until no other process changes who holds what of this wallet's."""
        db.lock(f"payments {self.network}/{self.owner}")


def attend(db: Db, desk: Desk, now: float) -> None:
    """Show that this holder is alive. ``now`` is Unix seconds of the client's clock.

    One that was thought dead, as its host was asleep, comes back like a new one.
    """
    renewed = db.execute(
        "UPDATE payment_client SET alive_until = ? WHERE id = ? RETURNING id",
        (db.now() + ALIVE_FOR, desk.holder),
    )
    if not renewed:
        enter(db, desk, now)


def run_of(db: Db, desk: Desk, now: float) -> str:
    """Show that this holder is alive; return the run of the budget that it counts in.

    The pool is locked from here on.
    """
    attend(db, desk, now)
    lock_pool(db, desk.pool)
    return present_run(db, desk.pool)


def enter(db: Db, desk: Desk, now: float) -> None:
    """Write this holder down among the living, and join its budget's run."""
    desk.lock(db)
    lock_pool(db, desk.pool)
    run = begin_run(db, desk.pool, shared=_is_shared(db, desk), now=now)
    db.execute(
        "INSERT INTO payment_client (id, owner, network, pool, run, process, alive_until)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET run = excluded.run, alive_until = excluded.alive_until",
        (
            desk.holder,
            desk.owner,
            desk.network,
            desk.pool.name,
            run,
            this_process(),
            db.now() + ALIVE_FOR,
        ),
    )


def forget(db: Db, holder: str) -> None:
    """Count ``holder`` among the dead."""
    db.execute("DELETE FROM payment_client WHERE id = ?", (holder,))


def forget_the_dead(db: Db, desk: Desk) -> None:
    """Remove the holders of this wallet that show no life: who is not there is dead."""
    for holder, process, alive_until in db.execute(
        "SELECT id, process, alive_until FROM payment_client"
        " WHERE owner = ? AND network = ? AND id <> ?",
        (desk.owner, desk.network, desk.holder),
    ):
        if not _lives(db, process, alive_until):
            forget(db, holder)


def is_alive(db: Db, holder: str | None) -> bool:
    """Return whether ``holder`` keeps what it holds."""
    found = db.execute("SELECT process, alive_until FROM payment_client WHERE id = ?", (holder,))
    return any(_lives(db, process, alive_until) for process, alive_until in found)


def _is_shared(db: Db, desk: Desk) -> bool:
    """Return whether another living client counts against the same budget."""
    others = db.execute(
        "SELECT process, alive_until FROM payment_client"
        " WHERE owner = ? AND network = ? AND pool = ? AND id <> ?",
        (desk.owner, desk.network, desk.pool.name, desk.holder),
    )
    return any(_lives(db, process, alive_until) for process, alive_until in others)


def _lives(db: Db, process: str | None, alive_until: float) -> bool:
    if alive_until <= db.now():
        return False
    return process is None or not is_gone(process)

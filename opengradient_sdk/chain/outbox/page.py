"""One account's page of the book, open for one transaction; and who is at work on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..._core.store import Db, Value
from ...errors import NonceError
from .schema import in_chunks, read_slots
from .slots import Account, Slot

ALIVE_FOR: Final = 15.0
"""Seconds after its last sign of life for which a holder keeps what it holds."""
LEASED_FOR: Final = 120.0
"""Seconds in which a leased nonce's transaction must be signed: its process may hang."""

_KNOWN_FOR: Final = 1.0
_HIGHEST_NONCE: Final = 2**63 - 1
_TAKEN_OVER: Final = "(state IN ('SENDING', 'MINED') OR (state = 'SIGNED' AND sponsored = 1))"


@dataclass(frozen=True, slots=True)
class Page:
    """Where the transaction of one ``holder`` reads and writes, at ``now`` of the store's clock.

    While it is open, no other process writes on the same account's page.
    """

    db: Db
    account: str
    holder: str
    now: float

    @classmethod
    def open(cls, db: Db, account: Account, holder: str) -> Page:
        """Lock the account's page until the transaction ends."""
        name = name_of(account)
        db.lock(f"nonces {name}")
        return cls(db, name, holder, db.now())

    def update(self, change: str, where: str, *values: Value) -> None:
        """Change the slots of this account that ``where`` names with ``values``."""
        self.db.execute(
            f"UPDATE nonce_slot SET {change} WHERE account = ? AND {where}",  # noqa: S608  # literals
            (self.account, *values),
        )


def name_of(account: Account) -> str:
    """Return what the tables call an account."""
    return f"{account.chain}/{account.address}"


def check_nonces(nonces: Sequence[int]) -> None:
    """Return if the book can hold ``nonces``, each for one transaction.

    Raises:
        NonceError: One is negative, beyond what any account ever reaches, or there twice.
    """
    for nonce in nonces:
        if not 0 <= nonce <= _HIGHEST_NONCE:
            raise NonceError(f"no account reaches the nonce {nonce}", hint="Nothing was sent.")
    if len(set(nonces)) < len(nonces):
        raise NonceError(
            "two of these transactions have the same nonce",
            hint="Nothing was sent. Build them with one lease each.",
        )


def renew(db: Db, holder: str, now: float) -> None:
    """Say that ``holder`` is alive."""
    db.execute(
        "INSERT INTO nonce_holder (id, alive_until) VALUES (?, ?)"
        " ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until",
        (holder, now + ALIVE_FOR),
    )


def attend(page: Page) -> None:
    """Show that this holder is alive, and free what nobody is going to use.

    Those are leases that expired, and what the dead had in hand. Bytes that a dead holder signed
    and gave to nobody are freed with their nonce; the lease that gets it says so. What was to be
    sent, or is in a sponsor's hands, waits for ``take_over``.
    """
    freed = "state = 'FREE', holder = NULL, expires = NULL"
    for holder in _renewed_beside(page):
        in_hand = "(state = 'LEASED' OR (state = 'SIGNED' AND sponsored = 0))"
        page.update(freed, f"holder = ? AND {in_hand}", holder)
    page.update(freed, "expires <= ?", page.now)


def take_over(page: Page) -> list[Slot]:
    """Make all that the dead were sending or watching this holder's; return it."""
    nonces: list[int] = []
    for holder in _renewed_beside(page):
        rows = page.db.execute(
            "UPDATE nonce_slot SET holder = ?"  # noqa: S608  # a literal
            f" WHERE holder = ? AND account = ? AND {_TAKEN_OVER} RETURNING nonce",
            (page.holder, holder, page.account),
        )
        nonces += [int(nonce) for (nonce,) in rows]
    _forget_the_dead(page)
    slots: list[Slot] = []
    for places, part in in_chunks(sorted(nonces)):
        slots += read_slots(page.db, page.account, f"s.nonce IN {places}", part)
    return slots


def leave(db: Db, holder: str) -> None:
    """Free the leases of ``holder`` and let everything else of it be taken over at once."""
    rows = db.execute("SELECT DISTINCT account FROM nonce_slot WHERE holder = ?", (holder,))
    for account in sorted(account for (account,) in rows):
        db.lock(f"nonces {account}")
        db.execute(
            "UPDATE nonce_slot SET state = 'FREE', holder = NULL, expires = NULL"
            " WHERE holder = ? AND account = ? AND state = 'LEASED'",
            (holder, account),
        )
    db.execute("UPDATE nonce_holder SET alive_until = 0 WHERE id = ?", (holder,))
    db.execute(
        "DELETE FROM nonce_holder WHERE id = ?"
        " AND NOT EXISTS (SELECT 1 FROM nonce_slot WHERE holder = ?)",
        (holder, holder),
    )


def _renewed_beside(page: Page) -> list[str]:
    """Return the dead holders, once this one is known to live on.

    Most times that is known well enough, and nothing is written.
    """
    rows = page.db.execute(
        "SELECT id, alive_until FROM nonce_holder WHERE id = ? OR alive_until <= ?",
        (page.holder, page.now),
    )
    alive_until: dict[str, float] = dict(rows)
    if alive_until.pop(page.holder, 0.0) < page.now + ALIVE_FOR - _KNOWN_FOR:
        renew(page.db, page.holder, page.now)
    return list(alive_until)


def _forget_the_dead(page: Page) -> None:
    page.db.execute(
        "DELETE FROM nonce_holder WHERE alive_until <= ? AND id <> ?"
        " AND NOT EXISTS (SELECT 1 FROM nonce_slot s WHERE s.holder = nonce_holder.id)",
        (page.now, page.holder),
    )

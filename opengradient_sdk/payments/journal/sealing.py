"""What the journal seals, and which key may open it."""

from __future__ import annotations

from typing import Final

from ..._core.store import Db
from ...errors import ConfigurationError
from .holders import Desk

_LOCK: Final = "payment vault"


def about_authorization(desk: Desk, nonce: int) -> str:
    """Return the one place that a sealed authorization belongs to."""
    return f"authorization {desk.network} {desk.owner} {nonce}"


def about_reply(desk: Desk, call: str) -> str:
    """Return the one place that a sealed reply belongs to."""
    return f"reply {desk.network} {desk.owner} {call}"


def check_key(db: Db, key_id: str) -> None:
    """Return if this store's secrets are sealed with this key; the first key that comes is its.

    Raises:
        ConfigurationError: They are sealed with another one.
    """
    db.lock(_LOCK)
    found = [known for (known,) in db.execute("SELECT key_id FROM payment_vault")]
    if not found:
        db.execute("INSERT INTO payment_vault (key_id) VALUES (?)", (key_id,))
    elif found != [key_id]:
        raise ConfigurationError(
            f"this store's secrets are sealed with the key {found[0]}, not with {key_id}",
            hint="Give this client the key that the store's other clients have (store_key=). If "
            "it is lost, pass store= another place: what is open in this one ends by itself when "
            "its permits do.",
        )

"""The key that signs a store's checkpoints: made once, and sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._core.store import Db, Row, Store
from .._core.vault import Vault
from ..errors import LedgerError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LOCK: Final = "ledger key"
_READ: Final = "SELECT public, secret FROM ledger_key ORDER BY public"


async def ledger_key(store: Store, vault: Vault) -> Ed25519PrivateKey:
    """Return the store's ledger key (Ed25519), which is made if there is none.

    Of two processes that make it at once, one does, and the other takes that key.

    Raises:
        LedgerError: The store cannot be read or written, or the vault does not open its key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    await vault.open()
    draft = Ed25519PrivateKey.generate()
    public = public_text(draft)
    sealed = vault.seal(draft.private_bytes_raw(), about_key(public))

    def take(db: Db) -> Row:
        db.lock(_LOCK)
        found = db.execute(_READ)
        if not found:
            db.execute("INSERT INTO ledger_key (public, secret) VALUES (?, ?)", (public, sealed))
            return public, sealed
        return found[0]

    return key_of(await store.run(take), vault)


def key_of(row: Row, vault: Vault) -> Ed25519PrivateKey:
    """Return the key in a row of ``ledger_key``.

    Raises:
        LedgerError: The vault does not open it, or it is not the key that the row says.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public, sealed = row
    key = Ed25519PrivateKey.from_private_bytes(vault.unseal(sealed, about_key(public)))
    if public_text(key) != public:
        raise LedgerError(
            f"the ledger key {public} is another one than its row says",
            hint="Somebody changed the store: `ogsdk ledger verify` says more.",
        )
    return key


def about_key(public: str) -> str:
    """Return the one place that a sealed ledger key belongs to."""
    return f"ledger key {public}"


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half of a key, in hex."""
    return key.public_key().public_bytes_raw().hex()

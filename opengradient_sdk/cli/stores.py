"""The store that a command looks into."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

from .._core.store import Store, open_store
from .._core.vault import Vault
from .._core.vault.vault import KEYRING
from ..client.config import profile_of, store_place
from ..errors import ConfigurationError
from ..ledger.schema import SCHEMA as LEDGER_SCHEMA
from ..ledger.timeline.schema import SCHEMA as TIMELINE_SCHEMA

_LOOK: Final = "SELECT name FROM sqlite_master WHERE name = 'ledger_entry'"


def existing_store(place: str | None) -> Store:
    """Return the store at ``place``, or that of the network which the environment names.

    Raises:
        ConfigurationError: There is none: a command that looks makes no file.
    """
    found = place or str(store_place(None, profile_of(None)))
    if "://" not in found and not _has_ledger(Path(found)):
        raise ConfigurationError(
            f"there is no store with a ledger at {found}",
            hint="Name it with --store, or its network with OG_NETWORK.",
        )
    return open_store(found, LEDGER_SCHEMA, TIMELINE_SCHEMA)


def existing_vault(place: str | None, key: str | None) -> Vault | None:
    """Return the vault with the key at ``key``, if one was named.

    Raises:
        ConfigurationError: There is no key there: a command that looks makes none.
    """
    if key is None:
        return None
    if key != KEYRING and not Path(key).is_file():
        raise ConfigurationError(f"there is no key at {key}", hint="Is it beside another store?")
    return Vault.at(place or str(store_place(None, profile_of(None))), key)


def _has_ledger(path: Path) -> bool:
    if not path.is_file():
        return False
    import sqlite3

    with path.open("rb"):  # of one that may not be read, the system says so
        pass
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return bool(db.execute(_LOOK).fetchall())
    except sqlite3.DatabaseError:
        return False

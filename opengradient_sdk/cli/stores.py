"""The store that a command looks into."""

from __future__ import annotations

from pathlib import Path

from .._core.store import Store, open_store
from ..client.config import profile_of, store_place
from ..errors import ConfigurationError
from ..ledger.schema import SCHEMA as LEDGER_SCHEMA
from ..ledger.timeline.schema import SCHEMA as TIMELINE_SCHEMA


def existing_store(place: str | None) -> Store:
    """Return the store at ``place``, or that of the network which the environment names.

    Raises:
        ConfigurationError: There is none: a command that looks makes no file.
    """
    found = place or str(store_place(None, profile_of(None)))
    if "://" not in found and not Path(found).is_file():
        raise ConfigurationError(
            f"there is no store at {found}",
            hint="Name it with --store, or its network with OG_NETWORK.",
        )
    return open_store(found, LEDGER_SCHEMA, TIMELINE_SCHEMA)

"""A registry's history as it lies in a store, for those who ask no chain."""

from __future__ import annotations

from ..._core.store import Store
from ...errors import LedgerError
from ...types import Address
from . import rows
from .timeline import Timeline


async def stored_timeline(
    store: Store, chain_id: int | None = None, registry: Address | None = None
) -> Timeline | None:
    """Return the history of a registry as far as clients of this store have read it.

    Without ``chain_id`` and ``registry`` it is that of the only one in the store. ``None``: nobody
    has read any.

    Raises:
        LedgerError: The store cannot be read, or has the histories of several registries.
    """
    if chain_id is None or registry is None:
        known = await store.run(
            lambda db: db.execute("SELECT chain_id, registry FROM timeline_progress")
        )
        if len(known) > 1:
            names = ", ".join(f"{address} on chain {number}" for number, address in known)
            raise LedgerError(
                f"the store has the histories of several registries: {names}",
                hint="Say which network is meant.",
            )
        if not known:
            return None
        chain_id, registry = int(known[0][0]), Address(known[0][1])
    which = rows.Which(chain_id, registry)
    found = await store.run(lambda db: rows.stored(db, which, 0))
    return Timeline(found.events, found.progress.horizon, found.pulses, found.sightings)

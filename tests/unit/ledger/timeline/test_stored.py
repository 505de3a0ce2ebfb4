"""The history as it lies in a store, without any chain."""

from __future__ import annotations

import pytest

from opengradient_sdk._core.store import open_store
from opengradient_sdk.errors import LedgerError
from opengradient_sdk.ledger.timeline import SCHEMA, stored_timeline

from .histories import CHAIN, approved
from .test_rows import OTHER, REGISTRY, Book


async def test_the_only_history_needs_no_name() -> None:
    store = open_store(":memory:", SCHEMA)
    assert await stored_timeline(store) is None
    await Book(store).confirm(5, approved(1, 2))
    timeline = await stored_timeline(store)
    assert timeline is not None
    assert [version.version for version in timeline.versions()] == ["v1"]
    await Book(store, OTHER).confirm(5, approved(2, 2))
    with pytest.raises(LedgerError, match="several registries"):
        await stored_timeline(store)
    named = await stored_timeline(store, CHAIN, REGISTRY)
    assert named is not None
    assert named.changes() == timeline.changes()
    await store.aclose()

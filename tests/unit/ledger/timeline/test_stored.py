"""The history as it lies in a store, without any chain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from opengradient_sdk._core.store import Schema, open_store
from opengradient_sdk.errors import LedgerError
from opengradient_sdk.ledger.timeline import SCHEMA, rows, stored_timeline
from opengradient_sdk.ledger.timeline.rows import Which

from .histories import CHAIN, approved, history, place
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


async def test_a_history_of_an_older_version_began_with_the_chain(tmp_path: Path) -> None:
    at = str(tmp_path / "store.sqlite")
    before = Schema("timeline", SCHEMA.steps[:-1])
    store = open_store(at, before)
    await store.run(
        lambda db: db.execute(
            "INSERT INTO timeline_progress (chain_id, registry, revision, max_age)"
            " VALUES (?, ?, 1, 9)",
            (CHAIN, REGISTRY),
        )
    )
    await store.aclose()
    store = open_store(at, SCHEMA)
    timeline = await stored_timeline(store)
    assert timeline is not None
    assert (timeline.horizon.first_block, timeline.horizon.max_age) == (0, 9)
    await store.aclose()


async def test_the_first_block_that_was_read_is_kept() -> None:
    store = open_store(":memory:", SCHEMA)
    which = Which(CHAIN, REGISTRY)
    was = await store.run(lambda db: rows.progress_of(db, which, 42))
    now = replace(was.horizon, final=place(50), head=place(50))
    assert await store.run(lambda db: rows.confirm(db, which, was, now, [], 1.0))
    assert (await store.run(lambda db: rows.progress_of(db, which, 0))).horizon.first_block == 42
    await store.aclose()


def test_what_no_event_tells_is_said_to_be_assumed() -> None:
    (assumed,) = history(approved(1, 2)).at(300.0).assumptions
    assert "heartbeatMaxAge" in assumed
    assert "1800 seconds at all times" in assumed

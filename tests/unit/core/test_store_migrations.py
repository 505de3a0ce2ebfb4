"""Stores that were written by other versions of this package."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk._core.store import Db, Row, Schema, open_store
from opengradient_sdk.errors import LedgerError

FIRST = "CREATE TABLE item (name TEXT PRIMARY KEY)"
SECOND = "ALTER TABLE item ADD COLUMN size BIGINT"
THIRD = "UPDATE item SET size = 7 WHERE size IS NULL"


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


async def use(place: str, *schemas: Schema, statement: str) -> list[Row]:
    store = open_store(place, *schemas)
    try:
        return await store.run(lambda db: db.execute(statement))
    finally:
        await store.aclose()


def versions(db: Db) -> dict[str, int]:
    return dict(db.execute("SELECT room, version FROM opengradient_schema"))


async def test_steps_that_came_later_are_run_once(place: str) -> None:
    await use(place, Schema("r", (FIRST,)), statement="INSERT INTO item VALUES ('old')")
    newer = Schema("r", (FIRST, SECOND, THIRD))
    await use(place, newer, statement="INSERT INTO item VALUES ('new', NULL)")
    rows = await use(place, newer, statement="SELECT name, size FROM item ORDER BY name")
    assert rows == [("new", None), ("old", 7)]


async def test_rooms_have_versions_of_their_own(place: str) -> None:
    other = Schema("other", ("CREATE TABLE thing (name TEXT)",))
    await use(place, Schema("r", (FIRST, SECOND)), statement="SELECT 1")
    store = open_store(place, other, Schema("r", (FIRST, SECOND)))
    assert await store.run(versions) == {"r": 2, "other": 1}
    await store.aclose()


async def test_a_store_of_a_newer_version_is_not_touched(place: str) -> None:
    await use(place, Schema("r", (FIRST, SECOND)), statement="SELECT 1")
    older = open_store(
        place, Schema("other", ("CREATE TABLE thing (name TEXT)",)), Schema("r", (FIRST,))
    )
    for _ in range(2):
        with pytest.raises(LedgerError, match="newer version") as error:
            await older.run(lambda db: db.execute("SELECT 1"))
        assert "Upgrade" in error.value.hint
    await older.aclose()
    store = open_store(place, Schema("r", (FIRST, SECOND)))
    assert await store.run(versions) == {"r": 2}
    with pytest.raises(LedgerError, match="thing"):
        await store.run(lambda db: db.execute("SELECT * FROM thing"))
    await store.aclose()


async def test_a_step_that_fails_leaves_nothing_of_its_version(place: str) -> None:
    await use(place, Schema("r", (FIRST,)), statement="INSERT INTO item VALUES ('a')")
    with pytest.raises(LedgerError, match="syntax error"):
        await use(place, Schema("r", (FIRST, SECOND, "NONSENSE")), statement="SELECT 1")
    store = open_store(place, Schema("r", (FIRST,)))
    assert await store.run(versions) == {"r": 1}
    assert await store.run(lambda db: db.execute("SELECT * FROM item")) == [("a",)]
    await store.aclose()


async def test_a_new_store_can_be_opened_by_many_at_once(place: str) -> None:
    stores = [open_store(place, Schema("r", (FIRST, SECOND))) for _ in range(8)]
    try:
        seen = await asyncio.gather(*(store.run(versions) for store in stores))
    finally:
        for store in stores:
            await store.aclose()
    assert seen == [{"r": 2}] * 8

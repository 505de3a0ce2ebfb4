"""How receipts are found among many: which come first, and that no more are read than are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest
from support.stores import FILE, location

from opengradient_sdk._core.store import Schema, open_store
from opengradient_sdk.ledger.query import ReceiptQuery
from opengradient_sdk.ledger.reading import Reader, _statement
from opengradient_sdk.ledger.schema import SCHEMA
from opengradient_sdk.types import Bytes32

from ..payments.makers import NOW, OWNER, TEE
from .books import NETWORK, Books, an_answered, open_books
from .receipts import a_receipt

BUILDS: Final = tuple(Bytes32(bytes([number]) * 32) for number in (1, 2, 3))
ROUTES: Final = ("/v1/chat/completions", "/v1/completions")
READS_ALL: Final = "USE TEMP B-TREE FOR ORDER BY"
"""SQLite reads and sorts everything that matches before the first row is there."""
FILTERS: Final[list[dict[str, Any]]] = [
    {},
    {"model": "gpt-5"},
    {"tag": "a"},
    {"model": "gpt-5", "tag": "a"},
    {"tee_id": TEE},
    {"run": "run_1"},
    {"route": "/v1/completions"},
    {"pcr_hashes": BUILDS[:1]},
    {"pcr_hashes": BUILDS},
    {"pcr_hashes": BUILDS[:2], "model": "gpt-5", "tag": "a"},
]


async def _record(books: Books, count: int = 12) -> None:
    for number in range(count):
        books.ledger.record(
            an_answered(
                number,
                pcr_hash=BUILDS[number % 3],
                route=ROUTES[number % 4 == 0],
                created_at=NOW + number // 2,  # two share each moment
            )
        )
    await books.ledger.flushed()


async def _ids(books: Books, **asked: Any) -> list[str]:
    """What a reader finds, which is what a query for everything finds, filtered and cut here."""
    query = ReceiptQuery(**asked)
    reader = Reader(books.store, books.vault)
    found = await reader.matching(query, OWNER, NETWORK)
    assert [receipt.id for receipt in await books.ledger.select(query)] == [w.id for w in found]
    return [written.id for written in found]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_several_builds_are_in_the_order_of_their_times(
    books: Books, limit: int, newest_first: bool
) -> None:
    await _record(books)
    everything = await books.ledger.select(ReceiptQuery(newest_first=newest_first))
    wanted = [each.id for each in everything if each.pcr_hash in BUILDS[:2]]
    assert len(wanted) == 8

    found = await _ids(books, pcr_hashes=BUILDS[:2], limit=limit, newest_first=newest_first)

    assert found == wanted[:limit]


async def test_a_build_that_is_named_twice_has_its_receipts_once(books: Books) -> None:
    await _record(books)
    once = await _ids(books, pcr_hashes=BUILDS[:1])
    assert len(once) == 4
    assert await _ids(books, pcr_hashes=(BUILDS[0], BUILDS[0])) == once


async def test_more_builds_than_one_statement_takes_are_found_too(books: Books) -> None:
    await _record(books)
    many = tuple(Bytes32(bytes([number]) * 32) for number in range(1, 100))
    assert len(await _ids(books, pcr_hashes=many)) == 12
    assert len(await _ids(books, pcr_hashes=many, limit=5)) == 5


@pytest.mark.parametrize("route", ROUTES)
async def test_a_route_is_found_however_few_take_it(books: Books, route: str) -> None:
    await _record(books)
    found = await _ids(books, route=route)
    assert len(found) == (3 if route == "/v1/completions" else 9)
    assert await _ids(books, route=route, model="gpt-5") == found


async def _plan(books: Books, query: ReceiptQuery) -> str:
    branches = query.branches(OWNER, NETWORK)
    statement = _statement([terms for terms, _ in branches], newest_first=query.newest_first)
    values = [value for _, each in branches for value in (*each, query.limit)]
    values += [query.limit] * (len(branches) > 1)
    rows: Sequence[Any] = await books.rows(f"EXPLAIN QUERY PLAN {statement}", *values)
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("since", [None, NOW + 2])
@pytest.mark.parametrize("filters", FILTERS)
async def test_the_first_receipts_are_found_without_reading_all_that_match(
    filters: dict[str, Any], since: float | None, newest_first: bool
) -> None:
    async with open_books(":memory:") as books:
        await _record(books)
        query = ReceiptQuery(since=since, newest_first=newest_first, **filters)
        plan = await _plan(books, query)
        found = await Reader(books.store, books.vault).matching(query, OWNER, NETWORK)
    steps = plan.splitlines()
    looks = [number for number, step in enumerate(steps) if " ledger_receipt " in step]
    assert len(looks) == max(1, len(query.pcr_hashes))
    for look in looks:
        assert "USING INDEX ledger_receipt_" in steps[look]
        assert steps[look + 1] != READS_ALL
    assert len(found) <= 12


async def test_a_rare_route_has_an_index_of_its_own_and_chats_have_none_to_write() -> None:
    async with open_books(":memory:") as books:
        await _record(books)
        rare = await _plan(books, ReceiptQuery(route="/v1/completions"))
        common = await _plan(books, ReceiptQuery(route="/v1/chat/completions"))
        narrow = await _plan(books, ReceiptQuery(route="/v1/completions", model="gpt-5"))
    assert "ledger_receipt_route" in rare
    assert "ledger_receipt_time" in common
    assert "ledger_receipt_model" in narrow


async def test_a_store_from_before_the_index_gets_it(
    request: pytest.FixtureRequest, tmp_path: Any
) -> None:
    place = location(FILE, request, tmp_path)
    older = open_store(place, Schema("ledger", SCHEMA.steps[:-1]))
    async with open_books(place, store=older) as books:
        books.ledger.record(a_receipt(1, route="/v1/completions"))
        await books.ledger.flushed()
    await older.aclose()
    async with open_books(place) as books:
        assert await _ids(books, route="/v1/completions") == ["rcpt_1"]
        assert "ledger_receipt_route" in await _plan(books, ReceiptQuery(route="/v1/completions"))

"""Looking at the whole ledger: every change is found, and named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opengradient_sdk._core.store import IN_MEMORY, Db, Store
from opengradient_sdk.ledger import AuthorizationFacts, DataState, DataStatus
from opengradient_sdk.ledger.checking import check_ledger
from opengradient_sdk.ledger.checkpoints import Checkpoint
from opengradient_sdk.ledger.entries import Head, hash_of
from opengradient_sdk.ledger.receipt_json import data_to_json
from opengradient_sdk.ledger.report import LedgerReport
from opengradient_sdk.payments.status import PaymentState, PaymentStatus

from ..payments.makers import a_life
from .books import Books, an_answered, open_books
from .test_ledger import registered_by

KEYS = {
    "ledger_writer": ("id",),
    "ledger_entry": ("writer", "seq"),
    "ledger_receipt": ("id",),
    "ledger_parent": ("parent", "child"),
    "ledger_document": ("hash",),
    "ledger_content": ("writer", "seq"),
    "ledger_secret": ("subject",),
    "ledger_key": ("public",),
    "ledger_checkpoint": ("id",),
}
COLUMNS = {
    "ledger_writer": "id owner network began_at",
    "ledger_entry": "writer seq hash kind at subject body",
    "ledger_receipt": "id owner network writer seq created_at route model tag run tee_id pcr_hash"
    " nonce cost",
    "ledger_parent": "parent child",
    "ledger_document": "hash body",
    "ledger_content": "writer seq receipt form body",
    "ledger_secret": "subject sealed",
    "ledger_key": "public secret",
    "ledger_checkpoint": "id at body",
}

SHARE = st.integers(0, 9_999).map(lambda number: number / 10_000)


async def fill(first: Books, second: Books) -> Checkpoint:
    """Write a little of everything, by two writers."""
    life = a_life()
    for number in (1, 2, 3):
        first.ledger.record(
            an_answered(number, life=life, parents=("rcpt_0",), tag="t", registered=registered_by())
        )
    first.ledger.record(an_answered(4, content=None, signed=None))
    second.ledger.record(an_answered(5, run="nightly", parents=("rcpt_1", "rcpt_2")))
    settled = DataStatus(DataState.SETTLED, "batch", "found in block 9")
    second.ledger.amend("rcpt_1", data=data_to_json(settled))
    second.ledger.payment(AuthorizationFacts.of(life), PaymentStatus(PaymentState.OPEN, "not yet"))
    await first.ledger.forget("rcpt_2")
    await second.ledger.flushed()
    return await first.ledger.checkpoint()


@pytest.fixture
async def filled(place: str) -> AsyncIterator[Books]:
    """A small ledger of two writers."""
    async with open_books(place) as first, open_books(place, store=first.store) as second:
        await first.vault.open()
        await fill(first, second)
        yield first


async def report(books: Books, **known: Any) -> LedgerReport:
    return await check_ledger(books.store, vault=books.vault, **known)


async def test_an_honest_ledger_has_nothing_wrong(filled: Books) -> None:
    found = await report(filled)
    assert found.findings == ()
    assert found.ok
    assert (found.writers, found.receipts, found.checkpoints) == (2, 5, 1)
    assert found.entries == (await filled.rows("SELECT COUNT(*) FROM ledger_entry"))[0][0]
    assert found.unopened == 0
    assert "cut off" in found.unseen[0]
    assert "Nothing is wrong" in found.explain()


async def test_what_is_sealed_is_counted_without_the_key(filled: Books) -> None:
    found = await check_ledger(filled.store)
    assert found.ok
    assert found.unopened == 5  # three contents and two payment signatures


async def test_an_empty_ledger_is_fine(books: Books) -> None:
    found = await report(books)
    assert found.ok
    assert (found.writers, found.entries) == (0, 0)


async def rows_of(store: Store, table: str) -> list[tuple[Any, ...]]:
    columns = ", ".join(COLUMNS[table].split())

    def read(db: Db) -> list[tuple[Any, ...]]:
        return db.execute(f"SELECT {columns} FROM {table} ORDER BY {', '.join(KEYS[table])}")

    return await store.run(read)


def changed(value: Any) -> Any:
    """Return another value of the same kind."""
    if value is None:
        return "7"
    if isinstance(value, int | float):
        return value + 1
    return ("0" if value[:1] != "0" else "1") + value[1:]


def put(db: Db, table: str, row: tuple[Any, ...], column: str, value: Any) -> None:
    names = COLUMNS[table].split()
    where = " AND ".join(f"{key} = ?" for key in KEYS[table])
    keys = [row[names.index(key)] for key in KEYS[table]]
    db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", [value, *keys])


def renamed(row: tuple[Any, ...], table: str, column: str, value: Any) -> tuple[Any, ...]:
    """Return how a row is found after its column was changed."""
    place = COLUMNS[table].split().index(column)
    return (*row[:place], value, *row[place + 1 :])


@pytest.mark.parametrize("table", COLUMNS)
async def test_every_change_of_every_column_of_every_row_is_found(
    filled: Books, table: str
) -> None:
    rows = await rows_of(filled.store, table)
    assert rows
    for row in rows:
        for place, column in enumerate(COLUMNS[table].split()):
            value = changed(row[place])
            if column == "seq" and table == "ledger_entry":
                value = row[place] + 1000  # the next number is taken
            await filled.store.run(lambda db: put(db, table, row, column, value))  # noqa: B023
            found = await report(filled)
            assert not found.ok, (table, column, row)
            if table == "ledger_entry" and column not in ("writer", "seq"):
                assert (row[0], row[1]) in {(f.writer, f.seq) for f in found.findings}
            if table == "ledger_entry" and column in ("writer", "seq"):
                # the entry is missing, unless none is left behind it
                last = max(other[1] for other in rows if other[0] == row[0])
                named = {(f.writer, f.seq) for f in found.findings}
                assert row[1] == last or (row[0], row[1]) in named
            back = renamed(row, table, column, value)
            await filled.store.run(lambda db: put(db, table, back, column, row[place]))  # noqa: B023
    assert (await report(filled)).ok


@pytest.mark.parametrize("table", [t for t in COLUMNS if t != "ledger_key"])
async def test_every_row_that_is_deleted_is_found(place: str, table: str) -> None:
    async with open_books(place) as first, open_books(place, store=first.store) as second:
        point = await fill(first, second)
        rows = await rows_of(first.store, table)
        names = COLUMNS[table].split()
        where = " AND ".join(f"{key} = ?" for key in KEYS[table])
        marks = ", ".join("?" * len(names))
        for row in rows:
            keys = [row[names.index(key)] for key in KEYS[table]]
            await first.rows(f"DELETE FROM {table} WHERE {where}", *keys)
            found = await report(first, anchors=[point])
            is_after_the_anchor = table == "ledger_entry" and row[3] == "checkpoint"
            assert not found.ok, row
            if table == "ledger_entry" and not is_after_the_anchor:
                assert (row[0], row[1]) in {(f.writer, f.seq) for f in found.findings}
            await first.rows(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", *row)
        assert (await report(first, anchors=[point])).ok


async def test_two_entries_that_change_places_are_found(filled: Books) -> None:
    writer, *_ = (await rows_of(filled.store, "ledger_entry"))[0]
    for old, new in ((1, 1000), (2, 1), (1000, 2)):
        await filled.rows(
            "UPDATE ledger_entry SET seq = ? WHERE writer = ? AND seq = ?", new, writer, old
        )
    first = (await report(filled)).findings[0]
    assert (first.writer, first.seq) == (writer, 1)
    assert "moved" in first.what


async def cut_off(books: Books, writer: str, first: int) -> None:
    """Remove the end of a chain, as one would who leaves no stray rows behind."""
    gone = (
        "(SELECT subject FROM ledger_entry WHERE writer = ? AND seq >= ?"
        " AND kind IN ('receipt', 'checkpoint'))"
    )
    for statement in (
        f"DELETE FROM ledger_receipt WHERE id IN {gone}",
        f"DELETE FROM ledger_content WHERE receipt IN {gone}",
        f"DELETE FROM ledger_parent WHERE child IN {gone}",
        f"DELETE FROM ledger_checkpoint WHERE id IN {gone}",
        "DELETE FROM ledger_entry WHERE writer = ? AND seq >= ?",
    ):
        await books.rows(statement, writer, first)


async def test_two_clients_sign_the_same_heads_in_the_same_second(place: str) -> None:
    async with open_books(place) as first, open_books(place, store=first.store) as second:
        await fill(first, second)
        points = await asyncio.gather(first.ledger.checkpoint(), second.ledger.checkpoint())
        assert points[0] == points[1]
        found = await report(first, anchors=points)
        assert found.ok, found.explain()
        assert found.checkpoints == 2  # this one, and that of `fill`


async def test_a_cut_off_tail_shows_against_an_anchor_only(place: str) -> None:
    async with open_books(place) as first, open_books(place, store=first.store) as second:
        await fill(first, second)
        anchor = await second.ledger.checkpoint()
        await cut_off(first, second.ledger.writer, 1)
        await cut_off(first, first.ledger.writer, 6)
        alone = await report(first)
        assert alone.ok
        assert "cut off" in alone.explain()
        found = await report(first, anchors=[anchor])
        named = {(finding.writer, finding.seq) for finding in found.findings}
        assert named == {(second.ledger.writer, 1), (first.ledger.writer, 6)}
        assert all("is missing" in finding.what for finding in found.findings)
        assert all("cut off" not in sentence for sentence in found.unseen)


async def test_a_removed_writer_shows_against_an_anchor_only(place: str) -> None:
    async with open_books(place) as first, open_books(place, store=first.store) as second:
        await fill(first, second)
        anchor = await first.ledger.checkpoint()
        await cut_off(first, second.ledger.writer, 0)
        await first.rows("DELETE FROM ledger_writer WHERE id = ?", second.ledger.writer)
        await first.rows("DELETE FROM ledger_checkpoint")
        await first.rows("DELETE FROM ledger_entry WHERE kind = 'checkpoint'")
        found = await report(first, anchors=[anchor])
        assert (second.ledger.writer, 0) in {(f.writer, f.seq) for f in found.findings}


async def test_a_chain_that_was_written_anew_shows_against_a_checkpoint(filled: Books) -> None:
    writer, seq, previous = "", 0, ""
    for writer, seq, _, _, _, _, body in await rows_of(filled.store, "ledger_entry"):
        if seq == 0:
            previous = ""
        entry = json.loads(body)
        if entry["kind"] == "amended":
            entry["data"]["data"]["reason"] = "found in block 8"
        entry["previous"] = previous
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        previous = hash_of(text)
        await filled.rows(
            "UPDATE ledger_entry SET body = ?, hash = ? WHERE writer = ? AND seq = ?",
            *(text, previous, writer, seq),
        )
    found = await report(filled)
    (finding,) = found.findings
    assert "written anew" in finding.what


async def test_content_that_was_exchanged_is_found(place: str) -> None:
    async with open_books(place, content="kept") as books:
        books.ledger.record(an_answered())
        await books.ledger.flushed()
        await books.rows("UPDATE ledger_content SET body = replace(body, '4, of', '5, of')")
        (finding,) = (await check_ledger(books.store)).findings
        assert finding.seq == 1
        assert "does not match its commitment" in finding.what


async def test_content_that_went_without_being_forgotten_is_found(filled: Books) -> None:
    await filled.rows("DELETE FROM ledger_content WHERE receipt = 'rcpt_3'")
    (finding,) = (await report(filled)).findings
    assert "no entry says that it was forgotten" in finding.what


async def test_a_checkpoint_of_a_stranger_is_found(place: str, tmp_path: Any) -> None:
    async with open_books(place) as books, open_books(IN_MEMORY) as others:
        books.ledger.record(an_answered())
        mine = await books.ledger.checkpoint()
        theirs = await others.ledger.checkpoint()
        assert (await report(books, anchors=[mine], public_key=mine.public_key)).ok
        found = await report(books, anchors=[theirs], public_key=mine.public_key)
        assert "signed with the key" in found.findings[0].what
        forged = Checkpoint(mine.at + 1, mine.heads, mine.public_key, mine.signature)
        found = await report(books, anchors=[forged])
        assert "bad signature" in found.findings[0].what


async def test_a_report_is_bounded(books: Books) -> None:
    await books.ledger.flushed()
    await books.store.run(
        lambda db: db.execute_many(
            "INSERT INTO ledger_document (hash, body) VALUES (?, '')",
            [(str(number),) for number in range(150)],
        )
    )
    found = await report(books)
    assert (len(found.findings), found.further) == (100, 50)
    assert "And 50 more." in found.explain()


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_edit_of_a_text_goes_unseen(data: st.DataObject) -> None:
    async with open_books(IN_MEMORY) as first, open_books(IN_MEMORY, store=first.store) as second:
        await fill(first, second)
        rows = await rows_of(first.store, "ledger_entry")
        # drawn by share: writers have random ids, and texts other lengths each time
        row = rows[int(data.draw(SHARE) * len(rows))]
        body = row[-1]
        start = int(data.draw(SHARE) * len(body))
        end = start + data.draw(st.integers(0, 20))
        text = body[:start] + data.draw(st.text('0a,{}"é', max_size=5)) + body[end:]
        if text == body:
            return
        rehash = data.draw(st.booleans())
        await first.rows(
            "UPDATE ledger_entry SET body = ?, hash = ? WHERE writer = ? AND seq = ?",
            *(text, hash_of(text) if rehash else row[2], row[0], row[1]),
        )
        found = await check_ledger(first.store)
        named = {(finding.writer, finding.seq) for finding in found.findings}
        # with the hash made to fit, it is the next entry that no longer follows
        assert named & {(row[0], row[1]), (row[0], row[1] + 1)}, found.explain()


def test_heads_have_one_order() -> None:
    assert sorted([Head("b", 0, "x"), Head("a", 5, "y")])[0].writer == "a"

"""Writing the ledger: what cannot be written is kept, in order, and stops spending."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from opengradient_sdk._core import gathering
from opengradient_sdk._core.store import Db, Schema, Store, open_store
from opengradient_sdk.errors import LedgerError
from opengradient_sdk.ledger import AuthorizationFacts, check_ledger
from opengradient_sdk.ledger.schema import SCHEMA
from opengradient_sdk.payments.status import PaymentState, PaymentStatus

from .books import Books, an_answered, open_books

T = TypeVar("T")


class UnreliableStore:
    """A real store whose transactions fail when they are told to.

    ``before``: nothing of them is kept. ``after``: they are kept, and nobody is told so.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failing = ""
        self.ran = asyncio.Event()

    async def run(self, work: Callable[[Db], T]) -> T:
        if self.failing == "before":
            raise LedgerError("the disk is full", hint="Make room.")
        result = await self._store.run(work)
        if self.failing == "after":
            raise LedgerError("the connection was lost during a commit")
        self.ran.set()
        return result

    async def run_all(self, works: Sequence[Callable[[Db], Any]]) -> list[Any]:
        return await asyncio.gather(*map(self.run, works), return_exceptions=True)

    async def aclose(self) -> None:
        await self._store.aclose()


async def subjects(books: Books) -> list[str]:
    rows = await books.rows("SELECT subject FROM ledger_entry WHERE seq > 0 ORDER BY writer, seq")
    return [subject for (subject,) in rows]


@pytest.mark.parametrize("failing", ["before", "after"])
async def test_what_could_not_be_written_is_written_later_once_and_in_order(
    place: str, failing: str
) -> None:
    store = UnreliableStore(open_store(place, SCHEMA))
    async with open_books(place, store=store) as books:
        books.ledger.record(an_answered(1))
        await books.ledger.flushed()
        store.failing = failing
        books.ledger.record(an_answered(2))
        with pytest.raises(LedgerError, match=r"disk is full|lost during a commit"):
            await books.ledger.flushed()
        books.ledger.record(an_answered(3))
        with pytest.raises(LedgerError, match=r"disk is full|lost during a commit"):
            books.ledger.require_writable()
        store.failing = ""
        await books.ledger.flushed()
        books.ledger.require_writable()
        assert await subjects(books) == ["rcpt_1", "rcpt_2", "rcpt_3"]
        assert (await check_ledger(store, vault=books.vault)).ok
    await store.aclose()


async def test_a_receipt_that_cannot_be_written_is_found_with_what_came_later(place: str) -> None:
    store = UnreliableStore(open_store(place, SCHEMA))
    async with open_books(place, store=store) as books:
        store.failing = "before"
        receipt = an_answered()
        books.ledger.record(receipt)
        books.ledger.amend(receipt.id, uncovered=["usage"])
        settled = PaymentStatus(PaymentState.SETTLED, "seen")
        books.ledger.payment(AuthorizationFacts.of(receipt.life), settled)  # type: ignore[arg-type]
        # what opens the vault and reads nothing needs no store
        await books.vault.open()
        found = await books.ledger.get(receipt.id)
        assert (found.uncovered, found.payment) == (("usage",), settled)
        assert found.content == receipt.content
        assert (await books.ledger.content_of(receipt.id))[1] == receipt.signed
        with pytest.raises(LedgerError, match="disk is full"):
            await books.ledger.select()
        store.failing = ""
        assert (await books.ledger.get(receipt.id)).payment == settled
    await store.aclose()


async def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    async with open_books(str(tmp_path / "store.sqlite")) as books:
        books.ledger.record(an_answered(0))
        await books.ledger.flushed()
        await books.rows("PRAGMA max_page_count = 1")  # it becomes the present number of pages
        for number in range(1, 40):
            books.ledger.record(an_answered(number))
        with pytest.raises(LedgerError, match="disk is full"):
            await books.ledger.flushed()
        with pytest.raises(LedgerError, match="disk is full"):
            books.ledger.require_writable()
        await books.rows("PRAGMA max_page_count = 100000")
        await books.ledger.flushed()
        assert await subjects(books) == [f"rcpt_{number}" for number in range(40)]
        assert (await check_ledger(books.store, vault=books.vault)).ok


async def test_a_chain_that_somebody_else_has_changed_is_not_written_to(books: Books) -> None:
    for number in (1, 2):
        books.ledger.record(an_answered(number))
    await books.ledger.flushed()
    await books.rows("DELETE FROM ledger_entry WHERE subject = 'rcpt_2'")
    books.ledger.record(an_answered(3))
    with pytest.raises(LedgerError, match="somebody else has changed it"):
        await books.ledger.flushed()
    assert await subjects(books) == ["rcpt_1"]


async def test_lines_gather_and_are_written_without_being_waited_for(place: str) -> None:
    store = UnreliableStore(open_store(place, SCHEMA))
    async with open_books(place, store=store) as books:
        for number in (1, 2):
            books.ledger.record(an_answered(number))
        assert not store.ran.is_set()
        async with asyncio.timeout(30):
            await store.ran.wait()
        assert await subjects(books) == ["rcpt_1", "rcpt_2"]
    await store.aclose()


async def test_lines_gather_no_longer_than_until_they_fill_a_transaction(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "GATHER", 3600.0)
    store = UnreliableStore(open_store(place, SCHEMA))
    async with open_books(place, store=store) as books:
        for number in range(gathering.LARGEST - 1):  # and the first line of the writer
            books.ledger.record(an_answered(number))
        async with asyncio.timeout(30):
            await store.ran.wait()
        assert len(await subjects(books)) == gathering.LARGEST - 1
    await store.aclose()


async def test_closing_writes_what_waits_and_leaves_nothing_behind(place: str) -> None:
    async with open_books(place) as books:
        before = asyncio.all_tasks()
        books.ledger.record(an_answered(1))
        await books.ledger.aclose()
        assert asyncio.all_tasks() == before
        assert await subjects(books) == ["rcpt_1"]


async def test_a_cancelled_writing_is_repeated(place: str) -> None:
    async with open_books(place) as books:
        for number in range(5):
            books.ledger.record(an_answered(number))
            flushing = asyncio.ensure_future(books.ledger.flushed())
            await asyncio.sleep(0)
            await books.supervisor.aclose()
            await asyncio.wait([flushing])
        await books.ledger.flushed()
        assert await subjects(books) == [f"rcpt_{number}" for number in range(5)]
        assert (await check_ledger(books.store, vault=books.vault)).ok


async def test_many_are_written_in_parts_and_in_order(books: Books) -> None:
    for number in range(1200):
        books.ledger.record(an_answered(number))
    await books.ledger.flushed()
    assert await subjects(books) == [f"rcpt_{number}" for number in range(1200)]


async def test_of_a_receipt_recorded_twice_the_first_entry_counts(books: Books) -> None:
    for number in (1, 2, 1):
        books.ledger.record(an_answered(number))
    await books.ledger.flushed()
    assert await subjects(books) == ["rcpt_1", "rcpt_2", "rcpt_1"]
    assert await books.rows("SELECT receipt, seq FROM ledger_content ORDER BY seq") == [
        ("rcpt_1", 1),
        ("rcpt_2", 2),
    ]
    assert (await check_ledger(books.store, vault=books.vault)).ok


async def test_a_store_from_before_the_ledger_gets_its_tables(place: str) -> None:
    older = Schema("payments", ("CREATE TABLE payment_old (id TEXT PRIMARY KEY)",))
    store = open_store(place, older)
    await store.run(lambda db: db.execute("INSERT INTO payment_old (id) VALUES ('kept')"))
    await store.aclose()
    store = open_store(place, older, SCHEMA)
    async with open_books(place, store=store) as books:
        books.ledger.record(an_answered())
        await books.ledger.flushed()
        assert await books.rows("SELECT id FROM payment_old") == [("kept",)]
        assert (await check_ledger(store, vault=books.vault)).ok
    await store.aclose()


async def test_a_newer_ledger_is_refused(place: str) -> None:
    newer = Schema("ledger", (*SCHEMA.steps, "CREATE TABLE ledger_later (id TEXT PRIMARY KEY)"))
    store = open_store(place, newer)
    await store.run(lambda db: None)
    await store.aclose()
    async with open_books(place) as books:
        books.ledger.record(an_answered())
        with pytest.raises(LedgerError, match="newer version"):
            await books.ledger.flushed()

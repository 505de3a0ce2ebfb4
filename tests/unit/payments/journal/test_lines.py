"""Lines that nobody waits for: gathered, kept while they cannot be written, never lost in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from opengradient_sdk._core.tasks import Supervisor
from opengradient_sdk.errors import ConfigurationError, LedgerError
from opengradient_sdk.payments.journal import CallState
from opengradient_sdk.payments.journal.lines import LARGEST, Batch, Lines
from opengradient_sdk.payments.journal.refusals import Refusal

from ..makers import a_life
from .clients import a_call


class Book:
    """Takes batches; fails, or is slow, when it is told to."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.states: dict[str, CallState] = {}
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.tried = asyncio.Event()

    async def write(self, batch: Batch) -> None:
        self.tried.set()
        states = {id_: record.state for id_, record in batch.calls.items()}
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(batch)
        self.states |= states


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    await supervisor.aclose()


@pytest.fixture
def lines(book: Book, supervisor: Supervisor) -> Lines:
    return Lines(book.write, supervisor)


async def test_several_changes_of_a_call_are_one_line(lines: Lines, book: Book) -> None:
    record = a_call()
    lines.call(record)
    record.state = CallState.SERVED
    lines.call(record)
    await lines.flushed()
    assert [list(batch.calls) for batch in book.batches] == [["call-1"]]
    assert book.states == {"call-1": CallState.SERVED}


async def test_lines_are_written_without_anybody_asking(lines: Lines, book: Book) -> None:
    lines.call(a_call())
    lines.life(a_life(3))
    lines.refusal(Refusal(1.0, "payTo", "a", "b", None))
    await book.tried.wait()
    await lines.flushed()
    (batch,) = book.batches
    assert (list(batch.calls), list(batch.lives), len(batch.refusals)) == (["call-1"], [3], 1)


async def test_a_change_while_it_is_written_is_written_after_it(lines: Lines, book: Book) -> None:
    record = a_call()
    book.gate.clear()
    lines.call(record)
    await book.tried.wait()
    record.state = CallState.SERVED
    lines.call(record)
    flushed = asyncio.ensure_future(lines.flushed())
    await asyncio.sleep(0)
    book.gate.set()
    await flushed
    assert len(book.batches) == 2
    assert book.states == {"call-1": CallState.SERVED}


async def test_long_batches_are_cut(lines: Lines, book: Book) -> None:
    for number in range(2 * LARGEST + 1):
        lines.call(a_call(f"call-{number}"))
    await lines.flushed()
    assert [len(batch.calls) for batch in book.batches] == [LARGEST, LARGEST, 1]
    assert len(book.states) == 2 * LARGEST + 1


async def test_lines_that_cannot_be_written_stop_what_begins_and_are_kept(
    lines: Lines, book: Book
) -> None:
    book.error = LedgerError("the disk is full", hint="Make room.")
    lines.call(a_call("call-1"))
    lines.refusal(Refusal(1.0, "payTo", "a", "b", None))
    with pytest.raises(LedgerError, match="the disk is full"):
        await lines.flushed()
    raised = []
    for _ in range(2):
        with pytest.raises(LedgerError, match="the disk is full") as caught:
            lines.require_writable()
        raised.append(caught.value)
    assert raised[0] is not raised[1]
    assert raised[0].hint == "Make room."
    lines.call(a_call("call-2"))
    book.error = None
    await lines.flushed()
    lines.require_writable()
    assert set(book.states) == {"call-1", "call-2"}
    assert sum(len(batch.refusals) for batch in book.batches) == 1


async def test_who_is_refused_has_the_lines_tried_again(lines: Lines, book: Book) -> None:
    book.error = LedgerError("locked")
    lines.call(a_call())
    with pytest.raises(LedgerError):
        await lines.flushed()
    book.error = None
    book.tried.clear()
    with pytest.raises(LedgerError):
        lines.require_writable()
    await book.tried.wait()
    await lines.flushed()
    lines.require_writable()
    assert set(book.states) == {"call-1"}


async def test_only_what_was_not_written_is_tried_again(lines: Lines, book: Book) -> None:
    written: list[Batch] = []

    async def fails_at_the_second(batch: Batch) -> None:
        if written:
            raise LedgerError("locked")
        written.append(batch)

    lines = Lines(fails_at_the_second, Supervisor())
    for number in range(LARGEST + 3):
        lines.call(a_call(f"call-{number}"))
    with pytest.raises(LedgerError):
        await lines.flushed()
    assert repr(lines).startswith("Lines(waiting=3, ")
    lines.close()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigurationError("another key", hint="Give it."), "another key"),
        (RuntimeError("something private"), "RuntimeError"),
    ],
)
async def test_whatever_keeps_lines_from_being_written_is_a_ledger_error(
    lines: Lines, book: Book, error: Exception, said: str
) -> None:
    book.error = error
    lines.call(a_call())
    with pytest.raises(LedgerError, match=said) as caught:
        await lines.flushed()
    assert caught.value.__cause__ is error
    assert "private" not in str(caught.value)
    lines.close()


async def test_a_cancelled_waiter_takes_nothing_away(lines: Lines, book: Book) -> None:
    book.gate.clear()
    lines.call(a_call())
    waiting = asyncio.ensure_future(lines.flushed())
    await book.tried.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    book.gate.set()
    await lines.flushed()
    assert set(book.states) == {"call-1"}


async def test_a_cancelled_writer_gives_its_lines_back(
    lines: Lines, book: Book, supervisor: Supervisor
) -> None:
    book.gate.clear()
    lines.call(a_call("call-1"))
    await book.tried.wait()
    lines.call(a_call("call-2"))
    await supervisor.aclose()
    book.gate.set()
    await lines.flushed()
    assert set(book.states) == {"call-1", "call-2"}


async def test_a_call_that_was_written_otherwise_is_left_out(lines: Lines, book: Book) -> None:
    lines.call(a_call("call-1"))
    lines.call(a_call("call-2"))
    lines.forget_call("call-1")
    lines.forget_call("call-3")
    await lines.flushed()
    assert set(book.states) == {"call-2"}


async def test_nothing_to_write_writes_nothing(lines: Lines, book: Book) -> None:
    await lines.flushed()
    lines.close()
    assert book.batches == []

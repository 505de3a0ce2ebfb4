"""What is written down of calls: copies that were sent, how they ended, what they may cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from opengradient_sdk.client.call import CHAT_ROUTE, Call
from opengradient_sdk.client.callbook import CallBook, Errand, fingerprint
from opengradient_sdk.errors import (
    APIStatusError,
    NetworkError,
    PaymentOutcomeUnknownError,
    SignatureError,
    Spent,
)
from opengradient_sdk.payments.budget import Block
from opengradient_sdk.payments.journal import CallRecord, CallState
from opengradient_sdk.payments.state import OpenAuthorization

from ..payments.journal.clients import Client
from ..payments.makers import CAP, NOW, a_life

CALL = Call(CHAT_ROUTE, "gpt-5", {"messages": "hi"}, b"{}", None, "batch", 60.0, tag="evals")
KEYED = replace(CALL, key="order 7")
ESTIMATE = 1000
LOST = PaymentOutcomeUnknownError("no answer came", spent=Spent.MAYBE)


class Book:
    """A call book over a real journal in memory."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.calls = CallBook(client.journal, client.clock)
        self.life = a_life()

    def errand(self, call: Call = CALL, *, estimate: int | None = ESTIMATE) -> Errand:
        block = Block(None)
        block.call(estimate)
        return Errand(self.calls.record(call, estimate=estimate), block)

    async def sent(
        self, call: Call = CALL, *, estimate: int | None = ESTIMATE, copies: int = 1
    ) -> Errand:
        """An errand of which so many copies have left; all but the last are lost."""
        errand = self.errand(call, estimate=estimate)
        for _ in range(copies - 1):
            await self.calls.sending(errand, self.life)
            self.calls.lost(errand)
        await self.calls.sending(errand, self.life)
        return errand

    async def written(self, life: OpenAuthorization | None = None) -> list[CallRecord]:
        return await self.client.journal.calls((life or self.life).nonce)

    async def line(self) -> CallRecord:
        await self.client.journal.flushed()
        (record,) = await self.written()
        return record


@pytest.fixture
async def book() -> AsyncIterator[Book]:
    client = Client(":memory:")
    yield Book(client)
    await client.aclose()


async def test_a_call_begins_with_nothing_sent(book: Book) -> None:
    record = book.errand(KEYED).record
    assert (record.key, record.tag, record.route, record.model) == (
        "order 7",
        "evals",
        CHAT_ROUTE,
        "gpt-5",
    )
    assert (record.state, record.attempts, record.maybe_billed) == (CallState.PENDING, 0, 0)
    assert (record.started_at, record.estimate, record.nonce) == (NOW, ESTIMATE, None)
    assert record.id != book.errand(KEYED).record.id


async def test_a_key_waits_for_the_disk(book: Book) -> None:
    errand = await book.sent(KEYED)
    (record,) = await book.written()
    assert (record.id, record.attempts, record.nonce) == (errand.record.id, 1, book.life.nonce)


async def test_others_do_not_and_follow(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    async def waiting() -> None:
        raise AssertionError("nobody may wait for the disk")

    with monkeypatch.context() as patched:
        patched.setattr(book.client.journal, "flushed", waiting)
        await book.sent()
    assert (await book.line()).attempts == 1


async def test_an_answer_replaces_the_estimate_by_its_cost(book: Book) -> None:
    errand = await book.sent()
    book.client.clock.seconds += 3
    book.calls.served(errand, 700)
    line = await book.line()
    assert (line.state, line.cost, line.ended_at) == (CallState.SERVED, 700, NOW + 3)
    assert errand.ended
    assert errand.block is not None
    assert errand.block.estimated == 700


async def test_an_answer_without_a_known_cost_leaves_the_estimate(book: Book) -> None:
    errand = await book.sent()
    book.calls.served(errand, None)
    assert (await book.line()).cost is None
    assert errand.block is not None
    assert errand.block.estimated == ESTIMATE


@pytest.mark.parametrize("copies", [1, 2, 3])
async def test_every_lost_copy_may_be_billed(book: Book, copies: int) -> None:
    errand = await book.sent(copies=copies)
    book.calls.lost(errand)
    book.calls.failed(errand, LOST)
    line = await book.line()
    assert (line.state, line.cost) == (CallState.UNKNOWN, None)
    assert (line.attempts, line.maybe_billed) == (copies, copies * ESTIMATE)


@pytest.mark.parametrize(
    ("estimate", "billed"), [(None, CAP), (CAP, CAP), (CAP // 2 + 1, CAP), (CAP // 4, CAP // 2)]
)
async def test_all_copies_share_one_cap(book: Book, estimate: int | None, billed: int) -> None:
    errand = await book.sent(estimate=estimate, copies=2)
    book.calls.lost(errand)
    assert errand.record.maybe_billed == billed


@pytest.mark.parametrize("copies", [1, 2])
async def test_a_cancelled_copy_may_be_billed_beside_the_lost_ones(book: Book, copies: int) -> None:
    errand = await book.sent(copies=copies)
    book.calls.failed(errand, asyncio.CancelledError())
    line = await book.line()
    assert (line.state, line.reason) == (CallState.UNKNOWN, "CancelledError")
    assert (line.attempts, line.maybe_billed) == (copies, copies * ESTIMATE)


@pytest.mark.parametrize("copies", [1, 2])
async def test_an_answer_that_was_not_read_to_its_end_is_billed(book: Book, copies: int) -> None:
    errand = await book.sent(copies=copies)
    book.calls.abandoned(errand)
    line = await book.line()
    assert (line.state, line.maybe_billed) == (CallState.UNKNOWN, copies * ESTIMATE)


async def test_without_an_estimate_a_copy_may_cost_its_cap(book: Book) -> None:
    errand = await book.sent(estimate=None)
    book.calls.abandoned(errand)
    assert errand.record.maybe_billed == CAP


async def test_what_never_left_has_failed_for_nothing(book: Book) -> None:
    errand = await book.sent()
    book.calls.unserved(errand)
    book.calls.failed(errand, asyncio.CancelledError())
    line = await book.line()
    assert (line.state, line.cost, line.maybe_billed) == (CallState.FAILED, 0, 0)
    assert errand.block is not None
    assert errand.block.estimated == 0


async def test_so_has_what_an_error_says_cost_nothing(book: Book) -> None:
    errand = await book.sent()
    book.calls.failed(errand, NetworkError("refused", spent=Spent.NO))
    line = await book.line()
    assert (line.state, line.cost, line.reason) == (CallState.FAILED, 0, "NetworkError: refused")


async def test_an_error_answer_after_a_lost_copy_bills_only_that_one(book: Book) -> None:
    errand = await book.sent(copies=2)
    book.calls.unserved(errand)
    error = APIStatusError("busy", status_code=503, body="")
    error.spent = Spent.MAYBE
    book.calls.failed(errand, error)
    line = await book.line()
    assert (line.state, line.attempts, line.maybe_billed) == (CallState.UNKNOWN, 1, ESTIMATE)


async def test_a_refused_answer_was_served_and_paid(book: Book) -> None:
    errand = await book.sent()
    book.calls.served(errand, 700)
    book.calls.failed(errand, SignatureError("it does not hold"))
    line = await book.line()
    assert (line.state, line.cost) == (CallState.SERVED, 700)
    assert line.reason == "SignatureError: it does not hold"


async def test_texts_of_strangers_are_not_kept(book: Book) -> None:
    """They may repeat what was sent, and the journal holds none of that in plain."""
    errand = await book.sent()
    book.calls.failed(errand, RuntimeError("my secret question"))
    assert (await book.line()).reason == "RuntimeError"


async def test_a_long_reason_is_cut(book: Book) -> None:
    errand = await book.sent()
    book.calls.failed(errand, NetworkError("x" * 2000, spent=Spent.NO))
    assert len((await book.line()).reason) == 500


async def test_a_call_outside_of_blocks_counts_in_none(book: Book) -> None:
    errand = Errand(book.calls.record(CALL, estimate=ESTIMATE))
    await book.calls.sending(errand, book.life)
    book.calls.served(errand, 1)
    assert (await book.line()).state is CallState.SERVED


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"body": {"messages": "hi", "stream": True}}, True),
        ({"tag": "other", "node": "elsewhere", "timeout": 1.0, "payload": b"[]"}, True),
        ({"body": {"messages": "ho"}}, False),
        ({"body": {"messages": "hi", "max_tokens": 1}}, False),
        ({"route": "/v1/completions"}, False),
        ({"settlement": "private"}, False),
    ],
)
def test_a_fingerprint_is_of_what_is_asked(changes: dict[str, object], *, same: bool) -> None:
    assert (fingerprint(replace(CALL, **changes)) == fingerprint(CALL)) is same  # type: ignore[arg-type]


def test_a_fingerprint_does_not_depend_on_the_order_of_members() -> None:
    one, other = {"a": "ü", "b": 2}, {"b": 2, "a": "ü"}
    assert fingerprint(replace(CALL, body=one)) == fingerprint(replace(CALL, body=other))


@pytest.mark.parametrize("later", [1.0, 3600.0, 40 * 365 * 86400.0])
async def test_ids_of_later_calls_sort_later(book: Book, later: float) -> None:
    first = {book.errand().record.id for _ in range(50)}
    book.client.clock.seconds += later
    second = {book.errand().record.id for _ in range(50)}
    assert max(first) < min(second)
    assert len(first | second) == 100
    assert {len(id_) for id_ in first | second} == {len("call_") + 24}

"""One key, one call: whoever asks, in whatever process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk.errors import (
    BudgetExceededError,
    ConfigurationError,
    IdempotencyConflictError,
    LedgerError,
)
from opengradient_sdk.payments.journal import Begun, CallState, Interrupted, Replied, UnderWay

from ..makers import CAP
from .clients import Client, a_call, a_client

KEY = "order-66"


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


@pytest.fixture
async def one(place: str) -> AsyncIterator[Client]:
    async with a_client(place, tags={"job": 3000}) as client:
        yield client


@pytest.fixture
async def other(place: str) -> AsyncIterator[Client]:
    async with a_client(place, tags={"job": 3000}) as client:
        yield client


async def estimated(client: Client) -> int:
    return (await client.journal.standing()).estimated_by_tag.get("job", 0)


async def test_a_new_key_begins(one: Client) -> None:
    admission = await one.journal.admit(a_call(key=KEY))
    assert isinstance(admission, Begun)
    assert admission.record.state is CallState.PENDING


async def test_a_served_key_replies_what_was_kept(one: Client, other: Client) -> None:
    admission = await one.journal.admit(a_call(key=KEY))
    record = admission.record
    record.state, record.cost, record.ended_at, record.nonce = CallState.SERVED, 900, 1.5, 7
    await one.journal.finish(record, b"\x00the answer")
    for client in (one, other):
        again = await client.journal.admit(a_call("call-2", key=KEY))
        assert isinstance(again, Replied)
        assert again.reply == b"\x00the answer"
        kept = again.record
        assert (kept.id, kept.cost, kept.ended_at, kept.nonce) == ("call-1", 900, 1.5, 7)


async def test_a_reply_is_sealed_and_in_no_repr(one: Client) -> None:
    admission = await one.journal.admit(a_call(key=KEY))
    admission.record.state = CallState.SERVED
    await one.journal.finish(admission.record, b"the answer")
    ((kept,),) = await one.sql("SELECT reply FROM payment_call")
    assert "the answer" not in kept
    again = await one.journal.admit(a_call(key=KEY))
    assert "the answer" not in repr(again)


async def test_a_served_call_may_have_no_reply(one: Client) -> None:
    admission = await one.journal.admit(a_call(key=KEY))
    admission.record.state = CallState.SERVED
    await one.journal.finish(admission.record)
    again = await one.journal.admit(a_call(key=KEY))
    assert isinstance(again, Replied)
    assert again.reply is None


async def test_who_is_at_it_is_told(one: Client, other: Client) -> None:
    await one.journal.admit(a_call(key=KEY))
    mine = await one.journal.admit(a_call("call-2", key=KEY))
    theirs = await other.journal.admit(a_call("call-3", key=KEY))
    assert isinstance(mine, UnderWay)
    assert mine.mine
    assert isinstance(theirs, UnderWay)
    assert not theirs.mine


async def test_the_same_key_for_another_call_is_an_error(one: Client, other: Client) -> None:
    await one.journal.admit(a_call(key=KEY))
    for client in (one, other):
        with pytest.raises(IdempotencyConflictError, match="gpt-5"):
            await client.journal.admit(a_call("call-2", key=KEY, fingerprint="something else"))


async def test_what_failed_may_begin_again(one: Client) -> None:
    first = await one.journal.admit(a_call(key=KEY, attempts=1))
    first.record.state, first.record.reason = CallState.FAILED, "no node"
    await one.journal.finish(first.record)
    again = await one.journal.admit(a_call("call-2", key=KEY))
    assert isinstance(again, Begun)
    assert (again.record.id, again.record.attempts, again.record.reason) == ("call-1", 0, "")
    assert isinstance(await one.journal.admit(a_call("call-3", key=KEY)), UnderWay)


async def test_what_ended_unknown_is_taken_up_by_one(one: Client, other: Client) -> None:
    first = await one.journal.admit(a_call(key=KEY))
    record = first.record
    record.state, record.attempts, record.maybe_billed, record.nonce = CallState.UNKNOWN, 2, 2000, 5
    await one.journal.finish(record)
    admissions = await asyncio.gather(
        *(client.journal.admit(a_call(key=KEY)) for client in (one, other) * 3)
    )
    (taken,) = [found for found in admissions if isinstance(found, Interrupted)]
    assert sum(isinstance(found, UnderWay) for found in admissions) == 5
    kept = taken.record
    assert (kept.state, kept.attempts, kept.maybe_billed, kept.nonce) == (
        CallState.PENDING,
        2,
        2000,
        5,
    )


@pytest.mark.parametrize(
    ("estimate", "nonce", "lost"),
    [(1000, None, 1000), (None, 4, CAP // 2), (None, None, CAP)],
    ids=["its estimate", "the cap it joined", "the largest cap its client had"],
)
async def test_a_dead_clients_call_is_taken_over(
    place: str, one: Client, estimate: int | None, nonce: int | None, lost: int
) -> None:
    dead = Client(place)
    await dead.signed(3)
    await dead.signed(4, amount=CAP // 2)
    await dead.journal.admit(a_call(key=KEY, estimate=estimate, nonce=nonce))
    await dead.die()
    taken = await one.journal.admit(a_call("call-2", key=KEY))
    assert isinstance(taken, Interrupted)
    assert (taken.record.id, taken.record.maybe_billed) == ("call-1", lost)
    assert isinstance(await one.journal.admit(a_call("call-3", key=KEY)), UnderWay)


async def test_who_was_thought_dead_writes_its_copy_beside(place: str, one: Client) -> None:
    async with a_client(place) as asleep:
        life = await asleep.signed(1)
        admission = await asleep.journal.admit(a_call(key=KEY))
        await asleep.sql("UPDATE payment_client SET alive_until = 0")
        assert isinstance(await one.journal.admit(a_call(key=KEY)), Interrupted)
        record = admission.record
        record.state, record.cost, record.nonce = CallState.SERVED, 800, life.authorization.nonce
        asleep.journal.change(record)
        await asleep.journal.flushed()
        await asleep.journal.finish(record, b"late")
        assert isinstance(await one.journal.admit(a_call(key=KEY)), UnderWay)
        (beside,) = await one.journal.calls(1)
        assert (beside.key, beside.cost, beside.reply) == (None, 800, None)


async def test_calls_without_a_key_are_written_a_moment_later(one: Client) -> None:
    record = a_call(nonce=5)
    one.journal.begin(record)
    record.state, record.cost = CallState.SERVED, 900
    one.journal.change(record)
    await one.journal.flushed()
    (kept,) = await one.journal.calls(5)
    assert (kept.state, kept.cost, kept.estimate) == (CallState.SERVED, 900, 1000)
    assert (kept.tag, kept.key, kept.ended_at, kept.started_at) == (
        None,
        None,
        None,
        record.started_at,
    )


async def test_amounts_beyond_63_bits_are_kept(one: Client) -> None:
    record = a_call(nonce=2**256 - 1, maybe_billed=2**70, estimate=2**71, cost=2**72)
    one.journal.change(record)
    await one.journal.flushed()
    (kept,) = await one.journal.calls(2**256 - 1)
    assert (kept.maybe_billed, kept.estimate, kept.cost) == (2**70, 2**71, 2**72)


async def test_no_text_keeps_a_line_from_being_written(one: Client) -> None:
    one.journal.begin(a_call(nonce=5, model="a\0b\ud800", reason="\udfff", tag="\0é"))
    await one.journal.flushed()
    (kept,) = await one.journal.calls(5)
    assert (kept.model, kept.reason, kept.tag) == ("ab?", "?", "é")


@pytest.mark.parametrize("key", ["", "k" * 256, "a\0b", "\ud800"])
async def test_a_key_is_text_that_every_store_keeps(one: Client, key: str) -> None:
    with pytest.raises(ConfigurationError, match="idempotency key"):
        await one.journal.admit(a_call(key=key))


async def test_the_longest_key_is_kept(one: Client) -> None:
    assert isinstance(await one.journal.admit(a_call(key="é" * 255)), Begun)


@pytest.mark.parametrize(
    ("state", "cost", "maybe_billed", "counted"),
    [
        (CallState.SERVED, 400, 0, 400),
        (CallState.SERVED, None, 0, 1000),
        (CallState.SERVED, 400, 1000, 1400),
        (CallState.FAILED, None, 0, 0),
        (CallState.UNKNOWN, None, 1000, 1000),
        (CallState.UNKNOWN, None, 2000, 2000),
    ],
)
async def test_a_tag_counts_estimates_until_costs_are_known(
    one: Client, state: CallState, cost: int | None, maybe_billed: int, counted: int
) -> None:
    admission = await one.journal.admit(a_call(tag="job"))
    assert await estimated(one) == 1000
    record = admission.record
    record.state, record.cost, record.maybe_billed = state, cost, maybe_billed
    await one.journal.finish(record)
    assert await estimated(one) == counted


async def test_a_tags_limit_holds_for_all_clients(one: Client, other: Client) -> None:
    for number, client in enumerate((one, other, one)):
        await client.journal.admit(a_call(f"call-{number}", tag="job"))
    with pytest.raises(BudgetExceededError):
        await other.journal.admit(a_call("call-4", tag="job", key=KEY))
    assert await estimated(other) == 3000
    assert isinstance(await other.journal.admit(a_call("call-5", key=KEY)), Begun)


async def test_a_limited_tag_needs_an_estimate(one: Client) -> None:
    with pytest.raises(BudgetExceededError, match="cannot be estimated"):
        await one.journal.admit(a_call(tag="job", estimate=None))
    assert isinstance(await one.journal.admit(a_call(tag="free", estimate=None)), Begun)


async def test_a_copy_after_a_lost_one_counts_beside_it(place: str) -> None:
    dead = Client(place, name="job-17", tags={"job": 3000})
    await dead.journal.admit(a_call(key=KEY, tag="job"))
    await dead.die()
    async with a_client(place, name="job-17", tags={"job": 3000}) as one:
        taken = await one.journal.admit(a_call(key=KEY, tag="job"))
        assert await estimated(one) == 2000
        taken.record.state, taken.record.cost = CallState.SERVED, 300
        await one.journal.finish(taken.record)
        assert await estimated(one) == 1300


async def test_an_end_that_cannot_be_written_is_kept_and_tried_again(one: Client) -> None:
    admission = await one.journal.admit(a_call(key=KEY))
    await one.sql("ALTER TABLE payment_call RENAME TO hidden")
    admission.record.state = CallState.SERVED
    with pytest.raises(LedgerError):
        await one.journal.finish(admission.record, b"the answer")
    await one.sql("ALTER TABLE hidden RENAME TO payment_call")
    await one.journal.flushed()
    again = await one.journal.admit(a_call(key=KEY))
    assert isinstance(again, Replied)
    assert again.reply == b"the answer"

"""What is written down of a paid request before it is sent, and what is counted of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from opengradient_sdk.errors import (
    BudgetExceededError,
    LedgerError,
    NetworkError,
    PaymentOutcomeUnknownError,
    PaymentRejectedError,
    PinMismatchError,
    RedirectError,
    Spent,
)
from opengradient_sdk.payments.budget import Block
from opengradient_sdk.payments.conduct import MAX_BARE

from ..payments.journal.clients import Client
from ..payments.makers import CAP, TEE
from .counter import CALL, CUT, ESTIMATE, GONE, KEYED, LATE, UNREACHED, Answer, Counter, refusing


@pytest.fixture
async def counter() -> AsyncIterator[Counter]:
    client = Client(":memory:")
    yield Counter(client)
    await client.aclose()


@pytest.mark.parametrize(
    ("script", "attempts", "lost"),
    [
        ([Answer()], 1, 0),
        ([Answer(500)], 1, 0),
        ([UNREACHED, Answer()], 1, 0),
        ([UNREACHED] * 3, 0, 0),
        ([RedirectError("a redirect")], 0, 0),
        ([refusing("first"), Answer()], 1, 0),
        ([refusing("first"), refusing("second")], 0, 0),
        ([CUT, Answer()], 2, 1),
        ([CUT, LATE], 2, 2),
        ([CUT, UNREACHED, Answer()], 2, 1),
        ([CUT, PinMismatchError("another certificate")], 1, 1),
        ([CUT, refusing("first")], 1, 1),
    ],
)
async def test_copies_that_may_have_been_served_are_counted(
    counter: Counter, script: list[Answer | NetworkError], attempts: int, lost: int
) -> None:
    errand = counter.errand()
    with contextlib.suppress(NetworkError, PaymentOutcomeUnknownError, PaymentRejectedError):
        await counter.deliver(*script, errand=errand)
    record = errand.record
    assert (record.attempts, errand.lost) == (attempts, lost)
    assert record.maybe_billed == lost * ESTIMATE


async def test_a_call_with_a_key_is_on_disk_before_each_of_its_copies(counter: Counter) -> None:
    errand = counter.errand(KEYED)
    _, wire = await counter.deliver(CUT, Answer(), errand=errand, call=KEYED)
    lines = [(line.id, line.nonce, line.attempts) for (line,) in wire.written]
    assert lines == [(errand.record.id, 1, 1), (errand.record.id, 1, 2)]


async def test_another_call_does_not_wait_for_the_disk(counter: Counter) -> None:
    """Its authorization is there; the line of the call follows."""
    counter.lines.good_for = 0  # who waited for it would fail
    errand = counter.errand()
    await counter.deliver(Answer(), errand=errand)
    await counter.client.journal.flushed()
    assert [line.id for line in await counter.client.journal.calls(1)] == [errand.record.id]


async def test_what_cannot_be_written_down_is_not_sent(counter: Counter) -> None:
    counter.lines.good_for = 0
    errand = counter.errand(KEYED)
    with pytest.raises(LedgerError) as error:
        await counter.deliver(errand=errand, call=KEYED)
    assert error.value.spent is Spent.NO
    assert errand.record.attempts == 0
    assert counter.signed[0].unpriced == 0


async def test_nor_is_it_sent_again_and_what_was_lost_stays_unknown(counter: Counter) -> None:
    counter.lines.good_for = 1
    errand = counter.errand(KEYED)
    with pytest.raises(PaymentOutcomeUnknownError, match="disk full") as error:
        await counter.deliver(CUT, errand=errand, call=KEYED)
    assert error.value.spent is Spent.MAYBE
    assert (errand.record.attempts, errand.lost) == (1, 1)
    assert counter.signed[0].unpriced == 1


async def test_a_refusal_is_told_when_nothing_new_can_be_signed(counter: Counter) -> None:
    await counter.deliver(Answer())
    counter.refusal = BudgetExceededError("no room")
    with pytest.raises(PaymentRejectedError, match="Session expired") as error:
        await counter.deliver(GONE, GONE)
    assert error.value.__cause__ is counter.refusal


async def test_nothing_can_be_sent_when_nothing_can_be_signed(counter: Counter) -> None:
    counter.refusal = BudgetExceededError("no room")
    with pytest.raises(BudgetExceededError):
        await counter.deliver()


async def test_bare_refusals_are_held_against_the_node_until_it_serves(counter: Counter) -> None:
    for _ in range(MAX_BARE - 1):
        counter.conduct.bare_refusal(TEE)
    await counter.deliver(Answer())
    counter.conduct.bare_refusal(TEE)
    assert counter.conduct.verdict(TEE) is None  # the row had ended
    for _ in range(MAX_BARE - 2):
        counter.conduct.bare_refusal(TEE)
    with pytest.raises(PaymentRejectedError):
        await counter.deliver(GONE, GONE, GONE)
    assert "402" in (counter.conduct.verdict(TEE) or "")


async def test_a_block_counts_every_cap_that_its_calls_join_once(counter: Counter) -> None:
    block = Block(2 * CAP)
    for _ in range(2):
        await counter.deliver(Answer(), errand=counter.errand(block=block))
    assert (block.exposed, block.remaining) == (CAP, CAP)
    assert counter.signed[0].blocks == {block}


async def test_a_call_that_its_block_does_not_cover_is_not_sent(counter: Counter) -> None:
    block = Block(CAP // 2)
    with pytest.raises(BudgetExceededError, match="block"):
        await counter.deliver(errand=counter.errand(block=block))
    assert (block.exposed, counter.signed[0].blocks) == (0, set())


async def test_an_interrupted_call_stays_with_its_authorization(counter: Counter) -> None:
    first = await counter.sign(CALL)
    await counter.deliver(Answer())  # another one is current now
    errand = counter.errand(KEYED, under=first, lost=1)
    errand.record.attempts = 1
    delivery, wire = await counter.deliver(Answer(), errand=errand, call=KEYED)
    assert wire.paid_with == [counter.header(0)]
    assert (delivery.authorization, delivery.resent) == (first, 1)
    assert (errand.record.attempts, len(counter.signed)) == (2, 2)


async def test_lost_again_it_is_not_sent_a_third_time(counter: Counter) -> None:
    errand = counter.errand(KEYED, under=await counter.sign(CALL), lost=1)
    with pytest.raises(PaymentOutcomeUnknownError):
        await counter.deliver(CUT, errand=errand, call=KEYED)
    assert (errand.lost, len(counter.signed)) == (2, 1)


async def test_it_is_not_sent_when_its_session_has_ended(counter: Counter) -> None:
    life = await counter.sign(CALL)
    counter.lives.retire(life)
    with pytest.raises(PaymentOutcomeUnknownError, match="takes no more requests") as error:
        await counter.deliver(errand=counter.errand(KEYED, under=life, lost=1), call=KEYED)
    assert (error.value.spent, len(counter.signed)) == (Spent.MAYBE, 1)


async def test_nor_when_only_its_public_facts_are_known(counter: Counter) -> None:
    """What ``journal.find`` returns has no header: another client holds it."""
    await counter.sign(CALL)
    watched = await counter.client.journal.find(1)
    assert watched is not None
    assert watched.state.serves
    with pytest.raises(PaymentOutcomeUnknownError, match="takes no more requests"):
        await counter.deliver(errand=counter.errand(KEYED, under=watched, lost=1), call=KEYED)

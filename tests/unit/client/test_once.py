"""One key is one call: what has an answer is not paid again, what is lost is not paid twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from opengradient_sdk.client.callbook import Errand
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.errors import (
    BudgetExceededError,
    ChainError,
    IdempotencyConflictError,
    PaymentOutcomeUnknownError,
    SignatureError,
    Spent,
    VerificationError,
)
from opengradient_sdk.payments.journal import CallState
from opengradient_sdk.payments.sessions import MAX_AGE
from opengradient_sdk.payments.status import PaymentStatus
from opengradient_sdk.types import Amount

from .shop import CALL, CANCELLED, ESTIMATE, NOT_CHARGED, SETTLED, Shop


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    yield shop
    await shop.client.aclose()


# A key with an answer


async def test_a_key_has_one_answer(shop: Shop) -> None:
    first = await shop.ask(shop.answer)
    second = await shop.ask(shop.never)
    assert second.text == first.text
    assert (first.receipt.repeated, second.receipt.repeated) == (False, True)
    assert shop.sent == [1]


async def test_the_receipt_of_a_stored_answer_can_be_asked_about(shop: Shop) -> None:
    await shop.ask(shop.answer)
    shop.lives.account(shop.lives.unresolved[0], SETTLED)
    repeated = (await shop.ask(shop.never)).receipt
    assert shop.kept == [repeated]
    assert (repeated.payment, repeated.life) == (SETTLED, shop.lives.find(1))


async def test_concurrent_callers_of_a_key_get_the_one_answer(shop: Shop) -> None:
    replies = await asyncio.gather(*(shop.ask(shop.answer) for _ in range(10)))
    assert {reply.text for reply in replies} == {"Grüezi"}
    assert [reply.receipt.repeated for reply in replies].count(False) == 1
    assert shop.sent == [1]


async def test_other_keys_do_not_wait(shop: Shop) -> None:
    async def other(errand: Errand) -> Reply:
        await shop.ask(shop.answer, replace(CALL, key="order 8"))
        return await shop.answer(errand)

    await shop.ask(other)
    assert shop.sent == [1, 2]


async def test_a_key_names_one_call_with_all_its_parameters(shop: Shop) -> None:
    await shop.ask(shop.answer)
    with pytest.raises(IdempotencyConflictError):
        await shop.ask(shop.never, replace(CALL, body={"messages": "ho"}))


async def test_a_refused_answer_is_not_asked_for_again_for_free(shop: Shop) -> None:
    with pytest.raises(SignatureError):
        await shop.ask(shop.refuse)
    with pytest.raises(VerificationError, match="was paid, and refused") as error:
        await shop.ask(shop.never)
    assert (error.value.spent, error.value.amount) == (Spent.YES, Amount(700))
    assert shop.sent == [1]


async def test_an_answer_that_was_written_down_is_not_written_again(shop: Shop) -> None:
    """A stream keeps its answer when it is whole, before its block ends."""

    async def streamed(errand: Errand) -> Reply:
        errand.reply = await shop.answer(errand)
        await shop.once.keep(errand)
        assert errand.kept
        return errand.reply

    await shop.ask(streamed)
    assert (await shop.ask(shop.never)).receipt.repeated


async def test_an_answer_stays_also_when_its_caller_fails_afterwards(shop: Shop) -> None:
    async def streamed(errand: Errand) -> Reply:
        errand.reply = await shop.answer(errand)
        await shop.once.keep(errand)
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError):
        await shop.ask(streamed)
    assert (await shop.ask(shop.never)).text == "Grüezi"


async def test_a_tag_with_a_limit_is_counted_and_has_no_stored_answer() -> None:
    shop, call = Shop(tags={"evals": 2 * ESTIMATE}), replace(CALL, key=None, tag="evals")
    try:
        for _ in range(2):
            await shop.ask(shop.answer, call)
        standing = await shop.client.journal.standing()
        assert standing.estimated_by_tag == {"evals": 1400}
        with pytest.raises(BudgetExceededError):  # 1400 + 1000 is more than 2000
            await shop.ask(shop.never, call)
    finally:
        await shop.client.aclose()


# A key whose call failed


async def test_what_cost_nothing_may_begin_anew(shop: Shop) -> None:
    with pytest.raises(ChainError):
        await shop.ask(shop.fail)
    assert not (await shop.ask(shop.answer)).receipt.repeated


async def test_a_lost_call_goes_on_under_its_authorization(shop: Shop) -> None:
    await shop.lost_once()
    errand = shop.errand()
    reply = await shop.ask(shop.answer, errand=errand)
    assert not reply.receipt.repeated
    assert shop.sent == [1, 1]
    assert errand.lost == 1
    assert await shop.state() == (CallState.SERVED, 2, ESTIMATE)


async def test_lost_twice_it_is_not_sent_while_its_outcome_is_open(shop: Shop) -> None:
    await shop.lost_once()
    await shop.lost_once()
    with pytest.raises(PaymentOutcomeUnknownError, match="twice already") as error:
        await shop.ask(shop.never)
    assert error.value.spent is Spent.MAYBE
    assert await shop.state() == (CallState.UNKNOWN, 2, 2 * ESTIMATE)


async def test_nor_when_its_session_has_ended(shop: Shop) -> None:
    await shop.lost_once()
    shop.client.clock.seconds += MAX_AGE
    for _ in range(2):  # saying so changes nothing
        with pytest.raises(PaymentOutcomeUnknownError, match="session has ended"):
            await shop.ask(shop.never)
    assert await shop.state() == (CallState.UNKNOWN, 1, ESTIMATE)


@pytest.mark.parametrize("word", [NOT_CHARGED, CANCELLED])
async def test_what_was_never_charged_begins_anew(shop: Shop, word: PaymentStatus) -> None:
    await shop.lost_once()
    shop.client.clock.seconds += MAX_AGE
    shop.word = word
    errand = shop.errand()
    await shop.ask(shop.answer, errand=errand)
    assert shop.sent == [1, 2]
    assert (errand.under, errand.lost) == (None, 0)
    assert await shop.state(2) == (CallState.SERVED, 1, 0)


async def test_so_does_what_a_charge_leaves_no_room_for(shop: Shop) -> None:
    await shop.lost_once()
    shop.client.clock.seconds += MAX_AGE
    shop.lives.unresolved[0].answered(70)  # all that is charged was served to other calls
    shop.word = SETTLED
    await shop.ask(shop.answer)
    assert shop.sent == [1, 2]


async def test_a_charge_above_what_was_served_is_its_price(shop: Shop) -> None:
    await shop.lost_once()
    shop.client.clock.seconds += MAX_AGE
    shop.word = SETTLED
    for _ in range(2):
        with pytest.raises(PaymentOutcomeUnknownError, match="its answer was lost") as error:
            await shop.ask(shop.never)
        assert (error.value.spent, error.value.amount) == (Spent.MAYBE, Amount(70))


async def test_an_authorization_that_the_journal_has_lost_is_not_replaced(shop: Shop) -> None:
    await shop.lost_once()
    shop.lives._known.clear()
    await shop.client.sql('DELETE FROM "authorization"')
    with pytest.raises(PaymentOutcomeUnknownError, match="no longer has"):
        await shop.ask(shop.never)
    assert shop.sent == [1]


async def test_a_chain_that_is_away_leaves_it_as_it_was(shop: Shop) -> None:
    await shop.lost_once()
    shop.client.clock.seconds += MAX_AGE
    shop.word = ChainError("no endpoint answers")
    with pytest.raises(ChainError):
        await shop.ask(shop.never)
    assert await shop.state() == (CallState.UNKNOWN, 1, ESTIMATE)
    shop.word = NOT_CHARGED
    await shop.ask(shop.answer)
    assert shop.sent == [1, 2]

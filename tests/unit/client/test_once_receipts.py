"""A key never has an answer without a receipt, and never a refusal that nobody made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opengradient_sdk.client.callbook import Errand, call_id_of, receipt_id_of
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.client.required import facts_of
from opengradient_sdk.errors import LedgerError, SignatureError, Spent, VerificationError
from opengradient_sdk.payments.journal import CallState
from opengradient_sdk.types import Amount

from .shop import CrashError, Shop


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    yield shop
    await shop.client.aclose()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OG_STATE_DIR", str(tmp_path / "keys"))
    return str(tmp_path / "store.sqlite")


async def test_the_receipt_is_durable_when_the_answer_is_there(shop: Shop) -> None:
    await shop.ask(shop.answer)
    assert shop.recorded == [1]


async def test_the_receipt_of_a_refused_answer_is_durable_too(shop: Shop) -> None:
    with pytest.raises(SignatureError):
        await shop.ask(shop.refuse)
    assert shop.recorded == [1]


async def test_what_was_not_answered_has_none(shop: Shop) -> None:
    await shop.lost_once()
    assert shop.recorded == []


async def test_a_receipt_that_cannot_be_written_is_said_so_and_the_answer_is_kept(
    shop: Shop,
) -> None:
    shop.ledger_failure = LedgerError("the disk is full", hint="Make room.")
    with pytest.raises(LedgerError, match=r"answered and paid.*the disk is full") as error:
        await shop.ask(shop.answer)
    assert (error.value.spent, error.value.amount) == (Spent.YES, Amount(700))
    assert "its answer is in it" in error.value.hint
    assert (await shop.ask(shop.never)).receipt.repeated


async def test_a_crash_before_the_answer_is_kept_is_no_refusal(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is written in the background: who comes next goes on with the call."""
    here = Shop(place)

    async def crash(*_: object) -> None:
        await here.client.journal.flushed()
        raise CrashError

    monkeypatch.setattr(here.client.journal, "finish", crash)
    with pytest.raises(CrashError):
        await here.ask(here.answer)
    await here.client.die()
    there = Shop(place)
    try:
        copies: list[int] = []

        async def answer(errand: Errand) -> Reply:
            reply = await there.answer(errand)
            copies.append(errand.copy)
            return reply

        await there.ask(answer)
        assert copies == [2]
        assert (await there.ask(there.never)).receipt.repeated
        assert await there.state() == (CallState.SERVED, 2, 1000)
    finally:
        await there.client.aclose()


async def test_a_refusal_is_remembered_with_its_reason(place: str) -> None:
    here = Shop(place)
    with pytest.raises(SignatureError):
        await here.ask(here.refuse)
    await here.client.die()
    there = Shop(place)
    try:
        with pytest.raises(VerificationError, match="it does not hold"):
            await there.ask(there.never)
    finally:
        await there.client.aclose()


@pytest.mark.parametrize("copy", [1, 2, 11])
async def test_a_receipt_leads_to_its_call_and_is_drawn_like_it(shop: Shop, copy: int) -> None:
    call_id = shop.errand().record.id
    receipt_id = receipt_id_of(call_id, copy)
    assert call_id_of(receipt_id) == call_id
    assert facts_of(receipt_id, 7) == facts_of(call_id, 7)


async def test_each_answer_of_a_call_has_a_receipt_of_its_own(shop: Shop) -> None:
    call_id = shop.errand().record.id
    assert len({receipt_id_of(call_id, copy) for copy in range(1, 20)}) == 19

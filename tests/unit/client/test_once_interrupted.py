"""Keys whose callers leave, whose store fails, or whose process dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk.client.callbook import Errand
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.errors import (
    ChainError,
    LedgerError,
    PaymentOutcomeUnknownError,
    SignatureError,
)
from opengradient_sdk.payments.journal import CallState
from opengradient_sdk.payments.sessions import MAX_AGE

from .shop import CALL, ESTIMATE, HASTY, NOT_CHARGED, CrashError, Shop


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    yield shop
    await shop.client.aclose()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OG_STATE_DIR", str(tmp_path / "keys"))
    return str(tmp_path / "store.sqlite")


# Cancellation


@pytest.mark.parametrize("former", ["none", "failed", "lost", "served"])
async def test_a_caller_that_is_cancelled_while_it_is_admitted_leaves_the_key_free(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, former: str
) -> None:
    """The store finishes a transaction whose caller has left: somebody must give the key back."""
    if former == "failed":
        with pytest.raises(ChainError):
            await shop.ask(shop.fail)
    elif former == "lost":
        await shop.lost_once()
    elif former == "served":
        await shop.ask(shop.answer)
    admit = shop.client.journal.admit
    asking: asyncio.Task[Reply]

    async def leaving(record: Any) -> Any:
        asking.cancel()
        return await admit(record)

    await shop.client.journal.join()
    with monkeypatch.context() as patched:
        patched.setattr(shop.client.journal, "admit", leaving)
        asking = asyncio.create_task(shop.ask(shop.never))
        with pytest.raises(asyncio.CancelledError):
            await asking
    reply = await shop.ask(shop.answer, replace(CALL, timeout=10.0))
    assert reply.receipt.repeated is (former == "served")
    assert shop.sent == {"none": [1], "failed": [1], "lost": [1, 1], "served": [1]}[former]


async def test_one_that_is_cancelled_while_the_store_fails_hears_of_its_cancellation(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking: asyncio.Task[Reply]

    async def failing(_record: Any) -> Any:
        asking.cancel()
        await asyncio.sleep(0)
        raise LedgerError("disk full")

    monkeypatch.setattr(shop.client.journal, "admit", failing)
    asking = asyncio.create_task(shop.ask(shop.never))
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_call_that_is_cancelled_under_way_is_written_down(shop: Shop) -> None:
    sent = asyncio.Event()

    async def unanswered(errand: Errand) -> Reply:
        await shop.send(errand)
        sent.set()
        return await asyncio.get_running_loop().create_future()

    asking = asyncio.create_task(shop.ask(unanswered))
    await sent.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await shop.state() == (CallState.UNKNOWN, 1, ESTIMATE)


async def test_a_caller_that_waits_too_long_is_told_so(shop: Shop) -> None:
    async def slow(errand: Errand) -> Reply:
        with pytest.raises(PaymentOutcomeUnknownError, match=r"not done in 0\.2 s"):
            await shop.ask(shop.never, HASTY)
        return await shop.answer(errand)

    await shop.ask(slow)
    assert (await shop.ask(shop.never)).receipt.repeated


# A store that fails


async def test_an_end_that_cannot_be_written_hides_no_error(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(*_: Any) -> None:
        raise LedgerError("disk full")

    monkeypatch.setattr(shop.client.journal, "finish", failing)
    with pytest.raises(SignatureError):
        await shop.ask(shop.refuse)
    assert "disk full" in caplog.text


async def test_an_answer_that_cannot_be_kept_is_said_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: Any) -> None:
        raise LedgerError("disk full")

    monkeypatch.setattr(shop.client.journal, "finish", failing)
    with pytest.raises(LedgerError, match="disk full"):
        await shop.ask(shop.answer)


# Other processes


async def test_another_clients_answer_is_waited_for(place: str) -> None:
    here, there = Shop(place), Shop(place)
    try:

        async def meanwhile(errand: Errand) -> Reply:
            waiting.append(asyncio.create_task(there.ask(there.never)))
            await asyncio.sleep(0)
            return await here.answer(errand)

        waiting: list[asyncio.Task[Reply]] = []
        await here.ask(meanwhile)
        reply = await waiting[0]
        assert reply.receipt.repeated
        assert (here.sent, there.sent) == ([1], [])
        assert reply.receipt.life is not None
        assert reply.receipt.life.nonce == 1
        assert there.lives.find(1) is None  # whoever signed it follows it
    finally:
        await here.client.aclose()
        await there.client.aclose()


async def test_not_for_ever(place: str) -> None:
    here, there = Shop(place), Shop(place)
    try:

        async def slow(errand: Errand) -> Reply:
            with pytest.raises(PaymentOutcomeUnknownError, match=r"not done in 0\.2 s"):
                await there.ask(there.never, HASTY)
            return await here.answer(errand)

        await here.ask(slow)
    finally:
        await here.client.aclose()
        await there.client.aclose()


async def crashed(place: str, *, sends: bool) -> None:
    """A process ends while it makes the call; ``sends``: after the first byte has left."""
    dying = Shop(place)

    async def crash(errand: Errand) -> Reply:
        if sends:
            await dying.send(errand)
        await dying.client.die()
        dying.once._ended = _nothing  # type: ignore[method-assign]
        raise CrashError

    with pytest.raises(CrashError):
        await dying.ask(crash)


async def _nothing(_record: object) -> None:
    """What a dead process writes down."""


async def test_a_key_goes_on_after_a_crash_with_the_same_header(place: str) -> None:
    await crashed(place, sends=True)
    after = Shop(place)
    try:
        errand = after.errand()
        await after.ask(after.answer, errand=errand)
        assert after.sent == [1]
        assert errand.lost == 1
        assert errand.under is not None
        assert errand.under.authorization.header
        assert await after.state() == (CallState.SERVED, 2, ESTIMATE)
    finally:
        await after.client.aclose()


async def test_it_raises_when_its_session_has_ended(place: str) -> None:
    await crashed(place, sends=True)
    after = Shop(place)
    try:
        after.client.clock.seconds += MAX_AGE
        with pytest.raises(PaymentOutcomeUnknownError):
            await after.ask(after.never)
        after.word = NOT_CHARGED
        errand = after.errand()
        after.sent.append(1)  # the next nonce is another one
        await after.ask(after.answer, errand=errand)
        assert (errand.under, errand.lost) == (None, 0)
    finally:
        await after.client.aclose()


async def test_what_was_never_sent_before_a_crash_begins_anew(place: str) -> None:
    await crashed(place, sends=False)
    after = Shop(place)
    try:
        errand = after.errand()
        await after.ask(after.answer, errand=errand)
        assert (after.sent, errand.lost, errand.under) == ([1], 0, None)
    finally:
        await after.client.aclose()

"""The chain is asked about what is open: when it is due, again after failures, until the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from opengradient_sdk.client.events import Event, PaymentResolved
from opengradient_sdk.client.reconciling import Reconciler
from opengradient_sdk.errors import ChainError, LedgerError
from opengradient_sdk.payments.conduct import NodeConduct
from opengradient_sdk.payments.lives import Lives
from opengradient_sdk.payments.sessions import MAX_AGE, SessionPool
from opengradient_sdk.payments.settlement import Claim, SettlementWatcher
from opengradient_sdk.payments.state import AuthorizationState, OpenAuthorization
from opengradient_sdk.payments.status import NOT_LOOKED, PaymentState, PaymentStatus
from opengradient_sdk.types import Amount, Bytes32

from ..payments.journal.clients import Client
from ..payments.makers import CAP, NOW, OWNER, TEE

BLOCK_TIME = 2.0
SETTLES_AFTER = 100.0
TX = Bytes32(b"\x01" * 32)
OPEN = PaymentStatus(PaymentState.OPEN, "not yet")
SETTLED = PaymentStatus(PaymentState.SETTLED, "", Amount(70), TX)
FINAL = PaymentStatus(PaymentState.FINAL, "", Amount(70), TX, final=True)
NOT_CHARGED = PaymentStatus(PaymentState.NOT_CHARGED, "never")
CANCELLED = PaymentStatus(PaymentState.CANCELLED, "", Amount(0), TX, final=True)
AWAY = ChainError("no endpoint answers")


class ScriptedChain(SettlementWatcher):
    """A chain that says what it is told to, one word after another; then it is silent for ever."""

    def __init__(self) -> None:
        self.words: list[PaymentStatus | Exception] = []
        self.asked: list[int] = []
        self.silent = asyncio.Event()

    async def status(self, claim: Claim) -> PaymentStatus:
        assert claim.owner == OWNER
        self.asked.append(claim.nonce)
        if not self.words:
            self.silent.set()
            return await asyncio.get_running_loop().create_future()
        word = self.words.pop(0)
        if isinstance(word, Exception):
            raise word
        return word


class Desk:
    """A reconciler over a real journal in memory, a chain by script, and a clock of its own."""

    def __init__(self) -> None:
        self.client = Client(":memory:")
        self.clock = self.client.clock
        self.chain = ScriptedChain()
        self.events: list[Event] = []
        self.left: list[tuple[Bytes32, str]] = []
        self.conduct = NodeConduct(self.clock)
        self.lives = Lives(self.clock, self.client.journal.note, self.conduct)
        self.pool = SessionPool(self.clock, self.client.supervisor, self.lives)
        self.rests: list[float] = []
        self.recorded: list[tuple[int, PaymentStatus]] = []
        self.rested = asyncio.Event()
        self.reconciler = Reconciler(
            lives=self.lives,
            sessions=self.pool,
            journal=self.client.journal,
            conduct=self.conduct,
            watcher=lambda: self.chain,
            clock=self.clock,
            supervisor=self.client.supervisor,
            block_time=BLOCK_TIME,
            emit=self.events.append,
            leave=lambda tee_id, why: self.left.append((tee_id, why)),
            record=lambda life, status: self.recorded.append((life.nonce, status)),
        )

    async def signed(self, nonce: int = 1, *, retired: bool = True) -> OpenAuthorization:
        life = await self.client.signed(nonce)
        self.lives.add(life)
        if retired:
            self.lives.retire(life)
        return life

    async def followed(self) -> None:
        """Wait until the background task has ended by itself."""
        task = self.reconciler._task
        assert task is not None
        await task

    async def written(self) -> list[PaymentState]:
        return [entry.state for entry in await self.client.journal.entries()]


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """Its reconciler's rests pass at once, and move the clock."""
    desk, sleep = Desk(), asyncio.sleep

    async def passing(seconds: float) -> None:
        desk.rests.append(seconds)
        desk.clock.seconds += seconds
        desk.rested.set()
        await sleep(0)

    monkeypatch.setattr("opengradient_sdk.client.reconciling.asyncio.sleep", passing)
    yield desk
    await desk.client.aclose()


async def test_nothing_runs_while_nothing_is_open(desk: Desk) -> None:
    desk.reconciler.wake()
    assert desk.reconciler._task is None


async def test_it_asks_when_a_node_can_have_settled_and_ends_with_the_last(desk: Desk) -> None:
    await desk.signed(1)
    await desk.signed(2)
    desk.chain.words = [SETTLED, NOT_CHARGED]
    desk.reconciler.wake()
    await desk.followed()
    assert desk.clock.seconds == NOW + SETTLES_AFTER
    assert desk.chain.asked == [1, 2]
    assert desk.lives.unresolved == ()
    assert max(desk.rests) <= 15  # the clock that it waits for may be set


async def test_waking_it_twice_makes_one_task_and_later_another(desk: Desk) -> None:
    await desk.signed(1)
    desk.chain.words = [SETTLED]
    desk.reconciler.wake()
    first = desk.reconciler._task
    desk.reconciler.wake()
    assert desk.reconciler._task is first
    await desk.followed()
    await desk.signed(2)
    desk.chain.words = [SETTLED]
    desk.reconciler.wake()
    await desk.followed()
    assert desk.chain.asked == [1, 2]


async def test_a_session_that_takes_calls_is_left_in_peace_until_it_is_old(desk: Desk) -> None:
    life = await desk.signed(retired=False)
    desk.chain.words = [SETTLED]
    desk.reconciler.wake()
    await desk.followed()
    assert life.retired_at is not None
    assert NOW + MAX_AGE <= life.retired_at <= NOW + MAX_AGE + 15
    assert desk.clock.seconds >= life.retired_at + SETTLES_AFTER


async def test_an_open_payment_is_asked_for_again(desk: Desk) -> None:
    await desk.signed()
    desk.chain.words = [OPEN, OPEN, OPEN, SETTLED]
    desk.reconciler.wake()
    await desk.followed()
    assert len(desk.chain.asked) == 4
    assert min(desk.rests) >= BLOCK_TIME
    assert desk.events == [PaymentResolved(1, SETTLED)]


async def test_a_chain_that_is_away_is_asked_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "opengradient_sdk.client")
    await desk.signed()
    desk.chain.words = [AWAY, AWAY, SETTLED]
    desk.reconciler.wake()
    await desk.followed()
    assert desk.lives.unresolved == ()
    assert caplog.text.count("no endpoint answers") == 2


async def test_so_is_one_whose_word_could_not_be_written_down(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = await desk.signed()
    resolve, failures = desk.client.journal.resolve, [LedgerError("disk full")]

    async def resolving(life: OpenAuthorization, status: PaymentStatus) -> PaymentState:
        if failures:
            raise failures.pop()
        return await resolve(life, status)

    monkeypatch.setattr(desk.client.journal, "resolve", resolving)
    desk.chain.words = [SETTLED, SETTLED]
    desk.reconciler.wake()
    await desk.followed()
    assert len(desk.chain.asked) == 2
    assert (life.status, await desk.written()) == (SETTLED, [PaymentState.SETTLED])
    assert len(desk.events) == 1


async def test_closing_cancels_it_in_the_middle_of_a_question(desk: Desk) -> None:
    life = await desk.signed()
    desk.reconciler.wake()
    await desk.chain.silent.wait()
    await desk.client.supervisor.aclose()
    task = desk.reconciler._task
    assert task is not None
    assert task.cancelled()
    assert (life.status, life.state) == (NOT_LOOKED, AuthorizationState.RETIRED)


async def test_another_task_is_begun_for_one_that_was_ended(desk: Desk) -> None:
    await desk.signed()
    desk.reconciler.wake()
    await desk.chain.silent.wait()
    task = desk.reconciler._task
    assert task is not None
    task.cancel()
    await asyncio.wait([task])
    desk.chain.words = [SETTLED]
    desk.reconciler.wake()
    await desk.followed()
    assert desk.lives.unresolved == ()


@pytest.mark.parametrize("last", [FINAL, NOT_CHARGED, CANCELLED])
async def test_a_last_word_is_not_asked_for_again(desk: Desk, last: PaymentStatus) -> None:
    life = await desk.signed()
    desk.chain.words = [last]
    assert await desk.reconciler.look_up(life) is last
    assert await desk.reconciler.look_up(life) is last
    assert len(desk.chain.asked) == 1


async def test_what_changes_nothing_is_not_written_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    life, written = await desk.signed(), list[PaymentState]()

    async def resolving(_life: OpenAuthorization, status: PaymentStatus) -> PaymentState:
        written.append(status.state)
        return PaymentState.OPEN

    monkeypatch.setattr(desk.client.journal, "resolve", resolving)
    desk.chain.words = [OPEN, OPEN, SETTLED, SETTLED, FINAL]
    for _ in range(5):
        await desk.reconciler.look_up(life)
    assert written == [PaymentState.SETTLED, PaymentState.FINAL]
    assert desk.events == [PaymentResolved(1, SETTLED)]


async def test_a_node_that_takes_more_than_it_served_is_left(desk: Desk) -> None:
    life = await desk.signed()
    life.answered(69)
    desk.chain.words = [SETTLED]
    await desk.reconciler.look_up(life)
    ((tee_id, why),) = desk.left
    assert tee_id == TEE
    assert "collected" in why
    desk.chain.words = [SETTLED, FINAL]
    await desk.reconciler.look_up(life)
    await desk.reconciler.look_up(life)
    assert len(desk.left) == 1  # said once


async def test_an_honest_one_is_not(desk: Desk) -> None:
    life = await desk.signed()
    life.answered(70)
    desk.chain.words = [SETTLED]
    await desk.reconciler.look_up(life)
    assert desk.left == []


async def test_two_askers_ask_one_after_the_other(desk: Desk) -> None:
    life = await desk.signed()
    desk.chain.words = [FINAL]
    said = await asyncio.gather(*(desk.reconciler.look_up(life) for _ in range(5)))
    assert said == [FINAL] * 5
    assert len(desk.chain.asked) == 1


async def test_room_is_made_from_what_takes_no_calls(desk: Desk) -> None:
    await desk.signed(1, retired=False)
    await desk.signed(2)
    assert (await desk.client.journal.standing()).exposed == 2 * CAP
    desk.chain.words = [SETTLED]
    await desk.reconciler.look_up_retired()
    standing = await desk.client.journal.standing()
    assert (standing.exposed, standing.settled) == (CAP, 70)


async def test_who_wants_room_hears_that_the_chain_is_away(desk: Desk) -> None:
    await desk.signed()
    desk.chain.words = [AWAY]
    with pytest.raises(ChainError):
        await desk.reconciler.look_up_retired()

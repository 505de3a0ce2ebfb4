"""What the chain says of a cap, in the books: budget, lives, journal, events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from opengradient_sdk import AsyncOpenGradient
from opengradient_sdk.client.core import Core
from opengradient_sdk.client.events import Event, PaymentResolved
from opengradient_sdk.payments import PaymentState, PaymentStatus
from opengradient_sdk.payments.settlement import Claim, SettlementWatcher
from opengradient_sdk.payments.state import OpenAuthorization
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.types import Amount, Bytes32

from ..payments.journal.clients import a_reservation
from ..payments.makers import CAP, OWNER, SIGNER, a_life

TX, OTHER_TX = (Bytes32(bytes([n]) * 32) for n in (1, 2))
OPEN = PaymentStatus(PaymentState.OPEN, "not yet")
SETTLED = PaymentStatus(PaymentState.SETTLED, "", Amount(70), TX)
FINAL = PaymentStatus(PaymentState.FINAL, "", Amount(70), TX)
SETTLED_FOR_MORE = PaymentStatus(PaymentState.SETTLED, "", Amount(90), OTHER_TX)
CANCELLED = PaymentStatus(PaymentState.CANCELLED, "", Amount(0), OTHER_TX)
UNKNOWN = PaymentStatus(PaymentState.UNKNOWN, "used by other means")


class Oracle(SettlementWatcher):
    """A chain that says what it is told to, one word after another."""

    def __init__(self) -> None:
        self.words: list[PaymentStatus] = []
        self.asked = 0

    async def status(self, claim: Claim) -> PaymentStatus:
        assert claim.owner == OWNER
        self.asked += 1
        return self.words.pop(0)


class Books:
    """A client's core with one signed cap."""

    def __init__(self, core: Core, events: list[Event]) -> None:
        self.core = core
        self.events = events
        self.oracle = Oracle()
        self.life = a_life()
        vars(core)["watcher"] = self.oracle

    async def sign(self) -> OpenAuthorization:
        await self.core.journal.reserve(a_reservation(self.life.nonce))
        await self.core.journal.write(self.life)
        self.life.answered(90)  # no charge here is above what was served
        self.core.lives.retire(self.life)  # signed by hand: no call joins it
        self.core.lives.add(self.life)  # and nobody asks about it but the test
        return self.life

    async def hear(self, *words: PaymentStatus) -> None:
        self.oracle.words = list(words)
        for _ in words:
            await self.core.reconciler.look_up(self.life)
        assert not self.oracle.words

    async def written(self) -> tuple[PaymentState, Amount | None, Bytes32 | None]:
        (entry,) = await self.core.journal.entries()
        return entry.state, entry.charged, entry.transaction

    async def account(self) -> tuple[int, int]:
        """The budget, as the store has it that all its clients share."""
        standing = await self.core.journal.standing()
        return standing.exposed, standing.settled


@pytest.fixture
async def books() -> AsyncIterator[Books]:
    events: list[Event] = []
    here = ("http://127.0.0.1:9",)  # nobody is asked
    profile = replace(
        DEVNET,
        payments=replace(DEVNET.payments, rpc_urls=here),
        registry=replace(DEVNET.registry, rpc_urls=here),
    )
    async with AsyncOpenGradient(
        signer=SIGNER, network=profile, store=":memory:", on_event=events.append
    ) as client:
        assert client._work is not None
        books = Books(client._work.core, events)
        await books.sign()
        yield books


async def test_an_open_cap_stays_exposed(books: Books) -> None:
    await books.hear(OPEN, UNKNOWN, OPEN)
    assert await books.account() == (CAP, 0)
    assert books.core.lives.unresolved == (books.life,)
    assert books.events == []


async def test_a_settlement_frees_what_was_not_charged(books: Books) -> None:
    await books.hear(OPEN, SETTLED)
    assert await books.account() == (0, 70)
    assert books.core.lives.unresolved == ()
    assert books.events == [PaymentResolved(1, SETTLED)]
    assert await books.written() == (PaymentState.SETTLED, Amount(70), TX)


async def test_becoming_final_changes_no_amount_and_is_the_last_word(books: Books) -> None:
    await books.hear(SETTLED, SETTLED, FINAL)
    assert await books.account() == (0, 70)
    assert len(books.events) == 1
    assert (await books.written())[0] is PaymentState.FINAL
    assert await books.core.reconciler.look_up(books.life) is FINAL
    assert books.oracle.asked == 3


async def test_a_reorg_opens_it_again(books: Books) -> None:
    await books.hear(SETTLED, OPEN)
    assert await books.account() == (CAP, 0)
    assert books.core.lives.unresolved == (books.life,)
    assert await books.written() == (PaymentState.OPEN, None, None)
    await books.hear(SETTLED)
    assert await books.account() == (0, 70)
    assert len(books.events) == 2


async def test_a_reorg_can_put_another_charge_in_its_place(books: Books) -> None:
    await books.hear(SETTLED, SETTLED_FOR_MORE)
    assert await books.account() == (0, 90)
    assert await books.written() == (PaymentState.SETTLED, Amount(90), OTHER_TX)


async def test_a_reorg_can_settle_what_had_been_cancelled(books: Books) -> None:
    await books.hear(CANCELLED, SETTLED)
    assert await books.account() == (0, 70)
    assert books.core.lives.unresolved == ()


async def test_only_what_serves_no_calls_is_looked_up_for_room(books: Books) -> None:
    books.oracle.words = [SETTLED]
    await books.core.reconciler.look_up_retired()
    assert await books.account() == (0, 70)
    await books.core.reconciler.look_up_retired()
    assert books.oracle.asked == 1

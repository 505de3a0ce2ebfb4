"""Allowed, covered, reserved, signed, written down: in this order, or nothing is left of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from opengradient_sdk.errors import (
    AllowanceError,
    BudgetExceededError,
    LedgerError,
    PolicyRejectedError,
    SigningRejectedError,
)
from opengradient_sdk.payments._wire import decode_header
from opengradient_sdk.payments.allowance import Funds
from opengradient_sdk.payments.authorizer import Authorizer
from opengradient_sdk.payments.budget import Standing
from opengradient_sdk.payments.journal import Reservation
from opengradient_sdk.payments.policy import PaymentPolicy, PaymentRules
from opengradient_sdk.payments.state import AuthorizationState, OpenAuthorization
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.signers import GuardedSigner
from opengradient_sdk.types import Address, PreparedTx, SignedTx, TypedData

from .journal.clients import Client
from .makers import (
    CAP,
    CHAT,
    NOW,
    OWNER,
    PAYEE,
    SIGNER,
    STRANGER,
    TEE,
    SteppedClock,
    a_challenge,
    an_offer,
)

FUNDS = Funds(balance=10 * CAP, allowance=10 * CAP, transaction_count=0, block_number=41)


class Wallet:
    """A signer that says what it is asked, and can be told to fail."""

    def __init__(self, said: list[str]) -> None:
        self.said = said
        self.failure: BaseException | None = None
        self.datas: list[TypedData] = []

    @property
    def address(self) -> Address:
        return OWNER

    async def sign_typed_data(self, data: TypedData) -> bytes:
        self.said.append("sign")
        self.datas.append(data)
        if self.failure:
            raise self.failure
        return await SIGNER.sign_typed_data(data)

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        raise AssertionError("no transaction is asked for here")


class Allowance:
    """What covers a payment; attaches what it is told to."""

    def __init__(self, said: list[str]) -> None:
        self.said = said
        self.attached: Mapping[str, object] | None = None
        self.failure: Exception | None = None

    async def funds(self) -> Funds:
        self.said.append("funds")
        return FUNDS

    async def cover(
        self, cap: int, funds: Funds, extensions: Mapping[str, object]
    ) -> Mapping[str, object] | None:
        self.said.append("cover")
        assert (cap, funds) == (CAP, FUNDS)
        if self.failure:
            raise self.failure
        return self.attached


class WatchedJournal:
    """A client's journal that says when it is written, and can be told to fail."""

    def __init__(self, client: Client, said: list[str]) -> None:
        self._journal = client.journal
        self.said = said
        self.failure: Exception | None = None

    async def reserve(self, reservation: Reservation) -> Standing:
        self.said.append("reserve")
        return await self._journal.reserve(reservation)

    async def write(self, life: OpenAuthorization) -> None:
        self.said.append("write")
        if self.failure:
            raise self.failure
        await self._journal.write(life)

    async def withdraw(self, nonce: int) -> None:
        self.said.append("withdraw")
        await self._journal.withdraw(nonce)


class Desk:
    """An authorizer and everything around it; its journal is the real one, in memory."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.low: list[Standing] = []
        self.wallet = Wallet(self.said)
        self.allowance = Allowance(self.said)
        self.client = Client(":memory:", total=3 * CAP)
        self.journal = WatchedJournal(self.client, self.said)
        self.policy = PaymentPolicy(
            DEVNET, PaymentRules(), max_approval=10 * CAP, clock=SteppedClock()
        )
        self.authorizer = Authorizer(
            profile=DEVNET,
            policy=self.policy,
            signer=GuardedSigner(self.wallet, self.policy),
            allowance=self.allowance,  # type: ignore[arg-type]
            journal=self.journal,  # type: ignore[arg-type]
            clock=SteppedClock(),
            on_low=self.low.append,
        )

    async def authorize(self, *, funds: Funds | None = None, **changes: Any) -> OpenAuthorization:
        offer = an_offer(**changes)
        return await self.authorizer.authorize(
            offer, a_challenge(offer), payee=PAYEE, tee_id=TEE, route=CHAT, funds=funds
        )

    async def exposed(self) -> int:
        """What the budget holds, as the store says that all its clients share."""
        return (await self.client.journal.standing()).exposed

    async def written(self) -> list[AuthorizationState]:
        return [entry.life for entry in await self.client.journal.entries()]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    await desk.client.aclose()


async def test_an_authorization_is_for_exactly_the_offer(desk: Desk) -> None:
    life = await desk.authorize()
    signed = life.authorization
    assert (signed.max_amount, signed.recipient, signed.owner) == (CAP, PAYEE, OWNER)
    assert signed.deadline == NOW + 300
    assert (life.signed_at, life.from_block, life.route) == (NOW, 41, CHAT)
    assert await desk.exposed() == CAP
    assert desk.authorizer.policy is desk.policy
    assert await desk.written() == [AuthorizationState.AUTHORIZED]


async def test_the_order_is_reserve_cover_sign_write(desk: Desk) -> None:
    await desk.authorize()
    assert desk.said == ["reserve", "funds", "cover", "sign", "write"]


async def test_funds_that_were_read_already_are_not_read_again(desk: Desk) -> None:
    await desk.authorize(funds=await desk.authorizer.funds())
    assert desk.said.count("funds") == 1


async def test_what_covers_it_travels_in_the_header(desk: Desk) -> None:
    desk.allowance.attached = {"erc20ApprovalGasSponsoring": {"info": {"version": "1"}}}
    life = await desk.authorize()
    document = decode_header(life.authorization.header)
    assert document["extensions"] == desk.allowance.attached


async def test_two_authorizations_have_two_nonces(desk: Desk) -> None:
    first, second = await desk.authorize(), await desk.authorize()
    assert first.authorization.nonce != second.authorization.nonce
    assert await desk.exposed() == 2 * CAP


async def test_what_the_rules_refuse_reserves_nothing_and_asks_nobody(desk: Desk) -> None:
    with pytest.raises(PolicyRejectedError):
        await desk.authorize(pay_to=STRANGER)
    assert (desk.said, await desk.exposed(), await desk.written()) == ([], 0, [])


async def test_what_the_budget_does_not_cover_is_not_signed(desk: Desk) -> None:
    for _ in range(3):
        await desk.authorize()
    with pytest.raises(BudgetExceededError):
        await desk.authorize()
    assert desk.said.count("sign") == 3
    assert await desk.exposed() == 3 * CAP


async def test_concurrent_authorizations_cannot_overdraw_the_budget(desk: Desk) -> None:
    outcomes = await asyncio.gather(*(desk.authorize() for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(outcome, BudgetExceededError) for outcome in outcomes) == 5
    assert desk.said.count("sign") == 3
    assert len(await desk.written()) == 3


async def test_what_cannot_be_collected_is_not_signed(desk: Desk) -> None:
    desk.allowance.failure = AllowanceError("no ETH")
    with pytest.raises(AllowanceError):
        await desk.authorize()
    assert "sign" not in desk.said
    assert await desk.exposed() == 0


@pytest.mark.parametrize("failure", [SigningRejectedError("no"), asyncio.CancelledError()])
async def test_a_signer_that_refuses_leaves_nothing_behind(
    desk: Desk, failure: BaseException
) -> None:
    desk.wallet.failure = failure
    with pytest.raises(type(failure)):
        await desk.authorize()
    assert (await desk.exposed(), await desk.written()) == (0, [])
    with pytest.raises(PolicyRejectedError):  # the grant is gone with it
        await desk.policy.check_typed_data(desk.wallet.datas[0])


async def test_what_cannot_be_written_down_is_thrown_away(desk: Desk) -> None:
    desk.journal.failure = LedgerError("disk full")
    with pytest.raises(LedgerError):
        await desk.authorize()
    assert await desk.exposed() == 0
    assert await desk.written() == []


@pytest.mark.parametrize("stage", ["reserve", "funds", "cover", "sign", "write"])
async def test_a_cancelled_caller_gives_the_cap_back(desk: Desk, stage: str) -> None:
    reached = asyncio.Event()

    class Stopping(list[str]):
        """Says that a stage was reached; what comes after it is cancelled."""

        def append(self, said: str) -> None:
            super().append(said)
            if said == stage:
                reached.set()
                asking.cancel()

    await desk.client.journal.join()
    desk.said = desk.wallet.said = desk.allowance.said = desk.journal.said = Stopping()
    asking = asyncio.create_task(desk.authorize())
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert reached.is_set()
    assert (await desk.exposed(), await desk.written()) == (0, [])


async def test_running_low_is_told_once(desk: Desk) -> None:
    """The total is three caps: after the second, less than two remain."""
    await desk.authorize()
    assert desk.low == []
    await desk.authorize()
    await desk.authorize()
    assert [(low.exposed, low.remaining) for low in desk.low] == [(2 * CAP, CAP)]


async def test_an_offer_that_cannot_be_signed_reserves_nothing(desk: Desk) -> None:
    with pytest.raises(PolicyRejectedError):
        await desk.authorize(scheme="a scheme of the future")
    assert (desk.said, await desk.exposed()) == ([], 0)

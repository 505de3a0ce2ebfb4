"""Permit2's allowance: nothing where it is enough, sponsored where that is offered, else sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.chain.contracts import Erc20
from opengradient_sdk.chain.outbox.slots import Attempt, AttemptKind, Slot, SlotState
from opengradient_sdk.errors import (
    AllowanceError,
    ChainError,
    InsufficientFundsError,
    InsufficientOPGError,
    PolicyRejectedError,
)
from opengradient_sdk.payments.allowance import AllowanceKeeper, Funds
from opengradient_sdk.payments.extensions import ERC20_APPROVAL, approve_call
from opengradient_sdk.payments.policy import PaymentPolicy, PaymentRules
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.signers import GuardedSigner
from opengradient_sdk.types import PreparedTx, SignedTx, TxRequest, bytes_to_hex

from .makers import CAP, OWNER, SIGNER, STRANGER

APPROVAL = 10 * CAP
RICH = Funds(balance=CAP, allowance=0, transaction_count=4, block_number=9)
SPONSORED = {ERC20_APPROVAL: {"info": {}}}


def word(number: int) -> str:
    return "0x" + number.to_bytes(32, "big").hex()


class OneChain:
    """A payments chain as far as an allowance needs it; what is sent is kept."""

    def __init__(self) -> None:
        self.rpc = self
        self.answers: list[object] = [word(5 * CAP), word(CAP - 1), "0x4", "0x9"]
        self.asked: list[tuple[str, Sequence[object]]] = []
        self.fee = 10**6
        self.nonce = 4
        self.built: list[PreparedTx] = []
        self.executed: list[TxRequest] = []
        self.broke = False
        self.slots: list[Slot] = []
        policy = PaymentPolicy(DEVNET, PaymentRules(), max_approval=APPROVAL)
        self.signer = GuardedSigner(SIGNER, policy)

    async def batch(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[object]:
        self.asked = list(calls)
        return self.answers

    async def build(self, request: TxRequest, *, sponsored: bool = False) -> PreparedTx:
        assert sponsored  # the owner may have no coin
        assert request.gas is not None
        await asyncio.sleep(0)
        prepared = PreparedTx(
            chain_id=DEVNET.payments.chain_id,
            sender=OWNER,
            nonce=self.nonce if request.nonce is None else request.nonce,
            to=request.to,
            data=request.data,
            value=request.value,
            gas=request.gas,
            max_fee_per_gas=self.fee,
            max_priority_fee_per_gas=1,
        )
        self.built.append(prepared)
        return prepared

    async def sign(self, prepared: PreparedTx, *, sponsored: bool = False) -> SignedTx:
        signed = await self.signer.sign_transaction(prepared)
        self.keep(signed, sponsored=sponsored)
        return signed

    def keep(self, signed: SignedTx, *, sponsored: bool) -> None:
        attempt = Attempt(signed, AttemptKind.ORIGINAL, refused=False)
        self.slots.append(
            Slot(signed.tx.nonce, SlotState.SIGNED, "holder", sponsored, None, (attempt,), None)
        )

    async def reserved(self) -> list[Slot]:
        return self.slots

    async def execute(self, request: TxRequest) -> None:
        if self.broke:
            raise InsufficientFundsError("no coin for the fee")
        self.executed.append(request)
        await asyncio.sleep(0)
        amount = int.from_bytes(request.data[36:68], "big")
        self.answers[1] = word(amount)


@pytest.fixture
def chain() -> OneChain:
    return OneChain()


def keeper_on(chain: OneChain, *, approval: int = APPROVAL) -> AllowanceKeeper:
    return AllowanceKeeper(chain.rpc, lambda: chain, DEVNET, OWNER, approval=approval)  # type: ignore[arg-type]


async def test_funds_are_one_round_trip(chain: OneChain) -> None:
    funds = await keeper_on(chain).funds()
    assert funds == Funds(balance=5 * CAP, allowance=CAP - 1, transaction_count=4, block_number=9)
    assert [method for method, _ in chain.asked] == [
        "eth_call",
        "eth_call",
        "eth_getTransactionCount",
        "eth_blockNumber",
    ]


@pytest.mark.parametrize("answer", ["0x", "0x12", "nonsense", None])
async def test_a_chain_without_the_token_says_so(chain: OneChain, answer: object) -> None:
    chain.answers[0] = answer
    with pytest.raises(ChainError, match="no OPG token answers") as error:
        await keeper_on(chain).funds()
    assert "payments chain" in error.value.hint


async def test_a_wallet_without_opg_hears_where_to_send_it(chain: OneChain) -> None:
    with pytest.raises(InsufficientOPGError) as error:
        await keeper_on(chain).cover(CAP, replace(RICH, balance=CAP - 1), SPONSORED)
    assert OWNER in error.value.hint
    assert str(DEVNET.payments.chain_id) in error.value.hint
    assert not chain.built
    assert not chain.executed


async def test_enough_is_enough(chain: OneChain) -> None:
    assert await keeper_on(chain).cover(CAP, replace(RICH, allowance=CAP), SPONSORED) is None
    assert not chain.built
    assert not chain.executed


async def test_a_sponsored_approval_is_attached_and_bounded(chain: OneChain) -> None:
    attached = await keeper_on(chain).cover(CAP, RICH, SPONSORED)
    assert attached is not None
    info = attached[ERC20_APPROVAL]["info"]  # type: ignore[index]
    assert info["amount"] == str(APPROVAL)
    (prepared,) = chain.built
    assert prepared.data == approve_call(DEVNET.permit2, APPROVAL)
    signed = await SIGNER.sign_transaction(prepared)
    assert info["signedTransaction"] == bytes_to_hex(signed.raw)
    assert not chain.executed


async def test_the_same_approval_is_attached_until_its_nonce_is_used(chain: OneChain) -> None:
    keeper = keeper_on(chain)
    first = await keeper.cover(CAP, RICH, SPONSORED)
    assert await keeper.cover(CAP, RICH, SPONSORED) == first
    assert len(chain.built) == 1
    chain.nonce = 5
    used = replace(RICH, transaction_count=5)  # mined, and the allowance is used up again
    assert await keeper.cover(CAP, used, SPONSORED) != first
    assert [prepared.nonce for prepared in chain.built] == [4, 5]


async def test_sessions_that_open_at_once_share_one_sponsored_approval(chain: OneChain) -> None:
    keeper = keeper_on(chain)
    first, second = await asyncio.gather(*(keeper.cover(CAP, RICH, SPONSORED) for _ in range(2)))
    assert first == second
    assert len(chain.built) == 1


async def test_sessions_that_open_at_once_send_one_approval(chain: OneChain) -> None:
    keeper = keeper_on(chain)
    await asyncio.gather(*(keeper.cover(CAP, RICH, {}) for _ in range(3)))
    assert len(chain.executed) == 1


async def test_an_approval_for_less_is_not_enough(chain: OneChain) -> None:
    keeper = keeper_on(chain, approval=CAP)
    richer = replace(RICH, balance=3 * CAP)
    await keeper.cover(CAP, richer, SPONSORED)
    larger = await keeper.cover(2 * CAP, richer, SPONSORED)
    assert larger is not None
    assert larger[ERC20_APPROVAL]["info"]["amount"] == str(2 * CAP)  # type: ignore[index]


async def test_a_cap_over_the_usual_approval_is_approved_whole_if_allowed(
    chain: OneChain,
) -> None:
    await keeper_on(chain, approval=CAP // 2).cover(CAP, RICH, {})
    (request,) = chain.executed
    assert request.data == approve_call(DEVNET.permit2, CAP)


async def test_the_guard_bounds_sponsored_approvals_too(chain: OneChain) -> None:
    with pytest.raises(PolicyRejectedError):
        await keeper_on(chain, approval=APPROVAL + 1).cover(CAP, RICH, SPONSORED)


async def test_an_approval_at_a_mad_fee_is_not_signed(chain: OneChain) -> None:
    chain.fee = 10**12
    keeper = keeper_on(chain)
    with pytest.raises(PolicyRejectedError, match="fee is") as refused:
        await keeper.cover(CAP, RICH, SPONSORED)
    assert refused.value.field == "fee"
    chain.fee = 10**6
    assert await keeper.cover(CAP, RICH, SPONSORED) is not None


async def test_where_nobody_sponsors_it_is_sent(chain: OneChain) -> None:
    assert await keeper_on(chain).cover(CAP, RICH, {"somethingElse": {}}) is None
    assert chain.executed == [
        Erc20(None, DEVNET.opg).approve(DEVNET.permit2, APPROVAL)  # type: ignore[arg-type]
    ]


async def test_without_coin_for_the_fee_it_says_what_to_do(chain: OneChain) -> None:
    chain.broke = True
    with pytest.raises(AllowanceError) as error:
        await keeper_on(chain).cover(CAP, RICH, {})
    assert "ETH" in error.value.hint
    assert "does not sponsor" in error.value.hint


def approval_of(amount: int, *, nonce: int = 4) -> PreparedTx:
    """An approval as another process of the same wallet signed it, at a fee of that time."""
    return PreparedTx(
        chain_id=DEVNET.payments.chain_id,
        sender=OWNER,
        nonce=nonce,
        to=DEVNET.opg,
        data=approve_call(DEVNET.permit2, amount),
        value=0,
        gas=70_000,
        max_fee_per_gas=3 * 10**6,
        max_priority_fee_per_gas=1,
    )


async def attached_to(chain: OneChain) -> str:
    """The bytes that a keeper who has promised nothing itself attaches."""
    attached = await keeper_on(chain).cover(CAP, RICH, SPONSORED)
    assert attached is not None
    return attached[ERC20_APPROVAL]["info"]["signedTransaction"]  # type: ignore[index,no-any-return]


async def test_what_another_process_promised_is_attached_byte_for_byte(chain: OneChain) -> None:
    promised = await chain.sign(approval_of(CAP), sponsored=True)
    assert await attached_to(chain) == bytes_to_hex(promised.raw)
    assert not chain.built


async def test_a_keeper_finds_its_own_promise_again_after_a_restart(chain: OneChain) -> None:
    first = await attached_to(chain)
    assert await attached_to(chain) == first
    assert len(chain.built) == 1


@pytest.mark.parametrize("amount", [CAP - 1, APPROVAL + 1], ids=["too little", "too much"])
async def test_a_promise_that_does_not_fit_is_superseded_and_not_attached(
    chain: OneChain, amount: int
) -> None:
    # signed by a client with other rules: attaching it would go past this one's policy, and
    # another one behind it could not be mined before it
    chain.keep(await SIGNER.sign_transaction(approval_of(amount)), sponsored=True)
    chain.nonce = 5
    first = await attached_to(chain)
    (prepared,) = chain.built
    assert (prepared.nonce, prepared.data) == (4, approve_call(DEVNET.permit2, APPROVAL))
    assert first == bytes_to_hex(chain.slots[-1].attempts[-1].signed.raw)


async def test_a_promise_whose_nonce_is_used_is_not_attached(chain: OneChain) -> None:
    used = await chain.sign(approval_of(CAP, nonce=RICH.transaction_count - 1), sponsored=True)
    assert await attached_to(chain) != bytes_to_hex(used.raw)
    assert [prepared.nonce for prepared in chain.built] == [4]


async def test_the_promise_that_still_counts_is_found_behind_one_that_is_used(
    chain: OneChain,
) -> None:
    await chain.sign(approval_of(CAP, nonce=RICH.transaction_count - 1), sponsored=True)
    good = await chain.sign(approval_of(CAP), sponsored=True)
    assert await attached_to(chain) == bytes_to_hex(good.raw)
    assert not chain.built


@pytest.mark.parametrize(
    "other",
    [
        {"to": STRANGER},
        {"data": approve_call(STRANGER, APPROVAL)},
        {"data": b""},
        {"to": None, "data": b"\x60" * 68},
    ],
    ids=["another token", "another spender", "no call", "a contract"],
)
async def test_other_transactions_that_wait_are_no_promise(
    chain: OneChain, other: dict[str, Any]
) -> None:
    signed = await SIGNER.sign_transaction(replace(approval_of(CAP), **other))
    chain.keep(signed, sponsored=True)
    assert await attached_to(chain) != bytes_to_hex(signed.raw)


async def test_an_approval_of_the_owners_own_is_not_handed_out(chain: OneChain) -> None:
    own = await chain.sign(approval_of(APPROVAL))
    assert await attached_to(chain) != bytes_to_hex(own.raw)

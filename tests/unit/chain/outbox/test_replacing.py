"""Other transactions with the same nonce: on purpose, and by themselves when one is stuck."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import BOB, GWEI, KEY, Desk, open_desk
from support.scripted_chain import ScriptedChain, error

from opengradient_sdk.chain.draft import Draft
from opengradient_sdk.chain.outbox.events import RepricingRefused, TransactionReplaced
from opengradient_sdk.chain.outbox.pricing import Price
from opengradient_sdk.chain.outbox.replacing import BumpPolicy
from opengradient_sdk.chain.outbox.slots import AttemptKind, SlotState
from opengradient_sdk.chain.pending import PendingTx
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import (
    ConfigurationError,
    FeeTooLowError,
    NonceError,
    ReplacedError,
    RpcError,
    SigningRejectedError,
    Spent,
)
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import PreparedTx, SignedTx, TxRequest, TxType

AUTOMATIC = BumpPolicy(after_blocks=2)


class MoodySigner:
    """Signs, until it is told not to."""

    def __init__(self) -> None:
        self._signer = LocalSigner(KEY)
        self.refusal: Exception | None = None

    @property
    def address(self) -> Any:
        return self._signer.address

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        if self.refusal is not None:
            raise self.refusal
        return await self._signer.sign_transaction(tx)

    async def sign_typed_data(self, data: Any) -> bytes:
        return await self._signer.sign_typed_data(data)


@pytest.fixture
def chain(node: Any) -> ScriptedChain:
    return ScriptedChain(node)


@pytest.fixture
async def desk(chain: ScriptedChain, rpc: Rpc) -> AsyncIterator[Desk]:
    async with open_desk(rpc, signer=MoodySigner()) as desk:
        yield desk


class TestHigherFees:
    async def test_the_same_content_is_one_deed(self, chain: ScriptedChain, desk: Desk) -> None:
        first = await desk.sent()
        waiting = asyncio.create_task(first.wait())
        second = await first.replace()
        assert second.nonce == first.nonce
        assert (
            replace(
                second.signed.tx,
                max_fee_per_gas=first.signed.tx.max_fee_per_gas,
                max_priority_fee_per_gas=first.signed.tx.max_priority_fee_per_gas,
            )
            == first.signed.tx
        )
        chain.mine()
        assert (await waiting).hash == second.hash == (await second.wait()).hash

    async def test_the_first_may_win_all_the_same(self, chain: ScriptedChain, desk: Desk) -> None:
        first = await desk.sent()
        second = await first.replace()
        chain.mine(first.hash)
        assert (await second.wait()).hash == first.hash == (await first.wait()).hash

    async def test_it_is_journalled_and_said(self, desk: Desk) -> None:
        first = await desk.sent()
        second = await first.replace()
        slot = await desk.slot(0)
        assert [(one.signed.hash, one.kind) for one in slot.attempts] == [
            (first.hash, AttemptKind.ORIGINAL),
            (second.hash, AttemptKind.REPRICED),
        ]
        assert desk.named(TransactionReplaced) == [
            TransactionReplaced(first.hash, second.hash, 0, "repriced")
        ]

    async def test_the_least_bump_is_a_tenth_of_both_fees(self, desk: Desk) -> None:
        first = await desk.sent(max_fee_per_gas=10 * GWEI, max_priority_fee_per_gas=GWEI + 1)
        second = await first.replace()
        assert second.signed.tx.max_fee_per_gas == 11 * GWEI
        assert second.signed.tx.max_priority_fee_per_gas == 1_100_000_002  # rounded up

    async def test_it_is_at_least_what_the_chain_takes_now(self, desk: Desk) -> None:
        first = await desk.sent()
        desk.fees.at(50 * GWEI, tip=3 * GWEI)
        tx = (await first.replace()).signed.tx
        assert (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) == (50 * GWEI, 3 * GWEI)

    async def test_a_bump_that_was_asked_for_is_taken_exactly(self, desk: Desk) -> None:
        first = await desk.sent()
        desk.fees.at(50 * GWEI)
        tx = (await first.replace(fee_bump=25)).signed.tx
        assert tx.max_fee_per_gas == first.signed.tx.max_fee_per_gas * 5 // 4

    async def test_a_second_one_goes_above_the_first_one(self, desk: Desk) -> None:
        first = await desk.sent()
        fees = [first.signed.tx.max_fee_per_gas]
        for _ in range(3):
            fees.append((await first.replace()).signed.tx.max_fee_per_gas)
        assert all(high * 10 >= low * 11 for low, high in pairwise(fees))

    async def test_two_at_once_do_not_get_in_each_others_way(self, desk: Desk) -> None:
        first = await desk.sent()
        pair = await asyncio.gather(first.replace(), first.replace())
        assert len({one.hash for one in pair}) == 2

    async def test_one_gas_price_stays_one(self, desk: Desk) -> None:
        price = {"max_fee_per_gas": 2 * GWEI, "max_priority_fee_per_gas": 2 * GWEI}
        first = await desk.sent(type=TxType.LEGACY, **price)
        for tx in ((await first.replace()).signed.tx, (await first.cancel()).signed.tx):
            assert tx.type is TxType.LEGACY
            assert tx.max_fee_per_gas == tx.max_priority_fee_per_gas > 2 * GWEI

    @given(fee=st.integers(0, 10**12), tip=st.integers(0, 10**12), percent=st.integers(1, 400))
    def test_a_raised_price_is_enough_and_not_more(self, fee: int, tip: int, percent: int) -> None:
        raised = Price(fee, tip).raised(percent)
        for old, new in ((fee, raised.max_fee), (tip, raised.tip)):
            assert new > old
            assert new * 100 >= old * (100 + percent)
            assert (new - 1) * 100 < old * (100 + percent) or new == old + 1


class TestOtherContent:
    @pytest.fixture(autouse=True)
    def readable(self, node: Any) -> None:
        node.results |= {
            "eth_estimateGas": "0x5208",
            "eth_getBalance": hex(10**20),
            "eth_feeHistory": {"baseFeePerGas": ["0x1"] * 11, "reward": [["0x1"]] * 10},
        }

    async def test_who_waits_for_the_old_one_hears_of_the_new_one(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        first = await desk.sent()
        waiting = asyncio.create_task(first.wait())
        second = await first.replace(TxRequest(to=BOB, value=7))
        tx = second.signed.tx
        assert (tx.value, tx.nonce, tx.gas) == (7, 0, 21_000)
        assert tx.max_fee_per_gas * 10 >= first.signed.tx.max_fee_per_gas * 11
        assert (await desk.slot(0)).attempts[-1].kind is AttemptKind.REPLACEMENT
        chain.mine()
        assert (await second.wait()).hash == second.hash
        with pytest.raises(ReplacedError, match="sent in its place") as caught:
            await waiting
        assert caught.value.by == second.hash

    async def test_a_deep_wait_hears_of_it_when_it_is_deep(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        first = await desk.sent()
        waiting = asyncio.create_task(first.wait(confirmations=3))
        await first.replace(TxRequest(to=BOB, value=7))
        chain.mine()
        await chain.looked(3)
        assert not waiting.done()  # a reorg could still bring the first one in
        chain.empty(2)
        with pytest.raises(ReplacedError):
            await waiting

    async def test_fees_that_the_caller_set_are_the_callers(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        first = await desk.sent()
        asked = TxRequest(to=BOB, value=7, max_fee_per_gas=9 * GWEI, max_priority_fee_per_gas=5)
        tx = (await first.replace(asked)).signed.tx
        assert (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) == (9 * GWEI, 5)

    async def test_too_low_a_fee_is_refused_and_the_first_one_goes_on(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        first = await desk.sent()
        asked = TxRequest(to=BOB, value=7, max_fee_per_gas=1, max_priority_fee_per_gas=1)
        with pytest.raises(FeeTooLowError) as caught:
            await first.replace(asked)
        assert caught.value.spent is Spent.NO
        assert (await desk.slot(0)).state is SlotState.SENDING
        chain.mine()
        assert (await first.wait()).hash == first.hash

    async def test_the_chains_own_fillers_are_used_where_given(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        asked: list[TxRequest] = []

        async def complete(request: TxRequest) -> Draft:
            asked.append(request)
            return Draft(request, desk.owner, chain_id=31337, gas=77_000)

        desk.outbox._replacer._complete = complete
        first = await desk.sent()
        second = await first.replace(TxRequest(to=BOB, value=7))
        assert second.signed.tx.gas == 77_000
        assert asked[0].nonce == 0


class TestCancelling:
    async def test_nothing_is_sent_in_its_place(self, chain: ScriptedChain, desk: Desk) -> None:
        first = await desk.sent(gas=90_000)
        waiting = asyncio.create_task(first.wait())
        cancel = await first.cancel()
        tx = cancel.signed.tx
        assert (tx.to, tx.value, tx.data, tx.gas, tx.nonce) == (desk.owner, 0, b"", 21_000, 0)
        assert desk.named(TransactionReplaced)[0].reason == "cancelled"
        chain.mine()
        assert (await cancel.wait()).hash == cancel.hash
        with pytest.raises(ReplacedError) as caught:
            await waiting
        assert caught.value.by == cancel.hash

    async def test_the_old_one_may_win(self, chain: ScriptedChain, desk: Desk) -> None:
        first = await desk.sent()
        cancel = await first.cancel()
        chain.mine(first.hash)
        assert (await first.wait()).hash == first.hash
        with pytest.raises(ReplacedError) as caught:
            await cancel.wait()
        assert caught.value.by == first.hash

    async def test_what_is_in_a_block_stays(self, chain: ScriptedChain, desk: Desk) -> None:
        first = await desk.sent()
        chain.mine()
        await first.wait()
        with pytest.raises(NonceError, match="mined in block 1"):
            await first.cancel()

    async def test_mined_in_that_very_moment(self, chain: ScriptedChain, desk: Desk) -> None:
        first = await desk.sent()
        chain.refusals[0] = lambda: chain.mine(first.hash) or error(-32000, "nonce too low")
        with pytest.raises(NonceError, match="before it could be replaced"):
            await first.cancel()
        assert (await first.wait()).hash == first.hash

    async def test_an_outcome_that_is_unknown_is_followed(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        first = await desk.sent()
        chain.refusals[0] = lambda: error(-32000, "the moon is in the wrong house")
        with pytest.raises(RpcError) as caught:
            await first.cancel()
        assert caught.value.spent is Spent.MAYBE
        (_, cancel) = (await desk.slot(0)).attempts
        chain.known[cancel.signed.hash] = cancel.signed
        chain.mine(cancel.signed.hash)
        with pytest.raises(ReplacedError) as replaced:
            await first.wait()
        assert replaced.value.by == cancel.signed.hash


async def test_a_signer_who_refuses_changes_nothing(chain: ScriptedChain, desk: Desk) -> None:
    first = await desk.sent()
    desk.signer.refusal = SigningRejectedError("no")
    for doing in (first.replace(), first.cancel()):
        with pytest.raises(SigningRejectedError):
            await doing
    assert len((await desk.slot(0)).attempts) == 1
    chain.mine()
    assert (await first.wait()).hash == first.hash


@pytest.mark.parametrize("bump", [0, -5])
async def test_a_fee_that_is_not_higher_replaces_nothing(desk: Desk, bump: int) -> None:
    first = await desk.sent()
    with pytest.raises(ConfigurationError, match="% higher"):
        await first.replace(fee_bump=bump)


async def test_without_a_signer_nothing_is_replaced(chain: ScriptedChain, rpc: Rpc) -> None:
    async with open_desk(rpc) as desk:
        pending = await desk.sent()
        desk.outbox._replacer._signer = None
        with pytest.raises(ConfigurationError, match="nobody here can sign"):
            await pending.cancel()


class TestByItself:
    @pytest.fixture
    async def desk(self, chain: ScriptedChain, rpc: Rpc) -> AsyncIterator[Desk]:
        async with open_desk(rpc, signer=MoodySigner(), bump=AUTOMATIC) as desk:
            yield desk

    async def stuck(self, chain: ScriptedChain, desk: Desk, **fields: Any) -> PendingTx:
        """Return a transaction that was passed over for as long as the policy is patient."""
        pending = await desk.sent(**fields)
        await chain.looked()
        for _ in range(AUTOMATIC.after_blocks + 1):
            chain.empty()
            await chain.looked(2)
        await chain.looked(5)
        return pending

    async def test_a_stuck_one_is_sent_at_what_the_chain_takes(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        desk.fees.at(2 * GWEI)
        first = await desk.signed()
        desk.fees.at(5 * GWEI)
        pending = await desk.post(first)
        await chain.looked()
        while not desk.named(TransactionReplaced):
            chain.empty()
            await chain.looked(2)
        (event,) = desk.named(TransactionReplaced)
        assert (event.hash, event.reason) == (first.hash, "repriced")
        assert chain.pool[event.by].tx.max_fee_per_gas == 5 * GWEI
        chain.mine()
        assert (await pending.wait()).hash == event.by

    async def test_the_cap_is_never_exceeded(self, chain: ScriptedChain, desk: Desk) -> None:
        desk.fees.at(2 * GWEI)
        first = await desk.signed()
        desk.fees.at(500 * GWEI)
        await desk.post(first)
        await chain.looked()
        for _ in range(20):
            chain.empty()
            await chain.looked(2)
        fees = [one.signed.tx.max_fee_per_gas for one in (await desk.slot(0)).attempts]
        assert fees == [2 * GWEI, 6 * GWEI]  # three times the first, and no more

    async def test_a_fee_that_the_caller_set_is_never_raised(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        fee = 2 * GWEI
        desk.fees.at(50 * GWEI)
        await self.stuck(chain, desk, max_fee_per_gas=fee, fee_cap=fee)
        assert len((await desk.slot(0)).attempts) == 1

    async def test_one_that_pays_enough_is_left_alone(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        await self.stuck(chain, desk)
        assert len((await desk.slot(0)).attempts) == 1

    async def test_a_signer_who_refuses_is_named_and_it_goes_on(
        self, chain: ScriptedChain, desk: Desk
    ) -> None:
        first = await desk.signed(max_fee_per_gas=GWEI)
        desk.signer.refusal = RuntimeError("the device is locked")
        pending = await desk.post(first)
        await chain.looked()
        while not desk.named(RepricingRefused):
            chain.empty()
            await chain.looked(2)
        assert desk.named(RepricingRefused)[0].reason == "the device is locked"
        chain.mine()
        assert (await pending.wait()).hash == first.hash

    async def test_switched_off(self, chain: ScriptedChain, rpc: Rpc) -> None:
        async with open_desk(rpc, bump=BumpPolicy(after_blocks=2, enabled=False)) as desk:
            await self.stuck(chain, desk, max_fee_per_gas=1)
            assert len((await desk.slot(0)).attempts) == 1


@pytest.mark.parametrize("odd", [{"after_blocks": 0}, {"most_percent": 99}, {"most": -1}])
def test_a_policy_that_makes_no_sense(odd: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be followed"):
        BumpPolicy(**odd)  # type: ignore[arg-type]


def test_the_lowest_cap_counts() -> None:
    tx = PreparedTx(1, BOB, 0, BOB, b"", 0, 21_000, 100, 1)
    assert BumpPolicy().cap(tx, None) == 300
    assert BumpPolicy(most=250).cap(tx, None) == 250
    assert BumpPolicy(most=250).cap(tx, 120) == 120

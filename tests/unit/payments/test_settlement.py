"""The chain's word on a payment: every way in which a nonce can be used, or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.scripted_ledger import ScriptedLedger, endpoints

from opengradient_sdk.chain.contracts import ExactProxy, SettleCall, UptoProxy
from opengradient_sdk.errors import ChainError, ConfigurationError
from opengradient_sdk.payments.settlement import Claim, SettlementWatcher
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.types import Address, Amount, Bytes32

from .makers import CAP, FACILITATOR, OWNER, PAYEE, STRANGER, a_life

DEADLINE = 1_000
NONCE = 7 * 256 + 3
CHARGE = 1234
CLAIM = Claim(
    owner=OWNER,
    nonce=NONCE,
    recipient=PAYEE,
    deadline=DEADLINE,
    spender=DEVNET.upto_proxy,
    from_block=20,
)


def a_settle(**changes: Any) -> SettleCall:
    members: dict[str, Any] = {
        "token": DEVNET.opg,
        "permitted": CAP,
        "nonce": NONCE,
        "deadline": DEADLINE,
        "amount": CHARGE,
        "owner": OWNER,
        "to": PAYEE,
        "facilitator": FACILITATOR,
        "valid_after": 0,
        "signature": b"\1" * 65,
    }
    return SettleCall(**{**members, **changes})


def mine(ledger: ScriptedLedger, data: bytes, **changes: Any) -> Bytes32:
    """Put a transaction on chain that moves ``CHARGE`` from the owner to the payee."""
    return ledger.mine(data, **{"owner": OWNER, "recipient": PAYEE, "moved": CHARGE, **changes})


def settle(*ledgers: ScriptedLedger, **changes: Any) -> Bytes32:
    """Settle the claim on each ledger."""
    for ledger in ledgers:
        ledger.use(NONCE, block=changes.get("block", 22))
        found = mine(ledger, UptoProxy.encode_settle(a_settle()), **changes)
    return found


def expire(*ledgers: ScriptedLedger) -> None:
    """Let the permit be over, and finally so."""
    for ledger in ledgers:
        ledger.times = {30: DEADLINE + 9, 25: DEADLINE + 1, 24: DEADLINE, 20: DEADLINE - 4}


@pytest.fixture
def ledger() -> ScriptedLedger:
    return ScriptedLedger()


async def status_on(*ledgers: ScriptedLedger, claim: Claim = CLAIM) -> PaymentStatus:
    return await SettlementWatcher(endpoints(*ledgers), DEVNET).status(claim)


def test_what_is_asked_about_is_what_was_signed() -> None:
    life = a_life(NONCE)
    claim = SettlementWatcher.claim_of(life)
    assert claim == replace(CLAIM, deadline=life.authorization.deadline, from_block=7)


def test_somebody_has_to_be_asked() -> None:
    with pytest.raises(ConfigurationError, match="no RPC endpoint"):
        SettlementWatcher([], DEVNET)


async def test_one_rpc_is_enough(ledger: ScriptedLedger) -> None:
    (rpc,) = endpoints(ledger)
    status = await SettlementWatcher(rpc, DEVNET).status(CLAIM)
    assert (status.state, status.rpcs) == (PaymentState.OPEN, ("http://a/…",))


class TestUnused:
    """The nonce is free."""

    async def test_nothing_has_happened_yet(self, ledger: ScriptedLedger) -> None:
        status = await status_on(ledger)
        assert status.state is PaymentState.OPEN
        assert str(DEADLINE) in status.reason
        assert (status.chain_id, status.block_number) == (31337, 30)
        assert len(ledger.asked) == 1

    async def test_expired_but_a_reorg_could_still_settle_it(self, ledger: ScriptedLedger) -> None:
        ledger.times = {30: DEADLINE + 1, 25: DEADLINE}
        status = await status_on(ledger)
        assert status.state is PaymentState.OPEN
        assert "not yet in a finalized block" in status.reason

    async def test_expired_for_good_is_not_charged(self, ledger: ScriptedLedger) -> None:
        expire(ledger)
        status = await status_on(ledger)
        assert (status.state, status.final) == (PaymentState.NOT_CHARGED, True)
        assert status.amount is not None
        assert (status.amount.atoms, status.block_number) == (0, 25)
        assert len(ledger.asked) == 2

    async def test_the_last_second_of_a_permit_is_open(self, ledger: ScriptedLedger) -> None:
        ledger.times = {30: DEADLINE}
        assert (await status_on(ledger)).state is PaymentState.OPEN

    async def test_without_a_finalized_block_nothing_is_proven(
        self, ledger: ScriptedLedger
    ) -> None:
        expire(ledger)
        ledger.lies["eth_getBlockByNumber"] = lambda params, honest: (
            None if params[0] == "finalized" else honest
        )
        status = await status_on(ledger)
        assert (status.state, status.proof) == (PaymentState.OPEN, None)
        assert "names no finalized block" in status.reason

    async def test_a_chain_that_contradicts_itself_is_not_believed(
        self, ledger: ScriptedLedger
    ) -> None:
        """Unused at the latest block and used at a finalized one, which is older."""
        expire(ledger)
        used = "0x" + (1 << (NONCE & 255)).to_bytes(32, "big").hex()
        ledger.lies["eth_call"] = lambda params, honest: honest if params[1] == "latest" else used
        status = await status_on(ledger)
        assert status.state is PaymentState.UNKNOWN
        assert "contradicts itself" in status.reason
        assert len(status.disagreeing) == 1

    async def test_another_nonce_of_the_same_word_is_none_of_its_business(
        self, ledger: ScriptedLedger
    ) -> None:
        expire(ledger)
        ledger.use(NONCE + 1)
        status = await status_on(ledger)
        assert status.state is PaymentState.NOT_CHARGED
        assert status.proof is not None
        assert status.proof.bitmap == 1 << ((NONCE + 1) & 255)


class TestSettled:
    """A settlement of this owner's nonce, and all that looks like one."""

    async def test_settled(self, ledger: ScriptedLedger) -> None:
        ledger.finalized = 21
        transaction = settle(ledger)
        status = await status_on(ledger)
        assert (status.state, status.final) == (PaymentState.SETTLED, False)
        assert status.amount is not None
        assert (status.amount.atoms, status.transaction) == (CHARGE, transaction)
        assert (status.chain_id, status.block_number) == (31337, 22)
        assert str(status.block_hash) == ledger.hash_of(22)

    async def test_settled_in_a_finalized_block_is_final(self, ledger: ScriptedLedger) -> None:
        settle(ledger, block=25)
        status = await status_on(ledger)
        assert (status.state, status.final) == (PaymentState.FINAL, True)

    async def test_settled_through_the_exact_proxy(self, ledger: ScriptedLedger) -> None:
        ledger.use(NONCE)
        exact = a_settle(amount=CAP, facilitator=None)
        mine(ledger, ExactProxy.encode_settle(exact), to=DEVNET.exact_proxy, moved=CAP)
        status = await status_on(ledger, claim=replace(CLAIM, spender=DEVNET.exact_proxy))
        assert (status.state, status.amount and status.amount.atoms) == (PaymentState.FINAL, CAP)

    async def test_another_proxy_cannot_settle_it(self, ledger: ScriptedLedger) -> None:
        ledger.use(NONCE)
        exact = a_settle(amount=CAP, facilitator=None)
        mine(ledger, ExactProxy.encode_settle(exact), to=DEVNET.exact_proxy, moved=CAP)
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    async def test_a_nonce_used_by_other_means_proves_nothing(self, ledger: ScriptedLedger) -> None:
        ledger.use(NONCE)
        status = await status_on(ledger)
        assert status.state is PaymentState.UNKNOWN
        assert (status.amount, status.disagreeing) == (None, ())

    async def test_a_settlement_that_failed_is_none(self, ledger: ScriptedLedger) -> None:
        settle(ledger, failed=True)
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    @pytest.mark.parametrize(
        ("data", "to"),
        [
            (b"\xa9\x05\x9c\xbb" + bytes(64), DEVNET.opg),
            (UptoProxy.encode_settle(a_settle()), STRANGER),
            (UptoProxy.encode_settle(a_settle()), None),
            (b"\xde\xad\xbe\xef", DEVNET.upto_proxy),
            (UptoProxy.encode_settle(a_settle()), DEVNET.exact_proxy),
        ],
        ids=["a transfer", "another proxy", "a creation", "another function", "the wrong proxy"],
    )
    async def test_a_transfer_without_the_settle_call_is_none(
        self, ledger: ScriptedLedger, data: bytes, to: Address | None
    ) -> None:
        ledger.use(NONCE)
        mine(ledger, data, to=to)
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    @pytest.mark.parametrize(
        "other", [{"nonce": NONCE + 1}, {"owner": STRANGER}, {"token": STRANGER}]
    )
    async def test_somebody_elses_settle_is_not_ours(
        self, ledger: ScriptedLedger, other: dict[str, Any]
    ) -> None:
        ledger.use(NONCE)
        mine(ledger, UptoProxy.encode_settle(a_settle(**other)))
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    async def test_a_settlement_to_somebody_else_is_not_ours(self, ledger: ScriptedLedger) -> None:
        settle(ledger, recipient=STRANGER)
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    async def test_ours_is_found_among_others_in_the_same_block(
        self, ledger: ScriptedLedger
    ) -> None:
        ledger.use(NONCE)
        mine(ledger, UptoProxy.encode_settle(a_settle(nonce=NONCE + 1)), moved=1)
        ours = mine(ledger, UptoProxy.encode_settle(a_settle()))
        mine(ledger, UptoProxy.encode_settle(a_settle(nonce=NONCE + 2)), moved=2)
        assert (await status_on(ledger)).transaction == ours
        assert len(ledger.asked) == 4, "the transactions travel together"

    async def test_a_settle_that_moved_something_else_is_none(self, ledger: ScriptedLedger) -> None:
        settle(ledger, moved=CHARGE - 1)
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    async def test_a_log_that_the_receipt_does_not_have_is_none(
        self, ledger: ScriptedLedger
    ) -> None:
        found = settle(ledger)
        ledger.transactions[str(found)]["logs"] = []
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    async def test_a_log_whose_transaction_is_gone_is_none(self, ledger: ScriptedLedger) -> None:
        del ledger.transactions[str(settle(ledger))]
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    @pytest.mark.parametrize("receipt", [None, {"transactionHash": "0x" + "77" * 32}])
    async def test_another_transactions_receipt_is_none(
        self, ledger: ScriptedLedger, receipt: dict[str, Any] | None
    ) -> None:
        settle(ledger)
        ledger.lies["eth_getTransactionReceipt"] = lambda _, honest: (
            receipt and {**honest, **receipt}
        )
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    async def test_logs_that_nobody_asked_for_are_not_looked_at(
        self, ledger: ScriptedLedger
    ) -> None:
        settle(ledger)
        ledger.burn(NONCE, owner=OWNER)
        ledger.lies["eth_getLogs"] = lambda _, honest: [
            {**log, "address": str(STRANGER)} for log in honest
        ]
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    async def test_a_transfer_event_that_is_none_is_the_chains_fault(
        self, ledger: ScriptedLedger
    ) -> None:
        settle(ledger)
        ledger.logs[0] = {**ledger.logs[0], "data": "0x01"}
        with pytest.raises(ChainError, match="Transfer event"):
            await status_on(ledger)

    async def test_a_settlement_outside_the_chain_is_a_contradiction(
        self, ledger: ScriptedLedger
    ) -> None:
        settle(ledger)
        ledger.lies["eth_getTransactionReceipt"] = lambda _, honest: {
            **honest,
            "blockHash": "0x" + "66" * 32,
        }
        status = await status_on(ledger)
        assert status.state is PaymentState.UNKNOWN
        assert "contradicts itself" in status.reason
        assert "0x" + "66" * 32 in status.disagreeing[0]
        assert ledger.hash_of(22) in status.disagreeing[0]

    async def test_a_block_that_is_gone_is_a_contradiction(self, ledger: ScriptedLedger) -> None:
        settle(ledger)
        ledger.lies["eth_getBlockByNumber"] = lambda params, honest: (
            None if params[0] == hex(22) else honest
        )
        status = await status_on(ledger)
        assert status.state is PaymentState.UNKNOWN
        assert "that block is none in its chain" in status.reason

    async def test_a_little_is_searched_before_the_signature(self, ledger: ScriptedLedger) -> None:
        """The endpoint that was asked for the block may be ahead of the one asked for logs."""
        settle(ledger, block=13)
        assert (await status_on(ledger)).state is PaymentState.FINAL
        assert ledger.ranges == [("0xc", "latest")]
        await status_on(ledger, claim=replace(CLAIM, from_block=3))
        assert ledger.ranges[1] == ("0x0", "latest")


class TestCancelled:
    """The owner made the nonce void."""

    async def test_cancelled(self, ledger: ScriptedLedger) -> None:
        transaction = ledger.burn(NONCE, owner=OWNER)
        status = await status_on(ledger)
        assert (status.state, status.final) == (PaymentState.CANCELLED, True)
        assert status.transaction == transaction
        assert (status.amount, status.block_number) == (Amount(0), 22)

    async def test_a_reorg_could_take_a_cancellation_back(self, ledger: ScriptedLedger) -> None:
        ledger.burn(NONCE, owner=OWNER, block=26)
        status = await status_on(ledger)
        assert (status.state, status.final) == (PaymentState.CANCELLED, False)
        assert "reorg" in status.reason

    async def test_another_nonces_cancellation_is_not_this_ones(
        self, ledger: ScriptedLedger
    ) -> None:
        ledger.burn(NONCE + 1, owner=OWNER)
        ledger.burn(NONCE + 256, owner=OWNER)
        assert (await status_on(ledger)).state is PaymentState.OPEN
        ledger.use(NONCE)
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN

    async def test_what_was_collected_cannot_be_cancelled_afterwards(
        self, ledger: ScriptedLedger
    ) -> None:
        transaction = settle(ledger, block=22)
        ledger.burn(NONCE, owner=OWNER, block=24)
        status = await status_on(ledger)
        assert (status.state, status.transaction) == (PaymentState.FINAL, transaction)

    async def test_a_cancellation_that_failed_is_none(self, ledger: ScriptedLedger) -> None:
        found = ledger.burn(NONCE, owner=OWNER)
        ledger.transactions[str(found)]["failed"] = True
        assert (await status_on(ledger)).state is PaymentState.UNKNOWN


class TestAnEndpointInTrouble:
    """Nobody is believed, and nothing is said, by an endpoint that cannot answer."""

    async def test_when_nobody_answers_it_is_an_error(self, ledger: ScriptedLedger) -> None:
        ledger.down = True
        with pytest.raises(ChainError, match="connection refused"):
            await status_on(ledger)

    async def test_an_error_of_the_node_is_raised(self, ledger: ScriptedLedger) -> None:
        ledger.lies["eth_call"] = lambda _, __: "0x"
        with pytest.raises(ChainError, match="no contract answers"):
            await status_on(ledger)

    @pytest.mark.parametrize(
        "method", ["eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getLogs"]
    )
    async def test_an_answer_that_is_nonsense_is_raised(
        self, ledger: ScriptedLedger, method: str
    ) -> None:
        settle(ledger)
        ledger.lies[method] = lambda _, __: 7
        with pytest.raises(ChainError, match="something that is not"):
            await status_on(ledger)

"""The chain's word on a payment: every way in which a nonce can be used, or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.chain.blocks import Block, Transaction
from opengradient_sdk.chain.contracts import ExactProxy, SettleCall, UptoProxy
from opengradient_sdk.chain.contracts.erc20 import TRANSFER_EVENT
from opengradient_sdk.errors import ChainError
from opengradient_sdk.payments.settlement import Claim, SettlementWatcher
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.types import Address, Bytes32, Log, TxReceipt, keccak256

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
INVALIDATION = Bytes32(keccak256(b"UnorderedNonceInvalidation(address,uint256,uint256)"))


def padded(address: Address) -> Bytes32:
    return Bytes32(address.to_bytes().rjust(32, b"\0"))


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


class Ledger:
    """A chain that holds what a test puts there. Blocks are a second apart, block 0 at zero."""

    def __init__(self) -> None:
        self.latest = 30
        self.finalized = 25
        self.times: dict[int, int] = {}
        self.used_since: dict[int, int] = {}
        self.logs: list[Log] = []
        self.transactions: dict[Bytes32, Transaction] = {}
        self.failed: set[Bytes32] = set()
        self.ranges: list[tuple[object, object]] = []

    def use(self, nonce: int, *, block: int = 22) -> None:
        self.used_since[nonce] = block

    def mine(
        self,
        data: bytes,
        *,
        to: Address | None = DEVNET.upto_proxy,
        moved: int | None = CHARGE,
        block: int = 22,
        failed: bool = False,
    ) -> Bytes32:
        """Put a transaction on chain, and the Transfer that it makes."""
        found = Bytes32(keccak256(data + bytes([len(self.transactions)])))
        self.transactions[found] = Transaction(
            found, FACILITATOR, to, 0, 0, data, block, Bytes32(bytes(32))
        )
        if failed:
            self.failed.add(found)
        if moved is not None:
            topics = (TRANSFER_EVENT.topic, padded(OWNER), padded(PAYEE))
            data = moved.to_bytes(32, "big")
            self.logs.append(Log(DEVNET.opg, topics, data, block, found, len(self.logs)))
        return found

    def burn(self, nonce: int, *, block: int = 22) -> Bytes32:
        found = Bytes32(keccak256(b"burn" + nonce.to_bytes(32, "big")))
        word = (nonce >> 8).to_bytes(32, "big") + (1 << (nonce & 255)).to_bytes(32, "big")
        topics = (INVALIDATION, padded(OWNER))
        self.logs.append(Log(DEVNET.permit2, topics, word, block, found, len(self.logs)))
        self.use(nonce, block=block)
        return found

    async def get_block(self, block: object) -> Block:
        number = {"latest": self.latest, "finalized": self.finalized}[str(block)]
        return Block(number, Bytes32(bytes(32)), self.times.get(number, number))

    async def eth_call(self, to: Address, data: bytes, block: object = "latest") -> bytes:
        assert to == DEVNET.permit2
        assert isinstance(block, int)
        owner, word = Address.from_bytes(data[16:36]), int.from_bytes(data[36:68], "big")
        assert owner == OWNER
        bits = sum(
            1 << (nonce & 255)
            for nonce, since in self.used_since.items()
            if nonce >> 8 == word and since <= block
        )
        return bits.to_bytes(32, "big")

    async def get_logs(
        self, address: Address, topics: Sequence[Bytes32], *, from_block: int, to_block: int
    ) -> tuple[Log, ...]:
        self.ranges.append((from_block, to_block))
        return tuple(
            log
            for log in self.logs
            if log.address == address
            and log.topics[: len(topics)] == tuple(topics)
            and from_block <= log.block_number <= to_block
        )

    async def get_transaction(self, found: Bytes32) -> Transaction | None:
        return self.transactions.get(found)

    async def get_receipt(self, found: Bytes32) -> TxReceipt | None:
        transaction = self.transactions.get(found)
        if transaction is None or transaction.block_number is None:
            return None
        return TxReceipt(
            hash=found,
            block_number=transaction.block_number,
            block_hash=Bytes32(bytes(32)),
            sender=transaction.sender,
            to=transaction.to,
            contract_address=None,
            succeeded=found not in self.failed,
            gas_used=1,
            effective_gas_price=1,
            logs=(),
        )


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


async def status_on(ledger: Ledger, claim: Claim = CLAIM) -> PaymentStatus:
    return await SettlementWatcher(ledger, DEVNET).status(claim)  # type: ignore[arg-type]


def test_what_is_asked_about_is_what_was_signed() -> None:
    life = a_life(NONCE)
    claim = SettlementWatcher.claim_of(life)
    assert claim == replace(CLAIM, deadline=life.authorization.deadline, from_block=7)


async def test_nothing_has_happened_yet(ledger: Ledger) -> None:
    status = await status_on(ledger)
    assert status.state is PaymentState.OPEN
    assert str(DEADLINE) in status.reason
    assert (status.chain_id, status.block_number) == (31337, 30)


async def test_settled(ledger: Ledger) -> None:
    ledger.finalized = 21
    ledger.use(NONCE)
    transaction = ledger.mine(UptoProxy.encode_settle(a_settle()))
    status = await status_on(ledger)
    assert status.state is PaymentState.SETTLED
    assert status.amount is not None
    assert (status.amount.atoms, status.transaction) == (CHARGE, transaction)
    assert (status.chain_id, status.block_number) == (31337, 22)


async def test_settled_in_a_finalized_block_is_final(ledger: Ledger) -> None:
    ledger.use(NONCE)
    ledger.mine(UptoProxy.encode_settle(a_settle()), block=25)
    assert (await status_on(ledger)).state is PaymentState.FINAL


async def test_settled_through_the_exact_proxy(ledger: Ledger) -> None:
    ledger.use(NONCE)
    exact = a_settle(amount=CAP, facilitator=None)
    ledger.mine(ExactProxy.encode_settle(exact), to=DEVNET.exact_proxy, moved=CAP)
    status = await status_on(ledger, replace(CLAIM, spender=DEVNET.exact_proxy))
    assert (status.state, status.amount and status.amount.atoms) == (PaymentState.FINAL, CAP)


async def test_another_proxy_cannot_settle_it(ledger: Ledger) -> None:
    ledger.use(NONCE)
    exact = a_settle(amount=CAP, facilitator=None)
    ledger.mine(ExactProxy.encode_settle(exact), to=DEVNET.exact_proxy, moved=CAP)
    assert (await status_on(ledger)).state is PaymentState.UNKNOWN


async def test_cancelled(ledger: Ledger) -> None:
    transaction = ledger.burn(NONCE)
    status = await status_on(ledger)
    assert status.state is PaymentState.CANCELLED
    assert status.transaction == transaction
    assert status.amount is not None
    assert status.amount.atoms == 0


async def test_another_nonces_cancellation_is_not_this_ones(ledger: Ledger) -> None:
    ledger.burn(NONCE + 1)
    ledger.burn(NONCE + 256)
    assert (await status_on(ledger)).state is PaymentState.OPEN
    ledger.use(NONCE)
    assert (await status_on(ledger)).state is PaymentState.UNKNOWN


async def test_expired_but_a_reorg_could_still_settle_it(ledger: Ledger) -> None:
    ledger.times = {30: DEADLINE + 1, 25: DEADLINE}
    status = await status_on(ledger)
    assert status.state is PaymentState.OPEN
    assert "not yet in a finalized block" in status.reason


async def test_expired_for_good_is_not_charged(ledger: Ledger) -> None:
    ledger.times = {30: DEADLINE + 9, 25: DEADLINE + 1}
    status = await status_on(ledger)
    assert status.state is PaymentState.NOT_CHARGED
    assert status.amount is not None
    assert (status.amount.atoms, status.block_number) == (0, 25)


async def test_the_last_second_of_a_permit_is_open(ledger: Ledger) -> None:
    ledger.times = {30: DEADLINE}
    assert (await status_on(ledger)).state is PaymentState.OPEN


async def test_a_chain_that_contradicts_itself_is_not_believed(ledger: Ledger) -> None:
    """Unused at the latest block and used at a finalized one, which is older."""
    ledger.times = {30: DEADLINE + 9, 25: DEADLINE + 1}

    async def eth_call(_to: Address, _data: bytes, block: object) -> bytes:
        return (1 << (NONCE & 255) if block == 25 else 0).to_bytes(32, "big")

    ledger.eth_call = eth_call  # type: ignore[method-assign]
    status = await status_on(ledger)
    assert status.state is PaymentState.UNKNOWN
    assert "contradicts" in status.reason


async def test_a_nonce_used_by_other_means_proves_nothing(ledger: Ledger) -> None:
    ledger.use(NONCE)
    status = await status_on(ledger)
    assert status.state is PaymentState.UNKNOWN
    assert status.amount is None


async def test_a_settlement_that_failed_is_none(ledger: Ledger) -> None:
    ledger.use(NONCE)
    ledger.mine(UptoProxy.encode_settle(a_settle()), failed=True)
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
    ledger: Ledger, data: bytes, to: Address | None
) -> None:
    ledger.use(NONCE)
    ledger.mine(data, to=to)
    assert (await status_on(ledger)).state is PaymentState.UNKNOWN


@pytest.mark.parametrize("other", [{"nonce": NONCE + 1}, {"owner": STRANGER}])
async def test_somebody_elses_settle_is_not_ours(ledger: Ledger, other: dict[str, Any]) -> None:
    ledger.use(NONCE)
    ledger.mine(UptoProxy.encode_settle(a_settle(**other)))
    assert (await status_on(ledger)).state is PaymentState.UNKNOWN


async def test_ours_is_found_among_others_in_the_same_block(ledger: Ledger) -> None:
    ledger.use(NONCE)
    ledger.mine(UptoProxy.encode_settle(a_settle(nonce=NONCE + 1)), moved=1)
    ours = ledger.mine(UptoProxy.encode_settle(a_settle()))
    ledger.mine(UptoProxy.encode_settle(a_settle(nonce=NONCE + 2)), moved=2)
    assert (await status_on(ledger)).transaction == ours


async def test_a_settle_that_moved_something_else_is_none(ledger: Ledger) -> None:
    ledger.use(NONCE)
    ledger.mine(UptoProxy.encode_settle(a_settle()), moved=CHARGE - 1)
    assert (await status_on(ledger)).state is PaymentState.UNKNOWN


async def test_a_log_whose_transaction_is_gone_is_none(ledger: Ledger) -> None:
    ledger.use(NONCE)
    found = ledger.mine(UptoProxy.encode_settle(a_settle()))
    del ledger.transactions[found]
    assert (await status_on(ledger)).state is PaymentState.UNKNOWN


async def test_a_transfer_event_that_is_none_is_the_chains_fault(ledger: Ledger) -> None:
    ledger.use(NONCE)
    ledger.mine(UptoProxy.encode_settle(a_settle()))
    ledger.logs[0] = replace(ledger.logs[0], data=b"\1")
    with pytest.raises(ChainError, match="Transfer event"):
        await status_on(ledger)


async def test_a_little_is_searched_before_the_signature(ledger: Ledger) -> None:
    """The endpoint that was asked for the block may be ahead of the one asked for logs."""
    ledger.use(NONCE, block=13)
    ledger.mine(UptoProxy.encode_settle(a_settle()), block=13)
    assert (await status_on(ledger)).state is PaymentState.FINAL
    assert ledger.ranges == [(12, 30)]
    await status_on(ledger, replace(CLAIM, from_block=3))
    assert ledger.ranges[1] == (0, 30)

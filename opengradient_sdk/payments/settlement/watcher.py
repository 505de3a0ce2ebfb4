"""What the chain says of an authorization: settled, not charged, cancelled, or still open.

Nodes never say when or how much they charged (protocol notes, server sessions), so the chain is
asked. A set nonce bit alone proves nothing: ``cancel`` sets it too. SETTLED needs a successful
transaction whose decoded ``settle`` arguments carry this owner and this nonce, and the token's
Transfer from payer to recipient for the same amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...chain.abi import AbiError
from ...chain.blocks import Block, Transaction
from ...chain.contracts import ExactProxy, Permit2, SettleCall, UptoProxy
from ...chain.contracts.erc20 import TRANSFER_EVENT
from ...chain.rpc import Rpc
from ...errors import ChainError
from ...profiles import Profile
from ...types import Address, Amount, Bytes32, Log, TxReceipt, keccak256
from ..state import OpenAuthorization
from ..status import PaymentState, PaymentStatus

_INVALIDATION: Final = Bytes32(keccak256(b"UnorderedNonceInvalidation(address,uint256,uint256)"))
_WORD_BITS: Final = 8
_BEFORE: Final = 8
"""Blocks before the one at signature time that are searched too: RPC endpoints lag each other."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What must be known of an authorization to find its settlement.

    ``deadline`` is in Unix seconds, ``spender`` the proxy that alone can settle it.
    """

    owner: Address
    nonce: int
    recipient: Address
    deadline: int
    spender: Address
    from_block: int


class SettlementWatcher:
    """Asks the payments chain about authorizations.

    **Trust**: says what the configured RPC says; a lying one can hide or invent a settlement.
    """

    def __init__(self, rpc: Rpc, profile: Profile) -> None:
        self._rpc = rpc
        self._profile = profile
        self._permit2 = Permit2(rpc, profile.permit2)

    @staticmethod
    def claim_of(life: OpenAuthorization) -> Claim:
        """Return what the chain is asked about an authorization of this client."""
        signed = life.authorization
        return Claim(
            owner=signed.owner,
            nonce=signed.nonce,
            recipient=signed.recipient,
            deadline=signed.deadline,
            spender=signed.spender,
            from_block=life.from_block,
        )

    async def status(self, claim: Claim) -> PaymentStatus:
        """Return the chain's word on ``claim``; what cannot be told is UNKNOWN, never guessed.

        Raises:
            ChainError: The chain could not be asked.
        """
        latest = await self._rpc.get_block("latest")
        if not await self._permit2.is_nonce_used(claim.owner, claim.nonce, block=latest.number):
            return await self._unused(claim, latest)
        if settlement := await self._settlement(claim, latest):
            return await self._settled(claim, *settlement)
        if cancelled := await self._cancellation(claim, latest):
            return cancelled
        return self._says(
            PaymentState.UNKNOWN,
            "the nonce is used, but neither a settlement nor a cancellation was found",
            latest.number,
        )

    async def _unused(self, claim: Claim, latest: Block) -> PaymentStatus:
        if latest.timestamp <= claim.deadline:
            return self._says(
                PaymentState.OPEN,
                f"not settled at block {latest.number}; the permit is good until {claim.deadline}",
                latest.number,
            )
        finalized = await self._rpc.get_block("finalized")
        if finalized.timestamp <= claim.deadline:
            return self._says(
                PaymentState.OPEN,
                "not settled and the permit has expired, but not yet in a finalized block",
                latest.number,
            )
        used = await self._permit2.is_nonce_used(claim.owner, claim.nonce, block=finalized.number)
        if used:
            return self._says(PaymentState.UNKNOWN, "the chain contradicts itself", latest.number)
        return self._says(
            PaymentState.NOT_CHARGED,
            f"the nonce is unused at finalized block {finalized.number}, after the deadline",
            finalized.number,
            amount=0,
        )

    async def _settlement(self, claim: Claim, latest: Block) -> tuple[TxReceipt, SettleCall] | None:
        """Return the transaction that moved OPG to the recipient by settling this very nonce."""
        topics = (TRANSFER_EVENT.topic, _padded(claim.owner), _padded(claim.recipient))
        for log in await self._logs(self._profile.opg, topics, claim, latest):
            transaction = await self._rpc.get_transaction(log.transaction_hash)
            receipt = await self._rpc.get_receipt(log.transaction_hash)
            call = self._decoded(claim, transaction)
            if receipt is None or not receipt.succeeded or call is None:
                continue
            if (call.owner, call.nonce) != (claim.owner, claim.nonce):
                continue
            if _moved(log) == call.amount:
                return receipt, call
        return None

    async def _settled(self, claim: Claim, receipt: TxReceipt, call: SettleCall) -> PaymentStatus:
        finalized = await self._rpc.get_block("finalized")
        final = receipt.block_number <= finalized.number
        state = PaymentState.FINAL if final else PaymentState.SETTLED
        where = "finalized block" if final else "block"
        return self._says(
            state,
            f"{Amount(call.amount)} to {claim.recipient} in {where} {receipt.block_number}",
            receipt.block_number,
            amount=call.amount,
            transaction=receipt.hash,
        )

    async def _cancellation(self, claim: Claim, latest: Block) -> PaymentStatus | None:
        topics = (_INVALIDATION, _padded(claim.owner))
        for log in await self._logs(self._profile.permit2, topics, claim, latest):
            word, mask = (
                int.from_bytes(log.data[:32], "big"),
                int.from_bytes(log.data[32:64], "big"),
            )
            if word == claim.nonce >> _WORD_BITS and mask >> (claim.nonce & 0xFF) & 1:
                return self._says(
                    PaymentState.CANCELLED,
                    f"the nonce was burnt by its owner in block {log.block_number}",
                    log.block_number,
                    amount=0,
                    transaction=log.transaction_hash,
                )
        return None

    async def _logs(
        self, address: Address, topics: Sequence[Bytes32], claim: Claim, latest: Block
    ) -> tuple[Log, ...]:
        return await self._rpc.get_logs(
            address,
            topics,
            from_block=max(claim.from_block - _BEFORE, 0),
            to_block=latest.number,
        )

    def _decoded(self, claim: Claim, transaction: Transaction | None) -> SettleCall | None:
        if transaction is None or transaction.to != claim.spender:
            return None  # the tokens moved by other means
        exact = claim.spender == self._profile.exact_proxy
        decode = ExactProxy.decode_settle if exact else UptoProxy.decode_settle
        try:
            return decode(transaction.data)
        except AbiError:
            return None  # another function of the proxy: not a settlement

    def _says(
        self,
        state: PaymentState,
        reason: str,
        block_number: int,
        *,
        amount: int | None = None,
        transaction: Bytes32 | None = None,
    ) -> PaymentStatus:
        return PaymentStatus(
            state,
            reason,
            amount=None if amount is None else Amount(amount),
            transaction=transaction,
            chain_id=self._profile.payments.chain_id,
            block_number=block_number,
        )


def _padded(address: Address) -> Bytes32:
    return Bytes32(address.to_bytes().rjust(32, b"\0"))


def _moved(log: Log) -> int:
    try:
        return TRANSFER_EVENT.decode(log).amount
    except AbiError as error:
        raise ChainError(f"the token's Transfer event is not readable: {error}") from error

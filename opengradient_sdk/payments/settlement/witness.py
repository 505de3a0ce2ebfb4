"""One endpoint, asked about an authorization. Nothing here believes it; that is the verdict's."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Iterable
from typing import Any, Final, TypeVar

from ...chain import blocks
from ...chain.abi import AbiError
from ...chain.blocks import Block, Transaction
from ...chain.contracts import ExactProxy, Permit2, UptoProxy
from ...chain.contracts.erc20 import TRANSFER_EVENT, Transfer
from ...chain.contracts.events import decode_logs
from ...chain.contracts.permit2 import UNORDERED_NONCE_INVALIDATION
from ...chain.contracts.proxies import SettleCall
from ...chain.jsonrpc import Outcome, RpcCall
from ...chain.node_errors import Fault
from ...chain.rpc import Rpc, call_message
from ...errors import ChainError
from ...profiles import Profile
from ...types import Bytes32, Log, TxReceipt
from ..status import PaymentState
from .testimony import Claim, Confirmation, Ending, Silent, View

T = TypeVar("T")

_BEFORE: Final = 8
"""Blocks before the one at signature time that are searched too: RPC endpoints lag each other."""


class Witness:
    """One RPC that is asked about authorizations."""

    def __init__(self, rpc: Rpc, profile: Profile) -> None:
        self._rpc = rpc
        self._profile = profile
        self._permit2 = Permit2(rpc, profile.permit2)
        self.name = ", ".join(rpc.names)

    async def testify(self, claim: Claim) -> View | Silent:
        """Return what the endpoint sees now: one round trip, up to four where the nonce is used."""
        return await self._or_silent(self._view(claim))

    async def confirm(self, claim: Claim, block: Block) -> Confirmation | Silent:
        """Return what the endpoint says about ``block``, and the nonces as of its hash (EIP-1898).

        All of it is one round trip.
        """
        return await self._or_silent(self._confirmation(claim, block))

    async def _or_silent(self, asking: Coroutine[Any, Any, T]) -> T | Silent:
        try:
            return await asking
        except ChainError as error:
            return Silent(self.name, error)

    async def _view(self, claim: Claim) -> View:
        answers = await self._rpc.outcomes(
            [
                ("eth_getBlockByNumber", ["latest", False]),
                ("eth_getBlockByNumber", ["finalized", False]),
                self._bitmap_call(claim, "latest"),
            ]
        )
        latest = self._rpc.parse(blocks.block, _answered(answers[0]), "a block")
        used = bool(self._bitmap(claim, _answered(answers[2])) >> claim.bit & 1)
        ending = await self._ending(claim) if used else None
        return View(self.name, latest, self._block(answers[1]), used, ending)

    async def _confirmation(self, claim: Claim, block: Block) -> Confirmation:
        as_of = {"blockHash": str(block.hash), "requireCanonical": True}
        by_number, by_hash, bitmap = await self._rpc.outcomes(
            [
                ("eth_getBlockByNumber", [hex(block.number), False]),
                ("eth_getBlockByHash", [str(block.hash), False]),
                self._bitmap_call(claim, as_of),
            ]
        )
        heads = self._block(by_number), self._block(by_hash)
        if isinstance(bitmap, Fault):
            return Confirmation(self.name, *heads, None, bitmap.to_error().short_message)
        return Confirmation(self.name, *heads, self._bitmap(claim, bitmap))

    def _bitmap_call(self, claim: Claim, block: object) -> RpcCall:
        read = self._permit2.nonce_bitmap(claim.owner, claim.word)
        return "eth_call", [call_message(read.target, read.data), block]

    def _bitmap(self, claim: Claim, answer: object) -> int:
        read = self._permit2.nonce_bitmap(claim.owner, claim.word)
        return read.result(self._rpc.parse(blocks.data, answer, "a call's result"))

    def _block(self, answer: Outcome) -> Block | None:
        if answer is None or isinstance(answer, Fault):
            return None
        return self._rpc.parse(blocks.block, answer, "a block")

    async def _ending(self, claim: Claim) -> Ending | None:
        logs = await self._rpc.get_logs(
            (self._profile.opg, self._profile.permit2),
            [
                (TRANSFER_EVENT.topic, UNORDERED_NONCE_INVALIDATION.topic),
                Bytes32(claim.owner.to_bytes().rjust(32, b"\0")),
            ],
            from_block=max(claim.from_block - _BEFORE, 0),
            to_block="latest",
        )
        # a nonce that was collected can still be "cancelled" afterwards: that undoes nothing
        return await self._settlement(claim, logs) or await self._cancellation(claim, logs)

    async def _settlement(self, claim: Claim, logs: Iterable[Log]) -> Ending | None:
        """Return the transaction that moved OPG to the recipient by settling this very nonce."""
        numbers = {log.transaction_hash: log.block_number for log in logs if self._pays(claim, log)}
        for transaction in await self._transactions(numbers):
            call = self._decoded(claim, transaction)
            if call is None:
                continue
            receipt, block = await self._mined(transaction.hash, numbers[transaction.hash])
            if receipt is not None and call.amount in self._amounts(claim, receipt):
                return _ending(PaymentState.SETTLED, call.amount, receipt, block)
        return None

    async def _cancellation(self, claim: Claim, logs: Iterable[Log]) -> Ending | None:
        for log in logs:
            if not self._burns(claim, log):
                continue
            receipt, block = await self._mined(log.transaction_hash, log.block_number)
            if receipt is not None and any(self._burns(claim, each) for each in receipt.logs):
                return _ending(PaymentState.CANCELLED, 0, receipt, block)
        return None

    async def _transactions(self, hashes: Collection[Bytes32]) -> list[Transaction]:
        answers = await self._rpc.outcomes(
            [("eth_getTransactionByHash", [str(one)]) for one in hashes]
        )
        found = [
            self._rpc.parse(blocks.transaction, _answered(answer), "a transaction")
            for answer in answers
        ]
        return [one for one in found if one is not None and one.hash in hashes]

    async def _mined(
        self, transaction: Bytes32, number: int
    ) -> tuple[TxReceipt | None, Block | None]:
        """Return the receipt of a transaction, if it succeeded, and the block of this number."""
        answers = await self._rpc.outcomes(
            [
                ("eth_getTransactionReceipt", [str(transaction)]),
                ("eth_getBlockByNumber", [hex(number), False]),
            ]
        )
        receipt = self._rpc.parse(blocks.receipt, _answered(answers[0]), "a receipt")
        if receipt is None or not receipt.succeeded or receipt.hash != transaction:
            return None, None
        return receipt, self._block(answers[1])

    def _pays(self, claim: Claim, log: Log) -> bool:
        if log.address != self._profile.opg or not TRANSFER_EVENT.matches(log):
            return False
        try:
            moved = TRANSFER_EVENT.decode(log)
        except AbiError as error:
            raise ChainError(f"the token's Transfer event is not readable: {error}") from error
        return (moved.sender, moved.recipient) == (claim.owner, claim.recipient)

    def _amounts(self, claim: Claim, receipt: TxReceipt) -> set[int]:
        """Return the amounts of OPG that a transaction moved from the owner to the recipient."""
        of_token = (log for log in receipt.logs if log.address == self._profile.opg)
        moved: tuple[Transfer, ...] = decode_logs(of_token, TRANSFER_EVENT)
        parties = (claim.owner, claim.recipient)
        return {one.amount for one in moved if (one.sender, one.recipient) == parties}

    def _burns(self, claim: Claim, log: Log) -> bool:
        if log.address != self._profile.permit2:
            return False
        return any(
            burnt.owner == claim.owner and burnt.covers(claim.nonce)
            for burnt in decode_logs([log], UNORDERED_NONCE_INVALIDATION)
        )

    def _decoded(self, claim: Claim, transaction: Transaction) -> SettleCall | None:
        """Return the settlement of this owner's nonce that a transaction asks for, if it does."""
        if transaction.to != claim.spender:
            return None  # the tokens moved by other means
        exact = claim.spender == self._profile.exact_proxy
        decode = ExactProxy.decode_settle if exact else UptoProxy.decode_settle
        try:
            call = decode(transaction.data)
        except AbiError:
            return None  # another function of the proxy: not a settlement
        ours = (claim.owner, claim.nonce, self._profile.opg)
        return call if (call.owner, call.nonce, call.token) == ours else None


def _ending(state: PaymentState, amount: int, receipt: TxReceipt, block: Block | None) -> Ending:
    return Ending(
        state,
        amount,
        receipt.hash,
        receipt.block_number,
        receipt.block_hash,
        None if block is None else block.hash,
    )


def _answered(outcome: Outcome) -> object:
    if isinstance(outcome, Fault):
        raise outcome.to_error()
    return outcome

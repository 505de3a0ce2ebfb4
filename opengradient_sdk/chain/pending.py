"""A transaction that was sent: waited for, replaced, cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from ..errors import (
    ConfigurationError,
    ConfirmationTimeoutError,
    RevertedError,
    RpcError,
    Spent,
)
from ..types import Bytes32, SignedTx, TxReceipt, TxRequest
from .rpc import Rpc

if TYPE_CHECKING:
    from .outbox.followed import Followed
    from .outbox.outbox import Outbox

Confirmations = int | Literal["safe", "finalized"]
"""A number of blocks, the transaction's own included, or a tag that its block must have reached."""


class PendingTx:
    """A transaction on its way into the chain; ``wait`` may be called often, also at once.

    It is followed in the background, whether anybody waits or not, until it is final or its
    ``Chain`` is closed.
    """

    def __init__(self, signed: SignedTx, slot: Followed, outbox: Outbox) -> None:
        self.signed = signed
        self._slot = slot
        self._outbox = outbox

    def __repr__(self) -> str:
        return f"PendingTx({self.hash})"

    @property
    def hash(self) -> Bytes32:
        """The transaction's hash."""
        return self.signed.hash

    @property
    def nonce(self) -> int:
        """The transaction's nonce."""
        return self.signed.tx.nonce

    async def wait(self, confirmations: Confirmations = 1, timeout: float = 60.0) -> TxReceipt:
        """Return the receipt once the transaction is ``confirmations`` deep.

        A block that is given up by the chain makes the transaction pending again, and it is sent
        again. Failing RPC endpoints are waited for. ``timeout`` is in seconds; after it, and after
        a cancellation, the transaction goes on being followed. Where it was sent again with a
        higher fee, the receipt is that of whichever was mined.

        **Money**: the fee is spent, also when the transaction reverted.

        Raises:
            RevertedError: It was mined and reverted; the reason is decoded, ``amount`` is the fee.
            ConfigurationError: Fewer than one confirmation.
            ReplacedError: Another transaction of the account took its nonce; ``by`` is its hash
                where it was sent from here.
            ConfirmationTimeoutError: Not deep enough in time; it may still be mined.
            WrongChainError: An endpoint serves another chain.
            ChainError: The ``Chain`` was closed.
        """
        check_confirmations(confirmations)
        try:
            async with asyncio.timeout(timeout):
                receipt = await self._outbox.receipt_of(self._slot, self.signed, confirmations)
        except TimeoutError as error:
            raise self._timed_out(timeout, confirmations) from error
        if not receipt.succeeded:
            raise await _reverted(self._outbox.rpc, self.signed, receipt)
        return receipt

    async def replace(
        self, request: TxRequest | None = None, *, fee_bump: int | None = None
    ) -> PendingTx:
        """Send another transaction with this nonce, and return what follows it.

        Without a ``request`` it has the same content and a higher fee: whoever waits for this one
        goes on, and gets the receipt of whichever is mined. With a ``request`` it has that content:
        waiting for this one raises ``ReplacedError`` once the other is mined. ``fee_bump`` is in
        percent; by default the fee is as little higher as nodes take (10 %), and at least what the
        chain takes now.

        **Money**: one of the two is mined, never both; which one is decided by the chain.

        Raises:
            NonceError: It was mined already.
            FeeTooLowError: The nodes want a higher fee for it.
            SignerError, PolicyRejectedError: The replacement was not signed.
            ConfigurationError: No signer, or no higher fee.
            RpcError: It is not known whether the replacement arrived (``spent`` is MAYBE).
            LedgerError: It could not be written down, so it was not sent.
        """
        return await self._outbox.replace(self._slot, self.signed, request, fee_bump)

    async def cancel(self, *, fee_bump: int | None = None) -> PendingTx:
        """Send nothing to oneself with this nonce (0 wei, 21,000 gas); return what follows that.

        Waiting for this one raises ``ReplacedError`` once the other is mined; when this one wins
        the race, it is returned as usual, and the other one's wait raises. ``fee_bump`` is as in
        ``replace``.

        **Money**: the fee of 21,000 gas, or what this transaction costs.

        Raises:
            NonceError, FeeTooLowError, SignerError, PolicyRejectedError, ConfigurationError,
            RpcError, LedgerError: As ``replace``.
        """
        return await self._outbox.cancel(self._slot, self.signed, fee_bump)

    def _timed_out(self, timeout: float, confirmations: Confirmations) -> ConfirmationTimeoutError:
        where = self._outbox.where(self._slot, confirmations)
        return ConfirmationTimeoutError(
            f"{self.hash} was not confirmed within {timeout:g} s: {where}",
            hash=self.hash,
            hint="It may still be mined: wait again before anything is sent in its place.",
        )


def check_confirmations(confirmations: Confirmations) -> None:
    """Return if somebody can wait for that.

    Raises:
        ConfigurationError: Fewer than one block, or no such tag.
    """
    if type(confirmations) is int:
        known = confirmations >= 1  # its own block is the first
    else:
        known = confirmations in ("safe", "finalized")
    if not known:
        raise ConfigurationError(
            f"nobody can wait for {confirmations!r} confirmations of a transaction",
            hint='Ask for 1 block or more (its own is the first), "safe" or "finalized".',
        )


async def _reverted(rpc: Rpc, signed: SignedTx, receipt: TxReceipt) -> RevertedError:
    reason, data = await _why(rpc, signed, receipt)
    error = RevertedError(
        f"{receipt.hash} was mined in block {receipt.block_number} and reverted: {reason}",
        reason=reason,
        data=data,
        spent=Spent.YES,
        hint="Only its fee was spent.",
    )
    error.amount = receipt.fee
    return error


async def _why(rpc: Rpc, signed: SignedTx, receipt: TxReceipt) -> tuple[str, bytes]:
    """Run the transaction again to hear its reason, which no receipt carries.

    First on top of its own block, where whatever came before it in that block has happened, then
    on top of the block before.
    """
    tx = signed.tx
    for number in (receipt.block_number, receipt.block_number - 1):
        try:
            await rpc.eth_call(tx.to, tx.data, number, sender=tx.sender, value=tx.value, gas=tx.gas)
        except RevertedError as error:
            return error.reason, error.data
        except RpcError:
            continue  # an endpoint without old states, or out of gas in its own words
    if receipt.gas_used >= tx.gas:
        return "out of gas", b""
    return "the reason is not known: it does not revert when it is run again", b""

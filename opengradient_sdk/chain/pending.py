"""A transaction that was sent: followed until it is as deep in the chain as was asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ..errors import (
    ConfigurationError,
    ConfirmationTimeoutError,
    ReplacedError,
    RevertedError,
    RpcError,
    Spent,
)
from ..types import Bytes32, SignedTx, TxReceipt
from . import blocks
from .blocks import BlockTag
from .node_errors import Fault
from .nonces import NonceLeases
from .rpc import Rpc

Confirmations = int | Literal["safe", "finalized"]
"""A number of blocks, the transaction's own included, or a tag that its block must have reached."""

_FIRST_LOOK: Final = 1 / 20
_SLOWEST_LOOK: Final = 1 / 2
_SHORTEST_PAUSE: Final = 0.01
_LOOKS_TO_BE_SURE: Final = 3

_log: Final = logging.getLogger("opengradient_sdk.chain")


@dataclass(frozen=True, slots=True)
class _Look:
    """What the chain said at one moment. ``head`` is the highest block of the wanted certainty."""

    receipt: TxReceipt | None
    head: int
    nonce_used: bool

    def is_deep_enough(self, confirmations: Confirmations) -> bool:
        depth = confirmations if isinstance(confirmations, int) else 1
        return self.receipt is not None and self.head >= self.receipt.block_number + depth - 1


class PendingTx:
    """A transaction on its way into the chain; ``wait`` may be called often, also at once."""

    def __init__(
        self, signed: SignedTx, rpc: Rpc, *, block_time: float, nonces: NonceLeases
    ) -> None:
        self.signed = signed
        self._rpc = rpc
        self._block_time = block_time
        self._nonces = nonces

    def __repr__(self) -> str:
        return f"PendingTx({self.hash})"

    @property
    def hash(self) -> Bytes32:
        """The transaction's hash."""
        return self.signed.hash

    async def wait(self, confirmations: Confirmations = 1, timeout: float = 60.0) -> TxReceipt:
        """Return the receipt once the transaction is ``confirmations`` deep.

        A block that is given up by the chain makes the transaction pending again. Failing RPC
        endpoints are waited for. ``timeout`` is in seconds.

        **Money**: the fee is spent, also when the transaction reverted.

        Raises:
            RevertedError: It was mined and reverted; the reason is decoded, ``amount`` is the fee.
            ConfigurationError: Fewer than one confirmation.
            ReplacedError: Another transaction of the account took its nonce.
            ConfirmationTimeoutError: Not deep enough in time; it may still be mined.
            WrongChainError: An endpoint serves another chain.
        """
        if isinstance(confirmations, int) and confirmations < 1:
            raise ConfigurationError(
                f"nobody can wait for {confirmations} confirmations of a transaction",
                hint="Its own block is the first confirmation: ask for 1 or more.",
            )
        follower = _Follower(self._rpc, self.signed, confirmations)
        try:
            async with asyncio.timeout(timeout):
                receipt = await self._confirmed(follower)
        except TimeoutError as error:
            raise follower.timed_out(timeout) from error
        except ReplacedError:
            self._end_lease()
            raise
        self._end_lease()
        if not receipt.succeeded:
            raise await _reverted(self._rpc, self.signed, receipt)
        return receipt

    def _end_lease(self) -> None:
        self._nonces.mined(self.signed.tx.sender, self.signed.tx.nonce)

    async def _confirmed(self, follower: _Follower) -> TxReceipt:
        for pause in _pauses(self._block_time):
            if (receipt := await follower.look()) is not None:
                return receipt
            await asyncio.sleep(pause)
        raise AssertionError("pauses never end")


class _Follower:
    """The memory between two looks at the chain."""

    def __init__(self, rpc: Rpc, signed: SignedTx, confirmations: Confirmations) -> None:
        self._rpc = rpc
        self._signed = signed
        self._confirmations: Confirmations = confirmations
        self._seen: TxReceipt | None = None
        self._looks_without = 0
        self._trouble: RpcError | None = None

    async def look(self) -> TxReceipt | None:
        """Return the receipt if it is deep enough now.

        Raises:
            ReplacedError: The nonce is used and the transaction is nowhere, several looks in a row.
        """
        try:
            look = await self._ask()
        except RpcError as error:
            if not error.retryable:
                raise
            self._trouble = error  # an outage of the endpoint says nothing about the transaction
            return None
        self._trouble = None
        self._note(look.receipt)
        if look.is_deep_enough(self._confirmations):
            return look.receipt
        # one look may be put together from two servers, of which one is behind
        self._looks_without = self._looks_without + 1 if look.nonce_used and not look.receipt else 0
        if self._looks_without >= _LOOKS_TO_BE_SURE:
            tx = self._signed.tx
            raise ReplacedError(
                f"another transaction of {tx.sender} with nonce {tx.nonce} was mined instead of "
                f"{self._signed.hash}",
                hint="Nothing of this one happened. See what took its nonce before sending again.",
            )
        return None

    def timed_out(self, timeout: float) -> ConfirmationTimeoutError:
        """Return the error that says how far the transaction got."""
        if self._trouble is not None:
            where = f"the chain cannot be read ({self._trouble.short_message})"
        elif self._seen is not None:
            where = f"it is in block {self._seen.block_number}, not yet {self._confirmations} deep"
        else:
            where = "it is in no block yet"
        return ConfirmationTimeoutError(
            f"{self._signed.hash} was not confirmed within {timeout:g} s: {where}",
            hash=self._signed.hash,
            hint="It may still be mined: wait again before anything is sent in its place.",
        )

    async def _ask(self) -> _Look:
        tx = self._signed.tx
        tag: BlockTag = "latest" if isinstance(self._confirmations, int) else self._confirmations
        receipt, head, count = await self._rpc.outcomes(
            [
                ("eth_getTransactionReceipt", [str(self._signed.hash)]),
                ("eth_getBlockByNumber", [tag, False]),
                ("eth_getTransactionCount", [tx.sender, "latest"]),
            ]
        )
        for outcome in (receipt, head, count):
            if isinstance(outcome, Fault):
                raise outcome.to_error()
        read = self._rpc.parse
        return _Look(
            read(blocks.receipt, receipt, "a receipt"),
            # a young chain has no finalized block yet
            read(blocks.block, head, "a block").number if head is not None else -1,
            read(blocks.quantity, count, "a transaction count") > tx.nonce,
        )

    def _note(self, receipt: TxReceipt | None) -> None:
        seen, self._seen = self._seen, receipt
        if seen is not None and (receipt is None or receipt.block_hash != seen.block_hash):
            _log.warning(
                "transaction %s is pending again: block %s (%s) is no longer part of the chain",
                self._signed.hash,
                seen.block_number,
                seen.block_hash,
            )


def _pauses(block_time: float) -> Iterator[float]:
    """Yield seconds between looks: short at first, for chains that mine at once."""
    share = _FIRST_LOOK
    while True:
        yield max(share * block_time, _SHORTEST_PAUSE)
        share = min(2 * share, _SLOWEST_LOOK)


async def _reverted(rpc: Rpc, signed: SignedTx, receipt: TxReceipt) -> RevertedError:
    reason, data = await _why(rpc, signed, receipt)
    error = RevertedError(
        f"{signed.hash} was mined in block {receipt.block_number} and reverted: {reason}",
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

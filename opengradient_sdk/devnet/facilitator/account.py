"""The facilitator's own account on one chain: one nonce sequence, one sender at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from ...errors import ConfirmationTimeoutError, RpcError
from ...signers import Signer
from ...types import Address, Bytes32, PreparedTx, bytes_to_hex
from .evm import ChainReader, Rpc, quantity

_TIP: Final = 1_000_000
"""Wei per gas; a Devnet's blocks are never full."""
_GAS_HEADROOM_PERCENT: Final = 20
_RECEIPT_TIMEOUT: Final = 60.0
_RECEIPT_POLL: Final = 0.05


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block; ``succeeded`` is the EVM's status."""

    hash: Bytes32
    block_number: int
    succeeded: bool


class Account:
    """Sends transactions from one key; nonces are assigned under a lock and never skipped."""

    def __init__(self, rpc: Rpc, signer: Signer) -> None:
        self._rpc = rpc
        self._signer = signer
        self._lock = asyncio.Lock()
        self.chain = ChainReader(rpc)

    @property
    def address(self) -> Address:
        """The account."""
        return self._signer.address

    async def execute(
        self, to: Address, data: bytes = b"", *, value: int = 0, gas: int | None = None
    ) -> Mined:
        """Send a transaction and return once it is in a block.

        Raises:
            RpcError: It would revert (see ``revert_data``), or the chain did not take it.
            ConfirmationTimeoutError: It was sent but did not enter a block in time.
        """
        return await self.wait((await self.submit(to, data, value=value, gas=gas)).hash)

    async def submit(
        self, to: Address, data: bytes = b"", *, value: int = 0, gas: int | None = None
    ) -> Submitted:
        """Send a transaction without waiting for its block; ``value`` in wei.

        Without ``gas`` it is estimated, so that what would revert is not sent at all.
        """
        async with self._lock:
            # what the chain counts is the truth: nothing of this account is ever left waiting
            nonce = quantity(
                await self._rpc.request("eth_getTransactionCount", self.address, "pending")
            )
            prepared = PreparedTx(
                chain_id=self._rpc.chain_id,
                sender=self.address,
                nonce=nonce,
                to=to,
                data=data,
                value=value,
                gas=gas if gas is not None else await self._estimate(to, data, value),
                max_fee_per_gas=2 * await self._base_fee() + _TIP,
                max_priority_fee_per_gas=_TIP,
            )
            signed = await self._signer.sign_transaction(prepared)
            await self.broadcast(signed.raw)
            return Submitted(signed.hash, nonce)

    async def broadcast(self, raw: bytes) -> Bytes32:
        """Send a signed transaction of whomever and return its hash."""
        answer = await self._rpc.request("eth_sendRawTransaction", bytes_to_hex(raw))
        return Bytes32(cast("str", answer))

    async def wait(self, transaction: Bytes32) -> Mined:
        """Return once ``transaction`` is in a block.

        Raises:
            ConfirmationTimeoutError: It did not get there within a minute.
        """
        try:
            async with asyncio.timeout(_RECEIPT_TIMEOUT):
                while (mined := await self._receipt(transaction)) is None:  # noqa: ASYNC110
                    # JSON-RPC over HTTP has no event for this
                    await asyncio.sleep(_RECEIPT_POLL)
        except TimeoutError:
            raise ConfirmationTimeoutError(
                f"transaction {transaction} is in no block after {_RECEIPT_TIMEOUT:.0f} s",
                hash=transaction,
            ) from None
        return mined

    async def _receipt(self, transaction: Bytes32) -> Mined | None:
        answer = await self._rpc.request("eth_getTransactionReceipt", str(transaction))
        if not isinstance(answer, Mapping):
            return None
        receipt = cast("Mapping[str, object]", answer)
        succeeded = quantity(receipt.get("status")) == 1
        return Mined(transaction, quantity(receipt.get("blockNumber")), succeeded)

    async def _estimate(self, to: Address, data: bytes, value: int) -> int:
        call = {
            "from": self.address,
            "to": to,
            "data": bytes_to_hex(data),
            "value": hex(value),
        }
        needed = quantity(await self._rpc.request("eth_estimateGas", call))
        return needed + needed * _GAS_HEADROOM_PERCENT // 100

    async def _base_fee(self) -> int:
        block = await self._rpc.request("eth_getBlockByNumber", "latest", False)  # noqa: FBT003
        if not isinstance(block, Mapping):
            raise RpcError("the chain has no latest block")
        return quantity(cast("Mapping[str, object]", block).get("baseFeePerGas"))


@dataclass(frozen=True, slots=True)
class Submitted:
    """A transaction on its way, and the account nonce that it took."""

    hash: Bytes32
    nonce: int

"""Permit2's allowance of OPG, given when it is needed: sponsored where a node offers that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ..chain.abi import AbiError
from ..chain.contracts import Erc20
from ..chain.contracts.erc20 import ALLOWANCE, BALANCE_OF
from ..chain.rpc import Rpc, call_message
from ..errors import AllowanceError, ChainError, InsufficientFundsError, InsufficientOPGError
from ..profiles import Profile
from ..types import Address, Amount, PreparedTx, SignedTx, hex_to_bytes
from .extensions import ERC20_APPROVAL, erc20_approval_info

if TYPE_CHECKING:
    from ..chain import Chain

_SPONSORED_GAS: Final = 70_000


@dataclass(frozen=True, slots=True)
class Funds:
    """What the wallet holds and what Permit2 may move, in atoms, read at ``block_number``."""

    balance: int
    allowance: int
    transaction_count: int
    block_number: int


@dataclass(frozen=True, slots=True)
class _Sponsored:
    signed: SignedTx
    amount: int

    def counts(self, funds: Funds) -> bool:
        """Whether it is an approval that can still be mined."""
        return self.amount > 0 and self.signed.tx.nonce >= funds.transaction_count


class AllowanceKeeper:
    """Makes sure that a node can collect what is about to be authorized.

    A sponsored approval is a promise: it is attached again, byte for byte, to every authorization
    that needs it, and its account nonce stays its own, because a signed transaction never expires.
    Before the account's next own transaction the chain sends it, so that neither blocks the other.
    """

    def __init__(
        self,
        rpc: Rpc,
        chain: Callable[[], Chain],
        profile: Profile,
        owner: Address,
        *,
        approval: int,
    ) -> None:
        self._rpc = rpc
        self._chain = chain
        self._profile = profile
        self._owner = owner
        self._approval = approval
        self._opg = Erc20(rpc, profile.opg)
        self._giving = asyncio.Lock()

    async def funds(self) -> Funds:
        """Return balance and allowance in one round trip.

        Raises:
            ChainError: The chain could not be asked, or there is no OPG contract on it.
        """
        opg, owner = self._profile.opg, self._owner
        balance, allowance, count, block = await self._rpc.batch(
            [
                ("eth_call", [call_message(opg, BALANCE_OF.encode(owner)), "latest"]),
                (
                    "eth_call",
                    [call_message(opg, ALLOWANCE.encode(owner, self._profile.permit2)), "latest"],
                ),
                ("eth_getTransactionCount", [owner, "latest"]),
                ("eth_blockNumber", []),
            ]
        )
        try:
            return Funds(
                balance=int(BALANCE_OF.decode_result(hex_to_bytes(str(balance)))[0]),
                allowance=int(ALLOWANCE.decode_result(hex_to_bytes(str(allowance)))[0]),
                transaction_count=int(str(count), 16),
                block_number=int(str(block), 16),
            )
        except (AbiError, ValueError) as error:
            raise ChainError(
                f"no OPG token answers at {opg} on {self._profile.payments.name}",
                hint="Is this the RPC endpoint of the payments chain?",
            ) from error

    async def cover(
        self, cap: int, funds: Funds, extensions: Mapping[str, object]
    ) -> Mapping[str, object] | None:
        """Return what to attach to a payment of ``cap`` atoms so that it can be collected.

        **Money**: where the allowance is too small, signs an approval of a bounded amount for
        Permit2: attached to the payment when the node announces that approvals are sponsored (no
        ETH is needed), else sent as a transaction.

        Raises:
            InsufficientOPGError: The wallet holds less than ``cap``.
            AllowanceError: The approval needs ETH that the wallet does not have.
        """
        if funds.balance < cap:
            raise InsufficientOPGError(
                f"the wallet {self._owner} holds {Amount(funds.balance)}, and a session is "
                f"authorized for up to {Amount(cap)}",
                hint=f"Send OPG to {self._owner} on {self._profile.payments.name} "
                f"(chain {self._profile.payments.chain_id}).",
            )
        if funds.allowance >= cap:
            return None
        async with self._giving:  # sessions that open at once need one approval, not one each
            if ERC20_APPROVAL not in extensions:
                if (await self.funds()).allowance < cap:
                    await self.approve(self._amount(cap))
                return None
            approval = await self._sponsored_approval(cap, funds)
        return erc20_approval_info(
            approval.signed,
            owner=self._owner,
            asset=self._profile.opg,
            spender=self._profile.permit2,
            amount=approval.amount,
        )

    async def approve(self, amount: int) -> None:
        """Let Permit2 move ``amount`` atoms, by a transaction of the wallet's own.

        **Money**: pays the chain's fee in its own coin.

        Raises:
            AllowanceError: The wallet cannot pay the fee, or the transaction failed.
        """
        try:
            await self._chain().execute(self._opg.approve(self._profile.permit2, amount))
        except InsufficientFundsError as error:
            raise AllowanceError(
                f"Permit2 may not move enough OPG of {self._owner}, and the wallet has no "
                f"{self._profile.payments.coin} to allow it",
                hint=f"Send a little {self._profile.payments.coin} to {self._owner} on "
                f"{self._profile.payments.name}; this node does not sponsor approvals.",
            ) from error

    def _amount(self, cap: int) -> int:
        return max(self._approval, cap)

    async def _sponsored_approval(self, cap: int, funds: Funds) -> _Sponsored:
        """Return the approval that is mined first, of all that this wallet's clients have signed.

        Sponsors take the account's next transaction only. Clients that come at the same time may
        each have signed one: the first is everybody's.
        """
        promised = await self._promised(funds)
        if (first := self._first_fitting(promised, cap)) is not None:
            return first
        own = await self._promise(cap, promised)
        return self._first_fitting(await self._promised(funds), cap) or own

    def _first_fitting(self, promised: Sequence[_Sponsored], cap: int) -> _Sponsored | None:
        return next((one for one in promised if self._fits(one, cap)), None)

    def _fits(self, approval: _Sponsored, cap: int) -> bool:
        """Whether it is enough, and no more than this client's own rules would sign.

        The store may have one from a client with a larger budget.
        """
        return cap <= approval.amount <= self._amount(cap)

    async def _promise(self, cap: int, unfit: Sequence[_Sponsored]) -> _Sponsored:
        """Sign an approval in the place of the first ``unfit`` one, so that this is mined."""
        amount = self._amount(cap)
        request = self._opg.approve(self._profile.permit2, amount)
        nonce = unfit[0].signed.tx.nonce if unfit else None
        chain = self._chain()
        prepared = await chain.build(
            replace(request, gas=_SPONSORED_GAS, nonce=nonce), sponsored=True
        )
        return _Sponsored(await chain.sign(prepared, sponsored=True), amount)

    async def _promised(self, funds: Funds) -> list[_Sponsored]:
        """Return the approvals that were handed out before, perhaps by another process."""
        signed = [
            slot.attempts[-1].signed for slot in await self._chain().reserved() if slot.sponsored
        ]
        approvals = [_Sponsored(one, self._approved_by(one.tx)) for one in signed]
        return [approval for approval in approvals if approval.counts(funds)]

    def _approved_by(self, tx: PreparedTx) -> int:
        approval = self._opg.approve(self._profile.permit2, 0).data
        same = tx.to == self._profile.opg and tx.data[:-32] == approval[:-32]
        return int.from_bytes(tx.data[-32:], "big") if same else 0

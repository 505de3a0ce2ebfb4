"""An ERC-20 token, such as OPG (EIP-20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from ...types import Address, Log, TxRequest
from ..abi import Event, Function
from ..blocks import BlockRef
from .base import Contract

BALANCE_OF: Final = Function("balanceOf(address account)", "uint256")
ALLOWANCE: Final = Function("allowance(address owner, address spender)", "uint256")
DECIMALS: Final = Function("decimals()", "uint8")
APPROVE: Final = Function("approve(address spender, uint256 amount)", "bool")
TRANSFER: Final = Function("transfer(address recipient, uint256 amount)", "bool")
TRANSFER_EVENT: Final = Event(
    "Transfer(address indexed sender, address indexed recipient, uint256 amount)"
)
APPROVAL_EVENT: Final = Event(
    "Approval(address indexed owner, address indexed spender, uint256 amount)"
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A ``Transfer`` log: ``amount`` atoms went from ``sender`` to ``recipient``."""

    sender: Address
    recipient: Address
    amount: int

    @classmethod
    def from_log(cls, log: Log) -> Self:
        """Return the transfer that ``log`` records.

        Raises:
            AbiError: Not a Transfer of an ERC-20 token.
        """
        return cls(**TRANSFER_EVENT.decode(log))


@dataclass(frozen=True, slots=True)
class Approval:
    """An ``Approval`` log: ``spender`` may now move ``amount`` atoms of ``owner``."""

    owner: Address
    spender: Address
    amount: int

    @classmethod
    def from_log(cls, log: Log) -> Self:
        """Return the approval that ``log`` records.

        Raises:
            AbiError: Not an Approval of an ERC-20 token.
        """
        return cls(**APPROVAL_EVENT.decode(log))


class Erc20(Contract):
    """An ERC-20 token. All amounts are atoms."""

    async def balance_of(self, account: Address, *, block: BlockRef = "latest") -> int:
        """Return the atoms that ``account`` holds."""
        (balance,) = await self._read(BALANCE_OF, account, block=block)
        return int(balance)

    async def allowance(
        self, owner: Address, spender: Address, *, block: BlockRef = "latest"
    ) -> int:
        """Return the atoms of ``owner`` that ``spender`` may move."""
        (allowance,) = await self._read(ALLOWANCE, owner, spender, block=block)
        return int(allowance)

    async def decimals(self, *, block: BlockRef = "latest") -> int:
        """Return how many decimals one token has."""
        (decimals,) = await self._read(DECIMALS, block=block)
        return int(decimals)

    def approve(self, spender: Address, amount: int) -> TxRequest:
        """Return a transaction that lets ``spender`` move ``amount`` atoms from now on.

        It moves nothing itself; it replaces the allowance that was there.
        """
        return self._transaction(APPROVE, spender, amount)

    def transfer(self, recipient: Address, amount: int) -> TxRequest:
        """Return a transaction that gives ``amount`` atoms away: it spends, and is marked so."""
        return self._transaction(TRANSFER, recipient, amount, allow_spend=True)

"""An ERC-20 token, such as OPG (EIP-20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...types import Address, TxRequest
from ..abi import Function
from ..blocks import BlockRef
from .base import Contract, Read
from .events import Event

BALANCE_OF: Final = Function("balanceOf(address account)", "uint256")
ALLOWANCE: Final = Function("allowance(address owner, address spender)", "uint256")
DECIMALS: Final = Function("decimals()", "uint8")
NAME: Final = Function("name()", "string")
SYMBOL: Final = Function("symbol()", "string")
TOTAL_SUPPLY: Final = Function("totalSupply()", "uint256")
APPROVE: Final = Function("approve(address spender, uint256 amount)", "bool")
TRANSFER: Final = Function("transfer(address recipient, uint256 amount)", "bool")
TRANSFER_FROM: Final = Function(
    "transferFrom(address sender, address recipient, uint256 amount)", "bool"
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """``amount`` atoms went from ``sender`` to ``recipient``."""

    sender: Address
    recipient: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Approval:
    """``spender`` may now move ``amount`` atoms of ``owner``."""

    owner: Address
    spender: Address
    amount: int


TRANSFER_EVENT: Final = Event(
    "Transfer(address indexed sender, address indexed recipient, uint256 amount)", Transfer
)
APPROVAL_EVENT: Final = Event(
    "Approval(address indexed owner, address indexed spender, uint256 amount)", Approval
)


class Erc20(Contract):
    """An ERC-20 token. All amounts are atoms."""

    TRANSFER: Final = TRANSFER_EVENT
    APPROVAL: Final = APPROVAL_EVENT

    def balance_of(self, account: Address, *, block: BlockRef = "latest") -> Read[int]:
        """Return the atoms that ``account`` holds."""
        return self._read(BALANCE_OF, account, into=int, block=block)

    def allowance(
        self, owner: Address, spender: Address, *, block: BlockRef = "latest"
    ) -> Read[int]:
        """Return the atoms of ``owner`` that ``spender`` may move."""
        return self._read(ALLOWANCE, owner, spender, into=int, block=block)

    def decimals(self, *, block: BlockRef = "latest") -> Read[int]:
        """Return how many decimals one token has."""
        return self._read(DECIMALS, into=int, block=block)

    def name(self, *, block: BlockRef = "latest") -> Read[str]:
        """Return the token's name, as it says itself: it proves nothing."""
        return self._read(NAME, into=str, block=block)

    def symbol(self, *, block: BlockRef = "latest") -> Read[str]:
        """Return the token's symbol, as it says itself: it proves nothing."""
        return self._read(SYMBOL, into=str, block=block)

    def total_supply(self, *, block: BlockRef = "latest") -> Read[int]:
        """Return the atoms that there are."""
        return self._read(TOTAL_SUPPLY, into=int, block=block)

    def approve(self, spender: Address, amount: int) -> TxRequest:
        """Return a transaction that lets ``spender`` move ``amount`` atoms from now on.

        It moves nothing itself; it replaces the allowance that was there.
        """
        return self._transaction(APPROVE, spender, amount)

    def transfer(self, recipient: Address, amount: int) -> TxRequest:
        """Return a transaction that gives ``amount`` atoms away: it spends, and is marked so."""
        return self._transaction(TRANSFER, recipient, amount, allow_spend=True)

    def transfer_from(self, sender: Address, recipient: Address, amount: int) -> TxRequest:
        """Return a transaction that moves ``amount`` atoms of ``sender``, who has allowed it."""
        return self._transaction(TRANSFER_FROM, sender, recipient, amount, allow_spend=True)

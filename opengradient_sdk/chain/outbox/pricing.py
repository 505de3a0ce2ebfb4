"""What a transaction must offer to take the place of another with its nonce."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

from ...types import Address, PreparedTx, TxType
from ..fees import FeeQuote
from ..rpc import Rpc

LEAST_BUMP: Final = 10
"""Percent. What the mempools of geth and those who follow it ask of a replacement."""

_BARE_TRANSFER: Final = 21_000
_ONE_PRICE: Final = (TxType.LEGACY, TxType.ACCESS_LIST)


class FeeSource(Protocol):
    """Says what the chain takes now."""

    async def quote(self, rpc: Rpc) -> FeeQuote:
        """Return what a transaction should offer now.

        Raises:
            RpcError: The chain could not be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Price:
    """Fees in wei per gas; where a transaction has one price, both are that."""

    max_fee: int
    tip: int

    @classmethod
    def of(cls, tx: PreparedTx) -> Price:
        """Return what ``tx`` offers."""
        return cls(tx.max_fee_per_gas, tx.max_priority_fee_per_gas)

    @classmethod
    def quoted(cls, quote: FeeQuote) -> Price:
        """Return what a new transaction would offer now."""
        return cls(quote.max_fee_per_gas, quote.max_priority_fee_per_gas)

    def raised(self, percent: int) -> Price:
        """Return this price with ``percent`` % more, and more in any case."""
        return Price(_raised(self.max_fee, percent), _raised(self.tip, percent))

    def at_least(self, other: Price) -> Price:
        """Return the higher of both, fee by fee."""
        return Price(max(self.max_fee, other.max_fee), max(self.tip, other.tip))

    def within(self, cap: int) -> Price:
        """Return this price, lowered to ``cap`` where it is above."""
        return Price(min(self.max_fee, cap), min(self.tip, cap))

    def is_below(self, other: Price) -> bool:
        """Return whether either fee is less than ``other``'s."""
        return self.max_fee < other.max_fee or self.tip < other.tip

    def on(self, tx: PreparedTx) -> PreparedTx:
        """Return ``tx`` at this price, of the type that it is."""
        tip = self.max_fee if tx.type in _ONE_PRICE else min(self.tip, self.max_fee)
        return replace(tx, max_fee_per_gas=self.max_fee, max_priority_fee_per_gas=tip)


def nothing(chain_id: int, account: Address, nonce: int, price: Price, type: TxType) -> PreparedTx:
    """Return the transaction that only uses its nonce up: 0 wei to oneself, for 21,000 gas."""
    tx = PreparedTx(
        chain_id=chain_id,
        sender=account,
        nonce=nonce,
        to=account,
        data=b"",
        value=0,
        gas=_BARE_TRANSFER,
        max_fee_per_gas=price.max_fee,
        max_priority_fee_per_gas=price.tip,
        type=TxType.LEGACY if type in _ONE_PRICE else TxType.DYNAMIC_FEE,
    )
    return price.on(tx)


def _raised(fee: int, percent: int) -> int:
    return max(-(-fee * (100 + percent) // 100), fee + 1)

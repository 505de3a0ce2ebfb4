"""What the chain says of an authorization."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..types import Amount, Bytes32


class PaymentState(Enum):
    """What the chain says of an authorization."""

    OPEN = "open"
    SETTLED = "settled"
    FINAL = "final"
    NOT_CHARGED = "not charged"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def resolved(self) -> bool:
        """Whether the chain has spoken: the cap is no longer exposed."""
        return self not in (PaymentState.OPEN, PaymentState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """The chain's word on an authorization, with where it was read.

    ``amount`` is what the whole session was charged. ``transaction`` settled or cancelled it. The
    state was seen at ``block_number`` of ``chain_id``.
    """

    state: PaymentState
    reason: str
    amount: Amount | None = None
    transaction: Bytes32 | None = None
    chain_id: int | None = None
    block_number: int | None = None

    def __str__(self) -> str:
        return f"{self.state.value}: {self.reason}"


NOT_LOOKED: PaymentStatus = PaymentStatus(
    PaymentState.OPEN, "signed; the chain has not been asked yet"
)

"""What the client tells ``on_event`` while it works. No event holds a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..chain.outbox.events import ChainEvent
from ..ledger.data_status import DataStatus
from ..payments.policy import FacilitatorChanged
from ..payments.status import PaymentStatus
from ..types import Amount, Bytes32


@dataclass(frozen=True, slots=True)
class PaymentAuthorized:
    """A cap was signed and written down."""

    route: str
    tee_id: Bytes32
    max_amount: Amount
    nonce: int


@dataclass(frozen=True, slots=True)
class PaymentRefused:
    """A node refused an authorization or ended its session."""

    route: str
    tee_id: Bytes32
    reason: str


@dataclass(frozen=True, slots=True)
class PaymentResolved:
    """The chain has spoken about an authorization."""

    nonce: int
    status: PaymentStatus


@dataclass(frozen=True, slots=True)
class DataResolved:
    """The chain has spoken about the hashes of an answer that the policy wants to see settled.

    ``status.state`` is SETTLED or FINAL, or OVERDUE: the promise was broken, and its node is left.
    PROMISED says that a reorg has taken the settlement back.
    """

    receipt_id: str
    tee_id: Bytes32
    status: DataStatus


@dataclass(frozen=True, slots=True)
class RequestResent:
    """A request of unknown outcome was sent again under the same authorization."""

    route: str
    tee_id: Bytes32
    reason: str


@dataclass(frozen=True, slots=True)
class NodeLeft:
    """A node is avoided for a while."""

    tee_id: Bytes32
    reason: str


@dataclass(frozen=True, slots=True)
class BudgetLow:
    """Less is left of the budget than two caps, or than a fifth of its total."""

    remaining: Amount
    total: Amount


Event: TypeAlias = (
    PaymentAuthorized
    | PaymentRefused
    | PaymentResolved
    | DataResolved
    | RequestResent
    | NodeLeft
    | BudgetLow
    | FacilitatorChanged
    | ChainEvent
)
Emit: TypeAlias = Callable[[Event], None]

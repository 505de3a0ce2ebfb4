"""What the journal says of an authorization, to whoever wants to read it."""

from __future__ import annotations

from dataclasses import dataclass

from ...types import Address, Amount, Bytes32
from ..state import AuthorizationState
from ..status import PaymentState


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One authorization as it was written down. ``cap`` is in atoms of OPG.

    ``life`` is its state on our side, ``state`` the chain's word. ``deadline`` and ``signed_at``
    are Unix seconds; of a cap that is only reserved, they are what they will be at the latest.
    """

    owner: Address
    network: str
    nonce: int
    cap: int
    recipient: Address
    deadline: int
    tee_id: Bytes32
    route: str
    signed_at: float
    from_block: int
    state: PaymentState
    charged: Amount | None
    transaction: Bytes32 | None
    life: AuthorizationState

"""The life of an authorization on our side."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ..types import Bytes32
from .schemes import Authorization
from .status import NOT_LOOKED, PaymentStatus

if TYPE_CHECKING:
    from .budget import Block


class AuthorizationState(Enum):
    """The life of a signed cap on our side.

    ``RESERVED``: the budget holds its cap, nothing is signed. ``AUTHORIZED``: signed and written
    down. ``SENT``: its header has left this process. ``ACTIVE``: a node made a session of it.
    ``RETIRED``: no further call is sent on it; its cap stays reserved. ``RESOLVED``: the chain has
    spoken.
    """

    RESERVED = "reserved"
    AUTHORIZED = "authorized"
    SENT = "sent"
    ACTIVE = "active"
    RETIRED = "retired"
    RESOLVED = "resolved"

    @property
    def serves(self) -> bool:
        """Whether calls may be sent on it."""
        return self in (self.AUTHORIZED, self.SENT, self.ACTIVE)


@dataclass(slots=True, eq=False)
class OpenAuthorization:
    """A signed cap and what has been served under it. All figures are atoms of OPG.

    ``served`` sums the computed costs of answered ``calls``, ``unpriced`` of which have a cost that
    is not known; ``in_flight`` counts the others. ``resent`` counts requests
    that were sent again after a failure and may have been billed twice, within the same cap;
    ``losses`` counts sessions of this authorization that the node forgot. ``retired_at`` is in
    seconds of the client's clock. ``shared``: another client makes calls on it, too, and this is
    what the journal had of them. ``blocks`` are the budgets of blocks whose calls joined it.
    """

    authorization: Authorization
    tee_id: Bytes32
    route: str
    signed_at: float
    from_block: int
    state: AuthorizationState = AuthorizationState.AUTHORIZED
    session_id: str | None = field(default=None, repr=False)
    losses: int = 0
    served: int = 0
    in_flight: int = 0
    calls: int = 0
    unpriced: int = 0
    resent: int = 0
    ended_by_node: bool = False
    shared: bool = False
    retired_at: float | None = None
    status: PaymentStatus = NOT_LOOKED
    blocks: set[Block] = field(default_factory=set["Block"], repr=False)

    @property
    def cap(self) -> int:
        """The most that can be charged (atoms)."""
        return self.authorization.max_amount

    @property
    def nonce(self) -> int:
        """The Permit2 nonce, which names it in the journal."""
        return self.authorization.nonce

    @property
    def is_fully_counted(self) -> bool:
        """Whether ``served`` is the sum of everything that the node may bill on it."""
        return not (self.in_flight or self.unpriced or self.resent)

    def enter(self) -> None:
        """Count a call that is about to be sent."""
        self.in_flight += 1

    def leave(self) -> None:
        """Count the end of a call, however it ended."""
        self.in_flight -= 1

    def answered(self, cost: int | None) -> None:
        """Count an answer and its computed cost, where that is known."""
        self.calls += 1
        if cost is None:
            self.unpriced += 1
        else:
            self.served += cost

    def expects_to_fit(self) -> bool:
        """Whether one more call of the usual cost fits under the cap beside those in flight."""
        usual = self.served // self.calls if self.calls else 0
        return self.served + usual * (self.in_flight + 1) <= self.cap

    def opened(self, session_id: str, *, losses: int) -> None:
        """Keep the session that the node made of this authorization; a dead one stays dead.

        ``losses`` is how many had been lost when the request was sent that this answers: the answer
        to an older one may name a session that is gone.
        """
        if losses == self.losses and self.state.serves:
            self.state = AuthorizationState.ACTIVE
            self.session_id = session_id

    def lost(self, session_id: str) -> None:
        """Forget a session that the node no longer knows; the authorization may still be good."""
        if self.session_id == session_id:
            self.session_id = None
            self.losses += 1

    def headers(self) -> dict[str, str]:
        """Return the header that pays: the session where there is one, else the authorization."""
        if self.session_id is not None:
            return {"X-Upto-Session": self.session_id}
        return self.payment_header()

    def payment_header(self) -> dict[str, str]:
        """Return the authorization as it was first sent, byte for byte."""
        return {"PAYMENT-SIGNATURE": self.authorization.header}

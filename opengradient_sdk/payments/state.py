"""The life of an authorization on our side."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ..types import Bytes32
from .schemes import Authorization
from .status import NOT_LOOKED, PaymentStatus


class AuthorizationState(Enum):
    """The life of a signed cap on our side."""

    AUTHORIZED = "authorized"
    ACTIVE = "active"
    RETIRED = "retired"
    REFUSED = "refused"
    RESOLVED = "resolved"


@dataclass(slots=True, eq=False)
class OpenAuthorization:
    """A signed cap and what has been served under it. All figures are atoms of OPG.

    ``served`` sums the computed costs of answered ``calls``, ``unpriced`` of which have a cost that
    is not known; ``in_flight`` counts the others. ``resent`` counts requests
    that were sent again after a failure and may have been billed twice, within the same cap;
    ``losses`` counts sessions of this authorization that the node forgot.
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
    status: PaymentStatus = NOT_LOOKED

    @property
    def cap(self) -> int:
        """The most that can be charged (atoms)."""
        return self.authorization.max_amount

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
        if losses != self.losses:
            return
        if self.state in (AuthorizationState.AUTHORIZED, AuthorizationState.ACTIVE):
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

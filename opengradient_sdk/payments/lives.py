"""Every authorization that a client knows, from its signature to the chain's last word."""

from __future__ import annotations

from collections.abc import Callable

from .._core.clock import Clock
from .conduct import NodeConduct
from .state import AuthorizationState, OpenAuthorization
from .status import PaymentStatus

Changed = Callable[[OpenAuthorization], None]


class Lives:
    """The authorizations of a client: those it signed, and those it took over.

    ``changed`` is told of every change that the journal should know, ``conduct`` of what nodes did
    with them.
    """

    def __init__(self, clock: Clock, changed: Changed, conduct: NodeConduct) -> None:
        self._clock = clock
        self._changed = changed
        self._conduct = conduct
        self._known: dict[int, OpenAuthorization] = {}
        self._unresolved: dict[int, OpenAuthorization] = {}

    @property
    def unresolved(self) -> tuple[OpenAuthorization, ...]:
        """Every authorization whose charge the chain has not shown yet, oldest first."""
        return tuple(self._unresolved.values())

    def add(self, life: OpenAuthorization) -> None:
        """Keep an authorization that this client signed or took over; watch it while it is open.

        What another client holds is none of these: its counts are only as new as they were read.
        """
        self._known[life.nonce] = life
        if life.ended_by_node:  # another client's experience
            self._conduct.ended(life.tee_id, life.nonce, cap=life.cap, served=life.served)
        if not life.status.state.resolved:
            self._unresolved[life.nonce] = life

    def find(self, nonce: int) -> OpenAuthorization | None:
        """Return the authorization with this nonce; also one that is resolved."""
        return self._known.get(nonce)

    def are_ours(self, life: OpenAuthorization) -> bool:
        """Whether the calls on it are this client's, so that their counts are up to date."""
        return self._known.get(life.nonce) is life

    def sent(self, life: OpenAuthorization) -> None:
        """Note that its header is leaving this process."""
        if life.state is AuthorizationState.AUTHORIZED:
            life.state = AuthorizationState.SENT
            self._changed(life)

    def opened(self, life: OpenAuthorization, session_id: str, *, losses: int) -> None:
        """Keep the session that the node made of it."""
        before = life.state
        life.opened(session_id, losses=losses)
        if life.state is not before:
            self._changed(life)

    def retire(self, life: OpenAuthorization, *, by_node: bool = False) -> None:
        """Take no further call on ``life``; its cap stays exposed until it is resolved."""
        if life.state is AuthorizationState.RESOLVED:
            return
        first = life.state is not AuthorizationState.RETIRED
        if first:
            life.state = AuthorizationState.RETIRED
            life.session_id = None
            life.retired_at = self._clock.now()
        if by_node and not life.ended_by_node:
            life.ended_by_node = first = True
            self._conduct.ended(life.tee_id, life.nonce, cap=life.cap, served=life.served)
        if first:
            self._changed(life)

    def resolved(self, life: OpenAuthorization) -> None:
        """Forget what an authorization exposed: the chain has spoken."""
        self.retire(life)
        life.state = AuthorizationState.RESOLVED
        self._unresolved.pop(life.nonce, None)

    def reopened(self, life: OpenAuthorization) -> None:
        """Take an authorization back whose settlement a reorg has undone; it serves no calls."""
        life.state = AuthorizationState.RETIRED
        self._unresolved[life.nonce] = life
        for block in life.blocks:
            block.reopened(life.nonce)

    def account(self, life: OpenAuthorization, status: PaymentStatus) -> None:
        """Follow the chain's word, and its taking it back."""
        before, life.status = life.status, status
        if status.state.resolved:
            self._charged(life, status)
        if status.state.resolved and not before.state.resolved:
            self.resolved(life)
        if before.state.resolved and not status.state.resolved:
            self.reopened(life)

    def _charged(self, life: OpenAuthorization, status: PaymentStatus) -> None:
        charged = 0 if status.amount is None else status.amount.atoms
        for block in life.blocks:
            block.resolved(life.nonce, charged)
        served = life.served if life.is_fully_counted else None
        self._conduct.resolved(life.tee_id, life.nonce, charged=charged, served=served)

"""Sessions: one signed cap serves all calls of a route, until it is old or used up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from .._core.clock import Clock
from .._core.tasks import Supervisor
from ..errors import NoNodeAvailableError
from ..types import Bytes32
from .state import AuthorizationState, OpenAuthorization

MAX_AGE: Final = 100.0
"""Seconds after its signature in which an authorization takes new calls: permits live 300 s and
nodes settle 100 to 125 s after the last answer, so that an honest node can always collect."""

_MAX_WASTED: Final = 3

Opener = Callable[[], Awaitable[OpenAuthorization]]


class SessionPool:
    """The current authorization of every (node, route), and all that are not resolved yet.

    Opening is single flight: concurrent callers of a route wait for one signature and then send
    the same payment header at once; the node makes one session of it.
    """

    def __init__(self, clock: Clock, supervisor: Supervisor) -> None:
        self._clock = clock
        self._supervisor = supervisor
        self._current: dict[tuple[Bytes32, str], OpenAuthorization] = {}
        self._opening: dict[tuple[Bytes32, str], asyncio.Task[OpenAuthorization]] = {}
        self._unresolved: list[OpenAuthorization] = []

    @property
    def unresolved(self) -> tuple[OpenAuthorization, ...]:
        """Every authorization whose charge the chain has not shown yet, oldest first."""
        return tuple(self._unresolved)

    async def join(self, tee_id: Bytes32, route: str, open_: Opener) -> OpenAuthorization:
        """Return the authorization that the next call of ``route`` is paid with.

        The caller has entered it and must ``leave`` it.

        **Money**: signs at most one new authorization, however many callers wait.

        Raises:
            NoNodeAvailableError: The node keeps asking for authorizations it does not use.
        """
        current = await self.prepare(tee_id, route, open_)
        current.enter()
        return current

    async def prepare(self, tee_id: Bytes32, route: str, open_: Opener) -> OpenAuthorization:
        """Return what ``join`` would, without entering it."""
        key = (tee_id, route)
        current = self._current.get(key)
        if current is None:
            return await self._opened(key, open_)
        if not self._takes(current):
            self.retire(current)
            return await self._opened(key, open_)
        return current

    def retire(self, authorization: OpenAuthorization, *, by_node: bool = False) -> None:
        """Take no further call on ``authorization``; its cap stays exposed until it is resolved."""
        key = (authorization.tee_id, authorization.route)
        if self._current.get(key) is authorization:
            del self._current[key]
        if authorization.state is not AuthorizationState.RESOLVED:
            authorization.state = AuthorizationState.RETIRED
            authorization.session_id = None
            authorization.ended_by_node = authorization.ended_by_node or by_node

    def resolved(self, authorization: OpenAuthorization) -> None:
        """Forget an authorization that the chain has spoken about."""
        self.retire(authorization)
        authorization.state = AuthorizationState.RESOLVED
        if authorization in self._unresolved:
            self._unresolved.remove(authorization)

    def reopened(self, authorization: OpenAuthorization) -> None:
        """Take an authorization back whose settlement a reorg has undone; it serves no calls."""
        authorization.state = AuthorizationState.RETIRED
        self._unresolved.append(authorization)

    def adopt(self, authorization: OpenAuthorization) -> None:
        """Watch an authorization that was made by hand; no call joins it."""
        self._unresolved.append(authorization)

    def is_current(self, authorization: OpenAuthorization) -> bool:
        """Whether the next call of its route would join this authorization."""
        return self._current.get((authorization.tee_id, authorization.route)) is authorization

    def is_drained_by(self, tee_id: Bytes32) -> bool:
        """Whether a node has ended too many open caps of which it served less than half."""
        return self._wasted(tee_id) > _MAX_WASTED

    def _takes(self, current: OpenAuthorization) -> bool:
        age = self._clock.now() - current.signed_at
        return 0 <= age < MAX_AGE and current.expects_to_fit()

    async def _opened(self, key: tuple[Bytes32, str], open_: Opener) -> OpenAuthorization:
        task = self._opening.get(key)
        if task is None:
            task = self._supervisor.spawn(self._open(key, open_), name=f"authorize {key[1]}")
            self._opening[key] = task
        # a caller that is cancelled must not take the signature away from the others
        return await asyncio.shield(task)

    async def _open(self, key: tuple[Bytes32, str], open_: Opener) -> OpenAuthorization:
        try:
            self._refuse_draining(key[0])
            authorization = await open_()
            self._unresolved.append(authorization)
            self._current[key] = authorization
            return authorization
        finally:
            del self._opening[key]

    def _wasted(self, tee_id: Bytes32) -> int:
        return sum(
            a.tee_id == tee_id and a.ended_by_node and a.served * 2 < a.cap
            for a in self._unresolved
        )

    def _refuse_draining(self, tee_id: Bytes32) -> None:
        if self.is_drained_by(tee_id):
            raise NoNodeAvailableError(
                f"node {tee_id} asks for a new authorization while {self._wasted(tee_id)} open "
                "ones are less than half used",
                hint="Nothing more is signed for it; the open caps are shown by "
                "client.payments.unresolved until the chain has spoken.",
            )

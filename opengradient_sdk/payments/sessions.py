"""Sessions: one signed cap serves all calls of a route, until it is old or used up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from .._core.clock import Clock
from .._core.tasks import Supervisor
from ..types import Bytes32
from .lives import Lives
from .state import OpenAuthorization

MAX_AGE: Final = 100.0
"""Seconds after its signature in which an authorization takes new calls: permits live 300 s and
nodes settle 100 to 125 s after the last answer, so that an honest node can always collect."""

Opener = Callable[[], Awaitable[OpenAuthorization]]


class SessionPool:
    """The current authorization of every (node, route).

    Opening is single flight: concurrent callers of a route wait for one signature and then send
    the same payment header at once; the node makes one session of it.
    """

    def __init__(self, clock: Clock, supervisor: Supervisor, lives: Lives) -> None:
        self._clock = clock
        self._supervisor = supervisor
        self._lives = lives
        self._current: dict[tuple[Bytes32, str], OpenAuthorization] = {}
        self._opening: dict[tuple[Bytes32, str], asyncio.Task[OpenAuthorization]] = {}

    async def join(self, tee_id: Bytes32, route: str, open_: Opener) -> OpenAuthorization:
        """Return the authorization that the next call of ``route`` is paid with.

        The caller has entered it and must ``leave`` it.

        **Money**: signs at most one new authorization, however many callers wait.
        """
        current = await self.prepare(tee_id, route, open_)
        current.enter()
        return current

    async def prepare(self, tee_id: Bytes32, route: str, open_: Opener) -> OpenAuthorization:
        """Return what ``join`` would, without entering it."""
        key = (tee_id, route)
        return self._usable(key) or await self._opened(key, open_)

    def current(self, tee_id: Bytes32, route: str) -> OpenAuthorization | None:
        """Return the authorization that the next call would join without a new signature."""
        return self._usable((tee_id, route))

    def inherit(self, life: OpenAuthorization) -> bool:
        """Go on with a session that another client has left; ``False`` if it is of no use."""
        key = (life.tee_id, life.route)
        if key in self._opening or self._usable(key) or not self.takes(life):
            return False
        self._current[key] = life
        return True

    def takes(self, life: OpenAuthorization) -> bool:
        """Whether one more call may be sent on ``life``."""
        if not life.authorization.header:  # another client's, which is only watched here
            return False
        age = self._clock.now() - life.signed_at
        return life.state.serves and 0 <= age < MAX_AGE and life.expects_to_fit()

    def retire_all(self) -> None:
        """Take no further call on any of them, so that the nodes can settle."""
        for life in self._current.values():
            self._lives.retire(life)
        self._current.clear()

    def _usable(self, key: tuple[Bytes32, str]) -> OpenAuthorization | None:
        current = self._current.get(key)
        if current is None:
            return None
        if self.takes(current):
            return current
        del self._current[key]
        self._lives.retire(current)
        return None

    async def _opened(self, key: tuple[Bytes32, str], open_: Opener) -> OpenAuthorization:
        task = self._opening.get(key)
        if task is None:
            task = self._supervisor.spawn(self._open(key, open_), name=f"authorize {key[1]}")
            self._opening[key] = task
        # a caller that is cancelled must not take the signature away from the others
        return await asyncio.shield(task)

    async def _open(self, key: tuple[Bytes32, str], open_: Opener) -> OpenAuthorization:
        try:
            authorization = await open_()
            self._current[key] = authorization
            return authorization
        finally:
            del self._opening[key]

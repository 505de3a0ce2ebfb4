"""Open authorizations are asked for on chain until it has spoken: nothing is guessed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .._core.clock import Clock
from .._core.tasks import Supervisor
from ..errors import ChainError, LedgerError
from ..payments.conduct import NodeConduct
from ..payments.journal import PaymentJournal
from ..payments.lives import Lives
from ..payments.sessions import SessionPool
from ..payments.state import OpenAuthorization
from ..payments.status import PaymentStatus
from ..types import Bytes32
from .events import Emit, PaymentResolved

if TYPE_CHECKING:
    from ..payments.settlement import SettlementWatcher

_log: Final = logging.getLogger("opengradient_sdk.client")
_LONGEST_REST: Final = 15.0
"""Seconds after which the clock is read again: it is not the one that this waits by."""


class Reconciler:
    """Asks the chain about authorizations, in the background and on demand.

    Its background task exists while something is open.
    """

    def __init__(
        self,
        *,
        lives: Lives,
        sessions: SessionPool,
        journal: PaymentJournal,
        conduct: NodeConduct,
        watcher: Callable[[], SettlementWatcher],
        clock: Clock,
        supervisor: Supervisor,
        block_time: float,
        emit: Emit,
        leave: Callable[[Bytes32, str], None],
        record: Callable[[OpenAuthorization, PaymentStatus], None],
    ) -> None:
        self._lives = lives
        self._sessions = sessions
        self._journal = journal
        self._conduct = conduct
        self._watcher = watcher
        self._clock = clock
        self._supervisor = supervisor
        self._block_time = block_time
        self._emit = emit
        self._leave = leave
        self._record = record
        self._looking = asyncio.Lock()
        self._looked_at: dict[int, float] = {}
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Follow what is open from now on."""
        if self._lives.unresolved and (self._task is None or self._task.done()):
            self._task = self._supervisor.spawn(self._follow(), name="reconcile payments")

    async def look_up(self, life: OpenAuthorization) -> PaymentStatus:
        """Ask the chain about an authorization, and free its budget when the chain has spoken.

        Of another client's, nothing is concluded about its node: that one counts its calls.

        Raises:
            ChainError: The chain could not be asked.
            LedgerError: What it says could not be written down; it is asked again.
        """
        async with self._looking:
            before = life.status
            if before.is_last_word and not before.from_journal:
                return before
            watcher = self._watcher()
            status = await watcher.status(watcher.claim_of(life))
            if before.is_last_word and not status.is_last_word:
                return before  # an endpoint that lags takes nothing back that was final
            self._looked_at[life.nonce] = self._clock.now()
            if differs(status, before):
                await self._journal.resolve(life, status)
            if self._lives.are_ours(life):
                self._account(life, before, status)
                if differs(status, before):
                    self._record(life, status)
            else:
                life.status = status
            return status

    async def look_up_retired(self) -> None:
        """Ask the chain about every authorization that takes no more calls.

        Raises:
            ChainError: The chain could not be asked.
        """
        for life in self._lives.unresolved:
            if not self._sessions.takes(life):
                await self.look_up(life)

    def _account(
        self, life: OpenAuthorization, before: PaymentStatus, status: PaymentStatus
    ) -> None:
        self._lives.account(life, status)
        if not status.state.resolved:
            return
        self._looked_at.pop(life.nonce, None)
        if before.state.resolved and status.transaction == before.transaction:
            return  # nothing new, or only final now
        self._emit(PaymentResolved(life.nonce, status))
        if reason := self._conduct.verdict(life.tee_id):
            self._leave(life.tee_id, reason)

    async def _follow(self) -> None:
        while self._lives.unresolved:
            now = self._clock.now()
            due = {life: self._due(life, now) for life in self._lives.unresolved}
            for life in [life for life, at in due.items() if at <= now]:
                await self._try(life)
            if self._lives.unresolved:
                await asyncio.sleep(self._rest())  # time passes on a chain; it tells nobody

    def _rest(self) -> float:
        now = self._clock.now()
        soonest = min(self._due(life, now) for life in self._lives.unresolved)
        return min(max(soonest - now, self._block_time), _LONGEST_REST)

    def _due(self, life: OpenAuthorization, now: float) -> float:
        from ..payments.settlement.schedule import next_look

        if self._sessions.takes(life):
            return now + _LONGEST_REST
        self._lives.retire(life)
        return next_look(
            retired_at=now if life.retired_at is None else life.retired_at,
            deadline=life.authorization.deadline,
            looked_at=self._looked_at.get(life.nonce),
            now=now,
            block_time=self._block_time,
        )

    async def _try(self, life: OpenAuthorization) -> None:
        try:
            await self.look_up(life)
        except (ChainError, LedgerError) as error:
            self._looked_at[life.nonce] = self._clock.now()
            _log.info("payment %s is not resolved yet: %s", life.nonce, error.short_message)


def differs(status: PaymentStatus, before: PaymentStatus) -> bool:
    """Return whether the chain says something else, or the same in another block."""
    return (status.state, status.transaction, status.block_hash, status.final) != (
        before.state,
        before.transaction,
        before.block_hash,
        before.final,
    )

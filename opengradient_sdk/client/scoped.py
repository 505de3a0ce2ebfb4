"""Blocks of calls within a client: with a budget, or with sessions, of their own."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import ConfigurationError
from ..payments.budget import Block, Budget, Money
from ..payments.sessions import SessionPool
from ..types import Amount
from .pipeline import Scope
from .work import CallWork

if TYPE_CHECKING:
    from .resources.chat import Chat
    from .resources.completions import Completions


class ScopedClient:
    """The calls of one block; made by ``client.with_budget`` and ``client.session``.

    **Money**: ``exposed`` sums the whole caps of the open sessions that its calls joined, and
    ``settled`` what the chain has charged for the others: where sessions are shared, that is more
    than this block's own calls cost, never less. ``estimated`` is what its own calls cost, computed
    from their tokens. ``remaining`` is what further sessions may expose, ``None`` without a limit.
    """

    def __init__(self, work: CallWork, block: Block, *, own_sessions: bool) -> None:
        self._work = work
        self._block = block
        self._own_sessions = own_sessions
        self._is_open = False

    async def __aenter__(self) -> Self:
        """Open the block; nothing is signed or sent."""
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the block; sessions of its own take no further call, so that nodes settle them."""
        self._is_open = False
        if self._own_sessions:
            self._work.scope.sessions.retire_all()

    @property
    def chat(self) -> Chat:
        """Conversations with a model."""
        from .resources.chat import Chat

        return Chat(self._opened())

    @property
    def completions(self) -> Completions:
        """Prompts continued."""
        from .resources.completions import Completions

        return Completions(self._opened())

    def with_budget(self, total: Money, *, per_call: Money | None = None) -> ScopedClient:
        """Return a block within this one, which counts in this one too; see the client's."""
        return budget_block(self._opened(), total, per_call)

    @property
    def exposed(self) -> Amount:
        """Whole caps of the open sessions that calls of this block joined."""
        return Amount(self._block.exposed)

    @property
    def estimated(self) -> Amount:
        """Computed costs of this block's calls; estimates where one is not known yet."""
        return Amount(self._block.estimated)

    @property
    def settled(self) -> Amount:
        """What the chain has charged for sessions that calls of this block joined."""
        return Amount(self._block.settled)

    @property
    def remaining(self) -> Amount | None:
        """What new sessions may still expose; ``None`` is unlimited."""
        remaining = self._block.remaining
        return None if remaining is None else Amount(max(remaining, 0))

    def __repr__(self) -> str:
        kind = "session" if self._own_sessions else "block"
        return f"<{kind}: {self.exposed} exposed, {self.settled} settled>"

    def _opened(self) -> CallWork:
        if not self._is_open:
            raise ConfigurationError(
                "the block is not open", hint="Make its calls inside its `async with`."
            )
        return self._work


def budget_block(work: CallWork, total: Money, per_call: Money | None) -> ScopedClient:
    """Return a block whose calls share the sessions of ``work``.

    Raises:
        ConfigurationError: An amount is none, or the total is below one session's cap.
    """
    limits = Budget(total, per_call=per_call)
    limits.check_cap(work.core.config.profile.session_cap)
    around = work.scope.block
    most = None if limits.total is None else limits.total.atoms
    each = None if limits.per_call is None else limits.per_call.atoms
    block = Block(most, each) if around is None else around.inner(most, each)
    return ScopedClient(_within(work, work.scope.sessions, block), block, own_sessions=False)


def own_session(work: CallWork, max_exposure: Money) -> ScopedClient:
    """Return a block whose calls have sessions of their own.

    Raises:
        ConfigurationError: Not an amount, or below one session's cap.
    """
    limits = Budget(max_exposure)
    limits.check_cap(work.core.config.profile.session_cap)
    core = work.core
    block = Block(None if limits.total is None else limits.total.atoms)
    sessions = SessionPool(core.clock, core.supervisor, core.lives)
    return ScopedClient(_within(work, sessions, block), block, own_sessions=True)


def _within(work: CallWork, sessions: SessionPool, block: Block) -> CallWork:
    return CallWork(work.core, work.pipeline.router, Scope(sessions, block))

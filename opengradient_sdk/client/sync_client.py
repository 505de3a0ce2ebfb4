"""``OpenGradient``: the same client without ``await``, for scripts and notebooks.

Every call runs on one background event loop (the portal); the bodies are those of the async
client, and so are the names and signatures.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from .._core.clock import Clock
from .._core.portal import Portal
from ..ledger.content import ContentMode
from ..payments.budget import Budget, Money
from ..payments.rules import PaymentRules
from ..profiles import Profile
from ..signers import Signer
from ..verification.evidence import Assurance
from ..verification.policy import Required
from .async_client import AsyncOpenGradient
from .config import (
    DEFAULT_TIMEOUT,
    ClientConfig,
    OnAmbiguous,
    SettlementMode,
    Trust,
    find_wallet,
    or_raise,
)
from .contracts import Contracts
from .events import Event
from .sync_resources import (
    SyncBudgetView,
    SyncChains,
    SyncChat,
    SyncCompletions,
    SyncLedgerView,
    SyncModels,
    SyncNodes,
    SyncPayments,
    SyncReceipts,
    SyncScopedClient,
    SyncTimelineView,
    SyncVerification,
    SyncWallet,
)

if TYPE_CHECKING:
    from ..ledger.impact.lineage import AgentRun
    from .resources.policy import Policy

R = TypeVar("R")


class OpenGradient:
    """``AsyncOpenGradient`` without ``await``: same names, same arguments, same money rules.

    Use it with ``with``. Calls may come from several threads, and from inside a running event loop
    (which they block).

    Example:
        >>> with OpenGradient(budget="1 OPG") as client:
        ...     reply = client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
        ...     print(reply.text, reply.receipt.cost, reply.receipt.assurance.name)
    """

    def __init__(
        self,
        *,
        signer: Signer | str | None = None,
        network: Profile | str | None = None,
        budget: Budget | Money | None = None,
        require: Required = Assurance.REGISTERED,
        trust: Trust | None = None,
        store: str | os.PathLike[str] | None = None,
        store_key: str | os.PathLike[str] | None = None,
        content: ContentMode = "encrypted",
        settlement: SettlementMode = "batch",
        on_ambiguous: OnAmbiguous = "retry_same",
        timeout: float = DEFAULT_TIMEOUT,
        clock: Clock | None = None,
        on_event: Callable[[Event], None] | None = None,
        rules: PaymentRules | None = None,
    ) -> None:
        wallet = find_wallet(signer)
        del signer  # a traceback shows the locals of its frames
        self._client = client = AsyncOpenGradient(
            signer=or_raise(wallet),
            network=network,
            budget=budget,
            require=require,
            trust=trust,
            store=store,
            store_key=store_key,
            content=content,
            settlement=settlement,
            on_ambiguous=on_ambiguous,
            timeout=timeout,
            clock=clock,
            on_event=on_event,
            rules=rules,
        )
        self._portal = portal = Portal()
        self.chat = SyncChat(lambda: client.chat, portal)
        self.completions = SyncCompletions(lambda: client.completions, portal)
        self.models = SyncModels(lambda: client.models, portal)
        self.nodes = SyncNodes(lambda: client.nodes, portal)
        self.wallet = SyncWallet(lambda: client.wallet, portal)
        self.receipts = SyncReceipts(lambda: client.receipts, portal)
        self.payments = SyncPayments(lambda: client.payments, portal)
        self.budget = SyncBudgetView(lambda: client.budget, portal)
        self.timeline = SyncTimelineView(lambda: client.timeline, portal)
        self.ledger = SyncLedgerView(lambda: client.ledger, portal)
        self.verification = SyncVerification(lambda: client.verification, portal)
        self.chains = SyncChains(lambda: client, portal)

    @property
    def config(self) -> ClientConfig:
        """What the client was told, resolved."""
        return self._client.config

    @property
    def contracts(self) -> Contracts:
        """The network's contracts, typed; ``client.run(…)`` waits for one of their async reads."""
        return self._client.contracts

    @staticmethod
    def lineage(name: str | None = None, *, chain: bool = False) -> AgentRun:
        """Return a context manager for a whole agent run; see ``AsyncOpenGradient.lineage``."""
        return AsyncOpenGradient.lineage(name, chain=chain)

    @property
    def policy(self) -> Policy:
        """What may be signed, explained without signing."""
        return self._client.policy

    def with_budget(self, total: Money, *, per_call: Money | None = None) -> SyncScopedClient:
        """Return a client for one block of code with a budget of its own; use it with ``with``."""
        return SyncScopedClient(self._client.with_budget(total, per_call=per_call), self._portal)

    def session(self, *, max_exposure: Money) -> SyncScopedClient:
        """Return a client whose calls have sessions of their own; use it with ``with``."""
        return SyncScopedClient(self._client.session(max_exposure=max_exposure), self._portal)

    def run(self, work: Awaitable[R]) -> R:
        """Wait for something of the async client's parts and return its result."""

        async def waited() -> R:
            return await work

        if asyncio.iscoroutine(work):  # as it is, so that a closed client ends it unstarted
            return self._portal.call(cast(Coroutine[Any, Any, R], work))
        return self._portal.call(waited())

    def __enter__(self) -> Self:
        """Open the client; nothing is sent yet. Errors as ``AsyncOpenGradient``."""
        started = self._portal.start()
        try:
            self._portal.call(self._client.__aenter__())
        except BaseException:
            if started:
                self._portal.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client: see ``close``."""
        self.close()

    def close(self) -> None:
        """End background work, close connections and files, join the thread."""
        try:
            self._portal.call(self._client.aclose())
        finally:
            self._portal.close()

    def __repr__(self) -> str:
        # a traceback also shows a client whose arguments were refused
        return f"{type(self).__name__}({getattr(self, 'config', 'not configured')!r})"

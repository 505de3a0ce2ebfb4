"""``AsyncOpenGradient``: verified, paid inference behind an async interface."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, cast

from .._core.clock import Clock
from .._core.http import HttpClient
from ..errors import ConfigurationError
from ..ledger.content import ContentMode
from ..payments.budget import Budget, Money
from ..payments.rules import PaymentRules
from ..profiles import Profile
from ..signers import Signer
from ..verification.evidence import Assurance
from ..verification.policy import Required
from .config import (
    DEFAULT_TIMEOUT,
    ClientConfig,
    OnAmbiguous,
    SettlementMode,
    Trust,
    find_wallet,
    or_raise,
)

if TYPE_CHECKING:
    from ..ledger.impact.lineage import AgentRun
    from .contracts import Contracts
    from .core import Chains
    from .events import Event
    from .resources.budget import BudgetView
    from .resources.chat import Chat
    from .resources.completions import Completions
    from .resources.ledger import LedgerView
    from .resources.models import Models
    from .resources.nodes import Nodes
    from .resources.payments import Payments
    from .resources.policy import Policy
    from .resources.receipts import Receipts
    from .resources.timeline import TimelineView
    from .resources.verification import Verification
    from .resources.wallet import Wallet
    from .scoped import ScopedClient
    from .work import CallWork

T = TypeVar("T")
_log = logging.getLogger("opengradient_sdk.client")


class AsyncOpenGradient:
    """A client of the OpenGradient network; use it with ``async with``.

    What is not given as an argument comes from the environment (``OG_PRIVATE_KEY``,
    ``OG_NETWORK``, ``OG_RPC_URL`` or ``OG_PAYMENT_RPC_URL`` and ``OG_REGISTRY_RPC_URL``,
    ``OG_TEE_REGISTRY``, ``OG_STATE_DIR``), then from the network's profile.

    **Money**: calls sign authorizations of up to the session cap each (0.1 OPG on the real
    network); ``budget`` bounds the sum of all that are open and all that was charged. Nothing is
    signed that ``rules`` do not allow.

    **Trust**: answers below ``require`` are not returned. ``trust`` says what is taken for granted.

    Args:
        signer: A private key (hex) or anything with the three methods of ``Signer``.
        network: ``"mainnet"`` (the default), ``"devnet:<chain id>:<chain id>"`` or a ``Profile``.
        budget: An amount or a ``Budget``; ``"1 OPG"`` where it is not given. ``"unlimited"`` has to
            be spelled out. All clients of this wallet and network on one store share it.
        require: What an answer needs to be returned: an assurance, or a policy such as
            ``AllOf(Assurance.REGISTERED, Sample(0.05, then=Assurance.ATTESTED))``.
        trust: RPC endpoints to compare, accepted measurements, attestation root.
        store: The file of the journal, or ``postgresql://user:password@host/database``, which
            many hosts share; ``":memory:"`` forgets open authorizations at exit.
        store_key: Where the key is that seals the store's secrets: a file that only you can read
            (beside the store where it is not given), or ``"keyring"``. Hosts that share a
            PostgreSQL store share this file. ``OG_STORE_KEY`` in the environment says the same.
        content: What the ledger keeps of question and answer: ``encrypted`` with the store's key,
            ``kept`` as they are, or ``hashed`` (not at all). Either can be forgotten later.
        settlement: What happens to the hashes of question and answer: ``batch`` (the network's
            default: on chain in a Merkle tree), ``private`` (nothing) or ``individual`` (question
            and answer in plain on public storage).
        on_ambiguous: What to do with a request of unknown outcome: send it once more under the
            same authorization (it may be billed twice within the cap), or ``"raise"``.
        timeout: Seconds for a whole answer.
        clock: Whose time deadlines are counted in; the profile's where it is not given.
        on_event: Called with every ``Event``; must not block. What it raises is logged.
        rules: What may be signed beyond the profile's defaults.

    Raises:
        ConfigurationError: Something cannot be used as it is; the message names it.

    Example:
        >>> async with AsyncOpenGradient(budget="1 OPG") as client:
        ...     reply = await client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
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
        self.config = ClientConfig.resolve(
            signer=or_raise(wallet),
            network=network,
            budget=budget,
            require=require,
            trust=trust,
            rules=rules,
            store=store,
            store_key=store_key,
            content=content,
            settlement=settlement,
            on_ambiguous=on_ambiguous,
            timeout=timeout,
            clock=clock,
        )
        self._on_event = on_event
        self._work: CallWork | None = None
        self._opened_before = False
        self._resources: dict[object, object] = {}

    async def __aenter__(self) -> Self:
        """Open the client; nothing is sent yet.

        Raises:
            ConfigurationError: It was opened before: its budget has been counted once.
        """
        if self._opened_before:
            raise ConfigurationError(
                "a client is opened once", hint="Share it while it is open, or make another one."
            )
        self._opened_before = True
        # what a call needs is loaded here, so that constructing stays cheap; in a thread, because
        # it takes some 300 ms the first time
        await asyncio.to_thread(_load_parts)
        from .core import Core
        from .pipeline import Scope
        from .routing import Router
        from .work import CallWork

        core = Core(self.config, self._tell)
        self._work = CallWork(core, Router(core), Scope(core.sessions))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client: see ``aclose``."""
        await self.aclose()

    async def aclose(self) -> None:
        """End background tasks and close connections and files. Open caps stay in the journal."""
        work, self._work = self._work, None
        self._resources.clear()
        if work is not None:
            await work.core.aclose()

    def __repr__(self) -> str:
        # a traceback also shows a client whose arguments were refused
        return f"{type(self).__name__}({getattr(self, 'config', 'not configured')!r})"

    @property
    def chat(self) -> Chat:
        """Conversations with a model."""
        from .resources.chat import Chat

        return self._part(Chat)

    @property
    def completions(self) -> Completions:
        """Prompts continued."""
        from .resources.completions import Completions

        return self._part(Completions)

    @property
    def models(self) -> Models:
        """The models that can be asked for."""
        from .resources.models import Models

        return self._part(Models)

    @property
    def nodes(self) -> Nodes:
        """The nodes that the registry lists."""
        from .resources.nodes import Nodes

        return self._part(Nodes)

    @property
    def wallet(self) -> Wallet:
        """The wallet that pays."""
        from .resources.wallet import Wallet

        return self._part(Wallet)

    @property
    def receipts(self) -> Receipts:
        """What happened in this client's calls."""
        from .resources.receipts import Receipts

        return self._part(Receipts)

    @property
    def payments(self) -> Payments:
        """Payments by hand."""
        from .resources.payments import Payments

        return self._part(Payments)

    @property
    def budget(self) -> BudgetView:
        """What the budget allows, and what counts against it."""
        from .resources.budget import BudgetView

        return self._part(BudgetView)

    @property
    def policy(self) -> Policy:
        """What may be signed, explained without signing."""
        from .resources.policy import Policy

        return self._part(Policy)

    @property
    def timeline(self) -> TimelineView:
        """Which build and node were valid when, and what a rollback touches."""
        from .resources.timeline import TimelineView

        return self._part(TimelineView)

    @property
    def ledger(self) -> LedgerView:
        """Everything that was recorded: check it, and anchor it elsewhere."""
        from .resources.ledger import LedgerView

        return self._part(LedgerView)

    @property
    def verification(self) -> Verification:
        """How much was verified, and what failed."""
        from .resources.verification import Verification

        return self._part(Verification)

    def with_budget(self, total: Money, *, per_call: Money | None = None) -> ScopedClient:
        """Return a client for one block of code, whose calls are held to a budget of their own.

        Use it with ``async with``; it has ``chat`` and ``completions``, and the figures
        ``exposed``, ``estimated``, ``settled`` and ``remaining``. What it spends counts against
        this client's budget too.

        **Money**: ``total`` bounds the whole caps of the sessions that its calls join (they are
        shared with calls outside), until the chain shows what these were charged. ``per_call``
        bounds the *estimate* of one call: the most that its tokens cost at the published prices.

        Raises:
            ConfigurationError: An amount is none, or the total is below one session's cap.

        Example:
            >>> async with client.with_budget("0.5 OPG", per_call="0.05 OPG") as block:
            ...     reply = await block.chat.create(
            ...         model="openai/gpt-5", messages="hi", max_tokens=64
            ...     )
            ...     print(block.exposed, "at risk,", block.remaining, "left")
            0.1 OPG at risk, 0.4 OPG left
        """
        from .scoped import budget_block

        return budget_block(self._opened(), total, per_call)

    def session(self, *, max_exposure: Money) -> ScopedClient:
        """Return a client whose calls have sessions of their own, shared with nobody.

        Use it with ``async with``. At its end the sessions take no further call, so that the nodes
        settle them; as few authorizations are signed as the caps allow.

        **Money**: ``max_exposure`` bounds the whole caps that are open, and what was charged.

        Raises:
            ConfigurationError: Not an amount, or below one session's cap.

        Example:
            >>> async with client.session(max_exposure="0.2 OPG") as session:
            ...     first = await session.chat.create(model="openai/gpt-5", messages="hi")
            ...     second = await session.chat.create(model="openai/gpt-5", messages="and then?")
            >>> first.receipt.authorization.nonce == second.receipt.authorization.nonce
            True
        """
        from .scoped import own_session

        return own_session(self._opened(), max_exposure)

    @staticmethod
    def lineage(name: str | None = None, *, chain: bool = False) -> AgentRun:
        """Return a context manager for a whole agent run: all calls inside are written down as one.

        For ``with`` and ``async with``. Tasks that are started inside belong to it, and runs may
        be inside each other. With ``chain``, a call that names no ``parents`` rests on everything
        that the run had answered when it began.

        Raises:
            ConfigurationError: The name is empty, longer than 100 characters, or has a slash.

        Example:
            >>> async with client.lineage("nightly report") as run:
            ...     facts = await client.chat.create(model="openai/gpt-5", messages="facts?")
            ...     report = await client.chat.create(
            ...         model="openai/gpt-5",
            ...         messages=f"Summarise: {facts.text}",
            ...         parents=[facts.receipt],
            ...     )
            >>> report.receipt.parents == (facts.receipt.id,), report.receipt.run == run.id
            (True, True)
        """
        from ..ledger.impact.lineage import agent_run

        return agent_run(name, chain=chain)

    @property
    def chains(self) -> Chains:
        """The payments and the registry chain: build, sign, send, wait by hand."""
        return self._opened().core.chains

    @property
    def contracts(self) -> Contracts:
        """The network's contracts, typed."""
        return self._opened().core.contracts

    def _tell(self, event: Event) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - a listener's mistake must not lose track of a payment
            _log.exception("on_event failed for %s", type(event).__name__)

    def _part(self, kind: Callable[[CallWork], T]) -> T:
        work = self._opened()
        part = self._resources.get(kind)
        if part is None:
            part = self._resources[kind] = kind(work)
        return cast(T, part)

    def _opened(self) -> CallWork:
        if self._work is None:
            raise ConfigurationError(
                "the client is not open", hint="Use it inside `async with AsyncOpenGradient(…)`."
            )
        return self._work


def _load_parts() -> None:
    for part in ("work", "resources.chat"):
        import_module(f"{__package__}.{part}")
    HttpClient.load()

"""The parts of a client, put together; nothing here is reached around the guard."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .._core.http import HttpClient
from .._core.store import open_store
from .._core.tasks import Supervisor
from ..chain.outbox.schema import SCHEMA as OUTBOX_SCHEMA
from ..chain.rpc import Rpc
from ..ledger.book import ReceiptBook
from ..network.connection import NodeConnection
from ..network.records import NodeRecord, RegistrySnapshot
from ..network.registry import Registry
from ..network.selection import NodeHealth
from ..payments.allowance import AllowanceKeeper
from ..payments.authorizer import Authorizer
from ..payments.budget import Budget
from ..payments.journal import SCHEMA as PAYMENTS_SCHEMA
from ..payments.journal import Journal
from ..payments.policy import PaymentPolicy
from ..payments.sessions import SessionPool
from ..payments.state import OpenAuthorization
from ..payments.status import PaymentState, PaymentStatus
from ..profiles import ChainProfile
from ..signers import GuardedSigner
from ..types import Bytes32
from ..verification.evidence import Check, CheckStatus
from .attesting import Attesting
from .config import ClientConfig
from .events import Emit, NodeLeft, PaymentResolved

if TYPE_CHECKING:
    from ..chain import Chain
    from ..payments.settlement import SettlementWatcher
    from .contracts import Contracts

_UNLIMITED_APPROVAL_CAPS = 100
_AVOID_SECONDS = 300.0
_LAST_WORDS = (PaymentState.FINAL, PaymentState.NOT_CHARGED)


@dataclass(frozen=True, slots=True)
class Chains:
    """The two chains a client speaks to; with one RPC endpoint for both they are the same."""

    payments: Chain
    registry: Chain


class Core:
    """Everything that lives as long as a client."""

    def __init__(self, config: ClientConfig, emit: Emit) -> None:
        profile = config.profile
        self.config = config
        self.clock = config.clock
        self.emit = emit
        self.http = HttpClient()
        self.supervisor = Supervisor()
        self.budget = Budget(config.budget)
        self.policy = PaymentPolicy(
            profile, config.rules, max_approval=self._usual_approval(config)
        )
        self.signer = GuardedSigner(config.signer, self.policy)
        self.payments_rpc = self._rpc_of(profile.payments)
        one = (profile.payments.chain_id, profile.payments.rpc_urls) == (
            profile.registry.chain_id,
            profile.registry.rpc_urls,
        )
        self.registry_rpc = self.payments_rpc if one else self._rpc_of(profile.registry)
        self.store = open_store(config.store, PAYMENTS_SCHEMA, OUTBOX_SCHEMA)
        self.journal = Journal(self.store)
        self.allowance = AllowanceKeeper(
            self.payments_rpc,
            lambda: self.chains.payments,
            profile,
            self.signer.address,
            approval=self.policy.max_approval,
        )
        self.authorizer = Authorizer(
            profile=profile,
            policy=self.policy,
            budget=self.budget,
            signer=self.signer,
            allowance=self.allowance,
            journal=self.journal,
            clock=self.clock,
        )
        self.sessions = SessionPool(self.clock, self.supervisor)
        self.registry = Registry(
            self._registry_rpcs(config),
            profile.tee_registry,
            chain_id=profile.registry.chain_id,
            clock=self.clock,
        )
        self.health = NodeHealth(self.clock)
        self.attesting = Attesting(config.trust, self.clock)
        self.rng = random.SystemRandom()
        self.receipts = ReceiptBook()
        self._connections: dict[NodeRecord, NodeConnection] = {}
        self._looking = asyncio.Lock()
        self._lives: dict[int, OpenAuthorization] = {}
        self._registered: tuple[RegistrySnapshot, NodeRecord, Check] | None = None

    @staticmethod
    def _usual_approval(config: ClientConfig) -> int:
        if config.budget is not None:
            return config.budget
        return config.profile.session_cap * _UNLIMITED_APPROVAL_CAPS

    def _rpc_of(self, chain: ChainProfile) -> Rpc:
        timeout = self.config.timeout
        return Rpc(chain.rpc_urls, self.http, chain_id=chain.chain_id, timeout=timeout)

    @cached_property
    def chains(self) -> Chains:
        """The two chains, with the guarded signer; made when a transaction is first needed."""
        from ..chain import Chain  # calls without transactions do not wait for its import

        profile = self.config.profile

        def chain(rpc: Rpc, of: ChainProfile) -> Chain:
            return Chain(
                rpc,
                profile=of,
                signer=self.signer,
                clock=self.clock,
                store=self.store,
                on_event=self.emit,
            )

        payments = chain(self.payments_rpc, profile.payments)
        one = self.registry_rpc is self.payments_rpc
        return Chains(payments, payments if one else chain(self.registry_rpc, profile.registry))

    @cached_property
    def contracts(self) -> Contracts:
        """The network's contracts, typed."""
        from .contracts import Contracts

        return Contracts(self.payments_rpc, self.registry_rpc, self.config.profile)

    @cached_property
    def watcher(self) -> SettlementWatcher:
        """Who asks the payments chain about authorizations."""
        from ..payments.settlement import SettlementWatcher

        return SettlementWatcher(self.payments_rpc, self.config.profile)

    def _registry_rpcs(self, config: ClientConfig) -> list[Rpc]:
        compared = [
            Rpc([url], self.http, chain_id=config.profile.registry.chain_id, timeout=config.timeout)
            for url in config.trust.registry_rpc_urls
        ]
        return [self.registry_rpc, *compared]

    def connection(self, record: NodeRecord) -> NodeConnection:
        """Return the connection to a node; a record that changed gets a new one."""
        connection = self._connections.get(record)
        if connection is None:
            connection = NodeConnection(self.http, record, self.clock)
            self._connections[record] = connection
        return connection

    def registered(self, snapshot: RegistrySnapshot, record: NodeRecord) -> Check:
        """Return the check that the registry lists ``record``; one for all calls of a reading."""
        known = self._registered
        if known is None or known[0] is not snapshot or known[1] is not record:
            check = Check(
                "registry",
                CheckStatus.PASSED,
                f"key, node and build {record.pcr_hash} are active",
                f"{snapshot.registry} on chain {snapshot.chain_id} at block "
                f"{snapshot.block_number}, by {', '.join(snapshot.rpc_urls)}",
            )
            known = self._registered = (snapshot, record, check)
        return known[2]

    def remember(self, life: OpenAuthorization) -> None:
        """Keep an authorization for questions about it; also what has been resolved."""
        self._lives[life.authorization.nonce] = life

    def life_of(self, nonce: int) -> OpenAuthorization | None:
        """Return the authorization with this nonce, if this client signed it."""
        return self._lives.get(nonce)

    def leave(self, tee_id: Bytes32, reason: str) -> None:
        """Avoid a node for five minutes."""
        self.health.mark_failed(tee_id, reason, self.clock.now() + _AVOID_SECONDS)
        self.emit(NodeLeft(tee_id, reason))

    async def look_up(self, life: OpenAuthorization) -> PaymentStatus:
        """Ask the chain about an authorization, and free its budget when the chain has spoken.

        Raises:
            ChainError: The chain could not be asked.
        """
        async with self._looking:
            before = life.status
            if before.state in _LAST_WORDS:
                return before
            life.status = status = await self.watcher.status(self.watcher.claim_of(life))
            self._account(life, before, status)
            if (status.state, status.transaction) != (before.state, before.transaction):
                await self.journal.resolve(life, status)
            return status

    def _account(
        self, life: OpenAuthorization, before: PaymentStatus, status: PaymentStatus
    ) -> None:
        # a reorg can take the chain's word back, or put another charge in the place of one
        if before.state.resolved:
            self.budget.reopen(life.cap, charged=_charged(before))
        if status.state.resolved:
            self.budget.release(life.cap, charged=_charged(status))
        if status.state.resolved and not before.state.resolved:
            self.sessions.resolved(life)
            self.emit(PaymentResolved(life.authorization.nonce, status))
        if before.state.resolved and not status.state.resolved:
            self.sessions.reopened(life)

    async def look_up_retired(self) -> None:
        """Ask the chain about every authorization that takes no more calls.

        Raises:
            ChainError: The chain could not be asked.
        """
        for life in self.sessions.unresolved:
            if not self.sessions.is_current(life):
                await self.look_up(life)

    async def aclose(self) -> None:
        """End every task, then close connections and files: all of them, whatever one says."""
        async with AsyncExitStack() as closing:  # the last one that was pushed is closed first
            closing.push_async_callback(self.store.aclose)
            closing.push_async_callback(self.http.aclose)
            if "chains" in self.__dict__:  # made at the first transaction only
                for chain in {self.chains.payments, self.chains.registry}:
                    closing.push_async_callback(chain.aclose)
            closing.push_async_callback(self.supervisor.aclose)


def _charged(status: PaymentStatus) -> int:
    return status.amount.atoms if status.amount is not None else 0

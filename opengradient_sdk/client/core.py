"""The parts of a client, put together; nothing here is reached around the guard."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from .._core.gathering import Gathering
from .._core.http import HttpClient
from .._core.store import open_store
from .._core.tasks import Supervisor
from .._core.vault import Vault
from ..chain.outbox.schema import SCHEMA as OUTBOX_SCHEMA
from ..chain.rpc import Rpc
from ..ledger.ledger import Ledger
from ..ledger.receipt import AuthorizationFacts, Receipt
from ..ledger.schema import SCHEMA as LEDGER_SCHEMA
from ..ledger.timeline.schema import SCHEMA as TIMELINE_SCHEMA
from ..network.connection import NodeConnection
from ..network.records import NodeRecord, RegistrySnapshot
from ..network.registry import Registry
from ..network.selection import NodeHealth
from ..payments.allowance import AllowanceKeeper
from ..payments.authorizer import Authorizer
from ..payments.budget import Standing
from ..payments.conduct import NodeConduct
from ..payments.journal import SCHEMA as PAYMENTS_SCHEMA
from ..payments.journal import PaymentJournal
from ..payments.lives import Lives
from ..payments.policy import FacilitatorChanged, PaymentPolicy
from ..payments.refusal import Refusal, shown
from ..payments.sessions import SessionPool
from ..payments.state import OpenAuthorization
from ..payments.status import PaymentStatus
from ..profiles import ChainProfile
from ..signers import GuardedSigner
from ..types import Amount, Bytes32
from ..verification.evidence import Check, CheckStatus
from ..verification.statistics import VerificationLog
from .attesting import Attesting
from .callbook import CallBook
from .config import ClientConfig
from .events import BudgetLow, Emit, NodeLeft
from .once import Once
from .reconciling import Reconciler
from .required import check_required, facts_of_receipt

if TYPE_CHECKING:
    from ..chain import Chain
    from ..ledger.data import BlobReader, DataWatcher
    from ..ledger.timeline import RegistryHistory
    from ..payments.settlement import SettlementWatcher
    from .contracts import Contracts
    from .following import Following

_UNLIMITED_APPROVAL_CAPS = 100
_AVOID_SECONDS = 300.0


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
        self.opened_at = self.clock.now()
        self.emit = emit
        self.http = HttpClient()
        self.supervisor = Supervisor()
        self.policy = PaymentPolicy(
            profile,
            config.rules,
            max_approval=self._usual_approval(config),
            clock=self.clock,
            on_refusal=self._refused,
            on_facilitator=self._facilitator_changed,
        )
        self.signer = GuardedSigner(config.signer, self.policy)
        self.payments_rpc = self._rpc_of(profile.payments)
        one = (profile.payments.chain_id, profile.payments.rpc_urls) == (
            profile.registry.chain_id,
            profile.registry.rpc_urls,
        )
        self.registry_rpc = self.payments_rpc if one else self._rpc_of(profile.registry)
        self.store = open_store(
            config.store, PAYMENTS_SCHEMA, OUTBOX_SCHEMA, LEDGER_SCHEMA, TIMELINE_SCHEMA
        )
        self.vault = Vault.at(config.store, config.store_key)
        self.gathering = Gathering(self.store, self.supervisor)
        self.journal = PaymentJournal(
            self.store,
            self.vault,
            owner=self.signer.address,
            network=profile.payments.caip2,
            pool=config.budget.pool_of(self.signer.address, profile.payments.caip2),
            limits=config.budget.limits(),
            clock=self.clock,
            supervisor=self.supervisor,
            gathering=self.gathering,
        )
        self.calls = CallBook(self.journal, self.clock)
        self.conduct = NodeConduct(self.clock)
        self.lives = Lives(self.clock, self.journal.note, self.conduct)
        self.sessions = SessionPool(self.clock, self.supervisor, self.lives)
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
            signer=self.signer,
            allowance=self.allowance,
            journal=self.journal,
            clock=self.clock,
            on_low=self._budget_low,
        )
        self.reconciler = Reconciler(
            lives=self.lives,
            sessions=self.sessions,
            journal=self.journal,
            conduct=self.conduct,
            watcher=lambda: self.watcher,
            clock=self.clock,
            supervisor=self.supervisor,
            block_time=profile.payments.block_time,
            emit=self.emit,
            leave=self.leave,
            record=self._paid,
        )
        self.ledger = Ledger(
            self.store,
            self.vault,
            owner=self.signer.address,
            network=profile.payments.caip2,
            clock=self.clock,
            gathering=self.gathering,
            content=config.content,
        )
        self.once = Once(
            self.journal,
            self.lives,
            self.reconciler.look_up,
            self.take_over,
            takes=self.sessions.takes,
            repeated=self._repeated,
            recorded=self.ledger.flushed,
        )
        self.registry = Registry(
            self._registry_rpcs(config),
            profile.tee_registry,
            chain_id=profile.registry.chain_id,
            clock=self.clock,
        )
        self.health = NodeHealth(self.clock)
        self.verifications = VerificationLog()
        self.attesting = Attesting(config.trust, self.clock)
        self.rng = random.SystemRandom()
        self._connections: dict[NodeRecord, NodeConnection] = {}
        self._registered: tuple[RegistrySnapshot, NodeRecord, Check] | None = None

    @staticmethod
    def _usual_approval(config: ClientConfig) -> int:
        if config.budget.total is not None:
            return config.budget.total.atoms
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
        """Who asks the payments chain about authorizations, through every endpoint."""
        from ..payments.settlement import SettlementWatcher

        payments = self.config.profile.payments
        rpcs = [self._rpc_of(replace(payments, rpc_urls=(url,))) for url in payments.rpc_urls]
        return SettlementWatcher(rpcs, self.config.profile)

    @cached_property
    def data_watcher(self) -> DataWatcher:
        """Who looks for the hashes of answers on the relay's chain, through every endpoint."""
        from ..ledger.data import DataWatcher

        profile = self.config.profile
        return DataWatcher(
            self.every_registry_rpc,
            profile.settlement_relay,
            self.blobs,
            self.clock,
        )

    @cached_property
    def following(self) -> Following:
        """Who follows promised settlements, for a policy that wants to see them."""
        from .following import Following

        return Following(self)

    @cached_property
    def blobs(self) -> BlobReader:
        """Who reads the blobs that settlements name; the stores they lie in are not trusted."""
        from ..ledger.data import BlobReader

        return BlobReader(self.http, self.config.profile.blob_urls)

    @cached_property
    def history(self) -> RegistryHistory:
        """What the registry has said since it was deployed, as far as it was read."""
        from ..ledger.timeline import RegistryHistory

        profile = self.config.profile
        return RegistryHistory(
            self.every_registry_rpc,
            profile.tee_registry,
            chain_id=profile.registry.chain_id,
            store=self.store,
            clock=self.clock,
        )

    @cached_property
    def every_registry_rpc(self) -> list[Rpc]:
        """One reader for each configured endpoint of the registry's chain: they are compared."""
        registry, trust = self.config.profile.registry, self.config.trust
        urls = dict.fromkeys((*registry.rpc_urls, *trust.registry_rpc_urls))
        return [self._rpc_of(replace(registry, rpc_urls=(url,))) for url in urls]

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

    def leave(self, tee_id: Bytes32, reason: str, seconds: float = _AVOID_SECONDS) -> None:
        """Avoid a node for a while: five minutes, unless it is said otherwise."""
        self.health.mark_failed(tee_id, reason, self.clock.now() + seconds)
        self.emit(NodeLeft(tee_id, reason))

    @property
    def last_opg_usd(self) -> Decimal | None:
        """The price of OPG that a node published last, while it is fresh; for estimates."""
        prices = [connection.last_opg_usd for connection in self._connections.values()]
        return next((price for price in reversed(prices) if price is not None), None)

    async def take_over(self) -> None:
        """Go on with what closed and dead clients of this wallet have left in the store.

        Their sessions are used again while they are young; everything else is asked for on chain.

        Raises:
            LedgerError: The store could not be read.
        """
        await self.journal.join()
        for left in await self.journal.inherit():
            self.lives.add(left.life)
            if left.may_serve:
                self.sessions.inherit(left.life)
            else:
                self.lives.retire(left.life)
        self.reconciler.wake()

    def signed(self, life: OpenAuthorization) -> None:
        """Keep a new authorization, and ask the chain about it when its time has come."""
        self.lives.add(life)
        self.reconciler.wake()

    def _paid(self, life: OpenAuthorization, status: PaymentStatus) -> None:
        self.ledger.payment(AuthorizationFacts.of(life), status)

    def _repeated(self, receipt: Receipt) -> None:
        check_required(self.config, receipt, facts_of_receipt(receipt))

    def _budget_low(self, standing: Standing) -> None:
        assert standing.total is not None  # a budget without a total is never low
        self.emit(BudgetLow(Amount(max(standing.remaining or 0, 0)), Amount(standing.total)))

    def _refused(self, refusal: Refusal, tee_id: Bytes32 | None) -> None:
        asked, allowed = shown(refusal.asked), shown(refusal.allowed)
        self.journal.refuse(refusal.field, asked, allowed, tee_id)

    def _facilitator_changed(self, change: FacilitatorChanged) -> None:
        self.emit(change)

    async def aclose(self) -> None:
        """End every task, then close connections and files: all of them, whatever one says."""
        async with AsyncExitStack() as closing:  # the last one that was pushed is closed first
            closing.push_async_callback(self.store.aclose)
            closing.push_async_callback(self.journal.leave)
            closing.push_async_callback(self.ledger.aclose)
            closing.push_async_callback(self.http.aclose)
            if "chains" in self.__dict__:  # made at the first transaction only
                for chain in {self.chains.payments, self.chains.registry}:
                    closing.push_async_callback(chain.aclose)
            closing.push_async_callback(self.supervisor.aclose)

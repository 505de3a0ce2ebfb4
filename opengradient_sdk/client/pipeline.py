"""One call: choose a node, have a session, send, verify, record."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import (
    APIStatusError,
    AttestationError,
    NetworkError,
    PaymentOutcomeUnknownError,
    Spent,
)
from ..ledger.receipt import Receipt
from ..network.connection import NodeConnection
from ..network.records import NodeRecord, RegistrySnapshot
from ..payments.budget import Block
from ..payments.sessions import SessionPool
from ..payments.state import OpenAuthorization
from ..types import Amount
from ..verification.policy import CallFacts, Plan
from .call import Call
from .callbook import Errand
from .core import Core
from .exchange import Delivery, Exchange, Transmission
from .opening import open_session
from .required import facts_of
from .routing import Router
from .status import status_error
from .verdict import Answered, AnswerT, conclude

T = TypeVar("T", bound=Transmission)


@dataclass(frozen=True, slots=True)
class Scope:
    """What calls have in common: their sessions, and the budget of the block they are in."""

    sessions: SessionPool
    block: Block | None = None


@dataclass(frozen=True, slots=True)
class Served(Generic[T]):
    """A paid request that a node answers with status 200; not verified yet.

    ``started`` is Unix seconds of the client's clock.
    """

    core: Core
    call: Call
    errand: Errand
    connection: NodeConnection
    snapshot: RegistrySnapshot
    delivery: Delivery
    transmission: T
    started: float

    def verified(self, answered: Answered[AnswerT]) -> tuple[AnswerT, Receipt]:
        """Return what the answer says with its receipt, if it proves what the client requires.

        Raises:
            VerificationError: It does not; the call was paid, and the receipt is kept.
        """
        return conclude(
            self.core,
            self.call,
            self.errand,
            self.connection,
            self.snapshot,
            self.delivery,
            answered,
            started=self.started,
        )


class Pipeline:
    """Makes calls with the parts of a client."""

    def __init__(self, core: Core, router: Router, scope: Scope) -> None:
        self._core = core
        self._scope = scope
        self._exchanges: dict[NodeConnection, Exchange] = {}
        self.router = router

    @asynccontextmanager
    async def serve(
        self, call: Call, transmission_for: Callable[[NodeConnection, Call], T], errand: Errand
    ) -> AsyncGenerator[Served[T], None]:
        """Send ``call``, paid, and hand over the answer as it is; write down how it ended.

        Raises:
            APIStatusError: The node answered with another status than 200; it does not bill that.
            PaymentError, NetworkError: ``spent`` says what it may have cost.
        """
        core, started = self._core, self._core.clock.now()
        try:
            connection, snapshot = await self._chosen(call, errand)
            transmission = transmission_for(connection, call)
            exchange = self._exchange(connection)
            try:
                async with exchange.deliver(call, transmission, errand) as delivery:
                    if delivery.status != 200:
                        core.calls.unserved(errand)
                        raise _refused(delivery, await transmission.body())
                    yield Served(
                        core, call, errand, connection, snapshot, delivery, transmission, started
                    )
            except (NetworkError, PaymentOutcomeUnknownError):
                # the next call goes elsewhere; this one stays with the node that may have been paid
                self.router.doubt(connection.record)
                raise
        except BaseException as error:
            core.calls.failed(errand, error)
            raise
        if not errand.ended:
            core.calls.abandoned(errand)

    async def _chosen(self, call: Call, errand: Errand) -> tuple[NodeConnection, RegistrySnapshot]:
        core = self._core
        facts = errand.facts = facts_of(errand.record.id, errand.record.estimate)
        plan = core.config.require.plan(facts)
        if errand.under is not None:
            chosen = await self._stayed(errand.under, plan, facts)
        else:
            chosen = await self._prepared(call, errand, plan, facts)
        # the session may be another client's, or older than the price that it was opened with
        await chosen[0].keep_priced()
        if errand.record.estimate is None and errand.block is None:
            # the first call of a client does not know the price before it has asked a node
            cap = core.config.profile.session_cap
            errand.record.estimate = call.estimate(chosen[0].last_opg_usd, cap)
        return chosen

    async def _prepared(
        self, call: Call, errand: Errand, plan: Plan, facts: CallFacts
    ) -> tuple[NodeConnection, RegistrySnapshot]:
        """Return a node that may be asked, with a session that the call can join."""
        core, sessions = self._core, self._scope.sessions

        async def prepare(connection: NodeConnection) -> None:
            if plan.attests(connection.record.pcr_hash):
                await self._attested(connection, facts)
            tee_id = connection.record.tee_id
            if sessions.current(tee_id, call.route) is None:
                await core.take_over()  # perhaps another client has left a session of this route
                if core.conduct.verdict(tee_id):
                    await core.reconciler.look_up_retired()  # what has ended meanwhile is forgiven
            current = sessions.current(tee_id, call.route)
            if errand.block is not None and current is None:
                errand.block.check_room(core.config.profile.session_cap)
            await sessions.prepare(tee_id, call.route, lambda: open_session(core, connection, call))

        return await self.router.choose(call.node, prepare, plan.allows)

    async def _stayed(
        self, under: OpenAuthorization, plan: Plan, facts: CallFacts
    ) -> tuple[NodeConnection, RegistrySnapshot]:
        """Return the node that a call was sent to before, if it may still be asked.

        Raises:
            PaymentOutcomeUnknownError: It may not; the call may have been billed.
        """
        try:
            connection, snapshot = await self.router.stay(under.tee_id)
            _check_allowed(plan, connection.record)
            if plan.attests(connection.record.pcr_hash):
                await self._attested(connection, facts)
        except (NetworkError, AttestationError) as error:
            raise PaymentOutcomeUnknownError(
                "the call was sent before, it is not known whether it was billed, and it cannot "
                f"be sent again: {error.short_message}",
                hint="Nothing was sent now. Ask again with this key when the node can be asked.",
                spent=Spent.MAYBE,
                amount=Amount(under.cap),
            ) from error
        return connection, snapshot

    async def _attested(self, connection: NodeConnection, facts: CallFacts) -> None:
        """Have a node prove its enclave; what it does not prove is counted."""
        core, record = self._core, connection.record
        try:
            await core.attesting.prove(connection)
        except AttestationError as error:
            if record.pcr_hash in core.config.trust.measurements:  # else it was not even asked
                core.verifications.attestation_failed(
                    record.tee_id, record.pcr_hash, error.short_message
                )
            raise
        except NetworkError:
            choice = core.config.require.choice(facts, record.pcr_hash)
            core.verifications.attestation_missing(record.tee_id, choice)
            raise

    def _exchange(self, connection: NodeConnection) -> Exchange:
        exchange = self._exchanges.get(connection)
        if exchange is None:
            core = self._core
            exchange = self._exchanges[connection] = Exchange(
                connection,
                self._scope.sessions,
                lambda call: open_session(core, connection, call),
                lives=core.lives,
                calls=core.calls,
                conduct=core.conduct,
                on_ambiguous=core.config.on_ambiguous,
                emit=core.emit,
            )
        return exchange


def _check_allowed(plan: Plan, record: NodeRecord) -> None:
    if not plan.allows(record.pcr_hash):
        raise AttestationError(f"node {record.tee_id} runs {record.pcr_hash}, which is refused")


def _refused(delivery: Delivery, body: bytes) -> APIStatusError:
    error = status_error(delivery.status, body)
    if delivery.resent:  # this copy was not billed; the one whose answer was lost may have been
        error.spent = Spent.MAYBE
        error.amount = Amount(delivery.authorization.cap)
    return error

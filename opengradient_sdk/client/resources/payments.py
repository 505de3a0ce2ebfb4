"""Payments by hand: each step that a call takes by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ...errors import ConfigurationError
from ...network.records import NodeRecord
from ...payments.challenge import Offer, PaymentRequired
from ...payments.journal import JournalEntry, Refusal
from ...payments.schemes import Authorization
from ...payments.state import OpenAuthorization
from ...payments.status import PaymentStatus
from ...types import Address
from ..call import CHAT_ROUTE, COMPLETION_ROUTE
from ..opening import challenge as ask
from ..work import CallWork
from .requests import ChatRequest, CompletionRequest


@dataclass(frozen=True, slots=True)
class NodeOffer(Offer):
    """An offer with the node that made it: its payment address is who may be paid."""

    node: NodeRecord = field(repr=False, kw_only=True)
    required: PaymentRequired = field(repr=False, kw_only=True)
    route: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A node's demand for payment, as data."""

    node: NodeRecord
    error: str
    offers: tuple[NodeOffer, ...]
    extensions: Mapping[str, object] = field(repr=False)


class Payments:
    """``client.payments``: challenge, authorize, status, cancel."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    @property
    def unresolved(self) -> tuple[OpenAuthorization, ...]:
        """Every authorization of this client that the chain has not spoken about yet."""
        return self._work.core.lives.unresolved

    async def journal(self) -> tuple[JournalEntry, ...]:
        """Return every authorization of this wallet and network in the store, oldest first.

        Raises:
            LedgerError: The store could not be read.
        """
        return tuple(await self._work.core.journal.entries())

    async def refusals(self) -> tuple[Refusal, ...]:
        """Return everything that was asked of this wallet's clients and refused, oldest first.

        Raises:
            LedgerError: The store could not be read.
        """
        return tuple(await self._work.core.journal.refusals())

    async def resolve(self) -> tuple[OpenAuthorization, ...]:
        """Ask the chain about all that is open and takes no more calls; return what stays open.

        What closed and dead clients of this wallet have left in the store is taken over first.

        **Money**: free. What has ended is replaced in the budget by its charge.

        Raises:
            ChainError: The chain could not be asked.
            LedgerError: The store could not be read or written.

        Example:
            >>> reply = await client.chat.create(model="openai/gpt-5", messages="hi")
            >>> len(await client.payments.resolve())
            1
        """
        core = self._work.core
        await core.take_over()
        await core.reconciler.look_up_retired()
        return core.lives.unresolved

    async def challenge(
        self, node: NodeRecord | str | None, request: Mapping[str, object]
    ) -> Challenge:
        """Send ``request`` unpaid to ``node`` and return its demand.

        ``node`` is a record, a tee id or an endpoint, or ``None`` for any. ``request`` has the
        members of ``chat.create`` (or, with ``prompt``, of ``completions.create``).

        **Money**: free; nothing is signed.

        Raises:
            InvalidChallengeError: The answer has no usable challenge.
            NetworkError: The node could not be asked.
            ConfigurationError: The request is not one.

        Example:
            >>> request = {"model": "openai/gpt-5", "messages": "hi"}
            >>> challenge = await client.payments.challenge(None, request)
            >>> print(challenge.offers[0].scheme, Amount(challenge.offers[0].amount))
            upto 0.1 OPG
        """
        core = self._work.core
        if isinstance(node, NodeRecord):
            record = node
        else:
            record = await self._work.pipeline.router.node(node)
        kind = CompletionRequest if "prompt" in request else ChatRequest
        known = {f.name for f in fields(kind)}
        if strange := set(request) - known:
            raise ConfigurationError(
                f"a request has no member {sorted(strange)[0]!r}",
                hint=f"It may have {', '.join(sorted(known))}.",
            )
        call = kind(**request).call(core, tag=None, node=None, timeout=None)  # type: ignore[arg-type]
        required = await ask(core.connection(record), call)
        route = COMPLETION_ROUTE if kind is CompletionRequest else CHAT_ROUTE
        offers = tuple(_of_node(offer, record, required, route) for offer in required.offers)
        return Challenge(record, required.error, offers, required.extensions)

    async def authorize(self, offer: NodeOffer) -> Authorization:
        """Return a signed, journalled authorization for exactly ``offer``.

        Send its ``header`` as ``PAYMENT-SIGNATURE`` to the node that made the offer, nowhere else.

        **Money**: the header is a bearer secret worth up to ``offer.amount`` atoms until its
        deadline; that much of the budget stays reserved until the chain has spoken.

        Raises:
            PolicyRejectedError, BudgetExceededError, InsufficientOPGError, AllowanceError: Nothing
                was signed.

        Example:
            >>> request = {"model": "openai/gpt-5", "messages": "hi"}
            >>> challenge = await client.payments.challenge(None, request)
            >>> authorization = await client.payments.authorize(challenge.offers[0])
            >>> (await client.payments.status(authorization)).state
            <PaymentState.OPEN: 'open'>
        """
        core = self._work.core
        life = await core.authorizer.authorize(
            offer,
            offer.required,
            payee=offer.node.payment_address,
            tee_id=offer.node.tee_id,
            route=offer.route,
        )
        core.lives.retire(life)  # the caller's own: no call joins it
        life.answered(None)  # and what it is used for is counted nowhere here
        core.calls.handed_out(life)
        core.signed(life)
        return life.authorization

    def check(self, offer: Offer, payee: Address) -> None:
        """Explain whether ``offer`` may be paid by the node whose payment address is ``payee``.

        ``client.policy.check`` names every objection to a whole challenge. **Money**: free; nothing
        is signed or written down.

        Raises:
            PolicyRejectedError: The member that failed, what it asks and what is allowed.
        """
        (verdict,) = self._work.core.policy.explain([offer], payee)
        if not verdict.allowed:
            raise verdict.refusals[0].error()

    async def status(self, authorization: Authorization) -> PaymentStatus:
        """Return what the chain says of ``authorization``, through every configured endpoint.

        NOT_CHARGED comes with its ``proof``: the nonce's bit and the block's time, read at one
        finalized block after the permit's deadline. Endpoints that disagree make it UNKNOWN, and
        are named.

        **Trust**: what the payments RPC shows; a set nonce bit alone is not taken for a payment.

        Raises:
            ChainError: The chain could not be asked.
            ConfigurationError: No client of this wallet and store signed it.
        """
        return await self._work.core.reconciler.look_up(await self._life(authorization))

    async def cancel(self, authorization: Authorization) -> PaymentStatus:
        """Burn the authorization's nonce on chain, so that it can never be collected.

        **Money**: costs one transaction's fee in the chain's own coin. A settlement that is mined
        first wins; the status says which.

        Raises:
            ChainError: The transaction failed.
            ConfigurationError: No client of this wallet and store signed it.
        """
        core = self._work.core
        life = await self._life(authorization)
        core.lives.retire(life)
        await core.chains.payments.execute(
            core.contracts.permit2.invalidate_nonce(authorization.nonce)
        )
        return await core.reconciler.look_up(life)

    async def _life(self, authorization: Authorization) -> OpenAuthorization:
        core = self._work.core
        life = core.lives.find(authorization.nonce)
        life = life or await core.journal.find(authorization.nonce)
        if life is None:
            raise ConfigurationError(
                "no client of this wallet and store signed that authorization",
                hint="Ask the client that did, or one with its store.",
            )
        return life


def _of_node(offer: Offer, record: NodeRecord, required: PaymentRequired, route: str) -> NodeOffer:
    members = {f.name: getattr(offer, f.name) for f in fields(Offer)}
    return NodeOffer(**members, node=record, required=required, route=route)

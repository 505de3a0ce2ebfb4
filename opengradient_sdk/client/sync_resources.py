"""The resources of ``OpenGradient``: those of the async client, without ``await``."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .._core.portal import Portal
from ..chain import Chain, PendingTx
from ..payments.budget import Budget, Money
from ..payments.challenge import Offer
from ..payments.state import OpenAuthorization
from ..types import Address, Amount, Bytes32, SignedTx, TxRequest
from ..verification.statistics import VerificationStatistics
from .async_client import AsyncOpenGradient
from .blocking import Blocking, Twin
from .reply import ParsedReply, Reply
from .resources.budget import BudgetView
from .resources.chat import Chat
from .resources.completions import Completions
from .resources.ledger import LedgerView
from .resources.models import Models
from .resources.nodes import Nodes
from .resources.payments import Payments
from .resources.receipts import Receipts
from .resources.requests import Messages, Parents
from .resources.timeline import TimelineView
from .resources.verification import Verification
from .resources.wallet import Wallet
from .scoped import ScopedClient
from .stream import ChatStream

if TYPE_CHECKING:
    import pydantic

    M = TypeVar("M", bound=pydantic.BaseModel)
else:
    M = TypeVar("M")


class SyncChatStream:
    """One streamed answer; use it with ``with``. See ``ChatStream``."""

    def __init__(self, stream: ChatStream, portal: Portal) -> None:
        self._stream = stream
        self._portal = portal

    def __enter__(self) -> Self:
        """Send the request; the answer has begun when this returns."""
        self._portal.call(self._stream.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the answer; what was not read is dropped, and never verified."""
        self._portal.call(self._stream.__aexit__(kind, error, traceback))

    @property
    def text_stream(self) -> Iterator[str]:
        """The pieces of text as they arrive: provisional until ``get_final_reply`` returns."""
        texts = self._stream.text_stream

        async def next_text() -> str | None:
            return await anext(texts, None)

        while (text := self._portal.call(next_text())) is not None:
            yield text

    def get_final_reply(self) -> Reply:
        """Read to the end and return the verified answer; errors as ``ChatStream``."""
        return self._portal.call(self._stream.get_final_reply())


class SyncChat(Twin[Chat]):
    """``client.chat`` without ``await``."""

    create = Blocking(Chat.create)
    estimate = Blocking(Chat.estimate)

    def stream(
        self,
        *,
        model: str,
        messages: Messages,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: str | Sequence[str] | None = None,
        tools: Sequence[Mapping[str, object]] | None = None,
        tool_choice: str | Mapping[str, object] | None = None,
        response_format: Mapping[str, object] | None = None,
        web_search: bool = False,
        tag: str | None = None,
        node: str | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        parents: Parents = None,
    ) -> SyncChatStream:
        """Return a stream to be used with ``with``; see ``Chat.stream``."""
        stream = self.find().stream(
            model=model,
            messages=messages,
            max_tokens=max_tokens,
            temperature=temperature,
            stop=stop,
            tools=tools,
            tool_choice=tool_choice,
            response_format=response_format,
            web_search=web_search,
            tag=tag,
            node=node,
            timeout=timeout,
            idempotency_key=idempotency_key,
            parents=parents,
        )
        return SyncChatStream(stream, self.portal)

    def parse(
        self,
        *,
        model: str,
        messages: Messages,
        response_model: type[M],
        max_tokens: int | None = None,
        temperature: float | None = None,
        tag: str | None = None,
        node: str | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        parents: Parents = None,
    ) -> ParsedReply[M]:
        """Return a verified answer as an object of a pydantic class; see ``Chat.parse``."""
        return self.portal.call(
            self.find().parse(
                model=model,
                messages=messages,
                response_model=response_model,
                max_tokens=max_tokens,
                temperature=temperature,
                tag=tag,
                node=node,
                timeout=timeout,
                idempotency_key=idempotency_key,
                parents=parents,
            )
        )


class SyncCompletions(Twin[Completions]):
    """``client.completions`` without ``await``."""

    create = Blocking(Completions.create)


class SyncModels(Twin[Models]):
    """``client.models`` without ``await``."""

    list = Blocking(Models.list)


class SyncTimelineView(Twin[TimelineView]):
    """``client.timeline`` without ``await``."""

    at = Blocking(TimelineView.at)
    versions = Blocking(TimelineView.versions)
    moment = Blocking(TimelineView.moment)
    during = Blocking(TimelineView.during)
    history = Blocking(TimelineView.history)
    impact = Blocking(TimelineView.impact)
    report = Blocking(TimelineView.report)


class SyncLedgerView(Twin[LedgerView]):
    """``client.ledger`` without ``await``."""

    check = Blocking(LedgerView.check)
    checkpoint = Blocking(LedgerView.checkpoint)


class SyncNodes(Twin[Nodes]):
    """``client.nodes`` without ``await``."""

    list = Blocking(Nodes.list)
    snapshot = Blocking(Nodes.snapshot)


class SyncWallet(Twin[Wallet]):
    """``client.wallet`` without ``await``."""

    balances = Blocking(Wallet.balances)
    ensure_allowance = Blocking(Wallet.ensure_allowance)

    @property
    def address(self) -> Address:
        """The account that pays."""
        return self.find().address


class SyncReceipts(Twin[Receipts]):
    """``client.receipts`` without ``await``."""

    get = Blocking(Receipts.get)
    list = Blocking(Receipts.list)
    refresh = Blocking(Receipts.refresh)
    wait = Blocking(Receipts.wait)
    export = Blocking(Receipts.export)
    forget = Blocking(Receipts.forget)


class SyncVerification(Twin[Verification]):
    """``client.verification`` without ``await``."""

    refresh = Blocking(Verification.refresh)

    def statistics(self) -> VerificationStatistics:
        """Return how much was checked; see ``Verification.statistics``."""
        return self.find().statistics()


class SyncPayments(Twin[Payments]):
    """``client.payments`` without ``await``."""

    challenge = Blocking(Payments.challenge)
    authorize = Blocking(Payments.authorize)
    status = Blocking(Payments.status)
    cancel = Blocking(Payments.cancel)
    journal = Blocking(Payments.journal)
    refusals = Blocking(Payments.refusals)
    resolve = Blocking(Payments.resolve)

    def check(self, offer: Offer, payee: Address) -> None:
        """Explain whether ``offer`` may be paid; see ``Payments.check``."""
        self.find().check(offer, payee)

    @property
    def unresolved(self) -> tuple[OpenAuthorization, ...]:
        """Every authorization of this client that the chain has not spoken about yet."""
        return self.find().unresolved


class SyncBudgetView(Twin[BudgetView]):
    """``client.budget`` without ``await``."""

    standing = Blocking(BudgetView.standing)

    @property
    def limits(self) -> Budget:
        """What the client was told to hold itself to."""
        return self.find().limits


class SyncScopedClient:
    """The calls of one block; use it with ``with``. See ``ScopedClient``."""

    def __init__(self, scoped: ScopedClient, portal: Portal) -> None:
        self._scoped = scoped
        self._portal = portal

    @property
    def chat(self) -> SyncChat:
        """Conversations with a model."""
        return SyncChat(lambda: self._scoped.chat, self._portal)

    @property
    def completions(self) -> SyncCompletions:
        """Prompts continued."""
        return SyncCompletions(lambda: self._scoped.completions, self._portal)

    def __enter__(self) -> Self:
        """Open the block; nothing is signed or sent."""
        self._portal.call(self._scoped.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the block; see ``ScopedClient``."""
        self._portal.call(self._scoped.__aexit__(kind, error, traceback))

    def with_budget(self, total: Money, *, per_call: Money | None = None) -> SyncScopedClient:
        """Return a block within this one; see ``ScopedClient.with_budget``."""
        return SyncScopedClient(self._scoped.with_budget(total, per_call=per_call), self._portal)

    @property
    def exposed(self) -> Amount:
        """Whole caps of the open sessions that calls of this block joined."""
        return self._scoped.exposed

    @property
    def estimated(self) -> Amount:
        """Computed costs of this block's calls; estimates where one is not known yet."""
        return self._scoped.estimated

    @property
    def settled(self) -> Amount:
        """What the chain has charged for sessions that calls of this block joined."""
        return self._scoped.settled

    @property
    def remaining(self) -> Amount | None:
        """What new sessions may still expose; ``None`` is unlimited."""
        return self._scoped.remaining

    def __repr__(self) -> str:
        return repr(self._scoped)


class SyncPendingTx(Twin[PendingTx]):
    """A transaction that was handed to the chain."""

    wait = Blocking(PendingTx.wait)

    @property
    def hash(self) -> Bytes32:
        """The transaction's hash."""
        return self.find().hash

    @property
    def nonce(self) -> int:
        """The transaction's nonce."""
        return self.find().nonce

    def replace(
        self, request: TxRequest | None = None, *, fee_bump: int | None = None
    ) -> SyncPendingTx:
        """Send another one with this nonce; see ``PendingTx.replace``."""
        return _followed(self.portal, self.find().replace(request, fee_bump=fee_bump))

    def cancel(self, *, fee_bump: int | None = None) -> SyncPendingTx:
        """Send a transaction that does nothing with this nonce; see ``PendingTx.cancel``."""
        return _followed(self.portal, self.find().cancel(fee_bump=fee_bump))


class SyncChain(Twin[Chain]):
    """One of ``client.chains`` without ``await``."""

    build = Blocking(Chain.build)
    sign = Blocking(Chain.sign)
    discard = Blocking(Chain.discard)
    execute = Blocking(Chain.execute)
    execute_many = Blocking(Chain.execute_many)
    read = Blocking(Chain.read)
    read_many = Blocking(Chain.read_many)
    reserved = Blocking(Chain.reserved)

    def follow(self, signed: SignedTx) -> SyncPendingTx:
        """Return what follows a transaction that was sent before; see ``Chain.follow``."""

        async def follow() -> PendingTx:  # in the loop, which does the following
            return self.find().follow(signed)

        return _followed(self.portal, follow())

    def send(self, signed: SignedTx) -> SyncPendingTx:
        """Hand ``signed`` to the chain and return what follows it; see ``Chain.send``."""
        return _followed(self.portal, self.find().send(signed))


def _followed(portal: Portal, sending: Coroutine[Any, Any, PendingTx]) -> SyncPendingTx:
    pending = portal.call(sending)
    return SyncPendingTx(lambda: pending, portal)


class SyncChains:
    """``client.chains`` without ``await``."""

    def __init__(self, find: Callable[[], AsyncOpenGradient], portal: Portal) -> None:
        self.payments = SyncChain(lambda: find().chains.payments, portal)
        self.registry = SyncChain(lambda: find().chains.registry, portal)

"""``OpenGradient``: the same client without ``await``, for scripts and notebooks.

Every call runs on one background event loop (the portal); the bodies are those of the async
client, and so are the names and signatures.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from .._core.clock import Clock
from .._core.portal import Portal
from ..chain import Chain, PendingTx
from ..payments.challenge import Offer
from ..payments.rules import PaymentRules
from ..payments.state import OpenAuthorization
from ..profiles import Profile
from ..signers import Signer
from ..types import Address, Bytes32, SignedTx, TxRequest
from ..verification.evidence import Assurance
from .async_client import AsyncOpenGradient
from .blocking import Blocking, Twin
from .config import (
    DEFAULT_TIMEOUT,
    ClientConfig,
    Money,
    OnAmbiguous,
    SettlementMode,
    Trust,
    find_wallet,
    or_raise,
)
from .contracts import Contracts
from .events import Event
from .reply import ParsedReply, Reply
from .resources.chat import Chat
from .resources.completions import Completions
from .resources.models import Models
from .resources.nodes import Nodes
from .resources.payments import Payments
from .resources.receipts import Receipts
from .resources.requests import Messages
from .resources.wallet import Wallet
from .stream import ChatStream

if TYPE_CHECKING:
    import pydantic

    M = TypeVar("M", bound=pydantic.BaseModel)
else:
    M = TypeVar("M")

R = TypeVar("R")


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
            )
        )


class SyncCompletions(Twin[Completions]):
    """``client.completions`` without ``await``."""

    create = Blocking(Completions.create)


class SyncModels(Twin[Models]):
    """``client.models`` without ``await``."""

    list = Blocking(Models.list)


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


class SyncPayments(Twin[Payments]):
    """``client.payments`` without ``await``."""

    challenge = Blocking(Payments.challenge)
    authorize = Blocking(Payments.authorize)
    status = Blocking(Payments.status)
    cancel = Blocking(Payments.cancel)

    def check(self, offer: Offer, payee: Address) -> None:
        """Explain whether ``offer`` may be paid; see ``Payments.check``."""
        self.find().check(offer, payee)

    @property
    def unresolved(self) -> tuple[OpenAuthorization, ...]:
        """Every authorization of this client that the chain has not spoken about yet."""
        return self.find().unresolved


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
        budget: Money | None = None,
        require: Assurance = Assurance.REGISTERED,
        trust: Trust | None = None,
        store: str | os.PathLike[str] | None = None,
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
        self.chains = SyncChains(lambda: client, portal)

    @property
    def config(self) -> ClientConfig:
        """What the client was told, resolved."""
        return self._client.config

    @property
    def contracts(self) -> Contracts:
        """The network's contracts, typed; ``client.run(…)`` waits for one of their async reads."""
        return self._client.contracts

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

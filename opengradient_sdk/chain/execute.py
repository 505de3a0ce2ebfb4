"""Requests and what becomes of them: built, dispatched and waited for, one outcome each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from .._core.retry import retry
from ..errors import (
    ChainError,
    ConfigurationError,
    ConfirmationTimeoutError,
    OpenGradientError,
    RequestConflictError,
    RpcError,
    Spent,
    TransactionError,
)
from ..types import Address, SignedTx, TxReceipt, TxRequest, keccak256
from .dispatch import Dispatcher
from .draft import Draft
from .items import Item, closed, is_signed
from .outbox.nonces import NonceLeases
from .outbox.outbox import Outbox
from .outbox.slots import RequestKey
from .pending import Confirmations, PendingTx, check_confirmations

Outcome = TxReceipt | OpenGradientError

_MOST_UNSENT: Final = 512
"""Requests that are built and signed at a time, so that sending starts with the first of many."""
_MOST_UNCONFIRMED: Final = 8_192
_BUILD_TRIES: Final = 3
_UNTIL_THE_END: Final = 1_000_000
"""Tries of a build whose chain has answered before: it is the deadline that ends them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all requests of one run. ``complete`` fills the open fields in."""

    complete: Callable[[TxRequest], Awaitable[Draft]]
    owner: Address
    confirmations: Confirmations
    timeout: float
    deadline: float


@dataclass(slots=True, eq=False)
class _Way:
    """A request of a run, and how far it has come."""

    request: TxRequest
    key: RequestKey | None
    number: int
    turns: _Turns
    is_unsent: bool = True
    item: Item | None = None
    known: SignedTx | None = None
    trouble: RpcError | None = None
    """Why it could not be built so far."""

    @property
    def signed(self) -> SignedTx | None:
        """What may be in the chain for it."""
        return self.known if self.item is None else self.item.signed


class Executor:
    """Takes requests to their receipts."""

    def __init__(self, nonces: NonceLeases, outbox: Outbox, dispatcher: Dispatcher) -> None:
        self._nonces = nonces
        self._outbox = outbox
        self._dispatcher = dispatcher
        self._under_way: dict[str, tuple[RequestKey, asyncio.Event]] = {}
        self._unsent: set[asyncio.Task[Outcome]] = set()
        self._unsent_room = asyncio.Semaphore(_MOST_UNSENT)
        self._closed = False

    async def run(
        self,
        complete: Callable[[TxRequest], Awaitable[Draft]],
        requests: Sequence[TxRequest],
        request_ids: Sequence[str] | None,
        *,
        owner: Address,
        confirmations: Confirmations,
        timeout: float,
    ) -> list[Outcome]:
        """Return what became of each request, in order; ``timeout`` is in seconds, for all.

        Raises:
            ConfigurationError: Not one id for each request, or one twice; or no confirmation.
        """
        check_confirmations(confirmations)
        keys = _keys(requests, request_ids)
        deadline = asyncio.get_running_loop().time() + timeout
        terms = Terms(complete, owner, confirmations, timeout, deadline)
        room = asyncio.Semaphore(_MOST_UNCONFIRMED)
        turns = _Turns()
        running: list[asyncio.Task[Outcome]] = []
        try:
            async with asyncio.TaskGroup() as group:
                for number, (request, key) in enumerate(zip(requests, keys, strict=True)):
                    await room.acquire()
                    await self._unsent_room.acquire()
                    way = _Way(request, key, number, turns)
                    task = group.create_task(self._outcome(terms, way))
                    # also for one that is cancelled before it has begun
                    task.add_done_callback(partial(self._over, way, room))
                    running.append(task)
        except BaseExceptionGroup as failures:  # no failure of a request: a mistake somewhere
            raise failures.exceptions[0] from None
        return [task.result() for task in running]

    async def aclose(self) -> None:
        """End what is not on its way; whoever waits for it hears so. Nothing more is taken."""
        self._closed = True
        ending = list(self._unsent)
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    def _over(self, way: _Way, room: asyncio.Semaphore, _task: asyncio.Task[Outcome]) -> None:
        room.release()
        self._make_room(way)

    def _make_room(self, way: _Way) -> None:
        """Let another request be built, once."""
        if way.is_unsent:
            way.is_unsent = False
            self._unsent_room.release()

    async def _outcome(self, terms: Terms, way: _Way) -> Outcome:
        task = cast("asyncio.Task[Outcome]", asyncio.current_task())
        self._unsent.add(task)
        try:
            try:
                pending = await self._sent_in_time(terms, way)
            finally:
                self._unsent.discard(task)
                self._make_room(way)
                way.turns.over(way.number)
            left = terms.deadline - asyncio.get_running_loop().time()
            return await pending.wait(terms.confirmations, max(left, 0.0))
        except OpenGradientError as error:
            return error

    async def _sent_in_time(self, terms: Terms, way: _Way) -> PendingTx:
        """Return what follows the transaction of a request, sent now or known already."""
        if self._closed:
            raise _interrupted(way)
        try:
            async with asyncio.timeout_at(terms.deadline), self._alone(way.key):
                return await self._sent(terms, way)
        except TimeoutError:
            raise _not_sent(way, terms.timeout) from None
        except asyncio.CancelledError:
            if self._closed:
                raise _interrupted(way) from None
            raise

    async def _sent(self, terms: Terms, way: _Way) -> PendingTx:
        ready = await self._ready(terms, way)
        await way.turns.come(way.number)
        if isinstance(ready, PendingTx):
            return ready
        way.item = self._dispatcher.submit(ready, way.key)
        way.turns.over(way.number)
        return await way.item.sent

    async def _ready(self, terms: Terms, way: _Way) -> Draft | PendingTx:
        if way.key is not None:
            known = await self._nonces.known(terms.owner, way.key)
            if known is not None and is_signed(known):
                way.known = known.slot.attempts[-1].signed
                return await self._outbox.follow_slot(known.slot)
        return await self._draft(terms, way)

    async def _draft(self, terms: Terms, way: _Way) -> Draft:
        """Fill the request in, going on through outages of a chain that was there before."""

        def is_outage(error: BaseException) -> bool:
            way.trouble = error if isinstance(error, RpcError) else None
            return way.trouble is not None and way.trouble.retryable

        was_there = any(endpoint.latency is not None for endpoint in self._outbox.rpc.health())
        tries = _UNTIL_THE_END if was_there else _BUILD_TRIES
        return await retry(lambda: terms.complete(way.request), attempts=tries, retry_on=is_outage)

    @asynccontextmanager
    async def _alone(self, key: RequestKey | None) -> AsyncGenerator[None]:
        """Let one caller at a time bring a request id on its way; the next one finds it known."""
        if key is None:
            yield
            return
        while (other := self._under_way.get(key.id)) is not None:
            if other[0] != key:
                raise RequestConflictError(
                    f"the request id {key.id!r} is another transaction's, on its way just now",
                    hint="Give every intent an id of its own.",
                )
            await other[1].wait()
        self._under_way[key.id] = (key, over := asyncio.Event())
        try:
            yield
        finally:
            del self._under_way[key.id]
            over.set()


class _Turns:
    """Lets numbered callers pass one after the other, however long each has prepared."""

    def __init__(self) -> None:
        self._next = 0
        self._over: set[int] = set()
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def come(self, number: int) -> None:
        """Return when all before ``number`` are over."""
        if number != self._next:
            turn = self._waiting[number] = asyncio.get_running_loop().create_future()
            await turn

    def over(self, number: int) -> None:
        """Let the next one pass; also for one that gave up before its turn, and said twice."""
        if number < self._next:
            return
        self._over.add(number)
        while self._next in self._over:
            self._over.remove(self._next)
            self._next += 1
        turn = self._waiting.pop(self._next, None)
        if turn is not None and not turn.done():
            turn.set_result(None)


def _keys(
    requests: Sequence[TxRequest], request_ids: Sequence[str] | None
) -> list[RequestKey | None]:
    if request_ids is None:
        return [None] * len(requests)
    if len(request_ids) != len(requests) or len(set(request_ids)) != len(request_ids):
        raise ConfigurationError(
            f"{len(request_ids)} request ids ({len(set(request_ids))} different ones) were given "
            f"for {len(requests)} requests",
            hint="Each request needs an id of its own, or none of them has one.",
        )
    for request, name in zip(requests, request_ids, strict=True):
        if type(name) is not str or not name or request.nonce is not None:
            raise ConfigurationError(
                f"the request with the id {name!r} cannot be told from others later",
                hint="Pass a text that is not empty, and leave nonce open: the id keeps it.",
            )
    return [
        RequestKey(name, fingerprint(request))
        for request, name in zip(requests, request_ids, strict=True)
    ]


def fingerprint(request: TxRequest) -> str:
    """Return what tells whether two requests mean the same; what they pay for it does not."""
    meant = (
        request.to,
        request.data,
        request.value,
        request.chain_id,
        request.access_list,
        request.authorizations,
        request.allow_spend,
    )
    return keccak256(repr(meant).encode()).hex()


def _not_sent(way: _Way, timeout: float) -> OpenGradientError:
    if way.signed is None and way.item is None and way.trouble is not None:
        return way.trouble
    if way.signed is None:
        return TransactionError(
            f"the transaction could not be signed and sent within {timeout:g} s",
            hint="Nothing was signed. Is the signer waiting for somebody, or the chain not there?",
        )
    return ConfirmationTimeoutError(
        f"{way.signed.hash} was not sent within {timeout:g} s",
        hash=way.signed.hash,
        hint="It is written down and goes on being sent: follow it before anything replaces it.",
    )


def _interrupted(way: _Way) -> ChainError:
    if way.signed is None:
        return closed()
    return ChainError(
        f"the chain was closed while {way.signed.hash} was on its way",
        hint="It may be written down and sent, also by whoever opens the same store next: follow "
        "it on a new Chain, or ask for the same request id again.",
        spent=Spent.MAYBE,
    )

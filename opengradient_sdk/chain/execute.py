"""Requests and what becomes of them: built, dispatched and waited for, one outcome each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from .._core.retry import retry
from ..errors import (
    ConfigurationError,
    ConfirmationTimeoutError,
    OpenGradientError,
    RequestConflictError,
    RpcError,
    TransactionError,
)
from ..types import Address, TxReceipt, TxRequest, keccak256
from .dispatch import Dispatcher, Item
from .draft import Draft
from .outbox.nonces import NonceLeases
from .outbox.outbox import Outbox
from .outbox.slots import RequestKey
from .pending import Confirmations, PendingTx

Outcome = TxReceipt | OpenGradientError

_BUILT_AT_ONCE: Final = 256
_MOST_UNCONFIRMED: Final = 8_192
_BUILD_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all requests of one run. ``complete`` fills the open fields in."""

    complete: Callable[[TxRequest], Awaitable[Draft]]
    owner: Address
    confirmations: Confirmations
    timeout: float
    deadline: float
    building: asyncio.Semaphore


class Executor:
    """Takes requests to their receipts."""

    def __init__(self, nonces: NonceLeases, outbox: Outbox, dispatcher: Dispatcher) -> None:
        self._nonces = nonces
        self._outbox = outbox
        self._dispatcher = dispatcher
        self._under_way: dict[str, tuple[RequestKey, asyncio.Event]] = {}

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
            ConfigurationError: Not one id for each request, or one twice.
        """
        keys = _keys(requests, request_ids)
        deadline = asyncio.get_running_loop().time() + timeout
        building = asyncio.Semaphore(_BUILT_AT_ONCE)
        terms = Terms(complete, owner, confirmations, timeout, deadline, building)
        room = asyncio.Semaphore(_MOST_UNCONFIRMED)
        turns = _Turns()
        running: list[asyncio.Task[Outcome]] = []
        try:
            async with asyncio.TaskGroup() as group:
                for number, (request, key) in enumerate(zip(requests, keys, strict=True)):
                    await room.acquire()
                    task = group.create_task(self._outcome(terms, request, key, turns, number))
                    task.add_done_callback(lambda _: room.release())
                    running.append(task)
        except BaseExceptionGroup as failures:  # no failure of a request: a mistake somewhere
            raise failures.exceptions[0] from None
        return [task.result() for task in running]

    async def _outcome(
        self, terms: Terms, request: TxRequest, key: RequestKey | None, turns: _Turns, number: int
    ) -> Outcome:
        try:
            async with self._alone(key):
                pending = await self._sent(terms, request, key, turns, number)
            left = terms.deadline - asyncio.get_running_loop().time()
            return await pending.wait(terms.confirmations, max(left, 0.0))
        except OpenGradientError as error:
            return error

    async def _sent(
        self, terms: Terms, request: TxRequest, key: RequestKey | None, turns: _Turns, number: int
    ) -> PendingTx:
        """Return what follows the transaction of a request, sent now or known already."""
        try:
            ready = await self._ready(terms, request, key)
            await turns.come(number)
            if isinstance(ready, PendingTx):
                return ready
            item = self._dispatcher.submit(ready, key)
        finally:
            turns.over(number)
        try:
            async with asyncio.timeout_at(terms.deadline):
                return await item.sent
        except TimeoutError:
            raise _not_sent(item, terms.timeout) from None

    async def _ready(
        self, terms: Terms, request: TxRequest, key: RequestKey | None
    ) -> Draft | PendingTx:
        if key is not None:
            known = await self._nonces.known(terms.owner, key)
            if known is not None:
                return await self._outbox.follow_slot(known.slot)
        async with terms.building:
            return await retry(
                lambda: terms.complete(request),
                attempts=_BUILD_TRIES,
                retry_on=lambda error: isinstance(error, RpcError) and error.retryable,
            )

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
        """Let the next one pass; also for one that gave up before its turn."""
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
        if not name or request.nonce is not None:
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


def _not_sent(item: Item, timeout: float) -> OpenGradientError:
    if item.signed is None:
        return TransactionError(
            f"the transaction could not be signed and sent within {timeout:g} s",
            hint="Nothing was signed. Is the signer waiting for somebody, or the chain not there?",
        )
    return ConfirmationTimeoutError(
        f"{item.signed.hash} was not sent within {timeout:g} s",
        hash=item.signed.hash,
        hint="It is written down and goes on being sent: follow it before anything replaces it.",
    )

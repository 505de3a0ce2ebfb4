"""What is asked in the same moment travels together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import Final

from .endpoint import LONGEST_BATCH
from .failover import is_troubled
from .jsonrpc import Outcome, RpcCall

Exchange = Callable[[Sequence[RpcCall]], Awaitable[list[Outcome]]]
"""Answers several calls, in order."""

# Not the ones that change something, and not those of filters: each call of those counts.
_SHAREABLE: Final = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_createAccessList",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getBlockReceipts",
        "eth_getCode",
        "eth_getLogs",
        "eth_getProof",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "net_version",
    }
)


class Batcher:
    """Gathers the calls of one tick of the event loop into batches of ``LONGEST_BATCH``.

    A lone call waits for nobody. Equal reads are asked once, and share one answer, which none of
    the callers may change. A caller that is cancelled takes only itself out; when the last one has
    gone, so has the exchange.

    ``exchange`` answers a batch; what it leaves troubled (see ``is_troubled``) is asked again with
    ``again``, while the others have their answers already.
    """

    def __init__(self, exchange: Exchange, again: Exchange) -> None:
        self._exchange = exchange
        self._again = again
        self._gathered: dict[object, _Question] = {}

    async def ask(self, calls: Sequence[RpcCall]) -> list[Outcome]:
        """Return the outcomes of ``calls``, in order.

        Raises:
            TypeError, ValueError: Parameters that JSON cannot carry.
            Exception: What the exchange raised, an object of the caller's own.
        """
        keys = [_key(call) for call in calls]  # what cannot be sent must not spoil a batch
        tickets = [self._ticket(call, key) for call, key in zip(calls, keys, strict=True)]
        try:
            return [await ticket.outcome for ticket in tickets]
        finally:
            abandoned = [task for ticket in tickets if (task := ticket.hand_back()) is not None]
            if abandoned:
                await asyncio.wait(abandoned)

    def _ticket(self, call: RpcCall, key: object) -> _Ticket:
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._dispatch)
        question = self._gathered.get(key)
        if question is None:
            question = self._gathered[key] = _Question(call)
        return _Ticket(question)

    def _dispatch(self) -> None:
        gathered, self._gathered = self._gathered, {}
        questions = [question for question in gathered.values() if question.tickets]
        for start in range(0, len(questions), LONGEST_BATCH):
            _Batch(questions[start : start + LONGEST_BATCH]).start(self._answer)

    async def _answer(self, questions: Sequence[_Question]) -> None:
        if len(questions) == 1:
            await _put(self._again, questions)
            return
        outcomes = await self._exchange([question.call for question in questions])
        troubled: list[_Question] = []
        for question, outcome in zip(questions, outcomes, strict=True):
            if is_troubled(outcome):
                troubled.append(question)
            else:
                question.answer(outcome)
        if troubled:
            await _put(self._again, troubled)


class _Ticket:
    """One caller's claim to the answer of one question."""

    def __init__(self, question: _Question) -> None:
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._question = question
        question.tickets.append(self)

    def hand_back(self) -> asyncio.Task[None] | None:
        """End the claim; return what was cancelled because nobody else waits for it."""
        if not self.outcome.done():
            self.outcome.cancel()
        elif not self.outcome.cancelled():
            self.outcome.exception()  # it was raised for another call of the same caller
        self._question.tickets.remove(self)
        batch = self._question.batch
        return batch.left() if batch is not None and not self._question.tickets else None


class _Question:
    """A call and the tickets of those who ask it."""

    def __init__(self, call: RpcCall) -> None:
        self.call = call
        self.tickets: list[_Ticket] = []
        self.batch: _Batch | None = None

    def answer(self, outcome: Outcome) -> None:
        for ticket in self._open():
            ticket.outcome.set_result(outcome)

    def fail(self, error: Exception) -> None:
        for ticket in self._open():
            ticket.outcome.set_exception(_own(error))

    def cancel(self) -> None:
        for ticket in self._open():
            ticket.outcome.cancel()

    def _open(self) -> list[_Ticket]:
        return [ticket for ticket in self.tickets if not ticket.outcome.done()]


class _Batch:
    """Questions that travel together. Its task lives no longer than somebody waits for it."""

    def __init__(self, questions: Sequence[_Question]) -> None:
        self._questions = questions
        self._wanted = len(questions)
        self._task: asyncio.Task[None] | None = None
        for question in questions:
            question.batch = self

    def start(self, answer: Callable[[Sequence[_Question]], Awaitable[None]]) -> None:
        """Begin to find out."""
        self._task = asyncio.get_running_loop().create_task(self._run(answer), name="rpc batch")

    def left(self) -> asyncio.Task[None] | None:
        """Note that nobody waits for one more question; end the exchange when that was the last."""
        self._wanted -= 1
        if self._wanted or self._task is None or self._task.done():
            return None
        self._task.cancel()
        return self._task

    async def _run(self, answer: Callable[[Sequence[_Question]], Awaitable[None]]) -> None:
        try:
            await answer(self._questions)
        except asyncio.CancelledError:
            for question in self._questions:
                question.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait raise it
            for question in self._questions:
                question.fail(error)


async def _put(exchange: Exchange, questions: Sequence[_Question]) -> None:
    outcomes = await exchange([question.call for question in questions])
    for question, outcome in zip(questions, outcomes, strict=True):
        question.answer(outcome)


def _key(call: RpcCall) -> object:
    """Return what equal reads have in common; anything else is equal to nothing."""
    method, params = call
    if all(isinstance(param, str) for param in params):  # most are, and texts always can be sent
        equal: object = (method, *params)
    else:
        equal = (method, json.dumps(list(params)))
    return equal if method in _SHAREABLE else object()


def _own(error: Exception) -> Exception:
    """Return a copy: whoever catches it may add to it, and none of the others should see that."""
    mine = copy(error)
    mine.__cause__ = error.__cause__
    return mine

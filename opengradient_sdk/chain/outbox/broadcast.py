"""Handing signed transactions to the chain: in nonce order, many at once, one account at a time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, TypeAlias

from ..._core.tasks import Supervisor, together
from ...errors import LedgerError, RpcError, WrongChainError
from ...types import Address, Bytes32, bytes_to_hex
from ..endpoint import Outcome, RpcCall
from ..node_errors import Fault, FaultKind
from ..rpc import Rpc
from .followed import Followed, Sent
from .verdicts import Answer, Judge, LowerNonces, Reception, outcome_unknown

_LONGEST_BATCH: Final = 100
_MOST_TRIES: Final = 3
_INTERRUPTED: Final = "the chain was closed while it was being sent"


@dataclass(slots=True, eq=False)
class _Posting:
    """A transaction in the queue. ``again``: it was sent before, and is followed whatever is said.

    Its ``answer`` is a value, also where that is an error: not everybody waits for it.
    """

    slot: Followed
    sent: Sent
    again: bool
    answer: asyncio.Future[Answer]
    tries: int = 1

    def end(self, answer: Answer) -> None:
        """Tell whoever waits."""
        if not self.answer.done():
            self.answer.set_result(answer)


_Entry: TypeAlias = tuple[int, int, _Posting]
_Held: TypeAlias = tuple[Followed, Sent]


@dataclass(slots=True, eq=False)
class _Lane:
    """The queue of one account, lowest nonce first; ``held`` wait for the nonce below them."""

    heap: list[_Entry] = field(default_factory=list[_Entry])
    unanswered: dict[Bytes32, _Posting] = field(default_factory=dict[Bytes32, _Posting])
    held: dict[int, _Held] = field(default_factory=dict[int, _Held])
    draining: asyncio.Task[None] | None = None

    def next_batch(self) -> list[_Posting]:
        """Take the lowest nonces out of the queue."""
        return [heapq.heappop(self.heap)[2] for _ in range(min(_LONGEST_BATCH, len(self.heap)))]

    def end(self, posting: _Posting, answer: Answer) -> None:
        """Answer a posting that was taken out."""
        self.unanswered.pop(posting.sent.signed.hash, None)
        posting.end(answer)


class Broadcaster:
    """Sends what is journalled as on its way. One batch of an account is under way at a time.

    What is posted meanwhile joins the next batch, so that a thousand transactions a second are ten
    round trips, and a node sees an account's nonces in their order.
    """

    def __init__(self, rpc: Rpc, judge: Judge, supervisor: Supervisor) -> None:
        self._rpc = rpc
        self._judge = judge
        self._supervisor = supervisor
        self._lanes: dict[Address, _Lane] = {}
        self._order = count()

    async def post(
        self, transactions: Sequence[tuple[Followed, Sent]], *, again: bool = False
    ) -> list[Answer]:
        """Return what the chain made of each, in the order given.

        ``again`` says that they were sent before. Cancelling the caller does not take them back:
        they are decided to be in the chain.

        **Money**: they may be mined from here on.
        """
        postings = [self._enqueue(slot, sent, again=again) for slot, sent in transactions]
        if postings:
            await asyncio.wait([posting.answer for posting in postings])
        return [posting.answer.result() for posting in postings]

    def reached(self, account: Address, nonce: int) -> None:
        """Send what was held back for want of a lower nonce: the chain has come to ``nonce``."""
        lane = self._lanes.get(account)
        if lane is not None and lane.held:
            for used in [held for held in lane.held if held < nonce]:
                del lane.held[used]
            self._release(lane, nonce)

    def _enqueue(self, slot: Followed, sent: Sent, *, again: bool) -> _Posting:
        """Return the posting of a transaction, which may be in the queue already."""
        lane = self._lanes.setdefault(slot.sender, _Lane())
        hash = sent.signed.hash
        posting = lane.unanswered.get(hash)
        if posting is None:
            answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            posting = lane.unanswered[hash] = _Posting(slot, sent, again, answer)
            self._push(lane, posting)
        return posting

    def _push(self, lane: _Lane, posting: _Posting) -> None:
        heapq.heappush(lane.heap, (posting.slot.nonce, next(self._order), posting))
        if lane.draining is None or lane.draining.done():
            lane.draining = self._supervisor.spawn(self._drain(lane), name="broadcast")

    def _release(self, lane: _Lane, nonce: int) -> None:
        if (held := lane.held.pop(nonce, None)) is not None:
            self._enqueue(*held, again=True)

    async def _drain(self, lane: _Lane) -> None:
        try:
            while lane.heap:
                await self._send(lane, lane.next_batch())
        finally:
            # closed in the middle, or a mistake of ours: nobody is left waiting
            lane.heap.clear()
            for posting in list(lane.unanswered.values()):
                lane.end(posting, outcome_unknown(posting.sent, RpcError(_INTERRUPTED)))

    async def _send(self, lane: _Lane, batch: Sequence[_Posting]) -> None:
        calls: list[RpcCall] = [
            ("eth_sendRawTransaction", [bytes_to_hex(posting.sent.signed.raw)]) for posting in batch
        ]
        try:
            outcomes = await self._rpc.outcomes(calls)
        except WrongChainError as error:
            # nothing was sent, and nothing would be worth anything there
            await together(*(self._turn_away(lane, posting, error) for posting in batch))
        except RpcError as error:
            for posting in batch:
                lane.end(posting, outcome_unknown(posting.sent, error))
        else:
            await self._read(lane, batch, outcomes)

    async def _turn_away(self, lane: _Lane, posting: _Posting, error: WrongChainError) -> None:
        if not posting.sent.may_be_out:
            try:
                await self._judge.refuse(posting.slot, posting.sent, error)
            except (RpcError, LedgerError):
                # it stays journalled: sent when an endpoint of its chain is there again
                lane.end(posting, outcome_unknown(posting.sent, error))
                return
        lane.end(posting, error)

    async def _read(
        self, lane: _Lane, batch: Sequence[_Posting], outcomes: Sequence[Outcome]
    ) -> None:
        faults: list[tuple[_Posting, Fault]] = []
        for posting, outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, Fault):
                self._accept(lane, posting, Reception.NEW)
            elif outcome.kind is FaultKind.ALREADY_KNOWN:
                self._accept(lane, posting, Reception.KNOWN)
            else:
                faults.append((posting, outcome))
        if faults:
            lower = self._judge.lower_nonces(batch[0].slot.sender)
            await together(*(self._examine(lane, *fault, lower) for fault in faults))

    def _accept(self, lane: _Lane, posting: _Posting, reception: Reception) -> None:
        posting.sent.may_be_out = True
        posting.slot.complaint = ""
        lane.end(posting, reception)
        self._release(lane, posting.slot.nonce + 1)

    async def _examine(
        self, lane: _Lane, posting: _Posting, fault: Fault, lower: LowerNonces
    ) -> None:
        slot, sent = posting.slot, posting.sent
        if posting.again or sent.may_be_out:
            answer = self._judge.of_known(slot, sent, fault)
        else:
            answer = await self._judge.of_new(slot, sent, fault, lower)
        if answer is Reception.AGAIN and posting.tries < _MOST_TRIES:
            posting.tries += 1
            self._push(lane, posting)
            return
        if answer is Reception.AGAIN:
            answer = outcome_unknown(sent, fault.to_error())
        elif answer is Reception.HELD:
            lane.held[slot.nonce] = (slot, sent)
        lane.end(posting, answer)

"""From a completed draft to bytes on their way: lease, sign, write down, broadcast.

Drafts that arrive at the same time share a lease, a write and a broadcast: this is what makes a
thousand transactions a second of one account.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .._core.tasks import Supervisor
from ..errors import NonceError, OpenGradientError, RpcError, Spent, TransactionError
from ..signers.guard import sign_checked, signs_at_once
from ..signers.protocol import Signer
from ..types import Address, SignedTx
from .draft import Draft
from .outbox.events import Announcer, NonceBlocked, NonceSuperseded
from .outbox.journal import TxJournal
from .outbox.nonces import NonceLeases
from .outbox.outbox import Outbox
from .outbox.slots import Account, Known, Leased, RequestKey, SlotState
from .pending import PendingTx

_MOST_AT_ONCE: Final = 128
_MOST_TRIES: Final = 4


@dataclass(slots=True, eq=False)
class Item:
    """One request on its way; ``sent`` is what follows it once it may be in the chain."""

    draft: Draft
    key: RequestKey | None
    sent: asyncio.Future[PendingTx]
    signed: SignedTx | None = None
    tries: int = field(default=0)

    def fail(self, error: Exception) -> None:
        """End it with an error, unless its caller has gone."""
        if not self.sent.done():
            self.sent.set_exception(error)

    def done(self, pending: PendingTx) -> None:
        """End it with what follows it, unless its caller has gone."""
        if not self.sent.done():
            self.sent.set_result(pending)


class Dispatcher:
    """The queue of an account's drafts; one task empties it and ends with it."""

    def __init__(
        self,
        journal: TxJournal,
        nonces: NonceLeases,
        outbox: Outbox,
        *,
        signer: Signer | None,
        supervisor: Supervisor,
        announcer: Announcer,
        pause: float,
    ) -> None:
        self._journal = journal
        self._nonces = nonces
        self._outbox = outbox
        self._signer = signer
        self._supervisor = supervisor
        self._announcer = announcer
        self._pause = pause
        self._queue: deque[Item] = deque()
        self._emptying: asyncio.Task[None] | None = None

    def submit(self, draft: Draft, key: RequestKey | None = None) -> Item:
        """Queue ``draft``. Cancelling ``Item.sent`` takes it back until it is signed.

        **Money**: once it is written down as signed it goes on, whoever waits for it.
        """
        item = Item(draft, key, asyncio.get_running_loop().create_future())
        self._enqueue(item)
        return item

    async def lease(self, owner: Address) -> int:
        """Return a nonce for a transaction that is signed and sent by hand.

        Raises:
            RpcError, LedgerError: No nonce is leased.
        """
        leasing = self._supervisor.spawn(self._lease(owner, 1), name="lease a nonce")
        try:
            return (await asyncio.shield(leasing)).nonces[0]
        except asyncio.CancelledError:
            self._supervisor.spawn(self._return(owner, leasing), name="give a nonce back")
            raise

    def _enqueue(self, item: Item) -> None:
        if self._signer is None or not signs_at_once(self._signer):
            self._dispatch_alone(item)
            return
        self._queue.append(item)
        if self._emptying is None or self._emptying.done():
            self._emptying = self._supervisor.spawn(self._empty(), name="send transactions")

    def _dispatch_alone(self, item: Item) -> None:
        """Let a signer that takes its time hold up nobody else, nor a caller who goes."""
        task = self._supervisor.spawn(self._settled([item]), name="send a transaction")
        item.sent.add_done_callback(lambda sent: task.cancel() if sent.cancelled() else None)

    async def _empty(self) -> None:
        try:
            while self._queue:
                count = min(len(self._queue), _MOST_AT_ONCE)
                await self._settled([self._queue.popleft() for _ in range(count)])
        finally:
            for item in self._queue:  # nobody empties it any more
                item.fail(_closed())
            self._queue.clear()

    async def _settled(self, items: Sequence[Item]) -> None:
        """Dispatch items; whatever goes wrong, no caller is left waiting."""
        wanted = [item for item in items if not item.sent.done()]
        try:
            if wanted:
                await self._dispatch(wanted)
        except OpenGradientError as error:
            for item in wanted:
                item.fail(error)
        except BaseException as error:
            for item in wanted:
                item.fail(error if isinstance(error, Exception) else _closed())
            raise

    async def _dispatch(self, items: Sequence[Item]) -> None:
        """Lease, sign and write down; broadcasting goes on while the next ones are signed."""
        signed = await self._signed(await self._leased(items))
        if signed:
            # from here on they are on their way, also when whoever asked is cancelled just now
            writing = self._supervisor.spawn(self._written(signed), name="write down")
            await asyncio.shield(writing)

    async def _leased(self, items: Sequence[Item]) -> list[tuple[Item, int]]:
        """Return each item that goes on now with its nonce."""
        plain = [item for item in items if item.key is None and item.draft.request.nonce is None]
        found: list[tuple[Item, int]] = []
        if plain:
            leased = await self._lease(plain[0].draft.sender, len(plain))
            found = list(zip(plain, leased.nonces, strict=True))
        rest = [item for item in items if item.key or item.draft.request.nonce is not None]
        own = await asyncio.gather(*(self._own_nonce(item) for item in rest))
        return found + [(item, nonce) for item, nonce in zip(rest, own, strict=True) if nonce >= 0]

    async def _own_nonce(self, item: Item) -> int:
        """Return the nonce that is this item's alone, or -1 when it does not go on from here."""
        try:
            if item.key is None:
                return await self._claimed(item.draft)
            return await self._for_request(item, item.key)
        except OpenGradientError as error:
            item.fail(error)
            return -1

    async def _claimed(self, draft: Draft) -> int:
        nonce = draft.request.nonce
        assert nonce is not None  # asked for by those that name one
        account = await self._nonces.account(draft.sender)
        if superseded := await self._journal.claim(account, nonce):
            self._announcer.say(NonceSuperseded(superseded, nonce))
        return nonce

    async def _for_request(self, item: Item, key: RequestKey) -> int:
        found = await self._nonces.lease_for(item.draft.sender, key)
        if isinstance(found, Leased):
            await self._told(item.draft.sender, found)
            return found.nonces[0]
        if isinstance(found, Known) and found.slot.attempts:
            item.done(await self._outbox.follow_slot(found.slot))
        else:
            # another process signs it just now, or its old nonce is not decided yet: the store
            # has no event for that
            self._supervisor.spawn(self._later(item), name="try a request again")
        return -1

    async def _later(self, item: Item) -> None:
        await asyncio.sleep(self._pause)
        if not item.sent.done():
            self._enqueue(item)

    async def _lease(self, owner: Address, wanted: int) -> Leased:
        leased = await self._nonces.lease(owner, wanted)
        await self._told(owner, leased)
        return leased

    async def _told(self, owner: Address, leased: Leased) -> None:
        """Say what the lease supersedes and what it waits for; send what was promised before it."""
        if leased.superseded:
            self._announcer.say(NonceSuperseded(leased.superseded, leased.nonces[0]))
        if not leased.behind:
            return
        account = await self._nonces.account(owner)
        for slot in await self._journal.slots(account, SlotState.SIGNED):
            if slot.nonce not in leased.behind:
                continue
            if slot.sponsored:
                await self._keep_promise(account, slot.attempts[-1].signed)
            else:
                self._announcer.say(NonceBlocked(leased.nonces[0], behind=slot.nonce))

    async def _keep_promise(self, account: Account, promised: SignedTx) -> None:
        """Send what somebody else was to send: the account's own next transaction waits for it."""
        await self._journal.send(account, [promised])
        await self._outbox.post([promised])  # refused or not: what comes next will tell

    async def _signed(self, leased: Sequence[tuple[Item, int]]) -> list[Item]:
        """Return the items whose transactions are signed; the nonces of the others are free."""
        signed: list[Item] = []
        unused = [nonce for _, nonce in leased]
        try:
            for item, nonce in leased:
                if item.sent.done():
                    continue  # its caller has gone while the nonce was leased
                try:
                    item.signed = await sign_checked(self._account(), item.draft.prepared(nonce))
                except Exception as error:  # noqa: BLE001 - a foreign signer may raise anything
                    item.fail(error)
                else:
                    signed.append(item)
                    unused.remove(nonce)
        finally:
            if unused:
                await self._given_back(leased[0][0].draft.sender, unused)
        return signed

    async def _written(self, items: Sequence[Item]) -> None:
        account = await self._nonces.account(items[0].draft.sender)
        transactions = [_signed_of(item) for item in items]
        try:
            await self._journal.sign(account, transactions, sending=True)
        except NonceError as error:
            # one of them has lost its lease, and nothing was written
            if len(items) == 1:
                self._once_more(items[0], error)
                return
            for item in items:
                await self._written([item])
        except BaseException:
            await self._given_back(account.address, [signed.tx.nonce for signed in transactions])
            raise
        else:
            self._supervisor.spawn(self._post(items), name="broadcast transactions")

    async def _given_back(self, owner: Address, nonces: Sequence[int]) -> None:
        """Free nonces, also for a caller who is being cancelled."""
        giving = self._supervisor.spawn(
            self._nonces.give_back(owner, nonces), name="give nonces back"
        )
        await asyncio.shield(giving)

    async def _post(self, items: Sequence[Item]) -> None:
        outcomes = await self._outbox.post([_signed_of(item) for item in items])
        for item, outcome in zip(items, outcomes, strict=True):
            match outcome:
                case PendingTx():
                    item.done(outcome)
                case RpcError() if outcome.spent is Spent.MAYBE:
                    # it may have arrived, and is followed and sent again until that is known
                    item.done(self._outbox.follow(_signed_of(item)))
                case NonceError():
                    self._once_more(item, outcome)
                case _:
                    item.fail(outcome)

    def _once_more(self, item: Item, error: NonceError) -> None:
        """Queue an item whose nonce somebody else has: its transaction can never be mined."""
        item.tries += 1
        item.signed = None
        if item.tries < _MOST_TRIES and item.draft.request.nonce is None and not item.sent.done():
            self._enqueue(item)
        else:
            item.fail(error)

    async def _return(self, owner: Address, leasing: asyncio.Task[Leased]) -> None:
        await self._nonces.give_back(owner, (await leasing).nonces)

    def _account(self) -> Signer:
        assert self._signer is not None  # drafts have a sender
        return self._signer


def _signed_of(item: Item) -> SignedTx:
    assert item.signed is not None
    return item.signed


def _closed() -> TransactionError:
    return TransactionError(
        "the chain was closed before the transaction was signed",
        hint="Nothing was sent. Keep the Chain (or the client) open until execute returns.",
    )

"""From a completed draft to bytes on their way: lease, sign, write down, broadcast.

Drafts that arrive at the same time share a lease, a write and a broadcast: this is what makes a
thousand transactions a second of one account.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from .._core.tasks import Supervisor
from ..errors import NonceError, OpenGradientError, RpcError, Spent
from ..signers.guard import signs_at_once
from ..signers.protocol import Signer
from ..types import Address, PreparedTx, SignedTx
from .draft import Draft
from .items import Item, closed, is_signed, signed_by
from .outbox.events import Announcer, NonceBlocked, NonceSuperseded
from .outbox.journal import TxJournal
from .outbox.nonces import NonceLeases
from .outbox.outbox import Outbox
from .outbox.slots import Account, Known, Leased, RequestKey, SlotState
from .pending import PendingTx

_MOST_AT_ONCE: Final = 128
_MOST_TRIES: Final = 4

_log: Final = logging.getLogger("opengradient_sdk.chain")


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
        self._owed: set[int] = set()
        self._closed = False

    def submit(self, draft: Draft, key: RequestKey | None = None) -> Item:
        """Queue ``draft``. Cancelling ``Item.sent`` takes it back until it is signed.

        **Money**: once it is written down as signed it goes on, whoever waits for it.
        """
        item = Item(draft, key, asyncio.get_running_loop().create_future())
        self._enqueue(item)
        return item

    async def lease(self, draft: Draft) -> int:
        """Return the nonce of a transaction that is signed and sent by hand.

        Raises:
            NonceError: The one that ``draft`` names is on its way.
            RpcError, LedgerError: No nonce is leased.
        """
        named = draft.request.nonce is not None
        leasing = self._claimed(draft) if named else self._lease(draft.sender, 1, sending=False)
        return (await self._held(draft.sender, leasing))[0]

    async def keep_promises(self, owner: Address, before: int) -> None:
        """Send what others were to send, below the nonce of what is sent now.

        **Money**: pays the fees that a sponsor would have paid.
        """
        account = await self._nonces.account(owner)
        for slot in await self._journal.slots(account, SlotState.SIGNED):
            if slot.sponsored and slot.nonce < before:
                await self._keep_promise(account, slot.attempts[-1].signed)

    async def release(self, unsigned: PreparedTx) -> None:
        """Give the nonce of a transaction back that was not signed, also while being cancelled.

        When the same one was signed before, those bytes keep it.
        """
        releasing = self._supervisor.spawn(self._released(unsigned), name="give a nonce back")
        await asyncio.shield(releasing)

    def check_open(self) -> None:
        """Return if it takes anything.

        Raises:
            TransactionError: The chain is closed.
        """
        if self._closed:
            raise closed()

    def close(self) -> None:
        """Take nothing more; the supervisor ends what is under way."""
        self._closed = True

    def _enqueue(self, item: Item) -> None:
        if self._closed:
            item.fail(closed())
            return
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
                item.fail(closed())
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
                item.fail(error if isinstance(error, Exception) else closed())
            raise

    async def _dispatch(self, items: Sequence[Item]) -> None:
        """Lease, sign and write down; broadcasting goes on while the next ones are signed."""
        await self._held(items[0].draft.sender, self._lease_each(items))
        signed = await self._signed([item for item in items if item.nonce is not None])
        if signed:
            # from here on they are on their way, also when whoever asked is cancelled just now
            writing = self._supervisor.spawn(self._written(signed), name="write down")
            await asyncio.shield(writing)

    async def _held(
        self, owner: Address, leasing: Coroutine[Any, Any, Sequence[int]]
    ) -> Sequence[int]:
        """Return the nonces that ``leasing`` leases; a caller who is cancelled takes none along."""
        task = self._supervisor.spawn(leasing, name="lease nonces")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not self._closed:  # else whoever leaves the book gives all leases back
                self._supervisor.spawn(self._return(owner, task), name="give nonces back")
            elif not _is_cancelled():
                raise closed() from None
            raise

    async def _lease_each(self, items: Sequence[Item]) -> list[int]:
        """Give each item that goes on now its nonce; return them all."""
        plain = [item for item in items if item.takes_any]
        if plain:
            leased = await self._lease(plain[0].draft.sender, len(plain), sending=True)
            for item, nonce in zip(plain, leased, strict=True):
                item.nonce = nonce
        await asyncio.gather(*(self._lease_own(item) for item in items if not item.takes_any))
        return [item.nonce for item in items if item.nonce is not None]

    async def _lease_own(self, item: Item) -> None:
        """Give ``item`` the nonce that is its alone, unless it does not go on from here."""
        try:
            if item.key is None:
                (item.nonce,) = await self._claimed(item.draft)
            else:
                item.nonce = await self._for_request(item, item.key)
        except OpenGradientError as error:
            item.fail(error)

    async def _claimed(self, draft: Draft) -> Sequence[int]:
        nonce = draft.request.nonce
        assert nonce is not None  # asked for by those that name one
        account = await self._nonces.account(draft.sender)
        if superseded := await self._journal.claim(account, nonce):
            self._announcer.say(NonceSuperseded(superseded, nonce))
        return [nonce]

    async def _for_request(self, item: Item, key: RequestKey) -> int | None:
        await self._repay(item.draft.sender)
        found = await self._nonces.lease_for(item.draft.sender, key)
        if isinstance(found, Leased):
            await self._told(item.draft.sender, found, sending=True)
            return found.nonces[0]
        if isinstance(found, Known) and is_signed(found):
            item.signed = found.slot.attempts[-1].signed
            item.done(await self._outbox.follow_slot(found.slot))
        else:
            # another process signs it just now, or its old nonce is not decided yet: the store
            # has no event for that
            self._supervisor.spawn(self._later(item), name="try a request again")
        return None

    async def _later(self, item: Item) -> None:
        await asyncio.sleep(self._pause)
        if not item.sent.done():
            self._enqueue(item)

    async def _lease(self, owner: Address, wanted: int, *, sending: bool) -> Sequence[int]:
        await self._repay(owner)
        leased = await self._nonces.lease(owner, wanted)
        await self._told(owner, leased, sending=sending)
        return leased.nonces

    async def _told(self, owner: Address, leased: Leased, *, sending: bool) -> None:
        """Say what the lease supersedes and what it waits for.

        When its transactions are about to be sent, what was promised before them is sent first.
        """
        if leased.superseded:
            self._announcer.say(NonceSuperseded(leased.superseded, leased.nonces[0]))
        if not leased.behind:
            return
        try:
            await self._tell_behind(owner, leased, sending=sending)
        except BaseException:
            await self._given_back(owner, leased.nonces)
            raise

    async def _tell_behind(self, owner: Address, leased: Leased, *, sending: bool) -> None:
        account = await self._nonces.account(owner)
        for slot in await self._journal.slots(account, SlotState.SIGNED):
            if slot.nonce not in leased.behind:
                continue
            if not slot.sponsored:
                self._announcer.say(NonceBlocked(leased.nonces[0], behind=slot.nonce))
            elif sending:
                await self._keep_promise(account, slot.attempts[-1].signed)

    async def _keep_promise(self, account: Account, promised: SignedTx) -> None:
        """Send what somebody else was to send: the account's own next transaction waits for it."""
        await self._journal.send(account, [promised])
        await self._outbox.post([promised])  # refused or not: what comes next will tell

    async def _signed(self, leased: Sequence[Item]) -> list[Item]:
        """Return the items whose transactions are signed; the nonces of the others are free.

        Where one fails, the next one takes its nonce, so that no gap is left to be filled.
        """
        signed: list[Item] = []
        unused = [item.leased for item in leased]
        lowest = deque(item.leased for item in leased if item.takes_any)
        try:
            for item in leased:
                if item.sent.done():
                    continue  # its caller has gone while the nonce was leased
                if item.takes_any:
                    item.nonce = lowest[0]
                if await self._sign(item):
                    signed.append(item)
                    unused.remove(item.leased)
                    if item.takes_any:
                        lowest.popleft()
        finally:
            if unused:
                await self._given_back(leased[0].draft.sender, unused)
        return signed

    async def _sign(self, item: Item) -> bool:
        try:
            item.signed = await signed_by(self._account(), item.draft.prepared(item.leased))
        except OpenGradientError as error:
            item.fail(error)
            return False
        return True

    async def _written(self, items: Sequence[Item]) -> None:
        account = await self._nonces.account(items[0].draft.sender)
        transactions = [item.transaction for item in items]
        try:
            await self._journal.sign(account, transactions, sending=True)
        except NonceError as error:
            # one of them has lost its lease, and nothing was written
            if len(items) == 1:
                self._once_more(items[0], error)
            else:
                await self._written_one_by_one(items)
        except BaseException:
            await self._given_back(account.address, [signed.tx.nonce for signed in transactions])
            raise
        else:
            self._supervisor.spawn(self._post(items), name="broadcast transactions")

    async def _written_one_by_one(self, items: Sequence[Item]) -> None:
        for item in items:
            try:
                await self._written([item])
            except OpenGradientError as error:  # those before it are on their way
                item.fail(error)

    async def _given_back(self, owner: Address, nonces: Sequence[int]) -> None:
        """Free nonces, also for a caller who is being cancelled; if not now, before the next lease.

        What cannot be written down now must hide no error of the transactions.
        """
        self._owed.update(nonces)
        giving = self._supervisor.spawn(self._repay(owner), name="give nonces back")
        try:
            await asyncio.shield(giving)
        except OpenGradientError as error:
            _log.warning("nonces %s are given back later: %s", sorted(nonces), error.short_message)

    async def _repay(self, owner: Address) -> None:
        """Give back what is owed; nothing is leased before that."""
        if not self._owed:
            return
        owed, self._owed = self._owed, set()  # never twice: it may be on lease again soon
        try:
            await self._nonces.give_back(owner, sorted(owed))
        except BaseException:
            self._owed |= owed
            raise

    async def _post(self, items: Sequence[Item]) -> None:
        outcomes = await self._outbox.post([item.transaction for item in items])
        for item, outcome in zip(items, outcomes, strict=True):
            match outcome:
                case PendingTx():
                    item.done(outcome)
                case RpcError() if outcome.spent is Spent.MAYBE:
                    # it may have arrived, and is followed and sent again until that is known
                    item.done(self._outbox.follow(item.transaction))
                case NonceError():
                    self._once_more(item, outcome)
                case _:
                    item.fail(outcome)

    def _once_more(self, item: Item, error: NonceError) -> None:
        """Queue an item whose nonce somebody else has: its transaction can never be mined."""
        item.tries += 1
        item.nonce = item.signed = None
        if item.tries < _MOST_TRIES and item.draft.request.nonce is None and not item.sent.done():
            self._enqueue(item)
        else:
            item.fail(error)

    async def _return(self, owner: Address, leasing: asyncio.Task[Sequence[int]]) -> None:
        await self._given_back(owner, await leasing)

    async def _released(self, unsigned: PreparedTx) -> None:
        account = await self._nonces.account(unsigned.sender)
        slot = await self._journal.slot(account, unsigned.nonce)
        if slot is not None and slot.state is SlotState.LEASED:
            await self._given_back(unsigned.sender, [unsigned.nonce])

    def _account(self) -> Signer:
        assert self._signer is not None  # drafts have a sender
        return self._signer


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

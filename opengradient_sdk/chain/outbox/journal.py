"""The durable book of accounts' nonces, shared by tasks, processes and hosts."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from ..._core.store import Db, Store
from ...errors import ConfigurationError, LedgerError
from ...types import Bytes32, SignedTx
from . import adopting, leasing, moves, page, requests
from .page import Page, name_of
from .schema import read_slot, read_slots
from .slots import (
    Account,
    AttemptKind,
    Blocked,
    Inclusion,
    Known,
    Leased,
    Overtaken,
    RequestKey,
    Slot,
    SlotState,
)

T = TypeVar("T")
_log: Final = logging.getLogger("opengradient_sdk.chain")


class TxJournal:
    """One holder's view of the book; each method is one durable transaction of ``store``.

    A *slot* is one nonce of one account; ``SlotState`` says what can become of it. A *holder* (a
    ``Chain``, by a random id) keeps its open slots for as long as it shows signs of life: every
    lease is one, and ``renew``. What a dead holder had can be leased again or taken over. Times
    are those of the store's own clock.

    Every method but ``leave`` raises ``LedgerError`` where the store cannot be read or written;
    then nothing of what it should do was done.
    """

    def __init__(self, store: Store, *, holder: str | None = None) -> None:
        self.holder = holder or secrets.token_hex(16)
        self._store = store
        self._is_holding = False

    def __repr__(self) -> str:
        return f"TxJournal(holder={self.holder!r})"

    # Before anything is signed

    async def lease(
        self, account: Account, wanted: int = 1, *, count: int | None = None
    ) -> Leased | None:
        """Lease the ``wanted`` lowest nonces that are free, ascending.

        Returns ``None`` while no slot of the account is open: other programs may have used it, so
        the chain must say where to go on. Call again with its ``count`` (the next nonce), which
        is used if still nothing is open. Never is a nonce leased that was seen in a block.
        """
        return await self._on(account, lambda page: leasing.lease(page, wanted, count))

    async def lease_for(
        self, account: Account, request: RequestKey, *, count: int | None = None
    ) -> Leased | Known | Blocked | Overtaken | None:
        """Return the slot of a request id, or lease a nonce for it; ``None`` as for ``lease``.

        - ``Leased``: build it with this nonce.
        - ``Known``: it was signed, or somebody alive is building it.
        - ``Blocked``: wait until that nonce is mined, then ask again.
        - ``Overtaken``: find out which transaction used its nonce, say so with ``mined`` or
          ``taken``, then ask again (``NonceLeases.lease_for`` does).

        A transaction that replaced or cancelled the request's own counts as the request's: an id
        that was cancelled stays so.

        Raises:
            RequestConflictError: The id was used for another transaction.
        """
        return await self._on(account, lambda page: requests.lease_for(page, request, count))

    async def known(self, account: Account, request: RequestKey) -> Known | None:
        """Return what was signed for a request id and may be in the chain; nothing is leased.

        Raises:
            RequestConflictError: The id was used for another transaction.
        """
        return await self._on(account, lambda page: requests.known(page, request))

    async def claim(self, account: Account, nonce: int) -> tuple[Bytes32, ...]:
        """Lease the nonce that a caller named.

        Returns the hashes of what was signed for it and is given up now: whoever has those bytes
        can still send them.

        Raises:
            NonceError: It is used, being sent, or on lease to another process.
        """
        return await self._on(account, lambda page: leasing.claim(page, nonce))

    async def gaps(self, account: Account, count: int, limit: int) -> tuple[int, ...]:
        """Lease up to ``limit`` nonces that hold up a transaction that is being sent.

        They are at or above the chain's ``count``, and nobody has them.
        """
        return await self._on(account, lambda page: leasing.gaps(page, count, limit))

    async def give_back(self, account: Account, nonces: Sequence[int]) -> None:
        """Free what this holder has on lease, and discard what it signed and did not send.

        Anything else among ``nonces`` is left as it is.
        """
        await self._on(account, lambda page: moves.give_back(page, nonces))

    # From signed to sent

    async def sign(
        self,
        account: Account,
        signed: Sequence[SignedTx],
        *,
        sending: bool,
        sponsored: bool = False,
    ) -> None:
        """Write down what was signed for leases of this holder: all of it, or nothing.

        Must return before the bytes leave this process. ``sending``: they are to be in the chain,
        and whoever takes over from a dead holder goes on broadcasting them. ``sponsored``: they
        are given to somebody who may broadcast them, so that their nonce stays reserved.

        Raises:
            NonceError: A lease has expired and was given away. Nothing may be sent.
        """
        state = SlotState.SENDING if sending else SlotState.SIGNED
        await self._on(account, lambda page: moves.sign(page, signed, state, sponsored=sponsored))

    async def send(self, account: Account, signed: Sequence[SignedTx]) -> tuple[Bytes32, ...]:
        """Decide that these are to be in the chain: all of them, or none.

        One that was signed elsewhere gets a slot, also in place of somebody's lease (who then
        cannot sign). One that is in a block stays there. Returns the hashes of bytes that nobody
        had given up before, and whose place was taken.

        Raises:
            NonceError: A nonce is used, or another transaction has it. Nothing may be sent.
        """
        return await self._on(account, lambda page: adopting.send(page, signed))

    async def attempt(self, account: Account, signed: SignedTx, kind: AttemptKind) -> None:
        """Write down another transaction for an open slot, before it is broadcast.

        Raises:
            NonceError: The slot is not open any more: nothing may be sent.
        """
        await self._on(account, lambda page: moves.attempt(page, signed, kind))

    # What the chain says

    async def refused(self, account: Account, hash: Bytes32) -> None:
        """Write down that the chain refused a transaction.

        Its nonce is free unless another one of the slot may be in the chain.
        """
        await self._on(account, lambda page: moves.refused(page, hash))

    async def taken(self, account: Account, nonces: Sequence[int]) -> None:
        """Write down that transactions which are not ours have these nonces."""
        await self._on(account, lambda page: moves.taken(page, nonces))

    async def mined(self, account: Account, inclusions: Sequence[Inclusion]) -> None:
        """Write down which blocks the transactions of these nonces are in."""
        await self._on(account, lambda page: moves.mined(page, inclusions))

    async def reorged(self, account: Account, nonces: Sequence[int]) -> None:
        """Write down that these are in no block any more: they are to be sent again.

        Those that a sponsor had are his to send again.
        """
        await self._on(account, lambda page: moves.reorged(page, nonces))

    async def final(self, account: Account, nonces: Sequence[int]) -> None:
        """Leave these, which are mined, alone from now on."""
        await self._on(account, lambda page: moves.final(page, nonces))

    async def rewound(self, account: Account, count: int) -> None:
        """Believe a chain that went back to ``count``: all that it had above is free again."""
        await self._on(account, lambda page: leasing.rewind(page, count))

    # Holders

    async def take_over(self, account: Account) -> list[Slot]:
        """Return what dead holders were sending, watching or had given to sponsors; it is ours now.

        Also shows that this holder is alive.
        """
        return await self._on(account, page.take_over)

    async def renew(self) -> None:
        """Show that this holder is alive."""
        self._is_holding = True
        await self._store.run(lambda db: page.renew(db, self.holder, db.now()))

    async def leave(self) -> None:
        """Give back this holder's leases; all else of it can be taken over at once.

        A store that cannot be written is logged: all of it ends by itself, a little later.
        """
        if not self._is_holding:
            return  # a chain that was only read makes no file
        try:
            await self._store.run(lambda db: page.leave(db, self.holder))
        except (LedgerError, ConfigurationError) as error:
            _log.warning("the nonces of %s could not be given back: %s", self.holder, error)

    # Reading

    async def slots(self, account: Account, *states: SlotState) -> list[Slot]:
        """Return the account's slots that are in one of ``states``, in order; all without any."""
        places = ", ".join("?" * len(states))
        condition = f"s.state IN ({places})" if states else "s.nonce >= 0"
        return await self._store.run(lambda db: read_slots(db, name_of(account), condition, states))

    async def slot(self, account: Account, nonce: int) -> Slot | None:
        """Return the slot of a nonce, ``None`` where the book has none."""
        return await self._store.run(lambda db: read_slot(db, name_of(account), nonce))

    async def next_known(self, account: Account) -> int:
        """Return the nonce after the highest that is open or used, 0 where there is none."""
        return await self._store.run(lambda db: leasing.next_known(db, name_of(account)))

    async def highest_mined(self, account: Account) -> Slot | None:
        """Return the highest slot whose block is known, without reading the ones below."""
        return await self._store.run(lambda db: leasing.highest_mined(db, name_of(account)))

    async def _on(self, account: Account, work: Callable[[Page], T]) -> T:
        def on_page(db: Db) -> T:
            return work(Page.open(db, account, self.holder))

        self._is_holding = True
        return await self._store.run(on_page)

"""What is followed of one account: by nonce, by block, and what the journal is still to be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ...types import Address, Bytes32, SignedTx, TxReceipt
from ..blocks import BlockTag
from .followed import Followed
from .journal import TxJournal
from .slots import Account, Inclusion

FINAL_DEPTH: Final = 12
"""The depth at which a mined transaction is left alone.

Reorgs seen on proof-of-stake Ethereum were at most seven blocks deep, and those of a rollup's
sequencer are rarer: this is more than either, and costs one header per block.
"""


@dataclass(slots=True, eq=False)
class MinedBlock:
    """A block with transactions that are still watched."""

    number: int
    hash: Bytes32
    slots: dict[int, Followed] = field(default_factory=dict[int, Followed])
    verified_under: Bytes32 | None = None
    """The latest block, under which it was last seen to be part of the chain."""
    absent_since: float | None = None
    """Since when the chain has no block of this height: an endpoint lags, or it was given up."""


class Book:
    """One account. The poller fills it in; the journal learns of it in bulk."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.slots: dict[int, Followed] = {}
        self.pending: dict[int, Followed] = {}
        self.blocks: dict[Bytes32, MinedBlock] = {}
        self.count: int | None = None
        self.progress_at = 0.0
        self.blocked_at: int | None = None
        """The count at which it was last said that somebody has not sent the next nonce."""
        self.resend: set[int] = set()
        """Nonces to send again without waiting for a sign that they were dropped."""
        self._mined: dict[int, Inclusion] = {}
        self._reorged: set[int] = set()
        self._final: set[int] = set()

    def enter(self, slot: Followed, now: float) -> Followed:
        """Follow ``slot`` from here on; return the one that does, if its nonce is followed."""
        known = self.slots.get(slot.nonce)
        if known is None:
            slot.receipt = None  # where it was left alone for a while, what it knows is old
            self.slots[slot.nonce] = slot
            self._await_block(slot, now)
            return slot
        if known is not slot:
            known.absorb(slot)
        return known

    def mined(self, slot: Followed, receipt: TxReceipt) -> None:
        """Take note that one of the attempts is in a block."""
        slot.receipt = receipt
        slot.missing = None
        slot.complaint = ""
        slot.attempts[receipt.hash].refused = False
        self.pending.pop(slot.nonce, None)
        block = self.blocks.get(receipt.block_hash)
        if block is None:
            block = self.blocks[receipt.block_hash] = MinedBlock(
                receipt.block_number, receipt.block_hash
            )
        block.slots[slot.nonce] = slot
        self._mined[slot.nonce] = Inclusion(
            slot.nonce, receipt.hash, receipt.block_number, receipt.block_hash
        )

    def reorged(self, block: MinedBlock, now: float) -> None:
        """Make the transactions of a block that was given up pending again."""
        del self.blocks[block.hash]
        for slot in block.slots.values():
            slot.receipt = None
            slot.pending_since = None
            self._await_block(slot, now)
            self._mined.pop(slot.nonce, None)
            self._reorged.add(slot.nonce)
            if slot.ours:
                self.resend.add(slot.nonce)

    def settle(self, block: MinedBlock) -> None:
        """Leave alone what nobody waits for in a block that is deep enough."""
        for slot in [slot for slot in block.slots.values() if not slot.waiters]:
            del block.slots[slot.nonce]
            self.slots.pop(slot.nonce, None)
            self._final.add(slot.nonce)
        if not block.slots:
            del self.blocks[block.hash]

    def drop(self, slot: Followed) -> None:
        """Stop following a nonce that was given back or taken by somebody else."""
        if self.slots.get(slot.nonce) is slot:
            del self.slots[slot.nonce]
            self.pending.pop(slot.nonce, None)
            self.resend.discard(slot.nonce)

    def saw(self, count: int, now: float) -> None:
        """Take note of the account's next nonce on chain."""
        if count != self.count:
            self.count = count
            self.progress_at = now

    def ready(self) -> list[Followed]:
        """Return our own pending ones that are not used up on chain, lowest nonce first."""
        count = self.count or 0
        return [
            self.pending[nonce]
            for nonce in sorted(self.pending)
            if nonce >= count and self.pending[nonce].ours
        ]

    @property
    def is_written(self) -> bool:
        """Whether the journal knows what is known here."""
        return not (self._mined or self._reorged or self._final)

    async def write(self, journal: TxJournal, account: Account) -> None:
        """Tell the journal what it does not know yet; what fails is told the next time.

        Raises:
            LedgerError: The store cannot be written.
        """
        if reorged := tuple(self._reorged):
            await journal.reorged(account, reorged)
            self._reorged.difference_update(reorged)
        if mined := dict(self._mined):
            await journal.mined(account, list(mined.values()))
            self._forget_written(mined)
        if final := tuple(self._final):
            await journal.final(account, final)
            self._final.difference_update(final)

    def _forget_written(self, written: dict[int, Inclusion]) -> None:
        for nonce, inclusion in written.items():
            if self._mined.get(nonce) is inclusion:
                del self._mined[nonce]

    def _await_block(self, slot: Followed, now: float) -> None:
        if not self.pending:
            self.progress_at = now
        self.pending[slot.nonce] = slot


class Shelf:
    """The books of all accounts, and the tags that somebody waits for."""

    def __init__(self) -> None:
        self._books: dict[Address, Book] = {}
        self.tags: Counter[BlockTag] = Counter()

    def __iter__(self) -> Iterator[Book]:
        return iter(self._books.values())

    @property
    def busy(self) -> list[Book]:
        """The books with something to look after."""
        return [book for book in self if book.slots or not book.is_written]

    @property
    def is_pending(self) -> bool:
        """Whether anything is in no block yet."""
        return any(book.pending for book in self)

    @property
    def has_waiters(self) -> bool:
        """Whether anybody waits."""
        return any(slot.waiters for book in self for slot in book.slots.values())

    def book(self, address: Address) -> Book:
        """Return an account's book, a new one where there is none."""
        return self._books.setdefault(address, Book(address))

    def follow(self, signed: SignedTx, now: float) -> Followed:
        """Return what follows the nonce of ``signed``, an attempt of which it is from here on."""
        book = self.book(signed.tx.sender)
        slot = book.slots.get(signed.tx.nonce)
        if slot is None:
            slot = book.enter(Followed(signed.tx.sender, signed.tx.nonce), now)
        slot.add(signed)
        return slot

    def fail(self, error: Exception) -> None:
        """End every wait with ``error``."""
        for book in self:
            for slot in book.slots.values():
                slot.fail(lambda _: error)

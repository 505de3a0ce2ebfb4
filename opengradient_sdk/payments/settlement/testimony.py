"""What one endpoint says about an authorization, as values that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...chain.blocks import Block
from ...errors import ChainError
from ...types import Address, Amount, Bytes32
from ..status import PaymentState

_WORD_BITS: Final = 8
"""A nonce's last 8 bits name one of the 256 bits of a word."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What must be known of an authorization to find its settlement.

    ``deadline`` is in Unix seconds, ``spender`` the proxy that alone can settle it.
    """

    owner: Address
    nonce: int
    recipient: Address
    deadline: int
    spender: Address
    from_block: int

    @property
    def word(self) -> int:
        """The index of the word of the owner's used-bits that holds this nonce."""
        return self.nonce >> _WORD_BITS

    @property
    def bit(self) -> int:
        """Which bit of that word is this nonce's."""
        return self.nonce & ((1 << _WORD_BITS) - 1)


@dataclass(frozen=True, slots=True)
class Ending:
    """The transaction that used the nonce: a settlement for ``amount`` atoms, or a cancellation.

    ``block_hash`` is where the receipt says it is, ``hash_by_number`` what the same endpoint calls
    the block of that number (``None``: it has none).
    """

    state: PaymentState
    amount: int
    transaction: Bytes32
    block_number: int
    block_hash: Bytes32
    hash_by_number: Bytes32 | None

    @property
    def is_in_the_chain(self) -> bool:
        """Whether the endpoint that shows it also has the block in its chain."""
        return self.block_hash == self.hash_by_number

    def __str__(self) -> str:
        settled = self.state is PaymentState.SETTLED
        what = f"settled for {Amount(self.amount)}" if settled else "cancelled"
        told = f"{what} by {self.transaction} in block {self.block_number} ({self.block_hash})"
        if self.is_in_the_chain:
            return told
        return f"{told}, but that block is {self.hash_by_number or 'none'} in its chain"


@dataclass(frozen=True, slots=True)
class View:
    """What an endpoint sees: its head, its finalized block (where it names one), and the nonce."""

    name: str
    latest: Block
    finalized: Block | None
    used: bool
    ending: Ending | None = None

    def is_final(self, block_number: int) -> bool:
        """Whether this endpoint says that the block of this number cannot be taken back."""
        return self.finalized is not None and block_number <= self.finalized.number

    def __str__(self) -> str:
        if self.ending is not None:
            return f"{self.name} says {self.ending}"
        head = self.latest.number
        if self.used:
            return f"{self.name} says used at block {head}, with no settlement or cancellation"
        return f"{self.name} says unused at block {head}"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What an endpoint says about one block, and about the nonces as of that block's hash.

    Each is ``None`` where the endpoint has no answer; ``refusal`` is what it said instead of the
    ``bitmap``.
    """

    name: str
    by_number: Block | None
    by_hash: Block | None
    bitmap: int | None
    refusal: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether it has answered everything that a proof needs."""
        return None not in (self.by_number, self.by_hash, self.bitmap)

    def contradicts(self, block: Block, bit: int) -> bool:
        """Whether it knows the block as another one, or the nonce of ``bit`` as used there."""
        heads = [head for head in (self.by_number, self.by_hash) if head is not None]
        if any(_identity(head) != _identity(block) for head in heads):
            return True
        return self.bitmap is not None and bool(self.bitmap >> bit & 1)

    def __str__(self) -> str:
        if self.by_number is None:
            return f"{self.name} does not have the block"
        head = self.by_number
        told = f"{self.name} says block {head.number} is {head.hash} at {head.timestamp}"
        if self.by_hash is None:
            return f"{told}, and knows no block by the hash in question"
        if _identity(self.by_hash) != _identity(head):
            other = self.by_hash
            told += f", by hash block {other.number} at {other.timestamp}"
        if self.bitmap is None:
            return f"{told}, and nothing of the nonce as of a block hash ({self.refusal})"
        return f"{told}, with the nonce bitmap {self.bitmap:#x}"


@dataclass(frozen=True, slots=True)
class Silent:
    """An endpoint that could not be asked."""

    name: str
    error: ChainError

    def __str__(self) -> str:
        return f"{self.name} could not be asked ({self.error.short_message})"


def _identity(block: Block) -> tuple[int, Bytes32, int]:
    return block.number, block.hash, block.timestamp

"""What the chain says of an authorization."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from ..types import Amount, Bytes32


class PaymentState(Enum):
    """What the chain says of an authorization."""

    OPEN = "open"
    SETTLED = "settled"
    FINAL = "final"
    NOT_CHARGED = "not charged"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def resolved(self) -> bool:
        """Whether the chain has spoken: the cap is no longer exposed."""
        return self not in (PaymentState.OPEN, PaymentState.UNKNOWN)


LAST_WORDS: Final = (PaymentState.FINAL, PaymentState.NOT_CHARGED)
"""States that no later look at the chain can change."""


@dataclass(frozen=True, slots=True)
class NotChargedProof:
    """Why an authorization was not charged and never can be.

    A permit settles in no block that is later than its deadline. In the finalized block named here,
    which is later, the nonce was still free.

    **Trust**: every endpoint of ``rpcs`` said the same of this block. If they all lie, it is wrong.

    Attributes:
        chain_id: The chain that was asked.
        block_number: The finalized block.
        block_hash: Its hash, at which the bitmap was read (EIP-1898).
        block_timestamp: Its time, in Unix seconds of the chain's clock.
        deadline: The last second of the permit, in Unix seconds of the chain's clock.
        bitmap: The 256 used-bits of the word of the owner's Permit2 nonces that holds this nonce.
        rpcs: The endpoints that said so, without credentials.
    """

    chain_id: int
    block_number: int
    block_hash: Bytes32
    block_timestamp: int
    deadline: int
    bitmap: int
    rpcs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """The chain's word on an authorization, with where it was read and who said it.

    **Trust**: what the endpoints of ``rpcs`` say in agreement, and no more.

    Attributes:
        state: What became of it.
        reason: Why the state is this one, as a sentence.
        amount: What the whole session was charged; ``None`` while that is not known.
        transaction: What settled or cancelled it.
        chain_id: The chain that was asked.
        block_number: Where the state was seen.
        block_hash: That block's hash, where it was compared.
        proof: Of ``NOT_CHARGED``.
        rpcs: The endpoints that were heard, without credentials.
        disagreeing: Where endpoints contradict each other: what each of them says.
        final: Whether no reorg can take it back, as far as every configured endpoint says.
        from_journal: Whether it was read from the journal, which keeps what the chain said and the
            transaction, and neither the block nor what proves it; the ledger and the chain do.
    """

    state: PaymentState
    reason: str
    amount: Amount | None = None
    transaction: Bytes32 | None = None
    chain_id: int | None = None
    block_number: int | None = None
    block_hash: Bytes32 | None = None
    proof: NotChargedProof | None = None
    rpcs: tuple[str, ...] = ()
    disagreeing: tuple[str, ...] = ()
    final: bool = False
    from_journal: bool = False

    @property
    def is_last_word(self) -> bool:
        """Whether nothing can change it any more: it is final, or was proven never to be."""
        return self.final or self.state in LAST_WORDS

    def __str__(self) -> str:
        return f"{self.state.value}: {self.reason}"


NOT_LOOKED: PaymentStatus = PaymentStatus(
    PaymentState.OPEN, "signed; the chain has not been asked yet"
)

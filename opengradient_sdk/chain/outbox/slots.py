"""What the book of an account's nonces says: slots, and what was signed for each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ...types import Address, Bytes32, SignedTx


@dataclass(frozen=True, slots=True)
class Account:
    """An account on one chain: whose nonces a book counts.

    ``chain`` names the chain by its id and its first block, so that a test chain that is started
    anew does not read the book of the one before it.
    """

    chain: str
    address: Address


class SlotState(StrEnum):
    """How far a nonce has come."""

    LEASED = "LEASED"
    """Promised to a transaction that is being built; no signed bytes exist for it yet."""
    SIGNED = "SIGNED"
    """Signed bytes exist, in the caller's hands; they are not broadcast by us."""
    SENDING = "SENDING"
    """Decided to be in the chain: whoever holds the slot broadcasts it until it is mined."""
    MINED = "MINED"
    """Seen in a block, and still watched: the block may be given up."""
    FINAL = "FINAL"
    """So deep in the chain that it is left alone."""
    FREE = "FREE"
    """May be leased again. Bytes may exist, refused or discarded; we never send them again."""
    TAKEN = "TAKEN"
    """A transaction that is not ours has the nonce."""

    @property
    def is_open(self) -> bool:
        """Whether the nonce is spoken for and not yet used."""
        return self in (SlotState.LEASED, SlotState.SIGNED, SlotState.SENDING)

    @property
    def is_used(self) -> bool:
        """Whether the chain has a transaction with this nonce, as far as is known."""
        return self in (SlotState.MINED, SlotState.FINAL, SlotState.TAKEN)


class AttemptKind(StrEnum):
    """Why a transaction was signed for its nonce."""

    ORIGINAL = "ORIGINAL"
    """It is what the nonce was leased for."""
    REPRICED = "REPRICED"
    """The same content with another fee."""
    REPLACEMENT = "REPLACEMENT"
    """Other content, which the caller wants in its place."""
    CANCEL = "CANCEL"
    """A transfer of nothing to oneself, so that what was there before is not mined."""
    FILLER = "FILLER"
    """A transfer of nothing to oneself, so that higher nonces can be mined."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction of a slot.

    One that was ``refused`` (by the chain) or ``discarded`` (by its owner, or in favour of the
    slot's next transaction) is never broadcast by us again. Discarded bytes may be in somebody
    else's hands, so that they can be mined all the same.
    """

    signed: SignedTx
    kind: AttemptKind
    refused: bool
    discarded: bool = False


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The block that a nonce's transaction is in."""

    nonce: int
    hash: Bytes32
    block_number: int
    block_hash: Bytes32


@dataclass(frozen=True, slots=True)
class Slot:
    """One nonce of an account. ``attempts`` are what was signed for it, oldest first.

    ``sponsored`` bytes were handed to somebody who may broadcast them. A slot that is ``FINAL``
    keeps the bytes only where a request id may ask for them; its ``inclusion`` has the hash.
    """

    nonce: int
    state: SlotState
    holder: str | None
    sponsored: bool
    request_id: str | None
    attempts: tuple[Attempt, ...]
    inclusion: Inclusion | None


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A caller's name for one transaction, and what tells whether it is still the same one."""

    id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Leased:
    """Nonces for transactions to be built, ascending.

    ``superseded`` are the hashes of signed transactions that had one of these nonces, and that
    nobody here will send any more: whoever has their bytes still can. ``behind`` are lower nonces
    whose transactions were signed and not sent: these wait for them.
    """

    nonces: tuple[int, ...]
    superseded: tuple[Bytes32, ...] = ()
    behind: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """The request has its slot already: follow what is in it, or wait for who is building it."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Blocked:
    """The request's bytes have a nonce that another open transaction has now.

    While that is not mined, either could be: a second transaction for the request must wait.
    """

    nonce: int


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The request's bytes have a nonce that the chain has passed; nobody saw with which of them."""

    slot: Slot

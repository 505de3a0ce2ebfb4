"""What a chain says about transactions after they were sent. No event holds a secret."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ...types import Bytes32

_log: Final = logging.getLogger("opengradient_sdk.chain")


@dataclass(frozen=True, slots=True)
class TransactionReorged:
    """The block of a mined transaction is no longer part of the chain: it is pending again."""

    hash: Bytes32
    nonce: int
    block_number: int


@dataclass(frozen=True, slots=True)
class TransactionResent:
    """The node had forgotten a pending transaction, and was given the same bytes again."""

    hash: Bytes32
    nonce: int


@dataclass(frozen=True, slots=True)
class TransactionReplaced:
    """``by`` was sent with the nonce of ``hash``; the chain mines one of the two."""

    hash: Bytes32
    by: Bytes32
    nonce: int
    reason: Literal["repriced", "replaced", "cancelled"]


@dataclass(frozen=True, slots=True)
class RepricingRefused:
    """A stuck transaction keeps its fee: the signer, or the chain, did not take a higher one."""

    hash: Bytes32
    nonce: int
    reason: str


@dataclass(frozen=True, slots=True)
class NonceGapFilled:
    """A nonce that nobody held was used up by an empty transaction, ``hash``.

    **Money**: its fee, for 21,000 gas. Transactions with higher nonces were waiting for it.
    """

    nonce: int
    hash: Bytes32


@dataclass(frozen=True, slots=True)
class NonceSuperseded:
    """The signed transactions ``hashes`` lost their nonce to another one."""

    hashes: tuple[Bytes32, ...]
    nonce: int


@dataclass(frozen=True, slots=True)
class NonceBlocked:
    """The transaction with ``nonce`` waits for that with the nonce ``behind``, which is not sent.

    It is leased or signed by somebody who has not sent it yet.
    """

    nonce: int
    behind: int


@dataclass(frozen=True, slots=True)
class TransactionsTakenOver:
    """These were sent by a program that is gone, and are followed and sent again from here."""

    hashes: tuple[Bytes32, ...]


ChainEvent: TypeAlias = (
    TransactionReorged
    | TransactionResent
    | TransactionReplaced
    | RepricingRefused
    | NonceGapFilled
    | NonceSuperseded
    | NonceBlocked
    | TransactionsTakenOver
)
Emit: TypeAlias = Callable[[ChainEvent], None]


class Announcer:
    """Tells the log and ``emit`` what happened. What ``emit`` raises is logged."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def say(self, event: ChainEvent) -> None:
        """Tell everybody."""
        _log.log(_level(event), _in_words(event))
        try:
            self._emit(event)
        except Exception:  # noqa: BLE001 - a listener's mistake must not stop the bookkeeping
            _log.exception("on_event failed for %s", type(event).__name__)


def _level(event: ChainEvent) -> int:
    match event:
        case TransactionResent() | TransactionReplaced() | TransactionsTakenOver():
            return logging.INFO
        case _:
            return logging.WARNING


def _in_words(event: ChainEvent) -> str:
    match event:
        case TransactionReorged(hash, nonce, number):
            return (
                f"transaction {hash} (nonce {nonce}) is pending again: "
                f"block {number} is no longer part of the chain"
            )
        case TransactionResent(hash, nonce):
            return f"transaction {hash} (nonce {nonce}) was sent again: the node had dropped it"
        case TransactionReplaced(hash, by, nonce, reason):
            return f"transaction {hash} (nonce {nonce}) was {reason}: {by} was sent in its place"
        case RepricingRefused(hash, nonce, reason):
            return f"transaction {hash} (nonce {nonce}) is stuck and keeps its fee: {reason}"
        case NonceGapFilled(nonce, hash):
            return f"nobody held nonce {nonce}; the empty transaction {hash} uses it up"
        case NonceSuperseded(hashes, nonce):
            return f"nonce {nonce} was taken from {', '.join(map(str, hashes))}"
        case NonceBlocked(nonce, behind):
            return f"nonce {nonce} waits for nonce {behind}, which has not been sent"
        case TransactionsTakenOver(hashes):
            return f"took over {len(hashes)} transactions of a program that is gone"

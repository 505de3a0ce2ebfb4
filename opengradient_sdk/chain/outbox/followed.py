"""One nonce that is followed: the transactions that compete for it, and who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from ...errors import ReplacedError
from ...types import Address, Bytes32, PreparedTx, SignedTx, TxReceipt
from ..pending import Confirmations


@dataclass(slots=True, eq=False)
class Sent:
    """A signed transaction. ``may_be_out``: a node may have it, whatever is said from now on."""

    signed: SignedTx
    may_be_out: bool = False
    refused: bool = False


@dataclass(slots=True, eq=False)
class Waiter:
    """Somebody who waits until ``wanted``, or what was sent in its place, is deep enough."""

    wanted: SignedTx
    confirmations: Confirmations
    outcome: asyncio.Future[TxReceipt]

    @property
    def depth(self) -> int | None:
        """The blocks wanted, the transaction's own included; ``None`` for a tag."""
        return self.confirmations if isinstance(self.confirmations, int) else None

    def fail(self, error: Exception) -> None:
        """End the wait with an error, unless its caller has gone."""
        if not self.outcome.done():
            self.outcome.set_exception(error)


@dataclass(slots=True)
class Missing:
    """How often, and since when, a nonce was seen used with no receipt to be found."""

    looks: int
    head: int
    since: float


@dataclass(slots=True, eq=False)
class Followed:
    """One nonce of an account.

    ``attempts`` are in the order in which they were sent. ``ours`` says that this process sends
    them again until one is mined; others are only watched. ``fee_cap`` (wei per gas) bounds what
    re-pricing may offer.
    """

    sender: Address
    nonce: int
    ours: bool = False
    fee_cap: int | None = None
    attempts: dict[Bytes32, Sent] = field(default_factory=dict[Bytes32, Sent])
    receipt: TxReceipt | None = None
    waiters: list[Waiter] = field(default_factory=list[Waiter])
    pending_since: int | None = None
    """The head at which it was first seen not mined, or was last re-priced."""
    missing: Missing | None = None
    complaint: str = ""
    """Why a node did not take it lately."""
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while another transaction is made for this nonce."""

    def add(self, signed: SignedTx, *, may_be_out: bool = False, refused: bool = False) -> Sent:
        """Return the attempt ``signed``, added as the newest where it is not known yet.

        One that was refused, and is now wanted again, may be mined again.
        """
        sent = self.attempts.get(signed.hash)
        if sent is None:
            sent = self.attempts[signed.hash] = Sent(signed, may_be_out, refused)
        else:
            sent.may_be_out |= may_be_out
            sent.refused &= refused
        return sent

    def absorb(self, other: Followed) -> None:
        """Add what ``other``, of the same nonce, knows."""
        for sent in other.attempts.values():
            self.add(sent.signed, may_be_out=sent.may_be_out, refused=sent.refused)

    @property
    def live(self) -> list[Sent]:
        """The attempts that may be mined, oldest first."""
        return [sent for sent in self.attempts.values() if not sent.refused]

    @property
    def best(self) -> Sent | None:
        """The attempt to send: the newest, which pays most."""
        live = self.live
        return live[-1] if live else None

    def wait_for(self, wanted: SignedTx, confirmations: Confirmations) -> Waiter:
        """Return a new waiter."""
        outcome = asyncio.get_running_loop().create_future()
        waiter = Waiter(wanted, confirmations, outcome)
        self.waiters.append(waiter)
        return waiter

    def forget(self, waiter: Waiter) -> None:
        """End a waiter whose caller has its outcome, or has gone."""
        if waiter in self.waiters:
            self.waiters.remove(waiter)
        if waiter.outcome.done() and not waiter.outcome.cancelled():
            waiter.outcome.exception()  # seen: a caller who has gone in that moment never asks

    def answer_those(self, are_content: Callable[[Waiter], bool]) -> None:
        """Tell the waiters to whom what is known now is enough."""
        content = [waiter for waiter in self.waiters if are_content(waiter)]
        for waiter in content:
            self._answer(waiter)
        if content:
            self.waiters = [waiter for waiter in self.waiters if waiter not in content]

    def fail(self, why: Callable[[Waiter], Exception]) -> None:
        """End every wait with an error."""
        for waiter in self.waiters:
            waiter.fail(why(waiter))
        self.waiters.clear()

    def _answer(self, waiter: Waiter) -> None:
        """Give ``waiter`` what was mined: a receipt, or that its content was replaced."""
        receipt = self.receipt
        assert receipt is not None  # asked only for mined ones
        if waiter.outcome.done():
            return
        mined = self.attempts[receipt.hash].signed
        if is_same_deed(mined.tx, waiter.wanted.tx):
            waiter.outcome.set_result(receipt)
        else:
            waiter.fail(replaced(waiter.wanted, by=receipt.hash))


def is_same_deed(one: PreparedTx, other: PreparedTx) -> bool:
    """Return whether two transactions do the same, whatever they pay for it."""
    return (
        one.to == other.to
        and one.value == other.value
        and one.data == other.data
        and one.authorizations == other.authorizations
    )


def replaced(signed: SignedTx, *, by: Bytes32 | None = None) -> ReplacedError:
    """Return the error of a transaction whose nonce went to another one."""
    tx = signed.tx
    other = "another transaction" if by is None else f"{by}, sent in its place,"
    return ReplacedError(
        f"{other} of {tx.sender} with nonce {tx.nonce} was mined instead of {signed.hash}",
        hint="Nothing of this one happened. See what took its nonce before sending again.",
        by=by,
    )

"""The budget of one ``with_budget`` block: what its own calls may put at risk."""

from __future__ import annotations

from collections.abc import Hashable
from copy import copy
from dataclasses import dataclass, field

from ...errors import BudgetExceededError
from ...types import Amount
from .standing import Standing, no_room


def check_call(estimate: int | None, per_call: int | None) -> None:
    """Return if a call may cost what it is estimated to, in atoms.

    ``estimate`` is the most that its tokens can cost at the published prices, ``None`` where that
    cannot be told; ``per_call`` is ``None`` where there is no limit.

    Raises:
        BudgetExceededError: It may cost more, or nobody can tell. Nothing was signed or sent.
    """
    if per_call is None:
        return
    if estimate is None:
        raise BudgetExceededError(
            f"nobody can tell whether this call stays within per_call={Amount(per_call)}: "
            "its cost cannot be estimated",
            hint="Pass max_tokens, name a model whose price is published, or leave per_call away.",
        )
    if estimate > per_call:
        raise BudgetExceededError(
            f"this call may cost up to {Amount(estimate)}, by estimate, "
            f"and per_call allows {Amount(per_call)}",
            hint="Lower max_tokens, shorten the messages, or raise per_call.",
        )


@dataclass(slots=True)
class Share:
    """A session that a block has joined. ``charged`` is ``None`` while its cap is open."""

    cap: int
    charged: int | None = None

    @property
    def counted(self) -> int:
        """What it takes of the block's total."""
        return self.cap if self.charged is None else self.charged


@dataclass(slots=True)
class Account:
    """What is counted for one block, whatever is around it. Figures as in ``Block``."""

    total: int | None
    per_call: int | None
    shares: dict[Hashable, Share] = field(default_factory=dict[Hashable, Share])
    exposed: int = 0
    settled: int = 0
    estimated: int = 0

    @property
    def standing(self) -> Standing:
        """How this block stands by itself."""
        return Standing(self.total, self.exposed, self.settled)

    def check_room(self, cap: int) -> None:
        """Return if the total covers one more cap; else raise ``BudgetExceededError``."""
        remaining = self.standing.remaining
        if remaining is not None and cap > remaining:
            raise no_room(self.standing, cap, whose="the budget of this block")

    def add(self, life: Hashable, share: Share) -> None:
        """Count a session."""
        self.shares[life] = copy(share)
        self._count(share, +1)

    def change(self, life: Hashable, charged: int | None) -> None:
        """Count a session as charged, or its whole cap again; one that is not here does nothing."""
        share = self.shares.get(life)
        if share is not None:
            self._count(share, -1)
            share.charged = charged
            self._count(share, +1)

    def _count(self, share: Share, sign: int) -> None:
        if share.charged is None:
            self.exposed += sign * share.counted
        else:
            self.settled += sign * share.counted


class Block:
    """What the calls of one block have put at risk, in memory. All figures are atoms.

    **Money**: ``exposed`` and ``settled`` count whole sessions, which the block may share with
    calls outside it: what it shows can be more than its own calls cost, never less. ``estimated``
    is what its own calls cost, by estimate. What an ``inner`` block counts, this one counts too.
    """

    __slots__ = ("_accounts", "_own")

    def __init__(
        self, total: int | None, per_call: int | None = None, *, around: tuple[Account, ...] = ()
    ) -> None:
        self._own = Account(total, per_call)
        self._accounts = (self._own, *around)

    def inner(self, total: int | None, per_call: int | None = None) -> Block:
        """Return a block within this one."""
        return Block(total, per_call, around=self._accounts)

    @property
    def exposed(self) -> int:
        """Whole caps of the open authorizations that calls of this block joined."""
        return self._own.exposed

    @property
    def settled(self) -> int:
        """What the chain has charged for the others: whole sessions, other calls' parts too."""
        return self._own.settled

    @property
    def estimated(self) -> int:
        """Computed costs of this block's answered calls, and estimates of the others."""
        return self._own.estimated

    @property
    def remaining(self) -> int | None:
        """What new sessions may still put at risk, here and around; ``None`` is unlimited."""
        lefts = [account.standing.remaining for account in self._accounts]
        return min((left for left in lefts if left is not None), default=None)

    @property
    def standing(self) -> Standing:
        """How this block stands by itself."""
        return self._own.standing

    @property
    def limits_calls(self) -> bool:
        """Whether the estimate of a call matters, here or around."""
        return any(account.per_call is not None for account in self._accounts)

    # Sessions

    def check_room(self, cap: int) -> None:
        """Return if this block, and those around it, would cover one more cap.

        Asked before an authorization is signed for a call of the block.

        Raises:
            BudgetExceededError: One of them does not. Nothing was signed.
        """
        for account in self._accounts:
            account.check_room(cap)

    def join(self, life: Hashable, cap: int) -> None:
        """Count a session's whole cap, the first time that a call of the block joins it.

        ``life`` names the authorization. Blocks around this one count it too, once.

        Raises:
            BudgetExceededError: It does not fit: this call must not be sent on it. Nothing was
                counted.
        """
        newcomers = [account for account in self._accounts if life not in account.shares]
        share = self._accounts[-1].shares.get(life, Share(cap))  # a block around knows more
        for account in newcomers:
            account.check_room(share.counted)
        for account in newcomers:
            account.add(life, share)

    def resolved(self, life: Hashable, charged: int) -> None:
        """Replace a session's cap by what the chain charged for it, here and around.

        May be said again, also with another amount. A session that no call joined is no matter.
        """
        for account in self._accounts:
            account.change(life, charged)

    def reopened(self, life: Hashable) -> None:
        """Count a session's whole cap again: the chain has taken its word back."""
        for account in self._accounts:
            account.change(life, None)

    # Calls

    def call(self, estimate: int | None) -> None:
        """Count a call that is about to begin by its estimate, here and around.

        Raises:
            BudgetExceededError: It may cost more than ``per_call`` of a block, or nobody can tell.
                Nothing was counted.
        """
        for account in self._accounts:
            check_call(estimate, account.per_call)
        self._estimate(estimate or 0)

    def answered(self, estimate: int | None, cost: int | None) -> None:
        """Replace a call's estimate by its computed cost; 0 where nothing of it is billed.

        Where the cost is not known, the estimate stays.
        """
        if cost is not None:
            self._estimate(cost - (estimate or 0))

    def _estimate(self, by: int) -> None:
        for account in self._accounts:
            account.estimated += by

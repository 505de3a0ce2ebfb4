"""The client's budget, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...payments.budget import Budget
from ...types import Amount
from ..work import CallWork


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """What counts against a budget now.

    **Money**: ``exposed`` sums the whole caps of open authorizations, ``settled`` what the chain
    has charged: both exact, over all clients that share the budget. ``estimated_by_tag`` sums
    computed costs. ``total`` and ``remaining`` are ``None`` without a limit.
    """

    total: Amount | None
    exposed: Amount
    settled: Amount
    remaining: Amount | None
    estimated_by_tag: Mapping[str, Amount]


class BudgetView:
    """``client.budget``."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    @property
    def limits(self) -> Budget:
        """What the client was told to hold itself to."""
        return self._work.core.config.budget

    async def standing(self) -> BudgetStanding:
        """Return how the budget stands, as the store that is shared says.

        **Money**: free.

        Raises:
            LedgerError: The store could not be read.

        Example:
            >>> reply = await client.chat.create(model="openai/gpt-5", messages="hi")
            >>> standing = await client.budget.standing()
            >>> print(standing.exposed, "exposed,", standing.settled, "settled")
            0.1 OPG exposed, 0 OPG settled
        """
        now = await self._work.core.journal.standing()
        return BudgetStanding(
            total=None if now.total is None else Amount(now.total),
            exposed=Amount(now.exposed),
            settled=Amount(now.settled),
            remaining=None if now.remaining is None else Amount(max(now.remaining, 0)),
            estimated_by_tag={tag: Amount(sum_) for tag, sum_ in now.estimated_by_tag.items()},
        )

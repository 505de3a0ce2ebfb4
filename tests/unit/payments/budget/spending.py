"""Tasks that spend from one budget as a plan says; also a program, so that processes do it.

spending.py <location>     for each line of JSON on standard input (an ``Order``): do it, and print
                           what its tasks have put at risk in the end
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TypedDict

from opengradient_sdk._core.store import Db, Store, open_store
from opengradient_sdk.errors import BudgetExceededError
from opengradient_sdk.payments.budget.pools import Limits, Pool, lock_pool
from opengradient_sdk.payments.journal import SCHEMA

sys.path.insert(0, str(Path(__file__).parent))
from rows import NETWORK, OWNER, at_risk, resolve, sign, withdraw

Plan = list[tuple[str, int]]
"""``sign`` with a cap; or ``withdraw``, ``settled``, ``not charged`` with a share in percent."""


class Order(TypedDict):
    """What one process is to do, with a task for each plan."""

    pool: str
    total: int
    first_nonce: int
    plans: list[Plan]


class Spender:
    """One task: it signs, and later hears what became of it."""

    def __init__(self, store: Store, order: Order, number: int) -> None:
        self._store = store
        self._pool = Pool(OWNER, NETWORK, order["pool"])
        self._limits = Limits(order["total"])
        self._nonce = order["first_nonce"] + 1000 * number
        self._open: list[tuple[int, int]] = []
        self._charged = 0

    @property
    def at_risk(self) -> int:
        """Its own account of what it has put at risk."""
        return self._charged + sum(cap for _, cap in self._open)

    async def follow(self, plan: Plan) -> None:
        """Do one step after the other."""
        for what, number in plan:
            if what == "sign":
                await self._sign(number)
            elif self._open:
                await self._end(what, number)

    async def _sign(self, cap: int) -> None:
        self._nonce += 1
        nonce = self._nonce
        if await self._store.run(lambda db: self._is_signed(db, nonce, cap)):
            self._open.append((nonce, cap))

    def _is_signed(self, db: Db, nonce: int, cap: int) -> bool:
        total = self._limits.total or 0
        lock_pool(db, self._pool)
        before = at_risk(db, self._pool)
        try:
            sign(db, nonce, self._limits, cap=cap, pool=self._pool)
        except BudgetExceededError:
            assert before + cap > total, f"{cap} was refused, and {before} of {total} at risk"
            return False
        after = at_risk(db, self._pool)
        assert after <= total, f"{after} of {total} at risk"
        return True

    async def _end(self, what: str, share: int) -> None:
        nonce, cap = self._open.pop(share % len(self._open))
        if what == "withdraw":
            await self._store.run(lambda db: withdraw(db, nonce, self._pool))
            return
        charged = cap * share // 100 if what == "settled" else None
        await self._store.run(lambda db: resolve(db, nonce, what, charged, self._pool))
        self._charged += charged or 0


async def spend(store: Store, order: Order) -> int:
    """Follow all plans of the order at once; return what they have put at risk in the end."""
    spenders = [Spender(store, order, number) for number, _ in enumerate(order["plans"])]
    async with asyncio.TaskGroup() as group:
        for spender, plan in zip(spenders, order["plans"], strict=True):
            group.create_task(spender.follow(plan))
    return sum(spender.at_risk for spender in spenders)


async def main(location: str) -> None:
    """Carry out orders until standard input ends."""
    store = open_store(location, SCHEMA)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(await spend(store, json.loads(line)), flush=True)
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

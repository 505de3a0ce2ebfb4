"""What is written down of a call and of its answer becomes durable in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from opengradient_sdk._core.store import Db
from opengradient_sdk.errors import LedgerError

from .kit import CustomerFactory

SERVED = (
    "SELECT 'rcpt_' || substr(id, 6) FROM payment_call WHERE state = 'served'"
    " AND idempotency_key IS NULL ORDER BY id"
)
RECEIPTS = "SELECT id FROM ledger_receipt ORDER BY id"


async def test_no_transaction_leaves_a_served_call_without_its_receipt(
    customer: CustomerFactory, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await customer(store=place)
    core = one.client._work.core
    run_all, groups = core.store.run_all, list[tuple[list[Any], list[Any]]]()

    async def watched(works: Sequence[Callable[[Db], Any]]) -> list[Any]:
        outcomes = await run_all(works)
        seen = await core.store.run(lambda db: (db.execute(SERVED), db.execute(RECEIPTS)))
        groups.append(seen)
        return outcomes

    monkeypatch.setattr(core.store, "run_all", watched)
    for _ in range(4):
        await asyncio.gather(*(one.ask() for _ in range(5)))
        await core.ledger.flushed()
    assert len(groups[-1][1]) == 20
    assert all(served == receipts for served, receipts in groups)


async def test_a_ledger_that_was_changed_does_not_keep_calls_from_being_written_down(
    customer: CustomerFactory, place: str
) -> None:
    one = await customer(store=place)
    core = one.client._work.core
    await one.ask()
    await core.ledger.flushed()
    await core.store.run(lambda db: db.execute("DELETE FROM ledger_entry"))
    reply = await one.ask()
    await core.journal.flushed()
    served = await core.store.run(lambda db: db.execute(SERVED))
    assert (reply.receipt.id,) in served
    with pytest.raises(LedgerError, match="somebody else has changed it"):
        await core.ledger.flushed()
    with pytest.raises(LedgerError, match="somebody else has changed it"):
        await one.ask()

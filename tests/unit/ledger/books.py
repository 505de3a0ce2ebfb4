"""A ledger on a store, with a clock and a supervisor of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from opengradient_sdk._core.gathering import Gathering
from opengradient_sdk._core.store import Db, Store, open_store
from opengradient_sdk._core.tasks import Supervisor
from opengradient_sdk._core.vault import Vault
from opengradient_sdk.ledger.content import ContentMode
from opengradient_sdk.ledger.facts import Content
from opengradient_sdk.ledger.ledger import Ledger
from opengradient_sdk.ledger.receipt import Receipt
from opengradient_sdk.ledger.schema import SCHEMA
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.verification import SignedFields

from ..payments.makers import OWNER, SteppedClock
from .receipts import a_receipt

NETWORK = DEVNET.payments.caip2
QUESTION = {"model": "gpt-5", "messages": [{"role": "user", "content": "What is 2+2?"}]}
ANSWER = "4, of course"
SIGNED = SignedFields("01" * 32, "aa" * 32, "bb" * 32, 1_800_000_000, "c2ln")


@dataclass
class Books:
    """A ledger and what it stands on."""

    ledger: Ledger
    store: Store
    vault: Vault
    clock: SteppedClock
    supervisor: Supervisor

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement on the store."""

        def work(db: Db) -> list[Any]:
            return db.execute(statement, values)

        return await self.store.run(work)


@asynccontextmanager
async def open_books(
    place: str, *, content: ContentMode = "encrypted", store: Store | None = None
) -> AsyncIterator[Books]:
    """Open a ledger at a place; ``store`` is one that is open there already."""
    own = store or open_store(place, SCHEMA)
    vault = Vault.at(place)
    clock, supervisor = SteppedClock(), Supervisor()
    ledger = Ledger(
        own,
        vault,
        owner=OWNER,
        network=NETWORK,
        clock=clock,
        gathering=Gathering(own, supervisor),
        content=content,
    )
    try:
        yield Books(ledger, own, vault, clock, supervisor)
    finally:
        await supervisor.aclose()
        await ledger.aclose()
        if store is None:
            await own.aclose()


def an_answered(number: int = 1, **changes: Any) -> Receipt:
    """A receipt with its question, its answer, and the node's statement."""
    content = Content(QUESTION, f"{ANSWER} ({number})")
    return a_receipt(number, **{"content": content, "signed": SIGNED} | changes)

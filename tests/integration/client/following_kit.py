"""What the tests of followed promises share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from opengradient_sdk import (
    AllOf,
    Assurance,
    DataState,
    Devnet,
    Profile,
    Receipt,
    Settled,
)
from opengradient_sdk.client.events import DataResolved
from opengradient_sdk.client.following import Following
from opengradient_sdk.verification import SettlementStatistics

from .kit import Customer

WATCHED = AllOf(Assurance.REGISTERED, Settled())


async def later(net: Devnet, seconds: float) -> None:
    """Let time pass, when the facilitator has the records of all that was answered before."""
    await net.advance(0)
    await net.advance(seconds)


async def looked(buyer: Customer) -> SettlementStatistics:
    """What is known after one look at the chain."""
    return (await buyer.client.verification.refresh()).settlement


async def data_of(buyer: Customer, receipt: Receipt) -> DataState:
    return (await buyer.client.receipts.get(receipt.id)).data.state


async def told_of(buyer: Customer, receipt: Receipt) -> int:
    """How many entries the ledger has about what has become known of a receipt."""
    store = buyer.client._work.core.store
    await buyer.client._work.core.ledger.flushed()
    statement = "SELECT COUNT(*) FROM ledger_entry WHERE subject = ? AND kind = 'amended'"
    ((count,),) = await store.run(lambda db: db.execute(statement, (receipt.id,)))
    return int(count)


def following(buyer: Customer) -> Following:
    return buyer.client._work.core.following


def resolved(buyer: Customer) -> list[tuple[str, DataState]]:
    """Which receipts the client has told about, and what."""
    events = buyer.events_of(DataResolved)
    return [(event.receipt_id, event.status.state) for event in events]


def quick(profile: Profile, **changes: Any) -> Profile:
    """The same network for a client that looks many times a second."""
    return replace(profile, registry=replace(profile.registry, block_time=0.001, **changes))


def sets(event: asyncio.Event, kind: type) -> Callable[[object], None]:
    def told(one: object) -> None:
        if isinstance(one, kind):
            event.set()

    return told


class SetsEvent(logging.Handler):
    """Sets an event when a line with these words is logged."""

    def __init__(self, event: asyncio.Event, words: str) -> None:
        super().__init__()
        self._event, self._words = event, words

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage():
            self._event.set()

"""Lines of the journal that nobody waits for: the last of each call, as it is then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from opengradient_sdk._core.gathering import Gathering
from opengradient_sdk._core.store import SqliteStore
from opengradient_sdk._core.tasks import Supervisor
from opengradient_sdk.errors import LedgerError
from opengradient_sdk.payments.budget.pools import Limits, Pool
from opengradient_sdk.payments.journal import SCHEMA, CallState
from opengradient_sdk.payments.journal.holders import Desk
from opengradient_sdk.payments.journal.lines import Lines
from opengradient_sdk.payments.journal.refusals import Refusal

from ..makers import OWNER
from .clients import NETWORK, a_call

DESK = Desk(OWNER, NETWORK, Pool(OWNER, NETWORK), Limits(None), "ab" * 16)


class Place:
    """Lines on a store of their own, whose client joins when it may."""

    def __init__(self) -> None:
        self.store = SqliteStore(":memory:", SCHEMA)
        self.supervisor = Supervisor()
        self.error: Exception | None = None
        self.lines = Lines(Gathering(self.store, self.supervisor), DESK, self._join)

    async def _join(self) -> None:
        if self.error is not None:
            raise self.error

    async def rows(self, statement: str) -> list[Any]:
        return await self.store.run(lambda db: db.execute(statement))

    async def states(self) -> dict[str, str]:
        return dict(await self.rows("SELECT id, state FROM payment_call ORDER BY id"))


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    yield place
    place.lines.close()
    await place.supervisor.aclose()
    await place.store.aclose()


async def test_several_changes_of_a_call_are_one_line(place: Place) -> None:
    record = a_call()
    place.lines.call(record)
    record.state = CallState.SERVED
    place.lines.call(record)
    assert "waiting=1" in repr(place.lines)
    await place.lines.flushed()
    assert await place.states() == {"call-1": "served"}


async def test_a_call_is_written_as_it_is_when_it_is_written(place: Place) -> None:
    record = a_call()
    place.lines.call(record)
    record.state = CallState.FAILED
    await place.lines.flushed()
    assert await place.states() == {"call-1": "failed"}


async def test_calls_and_refusals_are_written_together(place: Place) -> None:
    place.lines.call(a_call("call-1"))
    for _ in range(2):
        place.lines.refusal(Refusal(1.0, "payTo", "a", "b", None))
    await place.lines.flushed()
    assert set(await place.states()) == {"call-1"}
    assert await place.rows("SELECT field, asked FROM payment_refusal") == [("payTo", "a")] * 2


async def test_lines_that_cannot_be_written_stop_what_begins_and_are_kept(place: Place) -> None:
    place.error = LedgerError("the disk is full", hint="Make room.")
    place.lines.call(a_call("call-1"))
    place.lines.refusal(Refusal(1.0, "payTo", "a", "b", None))
    with pytest.raises(LedgerError, match="the disk is full"):
        await place.lines.flushed()
    with pytest.raises(LedgerError, match="the disk is full"):
        place.lines.require_writable()
    place.lines.call(a_call("call-2"))
    place.error = None
    await place.lines.flushed()
    place.lines.require_writable()
    assert set(await place.states()) == {"call-1", "call-2"}
    assert len(await place.rows("SELECT id FROM payment_refusal")) == 1


async def test_a_call_that_was_written_otherwise_is_left_out(place: Place) -> None:
    place.lines.call(a_call("call-1"))
    place.lines.call(a_call("call-2"))
    place.lines.forget_call("call-1")
    place.lines.forget_call("call-3")
    await place.lines.flushed()
    assert set(await place.states()) == {"call-2"}

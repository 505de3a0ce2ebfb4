"""Outputs near to a change: which are certain, which are not, and what the doubt is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk._core.store import Db, Store
from opengradient_sdk._core.vault import Vault
from opengradient_sdk.errors import LedgerError
from opengradient_sdk.ledger import Receipt
from opengradient_sdk.ledger.impact import (
    Clocks,
    Impact,
    ImpactQuery,
    TouchedReceipts,
    impact,
    reading,
)
from opengradient_sdk.ledger.timeline import Horizon, Place, RegistryEvent, Sighting, Timeline

from ...payments.makers import NOW
from ..books import SIGNED, Books
from ..timeline.histories import CHAIN, REGISTRY, approved, revoked, word
from ..timeline.test_moments import facts_of
from .makers import AS_OF, OF_B, A, B, answered, numbers, write

BLOCK = int(NOW) // 100
"""The block at NOW: histories have one every 100 seconds."""


def a_history(*events: RegistryEvent, sightings: tuple[Sighting, ...] = ()) -> Timeline:
    head = Place(BLOCK + 1_000, word(1), int(NOW) + 100_000)
    horizon = Horizon(CHAIN, REGISTRY, final=head, head=head, max_age=1_800)
    return Timeline(events, horizon, {}, sightings)


def of_b(*blocks: int, **more: Any) -> list[RegistryEvent]:
    """Build B: approved, revoked, approved and so on in these blocks, counted from NOW."""
    makers = (approved, revoked)
    members = {"pcr_hash": B, **more}
    return [
        # histories number their builds; here it is the one of the receipts
        makers[n % 2](11, BLOCK + block, **members)
        for n, block in enumerate(blocks)
    ]


async def judged(store: Store, timeline: Timeline | None, query: ImpactQuery = OF_B) -> Impact:
    clocks = Clocks(TouchedReceipts(store), timeline)
    return await impact(store, query, as_of=AS_OF, clocks=clocks)


def uncertain(found: Impact) -> list[int]:
    return [int(id_.removeprefix("rcpt_")) for id_ in found.uncertain]


async def test_what_is_near_to_a_revocation_is_uncertain(store: Store) -> None:
    await write(store, *(answered(n, build=B) for n in (600, 699, 701, 1_000, 1_299, 1_302)))
    found = await judged(store, a_history(*of_b(-1_000, 10)))
    assert numbers(found.outputs) == [600, 699, 701, 1_000, 1_299, 1_302]
    assert uncertain(found) == [701, 1_000, 1_299]  # within 300 seconds of block 10
    reason = found.doubts["rcpt_1000"]
    assert reason.startswith(f"version 'v11' was revoked at block {BLOCK + 10}, time")
    assert "our clock:" in reason
    assert found.changes_known_to == Place(BLOCK + 1_000, word(1), int(NOW) + 100_000)
    assert "6 calls, 0.000000000000009 OPG (3 certain, 3 uncertain)" in str(found)


async def test_a_return_has_two_sides_more(store: Store) -> None:
    await write(store, *(answered(n, build=B) for n in (0, 1_000, 2_000, 3_000, 4_000)))
    found = await judged(store, a_history(*of_b(-1_000, 10, 30)))
    assert uncertain(found) == [1_000, 3_000]
    assert "was approved at" in found.doubts["rcpt_3000"]


async def test_changes_of_other_builds_make_no_doubt(store: Store) -> None:
    await write(store, answered(1_000, build=B), answered(1_001, build=A))
    both = ImpactQuery(pcr_hashes=frozenset({A, B}))
    timeline = a_history(approved(10, 1, pcr_hash=A), *of_b(-1_000, 10))
    assert uncertain(await judged(store, timeline, both)) == [1_000]
    of_another_kind = a_history(*of_b(-1_000, 10, tee_type=1))
    assert uncertain(await judged(store, of_another_kind, both)) == []


async def test_a_revocation_that_a_reorg_removed_makes_no_doubt(store: Store) -> None:
    await write(store, answered(1_000, build=B))
    begun, ended = of_b(-1_000, 10)
    gone = revoked(11, BLOCK + 10, pcr_hash=B, taken_back_at=NOW + 1_100)
    assert uncertain(await judged(store, a_history(begun, ended))) == [1_000]
    assert uncertain(await judged(store, a_history(begun, gone))) == []


async def test_order_goes_before_clocks(store: Store) -> None:
    await write(store, answered(1_000, build=B), answered(1_050, build=B))
    revocation = of_b(-1_000, 10)
    # between both answers this client saw the block before the revocation as the newest one
    last = Place(BLOCK + 9, word(9), int(NOW) + 900)
    seen = Sighting(NOW + 1_040, NOW + 1_041, last)
    found = await judged(store, a_history(*revocation, sightings=(seen,)))
    assert uncertain(found) == [1_050]


async def test_the_block_of_the_registry_reading_orders_an_approval(books: Books) -> None:
    (begun,) = of_b(10)
    books.ledger.record(answered(1_000, build=B, registered=facts_of(begun.place)))
    books.ledger.record(answered(1_001, build=B))
    await books.ledger.flushed()
    found = await judged(books.store, a_history(begun))
    assert (numbers(found.outputs), uncertain(found)) == ([1_000, 1_001], [1_001])


async def test_several_events_of_one_block_are_one_change(store: Store) -> None:
    await write(store, answered(1_000, build=B), answered(5_000, build=B))
    first, second, third = of_b(-1_000, 10, 10)
    found = await judged(store, a_history(first, indexed(third, 7), indexed(second, 3)))
    assert uncertain(found) == [1_000]
    # approved again by the later log of the block: it stands afterwards
    timeline = a_history(first, indexed(third, 7), indexed(second, 3))
    (version,) = timeline.versions()
    assert version.revoked is None
    assert len(version.periods) == 2


def indexed(event: RegistryEvent, index: int) -> RegistryEvent:
    return replace(event, index=index)


PERIOD = ImpactQuery(pcr_hashes=frozenset({B}), since=NOW + 100, until=NOW + 200)


async def test_the_ends_of_a_period(store: Store) -> None:
    await write(
        store,
        answered(99, build=B),  # asked and answered before
        answered(100, build=B),  # since is included
        answered(150, build=B),
        answered(199, build=B),
        answered(200, build=B),  # until is not
    )
    for timeline in (None, a_history(*of_b(-1_000))):
        found = await judged(store, timeline, PERIOD)
        assert (numbers(found.outputs), uncertain(found)) == ([100, 150, 199], [])


async def test_a_row_without_its_receipt_is_judged_by_its_question(store: Store) -> None:
    await write(store, answered(99, build=B), answered(150, build=B), answered(201, build=B))
    await store.run(lambda db: db.execute("DELETE FROM ledger_entry"))
    found = await judged(store, None, PERIOD)
    assert (numbers(found.outputs), uncertain(found)) == ([150], [])


async def test_an_answer_that_was_on_its_way_at_an_end_is_uncertain(store: Store) -> None:
    await write(
        store,
        answered(90, build=B, latency=60.0),
        answered(190, build=B, latency=60.0),
        answered(50, build=B, latency=300.0),  # around all of the period
        answered(40, build=B, latency=60.0),  # it ended exactly with the beginning
        answered(195, build=B, latency=4.9),
    )
    found = await judged(store, None, PERIOD)
    assert numbers(found.outputs) == [40, 50, 90, 190, 195]
    assert uncertain(found) == [40, 50, 90, 190]
    assert "since 2027-01-15 08:01:40.000Z is within the bounds" in found.doubts["rcpt_90"]
    assert "until 2027-01-15 08:03:20.000Z is within the bounds" in found.doubts["rcpt_190"]
    assert found.doubts["rcpt_50"].count("is within the bounds") == 2
    assert found.changes_known_to is None


async def test_an_enclaves_clock_that_disagrees_makes_a_doubt(books: Books) -> None:
    ours_in = answered(150, build=B, signed=replace(SIGNED, timestamp=int(NOW) + 260))
    ours_out = answered(250, build=B, signed=replace(SIGNED, timestamp=int(NOW) + 160))
    for receipt in (ours_in, ours_out):
        books.ledger.record(receipt)
    await books.ledger.flushed()
    unheard = await judged(books.store, None, PERIOD)
    assert (numbers(unheard.outputs), uncertain(unheard)) == ([150], [])
    clocks = Clocks(TouchedReceipts(books.store, books.vault), None)
    found = await impact(books.store, PERIOD, as_of=AS_OF, clocks=clocks)
    assert (numbers(found.outputs), uncertain(found)) == ([150, 250], [150, 250])
    assert f"the node says {int(NOW) + 260}" in found.doubts["rcpt_150"]
    # sealed with a key that is not ours, it is as if nothing had been signed
    stranger = TouchedReceipts(books.store, Vault.at(":memory:"))
    found = await impact(books.store, PERIOD, as_of=AS_OF, clocks=Clocks(stranger, None))
    assert (numbers(found.outputs), uncertain(found)) == ([150], [])


async def test_only_what_is_near_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(store, *(answered(n, build=B) for n in (1, 1_000, 50_000)))
    asked: list[list[str]] = []
    read = TouchedReceipts.read

    async def noted(self: TouchedReceipts, ids: Any) -> list[Receipt]:
        asked.append(list(ids))
        return await read(self, asked[-1])

    monkeypatch.setattr(TouchedReceipts, "read", noted)
    await judged(store, a_history(*of_b(-1_000, 10)))
    assert [sorted(ids) for ids in asked] == [["rcpt_1", "rcpt_1000"]]


async def test_what_only_they_lead_to_is_uncertain_too(store: Store) -> None:
    await write(
        store,
        answered(1, build=B),
        answered(1_000, build=B),
        answered(1_500, 1_000),
        answered(2, 1),
    )
    found = await judged(store, a_history(*of_b(-1_000, 10)))
    assert found.only_through_doubt == {"rcpt_1500"}


async def test_a_receipt_that_cannot_be_read_says_so(store: Store) -> None:
    def spoil(db: Db) -> None:
        db.execute("UPDATE ledger_entry SET body = ?", ('{"data": {}}',))

    await write(store, answered(1_000, build=B))
    await store.run(spoil)
    with pytest.raises(LedgerError, match="cannot be read"):
        await judged(store, a_history(*of_b(-1_000, 10)))


async def test_a_row_with_a_spoiled_build_says_so(store: Store) -> None:
    await write(store, answered(1_000, build=B))
    await store.run(lambda db: db.execute("UPDATE ledger_receipt SET pcr_hash = '0x12'"))
    with pytest.raises(LedgerError, match="'rcpt_1000' cannot be read"):
        await judged(store, a_history(*of_b(-1_000, 10)), ImpactQuery(model="gpt-5"))


async def test_the_bounds_reach_as_far_as_they_say(store: Store) -> None:
    """A question that was asked `EARLIER` and answered at the change is still looked at."""
    await write(store, answered(0, build=B, latency=reading.LONGEST_CALL))
    change = round((reading.LONGEST_CALL + 200) / 100)
    assert uncertain(await judged(store, a_history(*of_b(-1_000, change)))) == [0]

"""What has been read of the relay's events, and is not read again."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.ledger.data import history
from opengradient_sdk.ledger.data.history import RelayHistory, Spans

from .conftest import Scene
from .mock_relay import RELAY

if TYPE_CHECKING:
    import pytest

numbers = st.integers(0, 40)
ranges = st.lists(st.tuples(numbers, numbers), max_size=12)


def inside(spans: Spans | list[tuple[int, int]]) -> set[int]:
    return {number for first, last in spans for number in range(first, last + 1)}


@given(added=ranges, first=numbers, last=numbers)
def test_spans_are_sets_of_numbers(added: list[tuple[int, int]], first: int, last: int) -> None:
    spans, expected = Spans(), set[int]()
    for start, end in added:
        spans.add(start, end)
        expected |= set(range(start, end + 1))
    assert inside(spans) == expected
    joined = list(spans)
    assert all(end + 1 < start for (_, end), (start, _) in pairwise(joined))
    missing = spans.missing(first, last)
    assert inside(missing) == set(range(first, last + 1)) - expected
    assert missing == sorted(missing)


async def test_events_come_in_the_order_of_the_chain(scene: Scene) -> None:
    chain = scene.chains[0]
    for number in (40, 10, 25, 25, 90):
        chain.settle_batch(number, bytes(32), 1, b"x")
    relay = RelayHistory(scene.rpcs[0], RELAY, None)
    await relay.between(20, 30, sure=80)
    found = await relay.between(0, 100, sure=80)
    assert [seen.place for seen in found] == [(10, 0), (25, 0), (25, 1), (40, 0), (90, 0)]
    assert chain.ranges() == [(20, 30), (0, 19), (31, 80), (81, 100)]
    assert [seen.block_number for seen in await relay.between(11, 39, sure=80)] == [25, 25]
    assert await relay.between(50, 40, sure=80) == []
    assert len(chain.ranges()) == 4


async def test_too_much_is_forgotten_and_read_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MOST_KEPT", 3)
    chain = scene.chains[0]
    for number in (10, 20, 30, 40):
        chain.settle_batch(number, bytes(32), 1, b"x")
    relay = RelayHistory(scene.rpcs[0], RELAY, None)
    assert len(await relay.between(0, 30, sure=80)) == 3
    assert [seen.block_number for seen in await relay.between(31, 45, sure=80)] == [40]
    assert len(await relay.between(20, 30, sure=80)) == 2
    assert chain.ranges() == [(0, 30), (31, 45), (20, 30)]


async def test_nothing_of_a_range_is_forgotten_while_it_is_read(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MOST_KEPT", 3)
    monkeypatch.setattr(history, "_SPAN", 10)
    for number in range(0, 60, 5):
        scene.chains[0].settle_batch(number, bytes(32), 1, b"x")
    relay = RelayHistory(scene.rpcs[0], RELAY, None)
    assert len(await relay.between(0, 60, sure=80)) == 12
    assert len(await relay.between(0, 60, sure=80)) == 12

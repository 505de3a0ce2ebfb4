"""Heartbeats as spans say exactly what the heartbeats themselves would."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.ledger.timeline.pulses import is_fresh, prolonged

MAX_AGE = 10
BEATS = st.lists(st.integers(0, 200), max_size=30).map(sorted)


@given(BEATS, st.integers(0, 30), st.integers(-5, 230))
def test_spans_lose_nothing_that_freshness_depends_on(
    beats: list[int], cut: int, time: int
) -> None:
    spans = prolonged(prolonged([], beats[:cut], MAX_AGE), beats[cut:], MAX_AGE)
    last = max((beat for beat in beats if beat <= time), default=None)
    assert is_fresh(spans, time, MAX_AGE) == (last is not None and time - last <= MAX_AGE)


@given(BEATS)
def test_spans_are_apart_and_in_order(beats: list[int]) -> None:
    spans = prolonged([], beats, MAX_AGE)
    assert all(span.first <= span.last for span in spans)
    assert all(b.first - a.last > MAX_AGE for a, b in pairwise(spans))
    assert bool(spans) == bool(beats)

"""The registry's history, asked: what was valid when, and what changed."""

from __future__ import annotations

import datetime as dt
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.ledger.timeline import EventKind, Timeline

from .histories import (
    SECONDS_PER_BLOCK,
    ModelRegistry,
    approved,
    event,
    history,
    horizon,
    place,
    registered,
    revoked,
    word,
)

VERBS = st.sampled_from(["approve", "approve", "register", "revoke", "enable", "disable", "beat"])
STEPS = st.lists(
    st.tuples(st.integers(0, 12), VERBS, st.integers(1, 3), st.integers(1, 3)), max_size=40
)


@given(STEPS, st.randoms())
def test_it_tells_what_the_registry_would_have_told(steps: Any, chance: random.Random) -> None:
    model, told, block = ModelRegistry(), [], 1
    for pause, verb, subject, other in steps:
        model.step(block, verb, subject, other)
        if pause:
            time = SECONDS_PER_BLOCK * (block + pause) - 1
            builds = {word(build) for build, holds in model.approved.items() if holds}
            told.append((time, builds, model.valid(time)))
            block += pause
    events = list(model.events)
    chance.shuffle(events)
    timeline = Timeline(events, horizon(block + 1, 0), {})
    for time, builds, nodes in told:
        there = timeline.at(time)
        assert {version.pcr_hash for version in there.versions} == builds
        assert {node.tee_id for node in there.nodes} == nodes
        assert not {node.tee_id for node in there.silent} & nodes


def test_a_build_that_is_approved_again_keeps_both_times_and_names() -> None:
    timeline = history(
        approved(1, 2, "v1"), revoked(1, 5), approved(1, 9, "v1-again"), approved(2, 9, "v2")
    )
    first, second = timeline.versions()
    assert first.names == ("v1", "v1-again")
    assert (first.version, first.approved, first.revoked) == ("v1-again", place(2), None)
    assert first.approved_again
    assert not second.approved_again
    assert [(p.since.block, p.until and p.until.block) for p in first.periods] == [
        (2, 5),
        (9, None),
    ]
    asked = [first.approved_at(100 * block) for block in range(1, 11)]
    assert asked == [first.approved_in(block) for block in range(1, 11)]
    assert [block for block, holds in enumerate(asked, 1) if holds] == [2, 3, 4, 9, 10]
    assert timeline.resolve(version="v1") == timeline.resolve(version="v1-again") == (word(1),)


def test_an_approval_of_what_is_approved_changes_nothing() -> None:
    """The registry refuses it; if one did not, a revocation would still end all of it."""
    timeline = history(approved(1, 2, "v1"), approved(1, 4, "v1-again"), revoked(1, 6))
    (version,) = timeline.versions()
    assert len(version.periods) == 1
    assert (version.names, version.revoked) == (("v1",), place(6))
    assert timeline.at(700).versions == ()


def test_several_events_of_one_block_count_in_the_order_of_their_logs() -> None:
    logs = [approved(1, 2, index=5), revoked(1, 2, index=6), approved(1, 2, "v1b", index=9)]
    for events in (logs, logs[::-1]):
        (version,) = history(*events).versions()
        assert version.revoked is None
        assert version.names == ("v1", "v1b")
    (gone,) = history(approved(1, 2, index=5), revoked(1, 2, index=6)).versions()
    assert gone.revoked == place(2)
    assert not gone.approved_in(2)


def test_two_builds_of_one_name_are_both_meant() -> None:
    timeline = history(approved(1, 2, "v1"), approved(2, 3, "v1"))
    assert timeline.resolve(version="v1") == (word(1), word(2))
    assert timeline.resolve(pcr_hash=word(9)) == (word(9),)


@pytest.mark.parametrize("names", [{}, {"version": "v1", "pcr_hash": word(1)}])
def test_one_way_to_name_a_build(names: Any) -> None:
    with pytest.raises(ConfigurationError, match="one of them"):
        history(approved(1, 2)).resolve(**names)


def test_an_empty_history_knows_nothing() -> None:
    timeline = history(head=None)
    there = timeline.at(500)
    assert (there.versions, there.nodes, there.since, there.until) == ((), (), None, None)
    assert (there.known, there.final, there.as_of) == (False, False, None)
    with pytest.raises(ConfigurationError, match="no build") as caught:
        timeline.resolve(version="v1")
    assert "none" in caught.value.hint


def test_a_state_is_told_with_the_blocks_it_lasted_from_and_to() -> None:
    timeline = history(approved(1, 2), registered(7, 1, 4), revoked(1, 9))
    there = timeline.at(550)
    assert (there.since, there.until) == (place(4), place(9))
    assert timeline.at(100).since is None
    assert timeline.at(950).until is None


def test_the_newest_state_is_known_and_a_later_time_is_not() -> None:
    timeline = history(approved(1, 2), head=10, final=8)
    assert (timeline.at().known, timeline.at().final) == (True, False)
    assert timeline.at().time == 1000.0
    assert (timeline.at(799).known, timeline.at(799).final) == (True, True)
    assert (timeline.at(800).known, timeline.at(800).final) == (True, False)
    assert timeline.at(1000).known is False  # another block may carry the same second
    assert timeline.at(5000).versions == timeline.at().versions


def test_times_are_seconds_or_know_their_zone() -> None:
    timeline = history(approved(1, 2), revoked(1, 5))
    zone = dt.timezone(dt.timedelta(hours=2))
    assert timeline.at(dt.datetime.fromtimestamp(300, zone)) == timeline.at(300.0)
    nowhere = dt.datetime(2026, 11, 22)  # noqa: DTZ001 - that it has no zone is the point
    for wrong in (nowhere, math.nan, math.inf, True):
        with pytest.raises(ConfigurationError):
            timeline.at(wrong)


def test_changes_are_told_between_two_times_both_included() -> None:
    events = [approved(1, 2), registered(7, 1, 4), event(EventKind.HEARTBEAT, word(7), 5)]
    timeline = history(*events, revoked(1, 9))
    assert [e.place.block for e in timeline.changes()] == [2, 4, 9]
    assert [e.place.block for e in timeline.changes(400, 900)] == [4, 9]
    assert [e.place.block for e in timeline.changes(until=399)] == [2]
    with pytest.raises(ConfigurationError):
        timeline.changes(since=math.nan)


def test_what_was_taken_back_is_told_apart_and_counts_for_nothing() -> None:
    undone = revoked(1, 5, final=False, taken_back_at=7_000.0)
    timeline = history(approved(1, 2), undone)
    assert timeline.taken_back == (undone,)
    assert timeline.versions()[0].revoked is None
    assert undone not in timeline.changes()


def test_a_revocation_disables_even_where_the_registry_does_not_say_so() -> None:
    events = [registered(7, 1, 3, final=False), revoked(1, 5), approved(1, 6)]
    timeline = history(approved(1, 2), *events, head=20)
    assert [len(timeline.at(t).nodes) for t in (350, 550, 650)] == [1, 0, 0]


def test_a_node_of_another_kind_needs_an_approval_for_its_kind() -> None:
    timeline = history(approved(1, 2), registered(7, 1, 3, tee_type=1), head=20)
    assert timeline.at(350).nodes == ()
    assert [node.tee_type for node in timeline.nodes()] == [1]


def test_an_end_without_a_beginning_ends_nothing() -> None:
    timeline = history(revoked(1, 2), event(EventKind.DISABLED, word(7), 3))
    assert timeline.versions() == ()
    assert timeline.nodes() == ()
    assert len(timeline.changes()) == 2

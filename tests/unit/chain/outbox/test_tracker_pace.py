"""When the chain is looked at."""

from __future__ import annotations

from opengradient_sdk.chain.outbox.pace import Pace


def pauses(pace: Pace, times: int, *, pending: bool = True) -> list[float]:
    return [round(pace.pause(pending=pending), 3) for _ in range(times)]


def test_short_at_first_then_doubling_to_half_a_block() -> None:
    assert pauses(Pace(2.0), 6) == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_never_shorter_than_a_node_can_bear() -> None:
    assert pauses(Pace(0.01), 3) == [0.01, 0.01, 0.01]


def test_after_a_block_the_next_look_is_when_the_next_one_is_due() -> None:
    pace = Pace(1.0)
    pace.saw(7, now=100.0)
    assert pauses(pace, 3) == [0.9, 0.05, 0.1]


def test_a_chain_that_mines_faster_than_it_should_is_looked_at_faster() -> None:
    pace = Pace(2.0)
    pace.saw(1, now=100.0)
    pace.saw(11, now=101.0)
    assert pauses(pace, 1) == [0.09]


def test_the_same_head_again_changes_nothing() -> None:
    pace = Pace(1.0)
    pace.saw(7, now=100.0)
    pauses(pace, 3)
    pace.saw(7, now=100.5)
    assert pauses(pace, 1) == [0.2]


def test_an_idle_chain_is_hardly_asked() -> None:
    pace = Pace(1.0)
    assert pauses(pace, 10, pending=False)[-1] == 8.0
    pace.hurry()
    assert pauses(pace, 1) == [0.05]


def test_what_is_pending_keeps_this_holder_alive() -> None:
    assert max(pauses(Pace(60.0), 20)) == 5.0

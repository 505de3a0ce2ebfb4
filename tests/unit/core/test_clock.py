"""Whose time it is."""

from __future__ import annotations

import time

import pytest

from opengradient_sdk._core import clock
from opengradient_sdk._core.clock import ShiftedClock, SystemClock


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock.time, "time", lambda: 1000.0)


def test_the_system_clock_is_the_machines() -> None:
    assert SystemClock().now() == time.time() == 1000.0


def test_a_shifted_clock_runs_ahead() -> None:
    shifted = ShiftedClock(5)
    assert shifted.now() == 1005.0
    shifted.advance(0)
    shifted.advance(2.5)
    assert shifted.now() == 1007.5


def test_it_cannot_be_moved_back() -> None:
    shifted = ShiftedClock()
    with pytest.raises(ValueError, match="moved back by 3"):
        shifted.advance(-3)
    assert shifted.now() == 1000.0

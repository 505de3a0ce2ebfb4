"""Not faster than a server wants, and in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from opengradient_sdk.chain import pacing
from opengradient_sdk.chain.pacing import Pacer
from opengradient_sdk.errors import ConfigurationError


class Time:
    """A loop's clock that stands still but for the sleeping."""

    def __init__(self) -> None:
        self.now = 50.0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        await _real_sleep(0)


_real_sleep = asyncio.sleep


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()

    class Loop:
        Lock = asyncio.Lock
        sleep = staticmethod(clock.sleep)

        @staticmethod
        def get_running_loop() -> Any:
            return clock

    monkeypatch.setattr(pacing, "asyncio", Loop)
    return clock


async def test_without_a_limit_nobody_waits(clock: Time) -> None:
    pacer = Pacer()
    for _ in range(1000):
        await pacer.turn(100)
    assert clock.now == 50.0


async def test_a_seconds_worth_passes_at_once_and_the_rest_at_the_rate(clock: Time) -> None:
    pacer = Pacer(10)
    for _ in range(10):
        await pacer.turn(1)
    assert clock.now == 50.0
    for _ in range(25):
        await pacer.turn(1)
    assert clock.now == pytest.approx(52.5)


async def test_what_was_not_used_is_not_saved_up(clock: Time) -> None:
    pacer = Pacer(10)
    clock.now += 1000
    for _ in range(20):
        await pacer.turn(1)
    assert clock.now == pytest.approx(1051.0)


async def test_a_long_batch_passes_and_is_paid_for_by_the_next(clock: Time) -> None:
    pacer = Pacer(10)
    await pacer.turn(100)
    assert clock.now == 50.0
    await pacer.turn(1)
    assert clock.now == pytest.approx(59.1)


async def test_less_than_one_a_second(clock: Time) -> None:
    pacer = Pacer(0.5)
    for _ in range(3):
        await pacer.turn(1)
    assert clock.now == pytest.approx(54.0)


async def test_the_waiting_pass_in_order_and_may_leave(clock: Time) -> None:
    pacer, passed = Pacer(1), []

    async def caller(number: int) -> None:
        await pacer.turn(1)
        passed.append(number)

    callers = [asyncio.create_task(caller(number)) for number in range(6)]
    await _real_sleep(0)
    callers[3].cancel()
    await asyncio.wait(callers)
    assert passed == [0, 1, 2, 4, 5]
    assert clock.now == pytest.approx(54.0)  # the one that left took no turn


async def test_a_server_that_asks_for_a_wait_is_left_alone(clock: Time) -> None:
    pacer = Pacer()
    pacer.hold(2)
    await pacer.turn(1)
    assert clock.now == 52.0
    pacer.hold(3600)
    await pacer.turn(1)
    assert clock.now == 55.0


@pytest.mark.parametrize("nonsense", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused(nonsense: float) -> None:
    with pytest.raises(ConfigurationError, match="nobody can make"):
        Pacer(nonsense)

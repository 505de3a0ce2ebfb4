"""When a budget is running low: said once each time, however it gets there."""

from __future__ import annotations

from itertools import pairwise

import pytest

from opengradient_sdk.payments.budget.standing import Standing, crossed_low

CAP = 10


def left(remaining: int, total: int | None = 1000) -> Standing:
    """A standing with so much left of its total."""
    return Standing(total, exposed=0, settled=(total or 0) - remaining)


@pytest.mark.parametrize(
    ("before", "after", "cap", "crossed"),
    [
        (201, 200, CAP, False),  # a fifth is left
        (200, 199, CAP, True),
        (199, 198, CAP, False),  # said already
        (199, 500, CAP, False),
        (500, -5, CAP, True),
        (401, 400, 200, False),  # two caps are left, more than a fifth
        (400, 399, 200, True),
    ],
)
def test_low_is_below_two_caps_or_a_fifth(before: int, after: int, cap: int, crossed: bool) -> None:
    assert crossed_low(left(before), left(after), cap) is crossed


def test_it_is_said_again_when_it_had_recovered() -> None:
    course = [left(remaining) for remaining in (500, 100, 500, 100)]
    assert [crossed_low(*pair, CAP) for pair in pairwise(course)] == [
        True,
        False,
        True,
    ]


def test_without_a_total_nothing_runs_low() -> None:
    assert not crossed_low(left(0, None), left(-(10**30), None), CAP)


def test_a_fifth_is_compared_without_rounding() -> None:
    huge = 5 * 10**30
    assert not crossed_low(left(huge, huge), left(10**30, huge), 1)
    assert crossed_low(left(huge, huge), left(10**30 - 1, huge), 1)

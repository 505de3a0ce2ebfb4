"""What an answer must have: the same call is drawn alike, before it is sent and afterwards."""

from __future__ import annotations

import secrets

import pytest

from opengradient_sdk.client.callbook import receipt_id_of
from opengradient_sdk.client.required import facts_of


def test_a_call_and_its_receipt_are_drawn_alike() -> None:
    call = f"call_{secrets.token_hex(12)}"
    assert facts_of(call, 7) == facts_of(receipt_id_of(call), 7)


def test_draws_are_spread_over_all_of_the_range() -> None:
    tenths = [0] * 10
    for _ in range(2_000):
        tenths[int(facts_of(f"call_{secrets.token_hex(12)}", None).draw * 10)] += 1
    # 200 are expected in each; one in 10^15 runs has fewer than 90 in any
    assert min(tenths) > 90


@pytest.mark.parametrize(
    ("digits", "draw"),
    [("0" * 24, 0.0), ("f" * 24, 1 - 2**-48), ("f" * 12 + "0" * 12, 0.0), ("8".zfill(13), 2**-45)],
)
def test_the_draw_is_made_of_the_last_48_bits(digits: str, draw: float) -> None:
    assert facts_of(f"rcpt_{digits}", None).draw == draw


def test_the_estimate_is_passed_on() -> None:
    assert facts_of("call_00", 5).estimate == 5
    assert facts_of("call_00", None).estimate is None

"""When a node is left: before it has cost more than three caps, and for how long."""

from __future__ import annotations

import pytest

from opengradient_sdk.payments.conduct import MAX_BARE, MAX_WASTED, NodeConduct
from opengradient_sdk.types import Bytes32

from .makers import CAP, TEE, SteppedClock

OTHER = Bytes32(b"\x02" * 32)
HOUR, DAY = 3600, 86_400


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def conduct(clock: SteppedClock) -> NodeConduct:
    return NodeConduct(clock)


def waste(conduct: NodeConduct, *nonces: int, served: int = 0) -> None:
    for nonce in nonces:
        conduct.ended(TEE, nonce, cap=CAP, served=served)


def test_nothing_is_held_against_a_stranger(conduct: NodeConduct) -> None:
    assert conduct.verdict(TEE) is None


def test_the_third_wasted_cap_is_the_last(conduct: NodeConduct) -> None:
    waste(conduct, 1, 2)
    assert conduct.verdict(TEE) is None
    waste(conduct, 3)
    assert conduct.verdict(TEE) == (
        f"it ended {MAX_WASTED} open authorizations that were less than half used"
    )
    assert conduct.verdict(OTHER) is None


def test_an_authorization_counts_once(conduct: NodeConduct) -> None:
    waste(conduct, 1, 1, 1, 1)
    assert conduct.verdict(TEE) is None


@pytest.mark.parametrize(
    ("served", "left"), [(CAP // 2 - 1, True), (CAP // 2, False), (CAP, False)]
)
def test_a_cap_that_was_half_used_is_not_wasted(
    conduct: NodeConduct, served: int, left: bool
) -> None:
    waste(conduct, 1, 2, 3, 4, served=served)
    assert (conduct.verdict(TEE) is not None) is left


def test_what_was_still_under_way_is_counted(conduct: NodeConduct) -> None:
    waste(conduct, 1, 2, 3)
    waste(conduct, 3, served=CAP)
    assert conduct.verdict(TEE) is None


@pytest.mark.parametrize(("charged", "served"), [(0, 0), (0, None), (5, 5), (4, 5), (CAP, None)])
def test_what_the_chain_has_settled_rightly_is_forgiven(
    conduct: NodeConduct, charged: int, served: int | None
) -> None:
    waste(conduct, 1, 2, 3)
    conduct.resolved(TEE, 2, charged=charged, served=served)
    assert conduct.verdict(TEE) is None
    waste(conduct, 4)
    assert conduct.verdict(TEE) is not None


def test_wasted_caps_weigh_for_as_long_as_they_are_open(
    conduct: NodeConduct, clock: SteppedClock
) -> None:
    waste(conduct, 1, 2, 3)
    clock.seconds += 100 * DAY
    assert conduct.verdict(TEE) is not None


def test_a_charge_above_what_was_served_is_enough(
    conduct: NodeConduct, clock: SteppedClock
) -> None:
    conduct.resolved(TEE, 1, charged=CAP, served=CAP - 1)
    why = "it collected 0.1 OPG where 0.099999999999999999 OPG was served"
    assert conduct.verdict(TEE) == why
    clock.seconds += DAY - 1
    assert conduct.verdict(TEE) == why
    clock.seconds += 1
    assert conduct.verdict(TEE) is None


def test_an_overcharge_found_otherwise_weighs_as_much(conduct: NodeConduct) -> None:
    conduct.overcharged(TEE, charged=2, served=1)
    assert "it collected" in str(conduct.verdict(TEE))


def test_a_charge_of_a_stranger_that_was_right_is_nothing(conduct: NodeConduct) -> None:
    conduct.resolved(TEE, 1, charged=1, served=1)
    assert conduct.verdict(TEE) is None


def test_a_wrong_count_is_enough(conduct: NodeConduct, clock: SteppedClock) -> None:
    conduct.implausible_usage(TEE, "it counts 9 tokens")
    assert conduct.verdict(TEE) == "its usage is not plausible: it counts 9 tokens"
    clock.seconds += DAY
    assert conduct.verdict(TEE) is None


def test_the_same_charge_again_counts_from_then(conduct: NodeConduct, clock: SteppedClock) -> None:
    conduct.implausible_usage(TEE, "it counts 9 tokens")
    clock.seconds += DAY - 1
    conduct.implausible_usage(TEE, "it counts 9 tokens")
    clock.seconds += DAY - 1
    assert conduct.verdict(TEE) is not None


def test_five_bare_refusals_in_a_row_are_too_many(
    conduct: NodeConduct, clock: SteppedClock
) -> None:
    for _ in range(MAX_BARE - 1):
        conduct.bare_refusal(TEE)
    assert conduct.verdict(TEE) is None
    conduct.bare_refusal(TEE)
    assert "5 times in a row" in str(conduct.verdict(TEE))
    clock.seconds += HOUR
    assert conduct.verdict(TEE) is None


def test_after_its_hour_a_node_has_a_row_of_its_own_again(
    conduct: NodeConduct, clock: SteppedClock
) -> None:
    for _ in range(MAX_BARE):
        conduct.bare_refusal(TEE)
    clock.seconds += HOUR
    for _ in range(MAX_BARE - 1):
        conduct.bare_refusal(TEE)
    assert conduct.verdict(TEE) is None


def test_an_answer_ends_the_row(conduct: NodeConduct) -> None:
    conduct.served(TEE)
    for _ in range(3):
        for nonce in range(MAX_BARE - 1):
            conduct.bare_refusal(TEE, nonce=nonce)
        conduct.served(TEE)
    assert conduct.verdict(TEE) is None


def test_fifty_calls_of_one_session_are_refused_as_one(conduct: NodeConduct) -> None:
    for _ in range(50):
        conduct.bare_refusal(TEE, nonce=1)
    assert conduct.verdict(TEE) is None
    for nonce in range(2, MAX_BARE + 1):
        conduct.bare_refusal(TEE, nonce=nonce)
    assert conduct.verdict(TEE) is not None

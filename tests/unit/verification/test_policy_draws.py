"""Policies: draws that are independent and true to their rates, and laws for all policies."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import (
    Above,
    AllOf,
    AnyOf,
    Assurance,
    AtLeast,
    CallFacts,
    Choice,
    Covered,
    Found,
    PcrIn,
    Plan,
    Policy,
    Sample,
    UnsafeNoVerification,
)

SIGNED, REGISTERED, ATTESTED = Assurance.SIGNED, Assurance.REGISTERED, Assurance.ATTESTED
BUILD_A, BUILD_B = Bytes32(b"\xaa" * 32), Bytes32(b"\xbb" * 32)
CENT = 10**16
FACTS = CallFacts(estimate=CENT, draw=0.5)


def draws(count: int, seed: int) -> list[float]:
    generator = random.Random(seed)
    return [generator.random() for _ in range(count)]


def plans(policy: Policy, count: int, *, seed: int, estimate: int | None = CENT) -> list[Plan]:
    return [policy.plan(CallFacts(estimate, draw)) for draw in draws(count, seed)]


def within_five_sigma(hits: int, of: int, rate: float) -> bool:
    return abs(hits - of * rate) <= 5 * math.sqrt(of * rate * (1 - rate)) + 1e-9


# ---- by lot


@pytest.mark.parametrize("rate", [-0.01, 1.01, math.nan, math.inf, "0.5", None, True, 2])
def test_a_rate_is_a_share(rate: Any):
    with pytest.raises(ConfigurationError, match="no share of the calls"):
        Sample(rate, then=ATTESTED)


@pytest.mark.parametrize(("rate", "attests"), [(0, False), (0.0, False), (1, True), (1.0, True)])
@given(draw=st.floats(0, 1, exclude_max=True))
def test_never_and_always_are_exact(rate: float, attests: bool, draw: float):
    assert Sample(rate, then=ATTESTED).plan(CallFacts(None, draw)).attests(BUILD_A) is attests


def test_what_is_not_drawn_must_be_registered_unless_said_otherwise():
    policy = Sample(0, then=ATTESTED)
    assert policy.unmet(FACTS, Found(SIGNED, BUILD_A)) == (
        "Sample(0) did not draw this call: AtLeast(Assurance.REGISTERED): the answer is SIGNED",
    )
    assert Sample(0, then=ATTESTED, otherwise=SIGNED).unmet(FACTS, Found(SIGNED, BUILD_A)) == ()


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.5, 0.9])
def test_as_many_calls_are_drawn_as_the_rate_says(rate: float):
    count = 6_000
    drawn = plans(Sample(rate, then=ATTESTED), count, seed=1)
    assert within_five_sigma(sum(plan.attests(BUILD_A) for plan in drawn), count, rate)


def test_two_samples_in_one_policy_draw_independently():
    """All four outcomes of two equal samples are as frequent as those of two coins."""
    count, coin = 6_000, Sample(0.3, then=PcrIn(BUILD_A), otherwise=PcrIn(BUILD_B))
    outcomes = [
        tuple(coin.plan(CallFacts(None, draw).of_part(part)).allows(BUILD_A) for part in (0, 1))
        for draw in draws(count, seed=2)
    ]
    for both, share in {(True, True): 0.09, (True, False): 0.21, (False, False): 0.49}.items():
        assert within_five_sigma(outcomes.count(both), count, share)


def test_a_sample_inside_a_sample_draws_anew():
    count = 6_000
    nested = plans(Sample(0.5, then=Sample(0.5, then=ATTESTED)), count, seed=3)
    assert within_five_sigma(sum(plan.attests(BUILD_A) for plan in nested), count, 0.25)


def test_the_draw_is_that_of_the_documented_hash():
    # changing it would make the choices of stored receipts unrepeatable
    assert CallFacts(None, 0.25).own_draw == 0.5670992151945355
    assert CallFacts(None, 0.25).of_part(0).of_part("then").path == "/0/then"


@pytest.mark.parametrize(
    ("estimate", "draw"),
    [(-1, 0.5), (1.0, 0.5), (True, 0.5), (1, 1.0), (1, -0.1), (1, math.nan), (1, 0), (1, "0.5")],
)
def test_facts_are_checked(estimate: Any, draw: Any):
    with pytest.raises(ValueError, match=r"an estimate is|a draw is"):
        CallFacts(estimate, draw)


# ---- what is said about a choice

MIXED = AllOf(REGISTERED, Sample(0.05, then=ATTESTED), Above("0.01 OPG", then=ATTESTED))


def test_a_choice_says_why():
    below, above = CallFacts(CENT, 0.25), CallFacts(2 * CENT, 0.25)
    assert MIXED.choice(below, BUILD_A).to_json() == {
        "attest": False,
        "chance": 0.05,
        "reason": "Sample(0.05) did not draw this call; Above(0.01 OPG): 0.01 OPG is not above",
    }
    choice = MIXED.choice(above, BUILD_A)
    assert (choice.attest, choice.chance) == (True, 1.0)
    assert choice.reason.endswith("Above(0.01 OPG): 0.02 OPG is above")


@pytest.mark.parametrize(
    ("policy", "chance"),
    [
        (AllOf(Sample(0.1, then=ATTESTED), Sample(0.1, then=ATTESTED)), 0.19),
        (AnyOf(Sample(0.1, then=ATTESTED), Sample(0.2, then=ATTESTED)), 0.02),
        (Sample(0.5, then=Sample(0.5, then=ATTESTED)), 0.25),
        (Sample(0.1, then=SIGNED, otherwise=ATTESTED), 0.9),
        (AnyOf(PcrIn(BUILD_A), ATTESTED), 0.0),
        # build A is asked in the calls that are not drawn only, and then plainly
        (Sample(0.25, then=AllOf(ATTESTED, PcrIn(BUILD_B))), 0.0),
        # of those that go to build A, half attest it
        (
            Sample(
                0.2, AllOf(ATTESTED, PcrIn(BUILD_A)), Sample(0.25, PcrIn(BUILD_A), PcrIn(BUILD_B))
            ),
            0.5,
        ),
    ],
)
def test_the_chance_of_a_choice_is_exact_and_true(policy: Policy, chance: float):
    assert policy.choice(FACTS, BUILD_A).chance == chance
    allowed = [plan for plan in plans(policy, 4_000, seed=4) if plan.allows(BUILD_A)]
    attested = sum(plan.attests(BUILD_A) for plan in allowed)
    assert within_five_sigma(attested, len(allowed), chance)


def test_every_decision_is_told_also_those_inside():
    policy = AnyOf(Sample(1, then=Above(1, then=SIGNED)), Sample(0, then=SIGNED))
    assert policy.choice(FACTS, BUILD_A).reason == (
        "Sample(1) drew this call; Above(0.000000000000000001 OPG): 0.01 OPG is above; "
        "Sample(0) did not draw this call"
    )


def test_a_build_that_is_never_allowed_has_no_chance_to_go_without():
    assert PcrIn(BUILD_B).choice(FACTS, BUILD_A) == Choice(attest=True, chance=1.0)


# ---- laws

LEAVES = st.one_of(
    st.sampled_from(Assurance).map(AtLeast),
    st.just(Covered()),
    st.just(UnsafeNoVerification()),
    st.sets(st.sampled_from([BUILD_A, BUILD_B]), min_size=1).map(lambda hashes: PcrIn(*hashes)),
)
RATES = st.sampled_from([0, 0.2, 0.5, 1])


def combined(parts: st.SearchStrategy[Policy]) -> st.SearchStrategy[Policy]:
    some = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        some.filter(satisfiable).map(lambda several: AllOf(*several)),
        some.map(lambda several: AnyOf(*several)),
        st.builds(Sample, RATES, parts, parts),
        st.builds(Above, st.integers(0, 2 * CENT), parts, parts),
    )


def satisfiable(parts: list[Policy]) -> bool:
    hashes = [part.hashes for part in parts if isinstance(part, PcrIn)]
    return not hashes or bool(frozenset.intersection(*hashes))


POLICIES = st.recursive(LEAVES, combined, max_leaves=6)
CALLS = st.builds(
    CallFacts, st.none() | st.integers(0, 2 * CENT), st.floats(0, 1, exclude_max=True)
)
BUILDS = st.sampled_from([BUILD_A, BUILD_B])


@given(POLICIES, CALLS, BUILDS)
def test_whoever_does_what_the_plan_says_is_accepted_and_nobody_else(
    policy: Policy, facts: CallFacts, build: Bytes32
):
    plan = policy.plan(facts)
    assert bool(policy.unmet(facts, Found(ATTESTED, build))) is not plan.allows(build)
    assert bool(policy.unmet(facts, Found(REGISTERED, build))) is plan.attests(build)


@given(POLICIES, CALLS, BUILDS, st.sampled_from(Assurance))
def test_floor_and_ceiling_bound_what_is_accepted(
    policy: Policy, facts: CallFacts, build: Bytes32, reached: Assurance
):
    assert policy.floor <= policy.ceiling
    if reached < policy.floor:
        assert policy.unmet(facts, Found(reached, build))
    elif reached >= policy.ceiling and policy.plan(facts).allows(build):
        assert not policy.unmet(facts, Found(reached, build))


@given(POLICIES, CALLS, BUILDS)
def test_a_chance_is_zero_or_one_only_when_the_draw_does_not_matter(
    policy: Policy, facts: CallFacts, build: Bytes32
):
    choice, plan = policy.choice(facts, build), policy.plan(facts)
    assert 0 <= choice.chance <= 1
    assert choice.attest is plan.attests(build)
    if plan.allows(build) and choice.chance in (0, 1):
        assert choice.attest is (choice.chance == 1)

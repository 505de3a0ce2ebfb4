"""``Settled``: what it accepts, whose hashes are followed, and how likely that was."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import (
    Above,
    AllOf,
    AnyOf,
    Assurance,
    AtLeast,
    CallFacts,
    Covered,
    Found,
    PcrIn,
    Policy,
    Sample,
    Settled,
    SettlementChoice,
    UnsafeNoVerification,
)

SIGNED, REGISTERED, ATTESTED = Assurance.SIGNED, Assurance.REGISTERED, Assurance.ATTESTED
BUILD, OTHER = Bytes32(b"\xaa" * 32), Bytes32(b"\xbb" * 32)
CENT = 10**16
FACTS = CallFacts(estimate=CENT, draw=0.5)
PROMISED = Found(REGISTERED, BUILD, promised=True)
NOT_PROMISED = Found(REGISTERED, BUILD)
ALWAYS, NEVER = SettlementChoice(True, 1.0), SettlementChoice(False, 0.0)


# ---- what is accepted


def test_a_promise_is_required_and_not_that_it_was_kept():
    assert Settled().unmet(FACTS, PROMISED) == ()
    assert Settled().unmet(FACTS, NOT_PROMISED) == (
        "Settled(): nobody promised to settle the hashes of the answer",
    )


def test_the_promise_of_a_key_that_nobody_knows_is_none():
    (unmet,) = Settled().unmet(FACTS, Found(SIGNED, BUILD, promised=True))
    assert "the answer is SIGNED, so nobody known promised it" in unmet


def test_nothing_is_asked_before_the_call():
    plan, choice = Settled().plan(FACTS), Settled().choice(FACTS, BUILD)
    assert plan.allows(BUILD)
    assert not plan.attests(BUILD)
    assert (choice.attest, choice.chance) == (False, 0.0)


def test_it_is_said_as_it_is_written():
    policy = AllOf(REGISTERED, Sample(0.05, then=AllOf(REGISTERED, Settled())))
    assert repr(policy) == (
        "AllOf(AtLeast(Assurance.REGISTERED), Sample(0.05, "
        "then=AllOf(AtLeast(Assurance.REGISTERED), Settled()), "
        "otherwise=AtLeast(Assurance.REGISTERED)))"
    )
    assert eval(repr(policy)) == policy
    sample = {"rate": 0.05, "then": {"settled": True}, "otherwise": {"at_least": "REGISTERED"}}
    assert json.loads(json.dumps(Sample(0.05, then=Settled()).to_json())) == {"sample": sample}


def test_the_refusal_names_what_was_drawn():
    assert Above("0.001 OPG", then=Settled()).unmet(FACTS, NOT_PROMISED) == (
        "Above(0.001 OPG): 0.01 OPG is above: "
        "Settled(): nobody promised to settle the hashes of the answer",
    )


# ---- whose hashes are followed


@pytest.mark.parametrize(
    ("policy", "found", "choice"),
    [
        (Settled(), PROMISED, ALWAYS),
        (AllOf(REGISTERED, Settled()), PROMISED, ALWAYS),
        (AllOf(ATTESTED, Settled()), PROMISED, SettlementChoice(False, 1.0)),  # refused
        (AtLeast(REGISTERED), PROMISED, NEVER),
        # the cheapest part wins: what is attested need not be settled
        (AnyOf(ATTESTED, Settled()), PROMISED, ALWAYS),
        (AnyOf(ATTESTED, Settled()), Found(ATTESTED, BUILD, promised=True), NEVER),
        (AnyOf(Settled(), AllOf(REGISTERED, Settled())), PROMISED, ALWAYS),
        (Above(CENT, then=Settled()), PROMISED, NEVER),
        # what it cost after all decides, as it does about an attestation
        (Above(CENT, then=Settled()), Found(REGISTERED, BUILD, (), 2 * CENT, True), ALWAYS),
        (Sample(0, then=Settled()), PROMISED, NEVER),
        (Sample(1, then=Settled()), PROMISED, ALWAYS),
    ],
    ids=lambda value: repr(value),
)
def test_an_answer_is_followed_when_only_its_promise_makes_it_acceptable(
    policy: Policy, found: Found, choice: SettlementChoice
):
    assert policy.settlement_choice(FACTS, found) == choice


@pytest.mark.parametrize(
    ("policy", "chance"),
    [
        (Sample(0.05, then=AllOf(REGISTERED, Settled())), 0.05),
        (AllOf(Sample(0.1, then=Settled()), Sample(0.1, then=Settled())), 0.19),
        (AnyOf(Sample(0.1, then=Settled()), Sample(0.2, then=Settled())), 0.02),
        (Sample(0.5, then=Sample(0.5, then=Settled())), 0.25),
        (Sample(0.1, then=REGISTERED, otherwise=Settled()), 0.9),
        # half of what is accepted: the drawn ones of the outer sample are refused
        (Sample(0.2, then=ATTESTED, otherwise=Sample(0.5, then=Settled())), 0.5),
    ],
    ids=lambda value: repr(value),
)
def test_the_chance_is_exact_and_true(policy: Policy, chance: float):
    generator = random.Random(7)
    all_facts = [CallFacts(CENT, generator.random()) for _ in range(4_000)]
    accepted = [facts for facts in all_facts if not policy.unmet(facts, PROMISED)]
    choices = [policy.settlement_choice(facts, PROMISED) for facts in accepted]
    assert {choice.chance for choice in choices} == {chance}
    followed = sum(choice.follow for choice in choices)
    sigma = math.sqrt(len(accepted) * chance * (1 - chance))
    assert abs(followed - len(accepted) * chance) <= 5 * sigma


def test_following_and_attesting_draw_independently():
    policy = AllOf(Sample(0.3, then=ATTESTED), Sample(0.3, then=Settled()))
    found, generator = Found(ATTESTED, BUILD, promised=True), random.Random(8)
    outcomes: list[tuple[bool, bool]] = []
    for _ in range(6_000):
        facts = CallFacts(CENT, generator.random())
        follow = policy.settlement_choice(facts, found).follow
        outcomes.append((policy.choice(facts, BUILD).attest, follow))
    for outcome, share in {(True, True): 0.09, (True, False): 0.21, (False, False): 0.49}.items():
        sigma = math.sqrt(6_000 * share * (1 - share))
        assert abs(outcomes.count(outcome) - 6_000 * share) <= 5 * sigma


# ---- laws

LEAVES: st.SearchStrategy[Policy] = st.one_of(
    st.just(Settled()),
    st.sampled_from(Assurance).map(AtLeast),
    st.just(Covered()),
    st.just(UnsafeNoVerification()),
    st.just(PcrIn(BUILD)),
)
RATES = st.sampled_from([0, 0.2, 0.5, 1])


def combined(parts: st.SearchStrategy[Policy]) -> st.SearchStrategy[Policy]:
    some = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        some.map(lambda several: AllOf(*several)),
        some.map(lambda several: AnyOf(*several)),
        st.builds(Sample, RATES, parts, parts),
        st.builds(Above, st.integers(0, 2 * CENT), parts, parts),
    )


POLICIES = st.recursive(LEAVES, combined, max_leaves=6)
CALLS = st.builds(
    CallFacts, st.none() | st.integers(0, 2 * CENT), st.floats(0, 1, exclude_max=True)
)
ANSWERS = st.builds(
    Found,
    st.sampled_from(Assurance),
    st.sampled_from([BUILD, OTHER]),
    st.sampled_from([(), ("seed",)]),
    st.none() | st.integers(0, 3 * CENT),
    st.booleans(),
)


@given(POLICIES, CALLS, ANSWERS)
def test_who_follows_has_said_so_before(policy: Policy, facts: CallFacts, found: Found):
    """A client prepares for following by ``may_follow`` alone."""
    choice = policy.settlement_choice(facts, found)
    assert 0 <= choice.chance <= 1
    if not policy.may_follow:
        assert not choice.follow


@given(POLICIES, CALLS, ANSWERS)
def test_only_accepted_promises_are_followed_and_a_promise_never_harms(
    policy: Policy, facts: CallFacts, found: Found
):
    lacking, without = policy.unmet(facts, found), policy.unmet(facts, found.without_promise())
    assert lacking == () or without != ()
    assert policy.settlement_choice(facts, found).follow is (lacking == () and without != ())


@given(POLICIES, CALLS, ANSWERS)
def test_what_always_or_never_happens_does_not_depend_on_the_draw(
    policy: Policy, facts: CallFacts, found: Found
):
    likely = policy.acceptance(facts, found)
    assert -1e-12 <= likely <= 1 + 1e-12
    if likely in (0, 1):
        assert (policy.unmet(facts, found) == ()) is (likely == 1)
    choice = policy.settlement_choice(facts, found)
    if not policy.unmet(facts, found) and choice.chance in (0, 1):
        assert choice.follow is (choice.chance == 1)


@given(POLICIES, CALLS, st.sampled_from(Assurance))
def test_floor_and_ceiling_hold_with_promises_too(
    policy: Policy, facts: CallFacts, reached: Assurance
):
    found = Found(reached, BUILD, promised=True)
    assert policy.floor <= policy.ceiling
    if reached < policy.floor:
        assert policy.unmet(facts, found)
    elif reached >= policy.ceiling:
        assert not policy.unmet(facts, found)

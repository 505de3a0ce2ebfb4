"""Policies: what they accept, what they ask of nodes before anything is paid, how they are said."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import Any

import pytest

from opengradient_sdk import verification
from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.types import Amount, Bytes32
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
    policy_of,
)
from opengradient_sdk.verification.policy import _chosen

UNVERIFIED, SIGNED = Assurance.UNVERIFIED, Assurance.SIGNED
REGISTERED, ATTESTED = Assurance.REGISTERED, Assurance.ATTESTED
BUILD_A, BUILD_B = Bytes32(b"\xaa" * 32), Bytes32(b"\xbb" * 32)
CENT = 10**16
MIXED = AllOf(REGISTERED, Sample(0.05, then=ATTESTED), Above("0.01 OPG", then=ATTESTED))
FACTS = CallFacts(estimate=CENT, draw=0.5)


def found(
    assurance: Assurance = REGISTERED,
    pcr_hash: Bytes32 = BUILD_A,
    uncovered: tuple[str, ...] = (),
    cost: int | None = None,
) -> Found:
    return Found(assurance, pcr_hash, uncovered, cost)


# ---- single policies


@pytest.mark.parametrize("level", Assurance)
@pytest.mark.parametrize("reached", Assurance)
def test_at_least_accepts_its_level_and_those_above(level: Assurance, reached: Assurance):
    unmet = AtLeast(level).unmet(FACTS, found(reached))
    expected = (f"AtLeast(Assurance.{level.name}): the answer is {reached.name}",)
    assert unmet == (() if reached >= level else expected)


def test_only_attested_makes_nodes_attest_themselves():
    assert [AtLeast(level).plan(FACTS).attests(BUILD_A) for level in Assurance] == [
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("level", [2, "REGISTERED", None, True, 3.0])
def test_a_level_is_a_member_of_assurance(level: Any):
    with pytest.raises(ConfigurationError, match="no level of assurance") as caught:
        AtLeast(level)
    assert "receipts.wait" in caught.value.hint


def test_builds_are_named_by_hash_text_or_bytes():
    policy = PcrIn(BUILD_A, str(BUILD_B), BUILD_A)
    assert policy.hashes == {BUILD_A, BUILD_B}
    assert policy.plan(FACTS) == Plan(policy.hashes, policy.hashes)
    assert policy.unmet(FACTS, found(pcr_hash=BUILD_B)) == ()
    assert PcrIn(BUILD_A).unmet(FACTS, found(pcr_hash=BUILD_B)) == (
        f"PcrIn('{BUILD_A}'): the answer is of build {BUILD_B}",
    )


def test_a_build_that_is_only_claimed_is_not_known():
    (unmet,) = PcrIn(BUILD_A).unmet(FACTS, found(SIGNED))
    assert "the answer is SIGNED, so its build is not known" in unmet


@pytest.mark.parametrize("hashes", [(), ("0x12",), ("nothex",), (b"short",), (7,), (None,)])
def test_what_is_no_build_is_refused(hashes: tuple[Any, ...]):
    with pytest.raises(ConfigurationError, match="PcrIn"):
        PcrIn(*hashes)


HARMLESS = (
    "finish_reason",
    "id",
    "created",
    "model",
    "usage",
    "settlement_id",
    "data_settlement_x",
)
LEANED_ON = (
    "images",
    "text beside tool calls",
    "attachment bytes of messages[0]",
    "web_search",
    "tool_choice",
    "top_p",
    "seed",
    "id_of_somebody",
)


@pytest.mark.parametrize("what", LEANED_ON)
def test_strict_mode_refuses_what_leans_on_the_unproven(what: str):
    assert Covered().unmet(FACTS, found(uncovered=(*HARMLESS, what))) == (
        f"Covered(): no proof covers {what}",
    )


def test_strict_mode_lets_what_an_answer_says_about_itself_pass():
    assert Covered().unmet(FACTS, found(SIGNED, uncovered=HARMLESS)) == ()


def test_strict_mode_knows_that_nothing_is_covered_without_a_signature():
    (unmet,) = Covered().unmet(FACTS, found(UNVERIFIED))
    assert "so nothing of it is covered" in unmet


def test_unsafe_refuses_nothing():
    policy = UnsafeNoVerification()
    assert policy.unmet(FACTS, found(UNVERIFIED, uncovered=LEANED_ON)) == ()
    assert policy.floor is policy.ceiling is UNVERIFIED
    assert policy.choice(FACTS, BUILD_A) == Choice(attest=False, chance=0.0)


# ---- combinations


def test_all_of_says_everything_that_is_missing():
    policy = AllOf(REGISTERED, PcrIn(BUILD_A), Covered())
    assert policy.unmet(FACTS, found()) == ()
    unmet = policy.unmet(FACTS, found(SIGNED, uncovered=("images",)))
    assert [what.partition("(")[0] for what in unmet] == ["AtLeast", "PcrIn", "Covered"]


def test_any_of_is_content_with_one_part_and_names_all_when_none_holds():
    policy = AnyOf(ATTESTED, PcrIn(BUILD_A))
    assert policy.unmet(FACTS, found(pcr_hash=BUILD_A)) == ()
    assert policy.unmet(FACTS, found(ATTESTED, BUILD_B)) == ()
    assert policy.unmet(FACTS, found(pcr_hash=BUILD_B)) == (
        "AnyOf: neither (AtLeast(Assurance.ATTESTED): the answer is REGISTERED), "
        f"nor (PcrIn('{BUILD_A}'): the answer is of build {BUILD_B})",
    )


def test_any_of_makes_a_node_attest_itself_only_where_no_part_does_without():
    plan = AnyOf(ATTESTED, PcrIn(BUILD_A)).plan(FACTS)
    assert (plan.attests(BUILD_A), plan.attests(BUILD_B)) == (False, True)
    assert plan.allows(BUILD_A)
    assert plan.allows(BUILD_B)


def test_builds_are_cut_by_all_of_and_joined_by_any_of():
    assert AllOf(PcrIn(BUILD_A, BUILD_B), PcrIn(BUILD_A)).plan(FACTS).builds == {BUILD_A}
    assert AnyOf(PcrIn(BUILD_B), PcrIn(BUILD_A)).plan(FACTS).builds == {BUILD_A, BUILD_B}
    assert AnyOf(PcrIn(BUILD_B), SIGNED).plan(FACTS).builds is None
    attested_a = AllOf(ATTESTED, PcrIn(BUILD_A)).plan(FACTS)
    assert attested_a.attests(BUILD_A)
    assert not attested_a.allows(BUILD_B)


@pytest.mark.parametrize("combine", [AllOf, AnyOf])
def test_a_combination_has_parts(combine: Callable[..., Policy]):
    with pytest.raises(ConfigurationError, match="no parts"):
        combine()
    with pytest.raises(ConfigurationError, match="neither a level of assurance nor a policy"):
        combine(REGISTERED, "ATTESTED")


def test_builds_that_exclude_each_other_are_refused_at_once():
    with pytest.raises(ConfigurationError, match="no build can meet"):
        AllOf(PcrIn(BUILD_A), REGISTERED, PcrIn(BUILD_B))


# ---- by what is at stake


@pytest.mark.parametrize(
    ("estimate", "attests"), [(0, False), (CENT, False), (CENT + 1, True), (None, True)]
)
def test_above_counts_the_estimate_and_the_unknown_as_above(estimate: int | None, attests: bool):
    policy = Above("0.01 OPG", then=ATTESTED)
    choice = policy.choice(CallFacts(estimate, 0.5), BUILD_A)
    assert (choice.attest, choice.chance) == (attests, float(attests))


@pytest.mark.parametrize(
    "amount", ["0.01 OPG", "0.01", Decimal("0.01"), CENT, Amount.parse("0.01 OPG")]
)
def test_an_amount_can_be_written_in_every_exact_way(amount: Any):
    assert Above(amount, then=ATTESTED).amount == Amount(CENT)


@pytest.mark.parametrize("amount", [0.01, True, None])
def test_floats_are_no_money(amount: Any):
    with pytest.raises(TypeError, match="money is never"):
        Above(amount, then=ATTESTED)


@pytest.mark.parametrize("amount", ["-1 OPG", "1 USDC", "much", "0." + "0" * 18 + "1 OPG", -5])
def test_what_is_no_amount_of_opg_is_refused(amount: Any):
    with pytest.raises(ConfigurationError, match="Above"):
        Above(amount, then=ATTESTED)


def test_a_low_estimate_is_no_way_round():
    policy = Above("0.01 OPG", then=ATTESTED)
    assert policy.unmet(FACTS, found(cost=CENT)) == ()
    assert policy.unmet(FACTS, found(cost=None)) == ()
    assert policy.unmet(FACTS, found(cost=2 * CENT)) == (
        "Above(0.01 OPG): 0.02 OPG is above: AtLeast(Assurance.ATTESTED): the answer is REGISTERED",
    )
    assert policy.unmet(FACTS, found(ATTESTED, cost=2 * CENT)) == ()


def test_a_low_cost_does_not_lower_what_the_estimate_required():
    policy = Above("0.01 OPG", then=ATTESTED)
    (unmet,) = policy.unmet(CallFacts(CENT + 1, 0.5), found(cost=1))
    assert "0.010000000000000001 OPG is above" in unmet
    (unmet,) = policy.unmet(CallFacts(None, 0.5), found(cost=1))
    assert "what the call costs is not known" in unmet


# ---- as text, as JSON, as an argument


def test_policies_are_printable_frozen_and_comparable():
    policy = AnyOf(MIXED, AllOf(PcrIn(BUILD_A), Covered()), UnsafeNoVerification())
    assert str(policy) == repr(policy)
    public = {name: getattr(verification, name) for name in verification.__all__}
    assert eval(repr(policy), public) == policy
    assert len({MIXED, AllOf(*MIXED.parts)}) == 1
    with pytest.raises(FrozenInstanceError):
        Sample(0.5, then=ATTESTED).rate = 1.0  # type: ignore[misc]


def test_the_examples_in_the_docstrings_are_true():
    found = doctest.testmod(_chosen)
    assert (found.attempted, found.failed) == (4, 0)


def test_policies_have_a_json_form():
    policy = AllOf(
        AnyOf(PcrIn(BUILD_A), ATTESTED), Covered(), UnsafeNoVerification(), *MIXED.parts[1:]
    )
    assert json.loads(json.dumps(policy.to_json())) == {
        "all_of": [
            {"any_of": [{"pcr_in": [str(BUILD_A)]}, {"at_least": "ATTESTED"}]},
            {"covered": True},
            {"unsafe_no_verification": True},
            {
                "sample": {
                    "rate": 0.05,
                    "then": {"at_least": "ATTESTED"},
                    "otherwise": {"at_least": "REGISTERED"},
                }
            },
            {
                "above": {
                    "atoms": str(CENT),
                    "then": {"at_least": "ATTESTED"},
                    "otherwise": {"at_least": "REGISTERED"},
                }
            },
        ]
    }


# ---- require=


def test_require_takes_a_level_or_a_policy():
    assert policy_of(REGISTERED) == AtLeast(REGISTERED)
    assert policy_of(UNVERIFIED) == UnsafeNoVerification()
    assert policy_of(MIXED) is MIXED


@pytest.mark.parametrize("require", [2, "REGISTERED", None, Covered, [REGISTERED], object])
def test_require_takes_nothing_else(require: Any):
    with pytest.raises(ConfigurationError, match="neither a level of assurance nor a policy") as e:
        policy_of(require)
    assert "Assurance.REGISTERED" in e.value.hint

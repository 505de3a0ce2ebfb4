"""What was verified, and which cheating would have been noticed: exact formulas, and real lots."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import (
    Assurance,
    CallFacts,
    Check,
    CheckStatus,
    CheckTally,
    Choice,
    Conclusion,
    Evidence,
    Failure,
    NodeTally,
    Sample,
    VerificationLog,
    VerificationStatistics,
)
from opengradient_sdk.verification._sampling import Stratum, fewest_noticed, missed
from opengradient_sdk.verification.statistics import KEPT_FAILURES

NODE_A, NODE_B = Bytes32(b"\x0a" * 32), Bytes32(b"\x0b" * 32)
BUILD = Bytes32(b"\xaa" * 32)
SIGNED = tuple(
    Check(name, CheckStatus.PASSED)
    for name in ("request_hash", "output_hash", "signature", "registry")
)
DRAWN, NOT_DRAWN = Choice(True, 0.05), Choice(False, 0.05)
ALWAYS, NEVER = Choice(True, 1.0), Choice(False, 0.0)


def evidence(attestation: CheckStatus | None, *more: Check) -> Evidence:
    checks = (*SIGNED, *more)
    return Evidence(checks if attestation is None else (*checks, Check("attestation", attestation)))


PROVEN = evidence(CheckStatus.PASSED)
UNPROVEN = evidence(CheckStatus.NOT_CHECKED)


class Answers:
    """A log with a short way to add answers."""

    def __init__(self) -> None:
        self.log = VerificationLog()
        self._ids = itertools.count()

    def add(
        self, count: int, choice: Choice, found: Evidence | None = None, node: Bytes32 = NODE_A
    ) -> Answers:
        found = found or (PROVEN if choice.attest else UNPROVEN)
        for _ in range(count):
            self.log.add(
                found,
                choice=choice,
                receipt_id=f"rcpt_{next(self._ids)}",
                tee_id=node,
                pcr_hash=BUILD,
            )
        return self

    @property
    def statistics(self) -> VerificationStatistics:
        return self.log.statistics()


# ---- what was counted


def test_nothing_was_verified_yet():
    none = VerificationLog().statistics()
    assert (none.answers, none.checked, none.failed, none.strata) == (0, 0, 0, ())
    assert none.confidence(0.5).probability == none.confidence(1).long_run == 0.0
    assert none.smallest_noticed() is None
    assert none.conclusion(1.0) is Conclusion.INCONCLUSIVE


def test_answers_are_counted_by_level_check_and_node():
    failed = Check("registry", CheckStatus.FAILED, "the build was revoked")
    answers = Answers().add(2, DRAWN).add(3, NOT_DRAWN, node=NODE_B)
    answers.add(1, NOT_DRAWN, Evidence((*SIGNED[:3], failed)), node=NODE_B)
    found = answers.statistics
    assert found.answers == 6
    assert dict(found.by_assurance) == {
        Assurance.UNVERIFIED: 0,
        Assurance.SIGNED: 1,
        Assurance.REGISTERED: 3,
        Assurance.ATTESTED: 2,
    }
    assert found.by_check["registry"] == CheckTally(passed=5, failed=1)
    assert found.by_check["attestation"] == CheckTally(passed=2, not_checked=3)
    assert found.strata == (Stratum(0.05, 6, 2, 2),)
    assert found.by_node == {
        NODE_A: NodeTally(BUILD, answers=2, attested=2, failed=0),
        NODE_B: NodeTally(BUILD, answers=4, attested=0, failed=1),
    }
    assert found.failures == (Failure("registry", "the build was revoked", NODE_B, "rcpt_5"),)


def test_a_pending_check_is_counted_as_such():
    answers = Answers().add(1, DRAWN, evidence(CheckStatus.PENDING))
    assert answers.statistics.by_check["attestation"] == CheckTally(pending=1)
    assert answers.statistics.checked == 0


def test_what_was_counted_does_not_change_with_the_log():
    answers = Answers().add(1, DRAWN)
    before = answers.statistics
    answers.add(1, DRAWN, node=NODE_B)
    assert (before.answers, len(before.by_node), before.by_check["signature"].passed) == (1, 1, 1)
    with pytest.raises(TypeError):
        before.by_node[NODE_B] = NodeTally(BUILD)  # type: ignore[index]


def test_all_failures_are_counted_and_the_latest_kept():
    answers = Answers().add(KEPT_FAILURES + 7, DRAWN, evidence(CheckStatus.FAILED))
    found = answers.statistics
    assert (found.failed, len(found.failures)) == (KEPT_FAILURES + 7, KEPT_FAILURES)
    assert (found.failures[0].receipt_id, found.failures[-1].receipt_id) == (
        "rcpt_7",
        f"rcpt_{KEPT_FAILURES + 6}",
    )


def test_an_answer_is_checked_only_if_it_was_drawn():
    """A proof that is kept from an earlier call makes later answers ATTESTED, not drawn."""
    found = Answers().add(1, DRAWN).add(9, NOT_DRAWN, PROVEN).statistics
    assert found.by_assurance[Assurance.ATTESTED] == 10
    assert (found.answers, found.checked, found.proven) == (10, 1, 10)


def test_what_is_proven_cannot_be_false():
    found = Answers().add(1, DRAWN).add(95, NOT_DRAWN, PROVEN).add(4, NOT_DRAWN).statistics
    assert found.conclusion(0.05) is Conclusion.NONE_FOUND
    assert found.confidence(0.05).probability == 1.0
    assert found.conclusion(0.04) is Conclusion.INCONCLUSIVE
    assert found.confidence(0.04).probability == pytest.approx(0.04)
    assert found.confidence(0.05).long_run == pytest.approx(0.05)


# ---- conclusions


def test_none_is_found_only_with_confidence():
    found = Answers().add(60, DRAWN).add(40, NOT_DRAWN).statistics
    assert found.conclusion(0.05) is Conclusion.NONE_FOUND
    assert found.conclusion(0.05, confidence=0.999) is Conclusion.INCONCLUSIVE
    assert found.conclusion(0.01) is Conclusion.INCONCLUSIVE
    assert found.conclusion(0) is Conclusion.INCONCLUSIVE


@pytest.mark.parametrize("name", ["attestation", "signature", "registry", "unheard_of"])
def test_one_failed_check_is_noticed(name: str):
    failed = Evidence((Check(name, CheckStatus.FAILED),))
    found = Answers().add(99, DRAWN).add(1, NOT_DRAWN, failed).statistics
    assert found.conclusion(0.05) is Conclusion.NOTICED


@pytest.mark.parametrize("name", ["usage", "charge"])
def test_what_an_answer_cost_says_nothing_about_whether_it_is_true(name: str):
    billed = evidence(CheckStatus.PASSED, Check(name, CheckStatus.FAILED, "too much"))
    found = Answers().add(99, DRAWN).add(1, DRAWN, billed).statistics
    assert (found.failed, found.doubts) == (1, 0)
    assert found.conclusion(0.05) is Conclusion.NONE_FOUND


def test_a_document_that_proves_nothing_is_noticed_though_nothing_was_paid():
    answers = Answers().add(99, DRAWN)
    answers.log.attestation_failed(NODE_B, BUILD, "another build")
    found = answers.statistics
    assert found.conclusion(0.05) is Conclusion.NOTICED
    assert found.failures == (Failure("attestation", "another build", NODE_B, None),)
    assert found.by_node[NODE_B] == NodeTally(BUILD, failed=1)
    assert found.answers == 99


def test_while_a_drawn_node_is_silent_nothing_is_concluded():
    answers = Answers().add(99, DRAWN)
    answers.log.attestation_missing(NODE_B, DRAWN)
    assert answers.statistics.conclusion(0.05) is Conclusion.NONE_FOUND  # it has answered nothing
    answers.add(1, NOT_DRAWN, node=NODE_B)
    assert answers.statistics.silent == {NODE_B}
    assert answers.statistics.conclusion(0.05) is Conclusion.INCONCLUSIVE
    answers.add(1, DRAWN, node=NODE_B)
    assert answers.statistics.silent == frozenset()
    assert answers.statistics.conclusion(0.05) is Conclusion.NONE_FOUND


def test_silence_helps_nobody_who_always_has_to_prove_itself():
    answers = Answers().add(20, ALWAYS)
    answers.log.attestation_missing(NODE_B, ALWAYS)
    answers.add(1, NEVER, node=NODE_B)
    assert answers.statistics.silent == frozenset()
    assert answers.statistics.conclusion(0.05) is Conclusion.NONE_FOUND


def test_the_explanation_names_what_matters():
    answers = Answers().add(60, DRAWN).add(40, NOT_DRAWN)
    text = answers.statistics.explain()
    assert "100 answers: 0 UNVERIFIED, 0 SIGNED, 40 REGISTERED, 60 ATTESTED." in text
    assert "Cheating in 4.00% of them would have been noticed with 95 % confidence." in text
    answers.log.attestation_failed(NODE_B, BUILD, "another build")
    answers.log.attestation_missing(NODE_A, DRAWN)
    text = answers.statistics.explain()
    assert f"  attestation: another build (node {NODE_B})" in text
    assert f"Node {NODE_A} gave no document when drawn." in text
    assert "No rate of cheating" in Answers().add(9, NEVER).statistics.explain()


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan, True, "0.5", None])
def test_shares_are_checked(share: Any):
    found = Answers().add(1, DRAWN).statistics
    for ask in (found.confidence, found.smallest_noticed, found.conclusion):
        with pytest.raises(ValueError, match="no share from 0 to 1"):
            ask(share)


def test_confidence_is_above_zero():
    found = Answers().add(1, DRAWN).statistics
    with pytest.raises(ValueError, match="everything is noticed"):
        found.smallest_noticed(0)
    with pytest.raises(ValueError, match="everything is noticed"):
        found.conclusion(0.5, confidence=0.0)


# ---- exact formulas


@pytest.mark.parametrize("checked", [0, 1, 5, 59, 100])
@pytest.mark.parametrize("rate", [0, 0.01, 0.05, 0.07, 0.5, 1])
def test_one_stratum_is_hypergeometric(checked: int, rate: float):
    found = Answers().add(checked, DRAWN).add(100 - checked, NOT_DRAWN).statistics
    confidence = found.confidence(rate)
    false = round(100 * rate)
    exact = 1 - Fraction(math.comb(100 - false, checked), math.comb(100, checked))
    assert confidence.probability == pytest.approx(float(exact), rel=1e-12, abs=1e-15)
    assert confidence.long_run == pytest.approx(1 - (1 - rate) ** checked, rel=1e-12, abs=1e-15)
    assert (confidence.false, confidence.checked, confidence.answers) == (false, checked, 100)


@pytest.mark.parametrize(("false", "answers"), [(4, 60), (7, 100), (1, 3), (2, 3), (29, 31)])
def test_a_share_that_was_divided_is_the_number_it_came_from(false: int, answers: int):
    found = Answers().add(answers, DRAWN).statistics
    assert found.confidence(false / answers).false == false


def test_the_known_fifty_nine():
    """59 clean draws are what 95 % confidence about 5 % takes in the long run; 58 are too few."""
    found = [Answers().add(n, DRAWN).statistics.confidence(0.05).long_run for n in (58, 59)]
    assert found[0] < 0.95 <= found[1]


def test_when_everything_is_checked_one_false_answer_is_noticed():
    found = Answers().add(250, ALWAYS).statistics
    assert found.confidence(1 / 250).probability == 1.0
    assert found.smallest_noticed(1.0) == 1 / 250


def test_when_nothing_is_checked_nothing_is_noticed():
    found = Answers().add(250, NEVER).statistics
    assert found.confidence(1.0).probability == 0.0
    assert found.smallest_noticed(0.01) is None


def test_cheating_hides_where_nothing_is_checked():
    found = Answers().add(50, ALWAYS).add(50, NEVER).statistics
    assert found.confidence(0.5).probability == 0.0
    assert found.confidence(0.51).probability == 1.0
    assert found.smallest_noticed() == 0.51


@st.composite
def one_stratum(draw: st.DrawFn) -> Stratum:
    answers = draw(st.integers(0, 7))
    proven = draw(st.integers(0, answers))
    return Stratum(0.5, answers, draw(st.integers(0, proven)), proven)


STRATA = one_stratum()


def exactly_missed(strata: list[Stratum], false: int) -> Fraction:
    """Try every way to spread the false answers."""
    spreads = itertools.product(*(range(stratum.unproven + 1) for stratum in strata))
    chances = (
        math.prod(
            (
                Fraction(math.comb(s.answers - k, s.checked), math.comb(s.answers, s.checked))
                for s, k in zip(strata, spread, strict=True)
            ),
            start=Fraction(1),
        )
        for spread in spreads
        if sum(spread) == false
    )
    return max(chances, default=Fraction(0))


@given(st.lists(STRATA, max_size=3), st.data())
def test_the_worst_spread_is_found(strata: list[Stratum], data: st.DataObject):
    total = sum(stratum.answers for stratum in strata)
    false = data.draw(st.integers(0, total))
    exact = float(exactly_missed(strata, false))
    assert missed(strata, false) == pytest.approx(exact, rel=1e-12, abs=1e-15)


@given(st.lists(STRATA, max_size=3), st.floats(0.01, 1))
def test_the_fewest_that_are_noticed(strata: list[Stratum], confidence: float):
    total = sum(stratum.answers for stratum in strata)
    noticed = [k for k in range(1, total + 1) if 1 - missed(strata, k) >= confidence]
    assert fewest_noticed(strata, confidence) == (noticed[0] if noticed else None)


@given(st.lists(STRATA, max_size=3), st.floats(0, 1), st.floats(0, 1))
def test_more_cheating_is_never_harder_to_notice(strata: list[Stratum], rate: float, other: float):
    answers = Answers()
    for stratum, chance in zip(strata, (0.1, 0.5, 0.9), strict=False):
        answers.add(stratum.checked, Choice(True, chance))
        answers.add(stratum.proven - stratum.checked, Choice(False, chance), PROVEN)
        answers.add(stratum.unproven, Choice(False, chance))
    found = answers.statistics
    low, high = sorted((rate, other))
    assert found.confidence(low).probability <= found.confidence(high).probability + 1e-12
    if (smallest := found.smallest_noticed(0.9)) is not None:
        assert found.confidence(smallest).probability >= 0.9


def test_a_million_answers_are_no_trouble():
    strata = [
        Stratum(0.05, 900_000, 45_012, 45_012),
        Stratum(0.3, 9, 1, 1),
        Stratum(1.0, 50_000, 50_000, 50_000),
    ]
    # all in the big one: the first of the nine would be met with 1/9, and 45,012/900,000 is less
    few = fewest_noticed(strata, 0.95)
    assert few == math.ceil(math.log(0.05, 1 - 45_012 / 900_000))
    assert missed([Stratum(0.5, 1_000_000, 500_000, 500_000)], 500_000) == 0.0
    one = missed([Stratum(0.5, 1_000_000, 1, 1)], 400_000)
    assert one == pytest.approx(0.6, rel=1e-12)


# ---- lots


def test_cheating_is_noticed_as_often_as_is_said():
    """A node lies in 4 of 60 answers; the policy draws; what was noticed agrees with what is said.

    The node's choice of answers is fixed beforehand: it cannot know the draws.
    """
    policy, lies, generator = Sample(0.2, Assurance.ATTESTED), {0, 1, 30, 59}, random.Random(5)
    runs, noticed, said = 400, 0, 0.0
    for _ in range(runs):
        calls = [CallFacts(None, generator.random()) for _ in range(60)]
        drawn = {i for i, facts in enumerate(calls) if policy.plan(facts).attests(BUILD)}
        noticed += bool(drawn & lies)
        said += 1 - missed([Stratum(0.2, 60, len(drawn), len(drawn))], len(lies))
    assert abs(noticed - said) <= 5 * math.sqrt(runs * 0.25)
    assert said / runs == pytest.approx(1 - 0.8**4, abs=0.02)

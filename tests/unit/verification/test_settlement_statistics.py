"""What became of promises to settle: counted per node, and what a sample of them shows."""

from __future__ import annotations

import math
import random

import pytest

from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import (
    Conclusion,
    PromiseState,
    SettlementChoice,
    SettlementLog,
    SettlementStatistics,
)

NODE_A, NODE_B = Bytes32(b"\x0a" * 32), Bytes32(b"\x0b" * 32)
DUE = 1_800_000_000.0
AFTER = DUE + 600  # whatever five minutes it falls into
DRAWN, NOT_DRAWN = SettlementChoice(True, 0.05), SettlementChoice(False, 0.05)
KEPT, BROKEN, PENDING = PromiseState.KEPT, PromiseState.BROKEN, PromiseState.PENDING


def log_of(
    *, kept: int = 0, broken: int = 0, pending: int = 0, ignored: int = 0, node: Bytes32 = NODE_A
) -> SettlementLog:
    """A log of one node's promises, all of which are due at once."""
    log = SettlementLog()
    for state, count in ((KEPT, kept), (BROKEN, broken), (PENDING, pending)):
        for _ in range(count):
            log.found(log.promised(node, DRAWN, DUE), state)
    for _ in range(ignored):
        log.promised(node, NOT_DRAWN, DUE)
    return log


def counts(statistics: SettlementStatistics) -> tuple[int, ...]:
    return (
        statistics.promised,
        statistics.followed,
        statistics.settled,
        statistics.pending,
        statistics.overdue,
        statistics.unclear,
    )


def test_nothing_promised_is_nothing_known():
    none = SettlementLog().statistics(AFTER)
    assert counts(none) == (0, 0, 0, 0, 0, 0)
    assert none.by_node == {}
    assert none.smallest_noticed() is None
    assert none.conclusion(0.1) is Conclusion.INCONCLUSIVE
    assert list(none.sentences()) == []
    assert none.explain() == "No answer came with a promise to settle its hashes."


def test_everything_is_counted_once_and_for_its_node():
    log = log_of(kept=3, broken=1, pending=2, ignored=4)
    log.promised(NODE_B, DRAWN, DUE)
    found = log.statistics(AFTER)
    assert counts(found) == (11, 7, 3, 3, 1, 3)
    assert counts(found.by_node[NODE_A]) == (10, 6, 3, 2, 1, 2)
    assert counts(found.by_node[NODE_B]) == (1, 1, 0, 1, 0, 1)
    assert found.by_node[NODE_A].by_node == {}


def test_what_a_reorg_takes_back_is_pending_again():
    log = SettlementLog()
    promise = log.promised(NODE_A, DRAWN, DUE)
    for state, settled in ((KEPT, 1), (PENDING, 0), (KEPT, 1)):
        log.found(promise, state)
        found = log.statistics(DUE - 1_000)
        assert (found.settled, found.pending, found.followed) == (settled, 1 - settled, 1)


def test_the_formula_is_that_of_the_other_statistics():
    found = log_of(kept=59, ignored=941).statistics(AFTER)
    sure = found.confidence(0.05)
    assert (sure.checked, sure.proven, sure.answers, sure.false) == (59, 59, 1000, 50)
    # C(950, 59) / C(1000, 59)
    missed = math.comb(950, 59) / math.comb(1000, 59)
    assert sure.probability == pytest.approx(1 - missed, rel=1e-12)
    assert found.conclusion(0.05) is Conclusion.NONE_FOUND
    assert found.conclusion(0.01) is Conclusion.INCONCLUSIVE
    assert found.smallest_noticed() == 0.049


def test_a_node_is_judged_by_its_own_promises():
    log = log_of(kept=300)
    for _ in range(300):
        log.promised(NODE_B, NOT_DRAWN, DUE)
    by_node = log.statistics(AFTER).by_node
    assert by_node[NODE_A].conclusion(0.01) is Conclusion.NONE_FOUND
    assert by_node[NODE_B].conclusion(0.99) is Conclusion.INCONCLUSIVE


def test_promises_that_are_not_due_prove_nothing():
    """Kept ones show early, broken ones late: together they would be no random sample."""
    log = log_of(kept=300)
    early = log.statistics(DUE - 1)
    assert (early.settled, early.strata) == (300, ())
    assert early.conclusion(0.5) is Conclusion.INCONCLUSIVE
    assert log.statistics(AFTER).conclusion(0.5) is Conclusion.NONE_FOUND


def test_one_broken_promise_is_noticed_even_before_the_others_are_due():
    log = log_of(kept=3, broken=1)
    for now in (DUE - 1, AFTER):
        assert log.statistics(now).conclusion(0.5) is Conclusion.NOTICED


def test_what_is_due_and_unclear_may_be_the_broken_ones():
    found = log_of(kept=300, pending=1).statistics(AFTER)
    assert (found.checked, found.proven) == (300, 300)
    assert found.confidence(0.05).probability > 0.99
    assert found.conclusion(0.05) is Conclusion.INCONCLUSIVE


def test_chances_are_counted_apart_and_the_worst_is_assumed():
    log = log_of(kept=300)
    for _ in range(100):
        log.promised(NODE_A, SettlementChoice(False, 0.0), DUE)
    found = log.statistics(AFTER)
    assert [(s.chance, s.answers, s.checked) for s in found.strata] == [
        (0.0, 100, 0),
        (0.05, 300, 300),
    ]
    assert found.confidence(0.25).probability == 0  # all of them hide where nobody looks
    assert found.confidence(0.26).probability == 1  # more than fit there, and the rest is proven


def test_it_is_said_in_sentences():
    told = log_of(kept=58, broken=1, ignored=941).statistics(AFTER).explain()
    assert told == (
        "1000 promises to settle hashes, 59 followed: 58 settled, 0 pending, 1 overdue.\n"
        f"Node {NODE_A} did not settle 1 of 59.\n"
        "Breaking 4.90% of them would have been noticed with 95 % confidence."
    )
    nothing = list(log_of(ignored=3).statistics(AFTER).sentences())
    assert nothing[-1].startswith("No share of broken promises")


def test_a_node_that_breaks_every_tenth_promise_is_noticed_as_often_as_said():
    """A thousand clients sample the promises of a node that does not know who is watched."""
    generator, noticed, sure = random.Random(9), 0, 0.0
    for _ in range(1_000):
        log = SettlementLog()
        for number in range(100):
            choice = SettlementChoice(generator.random() < 0.1, 0.1)
            promise = log.promised(NODE_A, choice, DUE)
            if choice.follow:
                log.found(promise, BROKEN if number % 10 == 0 else KEPT)
        found = log.statistics(AFTER)
        noticed += found.conclusion(0.1) is Conclusion.NOTICED
        sure += 1 - (1 - 0.1) ** 10  # of each of ten broken ones, a tenth is followed
    assert abs(noticed - sure) <= 5 * math.sqrt(1_000 * 0.65 * 0.35)

"""Budgets count exposure: whatever happens, no more than the total is ever at risk."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opengradient_sdk.errors import BudgetExceededError, Spent
from opengradient_sdk.payments.budget import Budget

CAP = 10**17


def test_a_reservation_is_the_whole_cap() -> None:
    budget = Budget(10 * CAP)
    budget.reserve(CAP)
    assert (budget.total, budget.exposed, budget.settled) == (10 * CAP, CAP, 0)
    assert budget.remaining == 9 * CAP


def test_a_settlement_replaces_the_cap_by_the_charge() -> None:
    budget = Budget(10 * CAP)
    budget.reserve(CAP)
    budget.release(CAP, charged=3)
    assert (budget.exposed, budget.settled, budget.remaining) == (0, 3, 10 * CAP - 3)


def test_a_cap_that_was_never_collected_comes_back_whole() -> None:
    budget = Budget(CAP)
    budget.reserve(CAP)
    budget.release(CAP)
    assert budget.remaining == CAP


def test_a_reorg_opens_the_cap_again() -> None:
    budget = Budget(2 * CAP)
    budget.reserve(CAP)
    budget.release(CAP, charged=5)
    budget.reopen(CAP, charged=5)
    assert (budget.exposed, budget.settled) == (CAP, 0)


def test_the_last_atom_can_be_reserved_and_not_one_more() -> None:
    budget = Budget(CAP)
    budget.reserve(CAP)
    with pytest.raises(BudgetExceededError) as refused:
        budget.reserve(1)
    assert budget.exposed == CAP
    assert refused.value.spent is Spent.NO
    assert "0.1 OPG" in str(refused.value)
    assert "budget=" in refused.value.hint


def test_what_is_over_by_a_reopened_charge_is_shown_as_nothing_left() -> None:
    budget = Budget(CAP)
    budget.reserve(CAP)
    budget.release(CAP)
    budget.reserve(CAP)
    budget.reopen(CAP, charged=0)
    assert budget.remaining == -CAP
    with pytest.raises(BudgetExceededError, match="has 0 OPG left"):
        budget.reserve(1)


def test_without_a_total_everything_is_counted_and_nothing_refused() -> None:
    budget = Budget(None)
    budget.reserve(10**40)
    budget.release(10**40, charged=10**39)
    assert (budget.total, budget.remaining) == (None, None)
    assert (budget.exposed, budget.settled) == (0, 10**39)


def test_a_budget_of_zero_allows_nothing() -> None:
    with pytest.raises(BudgetExceededError):
        Budget(0).reserve(1)


class Spending(RuleBasedStateMachine):
    """Any sequence of reservations and what the chain says of them, against a plain list."""

    TOTAL = 1000

    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget(self.TOTAL)
        self.open: list[int] = []
        self.closed: list[tuple[int, int]] = []

    @rule(cap=st.integers(1, 400))
    def reserve(self, cap: int) -> None:
        fits = sum(self.open) + sum(charge for _, charge in self.closed) + cap <= self.TOTAL
        try:
            self.budget.reserve(cap)
        except BudgetExceededError:
            assert not fits
        else:
            assert fits
            self.open.append(cap)

    @precondition(lambda self: self.open)
    @rule(share=st.integers(0, 100), which=st.integers(0, 10))
    def settle(self, share: int, which: int) -> None:
        cap = self.open.pop(which % len(self.open))
        self.budget.release(cap, charged=cap * share // 100)
        self.closed.append((cap, cap * share // 100))

    @precondition(lambda self: self.closed)
    @rule()
    def reorganize_the_last(self) -> None:
        cap, charged = self.closed[-1]
        if sum(self.open) + sum(c for _, c in self.closed) - charged + cap > self.TOTAL:
            return  # what a reorg takes back may exceed the total: it was signed before
        self.closed.pop()
        self.budget.reopen(cap, charged=charged)
        self.open.append(cap)

    @invariant()
    def the_books_agree_and_the_total_holds(self) -> None:
        assert self.budget.exposed == sum(self.open)
        assert self.budget.settled == sum(charge for _, charge in self.closed)
        assert self.budget.exposed + self.budget.settled <= self.TOTAL
        assert self.budget.remaining == self.TOTAL - self.budget.exposed - self.budget.settled


Spending.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSpending = Spending.TestCase

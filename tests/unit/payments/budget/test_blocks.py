"""The budget of a block: whole sessions once, calls by estimate, blocks within blocks."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from opengradient_sdk.errors import BudgetExceededError, Spent
from opengradient_sdk.payments.budget.blocks import Block, check_call
from opengradient_sdk.payments.budget.standing import Standing


def test_a_session_counts_whole_and_once() -> None:
    block = Block(100)
    block.join("a", 40)
    block.join("a", 40)
    assert (block.exposed, block.settled, block.remaining) == (40, 0, 60)
    block.join("b", 60)
    assert block.remaining == 0


def test_a_session_that_does_not_fit_is_not_counted() -> None:
    block = Block(100)
    block.join("a", 60)
    with pytest.raises(BudgetExceededError) as refused:
        block.join("b", 41)
    assert refused.value.spent is Spent.NO
    assert refused.value.short_message.startswith("the budget of this block of ")
    assert block.exposed == 60
    block.join("a", 60)  # the calls on the one that it has go on


def test_room_is_checked_before_an_authorization_is_signed() -> None:
    block = Block(100)
    block.check_room(100)
    assert block.exposed == 0
    with pytest.raises(BudgetExceededError):
        block.check_room(101)


def test_the_chain_s_word_replaces_the_cap() -> None:
    block = Block(100)
    block.join("a", 60)
    block.resolved("a", 10)
    block.resolved("a", 10)
    assert (block.exposed, block.settled, block.remaining) == (0, 10, 90)
    block.join("a", 60)  # a call that comes late does not count it a second time
    assert block.remaining == 90


def test_a_reorg_takes_the_chain_s_word_back() -> None:
    block = Block(100)
    block.join("a", 60)
    block.resolved("a", 10)
    block.reopened("a")
    block.reopened("a")
    assert (block.exposed, block.settled) == (60, 0)
    block.resolved("a", 20)
    assert (block.exposed, block.settled) == (0, 20)


def test_sessions_that_no_call_joined_are_no_matter() -> None:
    block = Block(100)
    block.resolved("stranger", 50)
    block.reopened("stranger")
    assert block.standing == Standing(100, 0, 0)


def test_without_a_total_everything_is_counted() -> None:
    block = Block(None)
    block.join("a", 10**40)
    assert (block.exposed, block.remaining) == (10**40, None)


# Blocks within blocks


def test_an_inner_block_counts_outside_too() -> None:
    outer = Block(100)
    inner = outer.inner(50)
    inner.join("a", 40)
    assert (inner.exposed, outer.exposed) == (40, 40)
    inner.resolved("a", 5)
    assert (inner.settled, outer.settled) == (5, 5)
    inner.reopened("a")
    assert (inner.exposed, outer.exposed) == (40, 40)


def test_an_inner_block_joins_what_is_counted_outside_already() -> None:
    outer = Block(100)
    outer.join("a", 80)
    inner = outer.inner(90)
    inner.join("a", 80)
    assert (inner.exposed, outer.exposed) == (80, 80)


def test_what_is_resolved_outside_is_resolved_inside() -> None:
    outer = Block(100)
    outer.join("a", 80)
    outer.resolved("a", 5)
    inner = outer.inner(50)
    inner.join("a", 80)
    assert (inner.exposed, inner.settled, outer.settled) == (0, 5, 5)


def test_what_fits_inside_must_fit_outside() -> None:
    outer = Block(100)
    inner = outer.inner(1000).inner(None)
    assert inner.remaining == 100
    with pytest.raises(BudgetExceededError, match="the budget of this block"):
        inner.check_room(101)
    with pytest.raises(BudgetExceededError):
        inner.join("a", 101)
    assert (inner.exposed, outer.exposed) == (0, 0)


def test_what_the_outer_block_has_left_is_what_an_inner_one_has() -> None:
    outer = Block(100)
    inner = outer.inner(60)
    assert inner.remaining == 60
    outer.join("a", 70)
    assert (inner.remaining, inner.standing) == (30, Standing(60, 0, 0))


# Calls


def test_a_call_counts_by_its_estimate_until_its_cost_is_known() -> None:
    outer = Block(100)
    inner = outer.inner(100)
    inner.call(30)
    assert (inner.estimated, outer.estimated) == (30, 30)
    inner.answered(30, 12)
    assert (inner.estimated, outer.estimated) == (12, 12)
    inner.call(30)
    inner.answered(30, None)  # answered, and nobody knows what it cost
    assert inner.estimated == 42
    inner.call(30)
    inner.answered(30, 0)  # nothing of it is billed
    assert (inner.estimated, outer.estimated) == (42, 42)


def test_a_call_without_an_estimate_counts_when_it_is_answered() -> None:
    block = Block(100)
    block.call(None)
    assert block.estimated == 0
    block.answered(None, 7)
    assert block.estimated == 7


def test_estimates_take_no_room() -> None:
    block = Block(100)
    block.call(10**9)
    assert block.remaining == 100


@pytest.mark.parametrize(("inside", "outside"), [(10, None), (None, 10), (10, 10)])
def test_a_call_above_per_call_of_any_block_is_refused(
    inside: int | None, outside: int | None
) -> None:
    outer = Block(100, outside)
    inner = outer.inner(100, inside)
    inner.call(10)
    with pytest.raises(BudgetExceededError, match="by estimate"):
        inner.call(11)
    assert (inner.estimated, outer.estimated) == (10, 10)


def test_a_call_whose_cost_nobody_can_tell_is_refused_with_a_way_out() -> None:
    check_call(None, None)
    check_call(10**30, None)
    with pytest.raises(BudgetExceededError) as refused:
        check_call(None, 10)
    assert "cannot be estimated" in refused.value.short_message
    assert "max_tokens" in refused.value.hint
    assert refused.value.spent is Spent.NO


lives = st.integers(0, 5)


class Nest(RuleBasedStateMachine):
    """Two blocks, one in the other, against plain dictionaries of what each has joined."""

    TOTALS = (250, 150)  # outer, inner

    def __init__(self) -> None:
        super().__init__()
        self.outer = Block(self.TOTALS[0])
        self.inner = self.outer.inner(self.TOTALS[1])
        self.joined: tuple[dict[int, int | None], dict[int, int | None]] = ({}, {})

    def cap(self, life: int) -> int:
        return 30 + 10 * life

    def at_risk(self, which: int) -> int:
        return sum(
            self.cap(life) if charged is None else charged
            for life, charged in self.joined[which].items()
        )

    def fits(self, which: int, life: int) -> bool:
        if life in self.joined[which]:
            return True
        charged = self.joined[0].get(life)
        more = self.cap(life) if charged is None else charged
        return self.at_risk(which) + more <= self.TOTALS[which]

    @rule(life=lives, inside=st.booleans())
    def join(self, life: int, inside: bool) -> None:
        concerned = (0, 1) if inside else (0,)
        block = self.inner if inside else self.outer
        try:
            block.join(life, self.cap(life))
        except BudgetExceededError:
            assert not all(self.fits(which, life) for which in concerned)
        else:
            assert all(self.fits(which, life) for which in concerned)
            for which in concerned:
                self.joined[which].setdefault(life, self.joined[0].get(life))

    @rule(life=lives, charged=st.one_of(st.none(), st.integers(0, 30)))
    def the_chain_speaks(self, life: int, charged: int | None) -> None:
        if charged is None:
            self.inner.reopened(life)
        else:
            self.inner.resolved(life, charged)
        for joined in self.joined:
            if life in joined:
                joined[life] = charged

    @invariant()
    def the_books_agree(self) -> None:
        for which, block in enumerate((self.outer, self.inner)):
            joined = self.joined[which]
            assert block.exposed == sum(self.cap(life) for life in joined if joined[life] is None)
            assert block.settled == sum(charged or 0 for charged in joined.values())


Nest.TestCase.settings = settings(stateful_step_count=20)
TestNest = Nest.TestCase

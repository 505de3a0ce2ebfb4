"""When the chain is asked again, and what people are told about what is open."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.payments.settlement import next_look, what_settles
from opengradient_sdk.payments.status import PaymentState, PaymentStatus

SIGNED = 1_800_000_000
RETIRED = SIGNED + 100.0
DEADLINE = SIGNED + 300
BLOCK_TIME = 2.0


def looks(*, until: float, block_time: float = BLOCK_TIME) -> list[float]:
    """Every look at a payment that stays open, when nobody is ever late."""
    found: list[float] = []
    now = RETIRED
    while True:
        now = next_look(
            retired_at=RETIRED,
            deadline=DEADLINE,
            looked_at=found[-1] if found else None,
            now=now,
            block_time=block_time,
        )
        if now > until:
            return found
        found.append(now)


class TestNextLook:
    """Seldom enough to cost nothing, soon enough to free the budget."""

    def test_nothing_is_asked_before_a_node_can_have_settled(self) -> None:
        assert looks(until=DEADLINE + 600)[0] == RETIRED + 100

    def test_a_settlement_is_seen_soon(self) -> None:
        due = [look for look in looks(until=DEADLINE) if look >= RETIRED + 125]
        assert due[0] <= RETIRED + 140

    def test_one_look_follows_the_last_chance_to_settle(self) -> None:
        assert DEADLINE + BLOCK_TIME in looks(until=DEADLINE + 600)

    def test_the_proof_is_asked_for_when_it_can_be_there(self) -> None:
        later = [look for look in looks(until=DEADLINE + 600) if look > DEADLINE + BLOCK_TIME]
        assert later[0] == DEADLINE + 8 * BLOCK_TIME

    def test_it_backs_off_to_a_minute(self) -> None:
        found = looks(until=DEADLINE + 3600)
        assert found[-1] - found[-2] == 60
        assert len(found) < 80

    def test_a_slow_chain_is_not_asked_twice_about_one_block(self) -> None:
        found = looks(until=DEADLINE + 3600, block_time=90)
        over = [look for look in found if look >= DEADLINE + 90]
        assert min(later - sooner for sooner, later in pairwise(over)) >= 90

    def test_what_was_left_by_somebody_else_is_asked_at_once(self) -> None:
        now = DEADLINE + 5000.0
        asked = next_look(
            retired_at=RETIRED, deadline=DEADLINE, looked_at=None, now=now, block_time=BLOCK_TIME
        )
        assert asked == now

    def test_a_look_before_the_session_retired_does_not_count(self) -> None:
        asked = next_look(
            retired_at=RETIRED,
            deadline=DEADLINE,
            looked_at=RETIRED - 5,
            now=RETIRED,
            block_time=BLOCK_TIME,
        )
        assert asked == RETIRED + 100

    def test_a_permit_that_ends_sooner_is_looked_at_sooner(self) -> None:
        asked = next_look(
            retired_at=RETIRED,
            deadline=int(RETIRED) + 30,
            looked_at=None,
            now=RETIRED,
            block_time=BLOCK_TIME,
        )
        assert asked == RETIRED + 30

    @given(
        retired=st.floats(0, 1e6),
        life=st.integers(0, 1000),
        looked=st.none() | st.floats(0, 1e6),
        now=st.floats(0, 1e6),
        block_time=st.floats(0.1, 100),
    )
    def test_it_never_lies_in_the_past_nor_beyond_reason(
        self, retired: float, life: int, looked: float | None, now: float, block_time: float
    ) -> None:
        deadline = int(retired) + life
        asked = next_look(
            retired_at=retired, deadline=deadline, looked_at=looked, now=now, block_time=block_time
        )
        assert asked >= now
        last = max(now, retired + 100, deadline + 8 * block_time, looked or 0)
        assert asked <= last + max(60, block_time)
        assert looked is None or asked > looked or asked == now


class TestWhatSettles:
    """One sentence for each thing that is open, none for what is not."""

    @staticmethod
    def told(state: PaymentState, *, now: float = SIGNED, **members: object) -> str:
        status = PaymentStatus(state, "as it is", block_number=22, **members)  # type: ignore[arg-type]
        return what_settles(status, deadline=DEADLINE, now=now)

    def test_the_node_may_still_settle(self) -> None:
        assert self.told(PaymentState.OPEN) == (
            "the node settles 100 to 125 s after its last answer; the permit ends at "
            "2027-01-15T08:05:00Z; after that a finalized block proves that nothing was charged"
        )

    def test_the_permit_is_over(self) -> None:
        told = self.told(PaymentState.OPEN, now=DEADLINE + 1)
        assert told.startswith("the permit ended at 2027-01-15T08:05:00Z; ")
        assert "(last seen: as it is)" in told

    @pytest.mark.parametrize(
        ("disagreeing", "needed"),
        [(("a says this", "b says that"), "endpoints have to agree"), ((), "chain has to show it")],
    )
    def test_what_cannot_be_told(self, disagreeing: tuple[str, ...], needed: str) -> None:
        told = self.told(PaymentState.UNKNOWN, disagreeing=disagreeing)
        assert told.startswith("as it is; ")
        assert needed in told

    def test_what_a_reorg_could_take_back(self) -> None:
        for state in (PaymentState.SETTLED, PaymentState.CANCELLED):
            assert "block 22, which a reorg could still take back" in self.told(state)

    @pytest.mark.parametrize(
        "state", [PaymentState.FINAL, PaymentState.NOT_CHARGED, PaymentState.CANCELLED]
    )
    def test_nothing_is_open(self, state: PaymentState) -> None:
        assert self.told(state, final=True) == ""

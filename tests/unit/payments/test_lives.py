"""What becomes of authorizations: who is told, what stays exposed, and the chain's last word."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from opengradient_sdk.payments.budget import Block
from opengradient_sdk.payments.conduct import NodeConduct
from opengradient_sdk.payments.lives import Lives
from opengradient_sdk.payments.state import AuthorizationState, OpenAuthorization
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.types import Amount, Bytes32

from .makers import CAP, NOW, TEE, SteppedClock, a_life

OTHER_TEE = Bytes32(b"\x02" * 32)
OPEN = PaymentStatus(PaymentState.OPEN, "not yet")
SETTLED = PaymentStatus(PaymentState.SETTLED, "", Amount(70))
FINAL = PaymentStatus(PaymentState.FINAL, "", Amount(70))
NOT_CHARGED = PaymentStatus(PaymentState.NOT_CHARGED, "")


@dataclass
class Shelf:
    """Lives, and everything that they tell others. ``told``: the state each change was told in."""

    clock: SteppedClock = field(default_factory=SteppedClock)
    told: list[tuple[int, AuthorizationState]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.conduct = NodeConduct(self.clock)
        self.lives = Lives(self.clock, self._changed, self.conduct)

    def _changed(self, life: OpenAuthorization) -> None:
        self.told.append((life.nonce, life.state))

    def added(self, nonce: int = 1, *, tee_id: Bytes32 = TEE) -> OpenAuthorization:
        life = a_life(nonce, tee_id=tee_id)
        self.lives.add(life)
        return life


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_what_is_added_is_found_and_watched(shelf: Shelf) -> None:
    first, second = shelf.added(1), shelf.added(2, tee_id=OTHER_TEE)
    assert shelf.lives.find(1) is first
    assert shelf.lives.find(3) is None
    assert shelf.lives.unresolved == (first, second)
    assert shelf.told == []


def test_one_that_the_chain_has_spoken_about_is_found_and_not_watched(shelf: Shelf) -> None:
    life = a_life()
    life.status = SETTLED
    shelf.lives.add(life)
    assert shelf.lives.find(life.nonce) is life
    assert shelf.lives.unresolved == ()


def test_the_journal_hears_of_every_step_once(shelf: Shelf) -> None:
    life = shelf.added()
    for _ in range(2):
        shelf.lives.sent(life)
    for _ in range(2):
        shelf.lives.opened(life, "s-1", losses=0)
    for _ in range(2):
        shelf.lives.retire(life)
    states = AuthorizationState
    assert [state for _, state in shelf.told] == [states.SENT, states.ACTIVE, states.RETIRED]


def test_an_answer_to_a_dead_session_changes_nothing(shelf: Shelf) -> None:
    life = shelf.added()
    shelf.lives.retire(life)
    shelf.lives.opened(life, "late", losses=0)
    assert (life.session_id, life.state) == (None, AuthorizationState.RETIRED)
    assert len(shelf.told) == 1


def test_what_is_retired_stays_exposed_and_forgets_its_session(shelf: Shelf) -> None:
    life = shelf.added()
    shelf.lives.opened(life, "s-1", losses=0)
    shelf.clock.seconds += 5
    shelf.lives.retire(life)
    shelf.clock.seconds += 5
    shelf.lives.retire(life)
    assert life.session_id is None
    assert life.retired_at == NOW + 5
    assert shelf.lives.unresolved == (life,)


def test_a_node_that_ends_it_is_told_of_once_also_after_we_did(shelf: Shelf) -> None:
    life = shelf.added()
    shelf.lives.retire(life)
    for _ in range(2):
        shelf.lives.retire(life, by_node=True)
    assert life.ended_by_node
    assert len(shelf.told) == 2


def wasted(shelf: Shelf, count: int) -> None:
    for nonce in range(1, count + 1):
        shelf.lives.retire(shelf.added(nonce), by_node=True)


def test_three_wasted_caps_end_a_node(shelf: Shelf) -> None:
    """Three, where it was four: the issue wants a node left before it has cost more than that."""
    wasted(shelf, 2)
    assert shelf.conduct.verdict(TEE) is None
    shelf.lives.retire(shelf.added(3), by_node=True)
    assert shelf.conduct.verdict(TEE) is not None
    shelf.lives.account(shelf.lives.unresolved[0], NOT_CHARGED)
    assert shelf.conduct.verdict(TEE) is None


def test_another_clients_experience_counts(shelf: Shelf) -> None:
    for nonce in range(1, 4):
        life = a_life(nonce)
        life.state, life.ended_by_node = AuthorizationState.RETIRED, True
        shelf.lives.add(life)
    assert shelf.conduct.verdict(TEE) is not None


def test_resolved_is_for_good(shelf: Shelf) -> None:
    life = shelf.added()
    shelf.lives.resolved(life)
    shelf.lives.resolved(life)
    shelf.lives.retire(life, by_node=True)
    assert life.state is AuthorizationState.RESOLVED
    assert not life.ended_by_node
    assert shelf.lives.unresolved == ()
    assert shelf.lives.find(life.nonce) is life


def in_a_block(shelf: Shelf) -> tuple[OpenAuthorization, Block]:
    life, block = shelf.added(), Block(3 * CAP)
    block.join(life.nonce, life.cap)
    life.blocks.add(block)
    return life, block


def test_a_block_counts_the_cap_and_then_the_charge(shelf: Shelf) -> None:
    life, block = in_a_block(shelf)
    shelf.lives.account(life, OPEN)
    assert (block.exposed, block.settled) == (CAP, 0)
    shelf.lives.account(life, SETTLED)
    assert (block.exposed, block.settled) == (0, 70)
    assert life.status is SETTLED
    shelf.lives.account(life, FINAL)
    assert (block.exposed, block.settled) == (0, 70)


def test_what_was_never_charged_costs_the_block_nothing(shelf: Shelf) -> None:
    life, block = in_a_block(shelf)
    shelf.lives.account(life, NOT_CHARGED)
    assert (block.exposed, block.settled) == (0, 0)


def test_a_reorg_brings_the_whole_cap_back_to_be_watched(shelf: Shelf) -> None:
    life, block = in_a_block(shelf)
    shelf.lives.account(life, SETTLED)
    shelf.lives.account(life, OPEN)
    assert (block.exposed, block.settled) == (CAP, 0)
    assert shelf.lives.unresolved == (life,)
    assert life.state is AuthorizationState.RETIRED
    assert not life.state.serves


def test_more_than_was_served_is_an_overcharge(shelf: Shelf) -> None:
    life = shelf.added()
    life.answered(69)
    shelf.lives.account(life, SETTLED)
    assert "collected" in (shelf.conduct.verdict(TEE) or "")


@pytest.mark.parametrize("uncounted", ["unpriced", "resent", "in_flight"])
def test_nothing_is_said_of_a_charge_that_we_did_not_count_whole(
    shelf: Shelf, uncounted: str
) -> None:
    life = shelf.added()
    life.answered(69)
    setattr(life, uncounted, 1)
    shelf.lives.account(life, SETTLED)
    assert shelf.conduct.verdict(TEE) is None

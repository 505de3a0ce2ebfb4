"""The life of a signed cap on our side."""

from __future__ import annotations

import pytest

from opengradient_sdk.payments.state import AuthorizationState
from opengradient_sdk.payments.status import NOT_LOOKED, PaymentState, PaymentStatus

from .makers import CAP, a_life


def test_a_fresh_authorization_pays_with_its_header() -> None:
    life = a_life()
    assert life.headers() == {"PAYMENT-SIGNATURE": life.authorization.header}
    assert life.status is NOT_LOOKED
    assert life.cap == CAP


def test_a_session_takes_the_place_of_the_header() -> None:
    life = a_life()
    life.opened("id-1", losses=0)
    assert life.state is AuthorizationState.ACTIVE
    assert life.headers() == {"X-Upto-Session": "id-1"}
    assert life.payment_header() == {"PAYMENT-SIGNATURE": life.authorization.header}
    life.opened("id-2", losses=0)
    assert life.headers() == {"X-Upto-Session": "id-2"}


def test_a_lost_session_leaves_the_authorization() -> None:
    life = a_life()
    life.opened("id-1", losses=0)
    life.lost("another")
    assert (life.session_id, life.losses) == ("id-1", 0)
    life.lost("id-1")
    assert life.headers() == life.payment_header()
    life.lost("id-1")
    assert life.losses == 1


def test_an_answer_from_before_the_loss_brings_no_session_back() -> None:
    life = a_life()
    life.opened("id-1", losses=0)
    life.lost("id-1")
    life.opened("id-1", losses=0)
    assert life.session_id is None
    life.opened("id-2", losses=1)
    assert life.session_id == "id-2"


@pytest.mark.parametrize("ended", [AuthorizationState.RETIRED, AuthorizationState.RESOLVED])
def test_a_late_answer_revives_nothing(ended: AuthorizationState) -> None:
    life = a_life()
    life.state = ended
    life.opened("late", losses=0)
    assert life.session_id is None
    assert life.state is ended


def test_the_next_call_must_fit_beside_those_in_flight() -> None:
    life = a_life()
    assert life.expects_to_fit()
    life.answered(CAP // 10)
    life.in_flight = 8
    assert life.expects_to_fit()  # 1 served + 8 in flight + this one = 10 tenths
    life.enter()
    assert not life.expects_to_fit()
    life.leave()
    assert life.expects_to_fit()


def test_a_call_of_unknown_cost_is_counted_as_one() -> None:
    life = a_life()
    life.answered(None)
    life.answered(40)
    assert (life.calls, life.unpriced, life.served) == (2, 1, 40)


def test_secrets_are_in_no_repr() -> None:
    life = a_life()
    life.opened("bearer-secret", losses=0)
    assert "bearer-secret" not in repr(life)
    assert life.authorization.header not in repr(life)
    assert life.authorization.signature.hex() not in repr(life)


@pytest.mark.parametrize(
    ("state", "resolved"),
    [
        (PaymentState.OPEN, False),
        (PaymentState.UNKNOWN, False),
        (PaymentState.SETTLED, True),
        (PaymentState.FINAL, True),
        (PaymentState.NOT_CHARGED, True),
        (PaymentState.CANCELLED, True),
    ],
)
def test_only_the_chains_word_resolves(state: PaymentState, *, resolved: bool) -> None:
    assert state.resolved is resolved


def test_a_status_reads_as_a_sentence() -> None:
    assert str(PaymentStatus(PaymentState.OPEN, "not yet")) == "open: not yet"

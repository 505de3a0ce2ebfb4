"""A session's charge beside what its calls cost: an overcharge is seen, and nothing is guessed."""

from __future__ import annotations

import pytest

from opengradient_sdk.client.refreshing import charge_check
from opengradient_sdk.payments import PaymentState, PaymentStatus
from opengradient_sdk.types import Amount, Bytes32
from opengradient_sdk.verification import CheckStatus

from ..payments.makers import a_life


def charged(atoms: int) -> PaymentStatus:
    return PaymentStatus(
        PaymentState.SETTLED, "", Amount(atoms), Bytes32(b"\x01" * 32), chain_id=31337
    )


@pytest.mark.parametrize(
    ("atoms", "status"),
    [(89, CheckStatus.PASSED), (90, CheckStatus.PASSED), (91, CheckStatus.FAILED)],
)
def test_a_charge_is_compared_with_the_calls_to_the_atom(atoms: int, status: CheckStatus) -> None:
    life = a_life()
    life.answered(40)
    life.answered(50)

    check = charge_check(life, charged(atoms))

    assert check.status is status
    assert "on chain 31337" in check.source
    assert "2 call(s)" in check.reason


def test_a_charge_that_is_not_there_is_pending() -> None:
    check = charge_check(a_life(), PaymentStatus(PaymentState.OPEN, "not settled"))
    assert check.status is CheckStatus.PENDING


def test_no_charge_is_judged_while_calls_are_under_way() -> None:
    life = a_life()
    life.enter()
    assert charge_check(life, charged(91)).status is CheckStatus.PENDING


def test_no_charge_is_judged_by_calls_of_unknown_cost() -> None:
    life = a_life()
    life.answered(None)
    assert charge_check(life, charged(91)).status is CheckStatus.NOT_CHECKED


def test_no_charge_is_judged_when_requests_were_sent_twice() -> None:
    life = a_life()
    life.answered(40)
    life.resent = 1
    assert charge_check(life, charged(80)).status is CheckStatus.NOT_CHECKED

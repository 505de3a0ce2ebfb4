"""One golden corruption per check and member: refused, by both verifiers, for the right reason."""

from __future__ import annotations

import pytest

from opengradient_sdk.errors import VerificationError
from opengradient_sdk.ledger.bundle import verify_bundle
from opengradient_sdk.verification import CheckStatus, Evidence

from .corruptions import ALL, Corruption
from .maker import trust
from .standalone import check


def test_there_are_enough_of_them() -> None:
    assert len(ALL) >= 60
    assert len({each.name for each in ALL}) == len(ALL)


@pytest.mark.parametrize("corruption", ALL, ids=lambda each: each.name)
def test_a_corruption_is_refused_for_the_right_reason(corruption: Corruption) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_bundle(corruption.text(), trust())
    assert type(caught.value) is corruption.error
    evidence = caught.value.evidence
    assert isinstance(evidence, Evidence)
    assert [each.name for each in evidence.failed] == [corruption.check]
    assert evidence.checks[-1].status is CheckStatus.FAILED
    assert caught.value.hint


@pytest.mark.parametrize("corruption", ALL, ids=lambda each: each.name)
def test_the_verifier_without_the_sdk_refuses_it_alike(corruption: Corruption) -> None:
    with pytest.raises(ValueError, match=f"^{corruption.check}$"):
        check(corruption.text())

"""What a trial found is judged: whatever is not as promised is complained about."""

from __future__ import annotations

from collections import Counter

import pytest
from support.reorgs import Report as ReorgReport
from support.stress import Report, Trial

from opengradient_sdk.errors import NonceError


def as_promised() -> Report:
    report = Report(Trial(processes=2, each=2, seed=1))
    report.nonces = [0, 1, 2, 3, 4]
    report.mined = Counter({1: 1, 2: 1, 3: 1, 4: 1, 0: 1})
    report.hashes = {intent: f"0x{intent}" for intent in range(5)}
    report.claimed = {intent: f"0x{intent}" for intent in range(1, 5)}
    return report


def test_what_is_as_promised_is_not_complained_about_and_a_filled_gap_is_counted() -> None:
    report = as_promised()
    assert report.complaints() == []
    assert report.fillers == 1
    assert "4 of 4 mined" in str(report)


@pytest.mark.parametrize(
    ("spoilt", "complaint"),
    [
        ({"mined": Counter({1: 1, 2: 1, 3: 1})}, "lost: 4"),
        ({"mined": Counter({1: 1, 2: 2, 3: 1, 4: 1})}, "twice: 2"),
        ({"mined": Counter({1: 1, 2: 1, 3: 1, 4: 1, 77: 1})}, "unknown: 77"),
        ({"nonces": [0, 1, 3]}, "nonces: 0, 1, 3"),
        ({"nonces": [0, 1, 1, 2]}, "nonces: 0, 1, 1, 2"),
        ({"claimed": {1: "0x1", 2: "0x2", 3: "0x3"}}, "unresolved: 4"),
        ({"claimed": {1: "0x1", 2: "0x2", 3: "0x3", 4: "0x9"}}, "another hash: 4"),
        ({"errors": {2: "RpcError: gone"}}, "given up: (2, 'RpcError: gone')"),
        ({"failed": ["0x3"]}, "failed: 0x3"),
    ],
)
def test_what_is_not_as_promised_is_named(spoilt: dict[str, object], complaint: str) -> None:
    report = as_promised()
    for name, value in spoilt.items():
        setattr(report, name, value)
    assert report.complaints() == [complaint]
    assert complaint in str(report)


def test_a_reorg_that_lost_one_or_called_one_final_too_early_is_complained_about() -> None:
    report = ReorgReport(final_too_early=["before the reorg"])
    report.outcomes = [NonceError("gone")]
    found = "; ".join(report.complaints())
    assert "final too early" in found
    assert "not once in the chain" in found
    assert "gone" in found

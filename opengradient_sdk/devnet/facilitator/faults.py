"""What a test can make the facilitator do wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Faults:
    """Switches for tests; all off at first.

    Attributes:
        broken_json: ``/supported``, ``/verify`` and ``/settle`` answer 200 with broken JSON.
        unavailable: Every POST answers 503.
        refuse: A reason code with which ``/verify`` refuses every payment.
        settle_fails: Settlements are accepted with 202 and then fail, without a transaction.
        delay_settlement: Real seconds that the worker waits before each settlement.
    """

    broken_json: bool = False
    unavailable: bool = False
    refuse: str | None = None
    settle_fails: bool = False
    delay_settlement: float = 0.0

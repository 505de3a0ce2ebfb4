"""What a test can make the facilitator do wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class Faults:
    """Switches for tests; all off at first.

    Attributes:
        broken_json: ``/supported``, ``/verify`` and ``/settle`` answer 200 with broken JSON.
        unavailable: Every POST answers 503.
        refuse: A reason code with which ``/verify`` refuses every payment.
        settle_fails: Settlements are accepted with 202 and then fail, without a transaction.
        delay_settlement: Real seconds that the worker waits before each settlement.
        lose_records: What ``/settle_data`` accepts with 202 is never settled; the hash that is
            promised for an individual settlement is of no transaction.
        batch_blob: What becomes of a batch's blob: it is ``"missing"`` from the store, its bytes
            are ``"corrupted"``, it is that of ``"another"`` batch, or the batch is ``"unnamed"``:
            its root stands on chain without any blob.
        wrong_batch_size: A batch is said on chain to have one leaf more than it has.
        duplicate_leaf: The first leaf of a batch stands in it twice.
        blobs_unavailable: The blob store answers every GET with 503.
    """

    broken_json: bool = False
    unavailable: bool = False
    refuse: str | None = None
    settle_fails: bool = False
    delay_settlement: float = 0.0
    lose_records: bool = False
    batch_blob: Literal["missing", "corrupted", "another", "unnamed"] | None = None
    wrong_batch_size: bool = False
    duplicate_leaf: bool = False
    blobs_unavailable: bool = False

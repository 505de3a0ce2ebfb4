"""Receipts to look at."""

from __future__ import annotations

from typing import Any

from opengradient_sdk.ledger import AuthorizationFacts, DataState, DataStatus, Receipt
from opengradient_sdk.types import Amount, Bytes32
from opengradient_sdk.verification import Check, CheckStatus, Evidence

from ..payments.makers import NOW, TEE, a_life

PROVEN = Evidence(
    tuple(
        Check(name, CheckStatus.PASSED, f"{name} holds")
        for name in ("request_hash", "output_hash", "signature", "registry")
    )
)


def a_receipt(number: int = 1, **changes: Any) -> Receipt:
    """A receipt of an answered call, with ``changes``."""
    life = changes.pop("life", a_life())
    members: dict[str, Any] = {
        "id": f"rcpt_{number}",
        "route": life.route,
        "model": "gpt-5",
        "tag": None,
        "created_at": NOW + number,
        "latency": 0.5,
        "tee_id": TEE,
        "endpoint": "https://node.example",
        "pcr_hash": Bytes32(b"\x0c" * 32),
        "signed": None,
        "cost": Amount(1500),
        "authorization": AuthorizationFacts.of(life),
        "payment": life.status,
        "data": DataStatus(DataState.NONE, "private", "nothing was to be settled"),
        "uncovered": (),
        "evidence": PROVEN,
        "life": life,
    }
    return Receipt(**members | changes)

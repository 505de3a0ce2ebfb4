"""A receipt comes back from JSON as it was, and whatever else is written there is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.ledger import AuthorizationFacts, DataState, DataStatus, Receipt
from opengradient_sdk.ledger.receipt_json import receipt_from_json, receipt_to_json
from opengradient_sdk.payments.status import NotChargedProof, PaymentState, PaymentStatus
from opengradient_sdk.types import Amount, Bytes32
from opengradient_sdk.verification import SignedFields

from ..payments.makers import CAP, a_life
from .receipts import a_receipt

HASH = Bytes32(b"\x07" * 32)
SIGNED = SignedFields("ab" * 32, "cd" * 32, 1_800_000_000, "c2ln", "ef" * 32)
PROOF = NotChargedProof(10740, 2**53 + 1, HASH, 1_800_000_400, 1_800_000_300, 2**255, ("a", "b"))
SETTLED = PaymentStatus(
    PaymentState.SETTLED,
    "charged",
    amount=Amount(2**70),
    transaction=HASH,
    chain_id=10740,
    block_number=5,
    block_hash=HASH,
    rpcs=("https://one.example",),
    disagreeing=("https://two.example: open",),
)
PROMISED = DataStatus(DataState.PROMISED, "batch", "soon", due_at=1_800_001_800.0)
NOT_CHARGED = PaymentStatus(PaymentState.NOT_CHARGED, "never", proof=PROOF, final=True)


def through_text(receipt: Receipt) -> Receipt:
    return receipt_from_json(json.loads(json.dumps(receipt_to_json(receipt))))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tag": "evals", "signed": SIGNED, "cost": None, "uncovered": ("usage", "images")},
        {"payment": SETTLED, "data": PROMISED, "resent": 2, "maybe_billed": Amount(9)},
        {"payment": NOT_CHARGED, "as_of": 1_800_000_500.25, "latency": 0.125},
    ],
    ids=["bare", "signed", "settled", "not charged"],
)
def test_a_receipt_comes_back_as_it_was(changes: dict[str, Any]) -> None:
    receipt = a_receipt(**changes)
    assert through_text(receipt) == receipt


def test_there_may_be_no_facilitator() -> None:
    facts = replace(AuthorizationFacts.of(a_life()), facilitator=None, served=Amount(CAP))
    assert through_text(a_receipt(authorization=facts)).authorization == facts


def test_what_comes_back_has_no_living_authorization() -> None:
    assert through_text(a_receipt()).life is None


def test_no_secret_is_in_it() -> None:
    life = a_life()
    life.opened("bearer-secret", losses=0)
    text = json.dumps(receipt_to_json(a_receipt(life=life)))
    for secret in (
        "bearer-secret",
        life.authorization.header,
        life.authorization.signature.hex(),
    ):
        assert secret not in text


def document(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(json.dumps(receipt_to_json(a_receipt(payment=NOT_CHARGED))))
    return whole | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 3},
        {"version": None},
        {"cost": "1.5"},
        {"cost": [1]},
        {"created_at": None},
        {"latency": "soon"},
        {"tee_id": "0x12"},
        {"signed": {"a": 1}},
        {"data": "perhaps"},
        {"uncovered": 7},
        {"evidence": {}},
        {"authorization": {}},
        {"authorization": None},
        {"payment": {"state": "open"}},
        {"payment": document()["payment"] | {"state": "paid"}},
        {"payment": document()["payment"] | {"proof": {}}},
    ],
    ids=str,
)
def test_anything_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        receipt_from_json(document(**changes))


@pytest.mark.parametrize("missing", sorted(document()))
def test_every_member_is_needed(missing: str) -> None:
    whole = document()
    del whole[missing]
    with pytest.raises(ValueError, match=r"not a receipt|evidence"):
        receipt_from_json(whole)


@pytest.mark.parametrize("value", [None, [], "receipt", 7])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not a receipt"):
        receipt_from_json(value)

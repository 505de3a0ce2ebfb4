"""A receipt says what is known, in plain sentences, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opengradient_sdk.ledger import AuthorizationFacts, DataState, DataStatus
from opengradient_sdk.payments import PaymentState, PaymentStatus
from opengradient_sdk.types import Amount
from opengradient_sdk.verification import Assurance, Check, CheckStatus, Evidence

from ..payments.makers import CAP, FACILITATOR, OWNER, PAYEE, a_life
from .receipts import PROVEN, a_receipt

PROMISED = DataStatus(DataState.PROMISED, "batch", "the node promised to settle the hashes")


def in_state(state: PaymentState) -> PaymentStatus:
    return PaymentStatus(state, "as the chain says")


def test_the_facts_of_an_authorization_hold_no_secret() -> None:
    life = a_life()
    life.answered(30)
    life.answered(None)
    life.resent = 1
    facts = AuthorizationFacts.of(life)
    assert (facts.owner, facts.recipient, facts.facilitator) == (OWNER, PAYEE, FACILITATOR)
    assert (facts.max_amount, facts.served) == (Amount(CAP), Amount(30))
    assert (facts.calls, facts.unpriced, facts.resent) == (2, 1, 1)
    assert life.authorization.header not in repr(facts)
    assert life.authorization.signature.hex() not in repr(facts)


def test_assurance_is_derived_from_the_evidence() -> None:
    assert a_receipt().assurance is Assurance.REGISTERED
    broken = PROVEN.with_(Check("signature", CheckStatus.FAILED, "a bit is wrong"))
    assert replace(a_receipt(), evidence=broken).assurance is Assurance.UNVERIFIED


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (PaymentState.OPEN, "the node settles 100 to 125 s after its last answer"),
        (PaymentState.UNKNOWN, "the permit"),
        (PaymentState.SETTLED, "a reorg could still take back"),
    ],
)
def test_what_is_open_says_what_would_settle_it(state: PaymentState, words: str) -> None:
    (item,) = a_receipt(payment=in_state(state)).unresolved
    assert item.startswith("payment: ")
    assert words in item


@pytest.mark.parametrize(
    "state", [PaymentState.FINAL, PaymentState.NOT_CHARGED, PaymentState.CANCELLED]
)
def test_a_last_word_leaves_nothing_open(state: PaymentState) -> None:
    assert a_receipt(payment=replace(in_state(state), final=True)).unresolved == ()


def test_requests_sent_again_stay_open_for_good() -> None:
    (item,) = a_receipt(payment=in_state(PaymentState.FINAL), resent=1).unresolved
    assert "sent 2 times" in item
    assert "may have been billed for" in item


def test_promised_hashes_and_failed_checks_are_listed() -> None:
    evidence = Evidence(
        (
            Check("charge", CheckStatus.FAILED, "charged too much"),
            Check("data", CheckStatus.PENDING, "not on chain"),
            Check("attestation", CheckStatus.NOT_CHECKED, "nobody asked"),
        )
    )
    receipt = a_receipt(payment=in_state(PaymentState.FINAL), data=PROMISED, evidence=evidence)
    assert [item.partition(":")[0] for item in receipt.unresolved] == ["data", "charge", "data"]


def test_it_explains_itself() -> None:
    life = a_life()
    life.answered(1500)
    told = a_receipt(life=life, uncovered=("usage", "model")).explain().splitlines()
    assert told[0].startswith("Model gpt-5 was asked on node 0x0101")
    assert f"at most 0.1 OPG to {PAYEE} on eip155:31337" in told[1]
    assert "computed cost 0.0000000000000015 OPG" in told[1]
    assert told[2] == "The session has served 1 call(s) for 0.0000000000000015 OPG so far."
    assert told[3].startswith("Payment is open")
    assert told[4] == "Proven about the answer: REGISTERED."
    assert told[5] == "  passed: request_hash – request_hash holds"
    assert "Not covered by any proof: usage, model." in told
    assert told[-1].startswith("Still open: payment: up to 0.1 OPG")


def test_an_unknown_cost_is_not_called_nothing() -> None:
    receipt = a_receipt(cost=None)
    assert "its cost is not known yet" in receipt.explain()
    assert "cost unknown" in repr(receipt)
    assert "cost unknown" not in repr(a_receipt(cost=Amount(0)))


def test_a_receipt_is_short_to_look_at_and_holds_no_secret() -> None:
    life = a_life()
    life.opened("bearer-secret", losses=0)
    receipt = a_receipt(life=life)
    assert len(repr(receipt)) < 120
    for text in (repr(receipt), str(receipt), receipt.explain()):
        assert "bearer-secret" not in text
        assert life.authorization.header not in text


def test_two_looks_at_one_call_are_equal() -> None:
    receipt = a_receipt()
    assert receipt == replace(receipt, life=None)

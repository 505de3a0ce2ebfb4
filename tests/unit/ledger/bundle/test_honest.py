"""Honest bundles are accepted, by both verifiers, and say exactly what they prove."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from opengradient_sdk.ledger import DataState, DataStatus
from opengradient_sdk.ledger.bundle import BundleReport, verify_bundle
from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import Assurance, Check, CheckStatus, SignedFields
from opengradient_sdk.verification.canonical import Mode

from .maker import (
    BODY,
    OUTPUT,
    RPC,
    Trusting,
    a_bundle,
    a_receipt,
    batched,
    hypervisor,
    node_key,
    not_charged,
    record,
    registered,
    sign_answer,
    trust,
    vectors,
)
from .standalone import EXAMPLES, check

ANSWERS = [
    case for case in vectors("response_verify.json")["responses"] if case["official"].get("ok")
]
PASSED, NOT_CHECKED = CheckStatus.PASSED, CheckStatus.NOT_CHECKED
PARTS: dict[str, dict[str, Any]] = {
    "everything": {"attested": True},
    "no attestation": {},
    "no payer's signature": {"paid": False},
    "no settlement": {"settled": False},
    "no request": {"include_request": False},
    "no output": {"include_output": False},
    "no content": {"include_request": False, "include_output": False},
    "no registry record": {"registered": None},
    "attested without a record": {"registered": None, "attested": True},
    "not charged": {"payment": not_charged()},
    "alone in its batch": {"others": 0},
    "in a batch of twenty": {"others": 19},
    "lineage": {"parents": ("rcpt_0", "rcpt_7"), "run": "run_1"},
    "text beyond ASCII": {"output": "naïve \U0001f600 \u2028 \x7f \\ud800"},
    "an empty answer": {"output": ""},
}


def statuses(report: BundleReport) -> dict[str, CheckStatus]:
    return {each.name: each.status for each in report.evidence.checks}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS.keys())
def test_both_verifiers_accept_it_and_pass_the_same_checks(parts: dict[str, Any]) -> None:
    text = json.dumps(a_bundle(**parts)).encode()
    ours = statuses(verify_bundle(text, trust()))
    assert check(text) == [name for name, status in ours.items() if status is PASSED]
    assert set(ours.values()) <= {PASSED, NOT_CHECKED}


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case["name"])
def test_answers_of_the_real_node_software(case: dict[str, Any]) -> None:
    """The statement, request and output of the vectors, which other software made."""
    said = case["response"] if not case["stream"] else case["final_frame"]
    signed = SignedFields.from_json(said)
    body = case["request_body"]
    route = "/v1/chat/completions" if "messages" in body else "/v1/completions"
    bundle = a_bundle(
        body, case["output_preimage"], signed=signed, model=body["model"], route=route
    )
    assert bundle["request"]["canonical"] == case["canonical_json"]
    report = verify_bundle(bundle, trust())
    assert report.assurance is Assurance.SIGNED
    assert "merkle" in check(json.dumps(bundle).encode())


@pytest.mark.parametrize("form", Mode)
def test_both_forms_of_a_request_with_an_attachment(form: Mode) -> None:
    file = {"type": "file", "file": {"filename": "a.txt", "file_data": "secret bytes"}}
    body: dict[str, object] = {
        "model": "gpt-5",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}, file]}],
        "temperature": 0.0,
    }
    bundle = a_bundle(body, form=form)
    assert statuses(verify_bundle(bundle, trust()))["request_hash"] is PASSED
    assert ("secret bytes" in bundle["request"]["canonical"]) == (form is Mode.APRIL)


def test_what_is_proven_offline() -> None:
    report = verify_bundle(a_bundle(attested=True), trust())
    assert report.assurance is Assurance.SIGNED
    assert statuses(report) == {
        "schema": PASSED,
        "tee_id": PASSED,
        "request_hash": PASSED,
        "call": PASSED,
        "output_hash": PASSED,
        "signature": PASSED,
        "registry": NOT_CHECKED,
        "document": PASSED,
        "attestation": PASSED,
        "payment_authorization": PASSED,
        "payment": NOT_CHECKED,
        "merkle": PASSED,
        "data": NOT_CHECKED,
    }
    assert {"output.text", "statement.timestamp", "payment.authorization.owner"} <= set(
        report.proven
    )
    assert {"registry.block_hash", "payment.status.amount", "uncovered"} <= set(report.unproven)
    assert not set(report.proven) & set(report.unproven)


def test_with_the_registry_s_word_added_it_is_attested() -> None:
    report = verify_bundle(a_bundle(attested=True), trust())
    online = report.evidence.with_(Check("registry", PASSED))
    assert online.assurance is Assurance.ATTESTED


def test_without_measurements_no_build_is_accepted() -> None:
    root = hypervisor().root.pem
    report = verify_bundle(a_bundle(attested=True), Trusting(frozenset(), root))
    assert statuses(report)["document"] is PASSED
    assert statuses(report)["attestation"] is NOT_CHECKED


def test_left_out_content_leaves_its_checks_open_and_its_hashes_signed() -> None:
    report = verify_bundle(a_bundle(include_request=False, include_output=False), trust())
    found = statuses(report)
    assert (found["request_hash"], found["output_hash"]) == (NOT_CHECKED, NOT_CHECKED)
    assert found["signature"] is PASSED
    assert report.assurance is Assurance.UNVERIFIED
    assert {"statement.request_hash", "statement.output_hash"} <= set(report.proven)
    assert {"request.canonical", "output.text", "call.model"} <= set(report.unproven)


def test_a_forgotten_statement_leaves_everything_about_the_answer_open() -> None:
    from opengradient_sdk.ledger import Content
    from opengradient_sdk.ledger.bundle import make_bundle

    bundle = make_bundle(
        a_receipt(data=batched(sign_answer(BODY, OUTPUT))),
        content=Content(BODY, OUTPUT),
        signed=None,
        payment_signature=None,
    )
    report = verify_bundle(bundle)
    assert statuses(report)["signature"] is NOT_CHECKED
    assert statuses(report)["merkle"] is NOT_CHECKED
    assert "output.text" in report.unproven
    assert "merkle" not in check(json.dumps(bundle).encode())


def test_an_individual_settlement_has_no_tree() -> None:
    status = batched(sign_answer(BODY, OUTPUT))
    assert status.proof is not None
    proof = replace(
        status.proof, mode="individual", merkle_root=None, batch_size=None, leaf_hash=None, proof=()
    )
    bundle = a_bundle(data=replace(status, mode="individual", proof=proof))
    assert statuses(verify_bundle(bundle, trust()))["merkle"] is NOT_CHECKED
    assert "merkle" not in check(json.dumps(bundle).encode())


@pytest.mark.parametrize("state", [DataState.PROMISED, DataState.OVERDUE])
def test_what_is_not_on_chain_is_a_claim(state: DataState) -> None:
    bundle = a_bundle(data=DataStatus(state, "batch", "waiting", 1.0))
    report = verify_bundle(bundle, trust())
    assert statuses(report)["data"] is NOT_CHECKED
    assert state.value in report.explain()


def test_text_bytes_and_mappings_are_read_alike() -> None:
    bundle = a_bundle()
    text = json.dumps(bundle, indent=2, ensure_ascii=False)
    for given in (bundle, MappingProxyType(bundle), text, text.encode()):
        assert verify_bundle(given, trust()).value == bundle


def test_the_report_explains_itself() -> None:
    text = verify_bundle(a_bundle(attested=True), trust()).explain()
    assert "no check failed" in text
    assert "SIGNED" in text
    assert f"not checked: registry – claimed as of block 1234, by {RPC[0]}" in text
    assert "payment.status.amount" in text
    assert "Hello there!" not in repr(verify_bundle(a_bundle(), trust()))


def test_the_build_is_compared_with_the_measurements_in_trust() -> None:
    other = Trusting(frozenset({Bytes32(b"\x01" * 32), record().pcr_hash}), hypervisor().root.pem)
    report = verify_bundle(a_bundle(attested=True), other)
    assert statuses(report)["attestation"] is PASSED


def test_the_key_of_the_registry_is_the_one_that_signs() -> None:
    der, _ = node_key("key2")
    signed = sign_answer(BODY, OUTPUT, key="key2")
    report = verify_bundle(
        a_bundle(signed=signed, registered=registered(public_key_der=der)), trust()
    )
    assert statuses(report)["tee_id"] is PASSED


def test_the_verifier_without_the_sdk_imports_nothing_of_it() -> None:
    for name in ("check_bundle.py", "check_attestation.py"):
        assert "opengradient_sdk" not in (EXAMPLES / name).read_text()

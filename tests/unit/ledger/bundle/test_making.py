"""What a bundle is made of, and what never gets into one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.errors import LedgerError
from opengradient_sdk.ledger import Content, DataState
from opengradient_sdk.ledger.bundle import make_bundle, verify_bundle
from opengradient_sdk.types import Amount

from .maker import (
    BODY,
    OUTPUT,
    a_bundle,
    a_receipt,
    authorized,
    batched,
    not_charged,
    sign_answer,
    trust,
)

FACTS, SIGNATURE = authorized()


def made(*, paid: bool = True, body: dict[str, object] = BODY, **changes: Any) -> dict[str, Any]:
    return make_bundle(
        a_receipt(**changes),
        content=Content(body, OUTPUT),
        signed=sign_answer(body, OUTPUT),
        payment_signature=SIGNATURE if paid else None,
    )


def test_a_payment_signature_is_there_only_when_it_was_given() -> None:
    assert made()["payment"]["signature"] == "0x" + SIGNATURE.hex()
    bundle = made(paid=False)
    assert bundle["payment"]["signature"] is None
    assert SIGNATURE.hex() not in json.dumps(bundle)


def test_a_payment_by_eip_3009_is_exported_without_its_signature() -> None:
    facts = replace(FACTS, scheme="exact", facilitator=None, spender=FACTS.asset)
    assert made(authorization=facts)["payment"]["signature"] is None


def test_an_exact_payment_by_permit2_is_verified() -> None:
    facts, signature = authorized("exact")
    bundle = make_bundle(
        a_receipt(authorization=facts),
        content=Content(BODY, OUTPUT),
        signed=sign_answer(BODY, OUTPUT),
        payment_signature=signature,
    )
    assert "payment.signature" in verify_bundle(bundle, trust()).proven


def test_a_proof_that_a_reorg_took_back_is_left_out() -> None:
    status = replace(batched(sign_answer(BODY, OUTPUT)), state=DataState.PROMISED)
    bundle = made(data=status)
    assert bundle["data"]["proof"] is None
    verify_bundle(bundle, trust())


def test_members_stand_in_the_order_of_the_format() -> None:
    schema = __import__(
        "opengradient_sdk.ledger.bundle.form", fromlist=["json_schema"]
    ).json_schema()

    def same_order(value: Any, rule: Any) -> None:
        rule = schema["$defs"][rule["$ref"].rpartition("/")[2]] if "$ref" in rule else rule
        rule = rule["anyOf"][0] if "anyOf" in rule else rule
        if "$ref" in rule:
            rule = schema["$defs"][rule["$ref"].rpartition("/")[2]]
        if isinstance(value, dict):
            assert list(value) == list(rule["properties"])
            for name, member in value.items():
                same_order(member, rule["properties"][name])

    same_order(a_bundle(attested=True), schema)
    same_order(a_bundle(payment=not_charged()), schema)


def test_attachments_and_unsigned_members_stay_at_home() -> None:
    file = {"type": "file", "file": {"filename": "a.txt", "file_data": "the secret bytes"}}
    body: dict[str, object] = {
        "model": "gpt-5",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}, file]}],
        "temperature": 0.0,
        "tool_choice": "auto",
    }
    text = json.dumps(made(body=body))
    assert "the secret bytes" not in text
    assert "tool_choice" not in text


def test_content_is_left_out_on_request() -> None:
    text = json.dumps(a_bundle(include_request=False, include_output=False))
    assert OUTPUT not in text
    assert '"Hi"' not in text


def test_what_a_bundle_cannot_hold_is_an_error_and_no_broken_bundle() -> None:
    signed = replace(sign_answer(BODY, OUTPUT), tee_id="zz")
    with pytest.raises(LedgerError, match=r"statement\.tee_id") as caught:
        make_bundle(
            a_receipt(),
            content=Content(BODY, OUTPUT),
            signed=signed,
            payment_signature=None,
        )
    assert caught.value.hint


def test_a_body_without_canonical_text_is_an_error() -> None:
    with pytest.raises(LedgerError, match="messages"):
        make_bundle(
            a_receipt(),
            content=Content({"model": "gpt-5", "messages": []}, OUTPUT),
            signed=sign_answer(BODY, OUTPUT),
            payment_signature=None,
        )


def test_an_answer_that_does_not_fit_is_exported_and_refused() -> None:
    """A bundle says what was received; whether it holds is for its reader to find."""
    from opengradient_sdk.errors import RequestHashError

    bundle = a_bundle(signed=sign_answer({**BODY, "max_tokens": 7}, OUTPUT))
    with pytest.raises(RequestHashError):
        verify_bundle(bundle, trust())


def test_amounts_of_any_size_are_exact() -> None:
    facts = replace(FACTS, served=Amount(10**30 + 1))
    assert made(paid=False, authorization=facts)["payment"]["session"]["served"] == str(10**30 + 1)

"""Every signed answer of the vectors, and every forgery of one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opengradient_sdk.errors import (
    OutputHashError,
    RequestHashError,
    SignatureError,
    VerificationError,
)
from opengradient_sdk.types import Bytes32
from opengradient_sdk.verification import (
    Assurance,
    ChatOutput,
    CompletionText,
    Evidence,
    SignedFields,
    StreamedAnswer,
    read_chat_answer,
    read_completion_answer,
    verify_answer,
)

from .conftest import VECTORS, NodeKey, load

VECTOR = load(VECTORS / "response_verify.json")
RESPONSES = {case["name"]: case for case in VECTOR["responses"]}
TAMPERED = {case["name"]: case for case in VECTOR["tampered"]}

# honest, though the official client refuses it: the node hashed the null it had sent
HONEST_NULL_ID = "stream-tools-null-id-mismatch"

EXPECTED_ERRORS = {
    "missing_field": (VerificationError, "fields"),
    "tee_id": (VerificationError, "tee_id"),
    "request_hash": (RequestHashError, "request_hash"),
    "output_hash": (OutputHashError, "output_hash"),
    "signature": (SignatureError, "signature"),
}
# where the official client lets its libraries' errors out, and one that it finds later than we do
OURS = {
    "signature-0x-placeholder": "signature",
    "timestamp-negative": "missing_field",
}
# the official client accepts these: refused here, or flagged as not covered
REFUSED_FORGERIES = ("UNSIGNED-tool-calls-added-to-text", "UNSIGNED-second-choice")
FLAGGED_FORGERIES = {
    "UNSIGNED-text-beside-tool-calls": {"text beside tool calls"},
    "UNSIGNED-model-usage-images": {"model", "usage", "images"},
}


def frames(raw: str) -> list[dict[str, Any]]:
    lines = (line.removeprefix("data: ") for line in raw.splitlines() if line)
    return [json.loads(line) for line in lines if line != "[DONE]"]


def said(case: dict[str, Any]) -> tuple[ChatOutput | CompletionText, object]:
    """Return what an answer says, and the object with its signed members."""
    if case["stream"]:
        stream = StreamedAnswer()
        for frame in frames(case["raw_response"]):
            stream.add(frame)
        return stream.output(), stream.signed_frame
    answer = json.loads(case["raw_response"])
    if "messages" in case["request_body"]:
        return read_chat_answer(answer), answer
    return read_completion_answer(answer), answer


def verified(
    body: dict[str, Any], answer: object, text: str, key: NodeKey, expected: Bytes32
) -> Evidence:
    fields = SignedFields.from_json(answer)
    return verify_answer(
        request_body=body,
        answer_fields=fields,
        output_text=text,
        public_key_der=key.public_der,
        expected_tee_id=expected,
        now=fields.timestamp + 1.5,
    )


@pytest.mark.parametrize("name", [name for name in RESPONSES if name != "stream-error-midway"])
def test_honest_answer(name: str, node_keys: dict[str, NodeKey]) -> None:
    case, key = RESPONSES[name], node_keys["key1"]
    output, answer = said(case)
    if name == HONEST_NULL_ID:
        assert '"id": null' in output.signed_text
    else:
        assert output.signed_text == case["output_preimage"]
    for body in (case["request_body"], case.get("wire", case["request_body"])):
        evidence = verified(body, answer, output.signed_text, key, key.tee_id)
        assert evidence.assurance is Assurance.SIGNED
        assert not evidence.failed
        assert [check.name for check in evidence.checks] == [
            "fields",
            "tee_id",
            "request_hash",
            "output_hash",
            "signature",
            "freshness",
        ]


@pytest.mark.parametrize("name", [name for name, case in RESPONSES.items() if case["stream"]])
def test_stream_is_put_together_as_the_official_client_does(name: str) -> None:
    case = RESPONSES[name]
    stream = StreamedAnswer()
    pieces = [stream.add(frame) for frame in frames(case["raw_response"])]
    assert stream.signed_frame == case.get("final_frame")
    if name == "stream-error-midway":
        assert stream.text == "partial"
        return
    assert "".join(pieces) == stream.text == case["accumulated_text"]
    calls = [
        {
            "id": call.id or "",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in stream.output().tool_calls
    ]
    assert calls == case["accumulated_tool_calls"]


def test_a_stream_cut_by_an_error_has_nothing_signed() -> None:
    case = RESPONSES["stream-error-midway"]
    _, answer = said(case)
    with pytest.raises(VerificationError, match="not a JSON object"):
        SignedFields.from_json(answer)


def test_text_beside_tool_calls_is_flagged() -> None:
    output, _ = said(RESPONSES["two-tool-calls-with-text"])
    assert "text beside tool calls" in output.uncovered
    streamed, _ = said(RESPONSES["stream-tools-gemini-immediate"])
    assert "text beside tool calls" in streamed.uncovered


def tampered_body(case: dict[str, Any]) -> dict[str, Any]:
    """The request that the forgery pretends was sent."""
    return json.loads(case["canonical_json"])


def tampered_text(case: dict[str, Any]) -> str:
    """The text that a client would hash: read from the answer, or as the vector has put it."""
    if "delta" in case["response"]["choices"][0]:
        return case["output_preimage"]
    return read_chat_answer(case["response"]).signed_text


def check_of(case: dict[str, Any]) -> str:
    if case["name"] == "tool-calls-finish-reason-flipped-to-stop":
        return "coverage"
    return EXPECTED_ERRORS[OURS.get(case["name"], case["official"].get("check"))][1]


REJECTED = [
    name
    for name, case in TAMPERED.items()
    if not case["official"]["ok"] and name != "temperature-int-instead-of-float"
]
ACCEPTED = [
    name
    for name, case in TAMPERED.items()
    if case["official"]["ok"] and not name.startswith("UNSIGNED-")
]


def test_every_forgery_is_looked_at() -> None:
    looked_at = {*REJECTED, *ACCEPTED, *REFUSED_FORGERIES, *FLAGGED_FORGERIES}
    assert looked_at | {"temperature-int-instead-of-float"} == set(TAMPERED)
    assert len(TAMPERED) == 44


@pytest.mark.parametrize("name", REJECTED)
def test_forgery_is_refused(name: str, node_keys: dict[str, NodeKey]) -> None:
    case = TAMPERED[name]
    key = node_keys[case["signing_key"]]
    expected = Bytes32(case["expected_tee_id"]) if case["expected_tee_id"] else key.tee_id
    with pytest.raises(VerificationError) as caught:
        verified(tampered_body(case), case["response"], tampered_text(case), key, expected)
    evidence = caught.value.evidence
    assert isinstance(evidence, Evidence)
    assert [check.name for check in evidence.failed] == [check_of(case)]
    assert evidence.checks[-1] == evidence.failed[0]
    assert evidence.assurance is Assurance.UNVERIFIED
    if check_of(case) != "coverage":
        wanted, _ = EXPECTED_ERRORS[OURS.get(name, case["official"]["check"])]
        assert type(caught.value) is wanted


@pytest.mark.parametrize("name", ACCEPTED)
def test_another_spelling_is_accepted(name: str, node_keys: dict[str, NodeKey]) -> None:
    case = TAMPERED[name]
    key = node_keys[case["signing_key"]]
    expected = Bytes32(case["expected_tee_id"])
    text = tampered_text(case)
    evidence = verified(tampered_body(case), case["response"], text, key, expected)
    assert evidence.assurance is Assurance.SIGNED


def test_an_integer_temperature_has_the_floats_hash(node_keys: dict[str, NodeKey]) -> None:
    """The forgery needs a client that hashes 0 as 0; here the request itself has one hash only."""
    case, key = TAMPERED["temperature-int-instead-of-float"], node_keys["key1"]
    assert '"temperature": 0}' in case["canonical_json"]
    body = tampered_body(case)
    evidence = verified(body, case["response"], tampered_text(case), key, key.tee_id)
    assert evidence.assurance is Assurance.SIGNED


@pytest.mark.parametrize("name", REFUSED_FORGERIES)
def test_what_would_pass_as_signed_is_refused(name: str) -> None:
    with pytest.raises(VerificationError) as caught:
        read_chat_answer(TAMPERED[name]["response"])
    assert isinstance(caught.value.evidence, Evidence)
    assert caught.value.evidence.failed[0].name == "coverage"


@pytest.mark.parametrize("name", FLAGGED_FORGERIES)
def test_what_is_beside_the_signed_is_flagged(name: str, node_keys: dict[str, NodeKey]) -> None:
    case, key = TAMPERED[name], node_keys["key1"]
    output = read_chat_answer(case["response"])
    body = tampered_body(case)
    assert verified(body, case["response"], output.signed_text, key, key.tee_id)
    assert set(output.uncovered) >= FLAGGED_FORGERIES[name]

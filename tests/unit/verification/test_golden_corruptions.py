"""Golden corruptions of answers: one honest answer, spoilt in one place, refused for that reason.

Every case says which error, which check and which words; what the checks before it found is part of
the evidence, and nothing after it was looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from opengradient_sdk.errors import (
    OutputHashError,
    RequestHashError,
    SignatureError,
    VerificationError,
)
from opengradient_sdk.verification import (
    Assurance,
    CheckStatus,
    Evidence,
    SignedFields,
    StreamedAnswer,
    read_chat_answer,
    read_completion_answer,
    verify_answer,
    verify_rsa_pss,
)

from .answer_maker import (
    BODY,
    NOW,
    TOOL,
    Exchange,
    Spoil,
    arrived,
    asked,
    asked_without,
    by_the_other_node,
    call,
    calls,
    calls_reversed,
    choice,
    dated,
    flipped,
    hashes_swapped,
    honest_text,
    key,
    member,
    message,
    pss,
    resized,
    said,
    signature,
    signed_over,
    signed_with,
    text,
    tool_call,
    turned_round,
    two_choices,
    upper,
    with_spare_bits,
    without,
)

ORDER = ("fields", "tee_id", "request_hash", "output_hash", "signature", "freshness")


def verify(exchange: Exchange) -> Evidence:
    """What a client does with an answer, in the client's order."""
    output = read_chat_answer(exchange.answer)
    return verify_answer(
        request_body=exchange.body,
        answer_fields=SignedFields.from_json(exchange.answer),
        output_text=output.signed_text,
        public_key_der=key("key1").public_der,
        expected_tee_id=key("key1").tee_id,
        now=exchange.now,
    )


FIELDS = (VerificationError, "fields")
COVERAGE = (VerificationError, "coverage")
TEE_ID = (VerificationError, "tee_id")
REQUEST = (RequestHashError, "request_hash", "another request")
OUTPUT = (OutputHashError, "output_hash", "another output")
SIGNATURE = (SignatureError, "signature", "not one of this key")
ENCODING = (SignatureError, "signature", "not base64")
FRESHNESS = (VerificationError, "freshness")

Case = tuple[Callable[[], Exchange], Spoil, tuple[type[VerificationError], str, str]]
CASES: dict[str, Case] = {
    # the signed members: each missing, each of another kind
    "id-missing": (text, without("tee_id"), (*FIELDS, "tee_id is missing")),
    "id-number": (text, member("tee_id", 5), (*FIELDS, "tee_id is not text")),
    "request-hash-missing": (text, without("tee_request_hash"), (*FIELDS, "request_hash is miss")),
    "request-hash-bytes": (text, member("tee_request_hash", [0] * 32), (*FIELDS, "not text")),
    "output-hash-null": (text, member("tee_output_hash", None), (*FIELDS, "output_hash is miss")),
    "output-hash-object": (text, member("tee_output_hash", {}), (*FIELDS, "not text")),
    "time-missing": (text, without("tee_timestamp"), (*FIELDS, "whole number")),
    "time-true": (text, member("tee_timestamp", True), (*FIELDS, "whole number")),
    "time-fraction": (text, member("tee_timestamp", NOW + 0.5), (*FIELDS, "whole number")),
    "time-iso": (text, member("tee_timestamp", "2026-07-16T12:00:00Z"), (*FIELDS, "whole number")),
    "time-negative": (text, member("tee_timestamp", -1), (*FIELDS, "whole number")),
    "time-too-large": (text, member("tee_timestamp", 2**64), (*FIELDS, "whole number")),
    "signature-missing": (text, without("tee_signature"), (*FIELDS, "tee_signature is missing")),
    "signature-list": (text, member("tee_signature", ["a"]), (*FIELDS, "not text")),
    # what could be mistaken for signed
    "second-choice": (text, two_choices, (*COVERAGE, "2 choices")),
    "no-choice": (text, member("choices", []), (*COVERAGE, "no choices")),
    "choice-text": (text, member("choices", ["Hello"]), (*COVERAGE, "not an object")),
    "no-message": (text, choice(message=None), (*COVERAGE, "no message")),
    "content-number": (text, message(content=5), (*COVERAGE, "neither text nor a list")),
    "calls-beside-text": (
        text,
        message(tool_calls=[call("c", "pay", "{}")]),
        (*COVERAGE, "tool calls that are not signed"),
    ),
    "calls-of-a-stop": (calls, choice(finish_reason="stop"), (*COVERAGE, "finished for 'stop'")),
    "calls-without-a-reason": (calls, choice(finish_reason=None), (*COVERAGE, "not signed")),
    "calls-no-list": (calls, message(tool_calls={"id": "c1"}), (*COVERAGE, "not a list")),
    "call-without-function": (calls, message(tool_calls=[{}]), (*COVERAGE, "no function")),
    "arguments-object": (calls, tool_call(0, arguments={"at": 1}), (*COVERAGE, "not JSON text")),
    "finish-reason-number": (text, choice(finish_reason=1), (*COVERAGE, "a text is expected")),
    # whose key
    "id-of-another": (text, member("tee_id", "ab" * 32), (*TEE_ID, "the key is of")),
    "id-cut": (text, member("tee_id", key("key1").tee_id.hex()[:-1]), (*TEE_ID, "the key is of")),
    "id-of-another-who-signed": (text, by_the_other_node, (*TEE_ID, "the key is of")),
    # the request, member by member
    "asked-another-model": (text, asked(model="openai/gpt-4"), REQUEST),
    "asked-something-else": (text, said(1, content="Ho"), REQUEST),
    "asked-with-a-blank-more": (text, said(1, content="Hi "), REQUEST),
    "asked-under-another-system": (text, said(0, content="Be long."), REQUEST),
    "asked-in-another-role": (text, said(1, role="assistant"), REQUEST),
    "asked-in-another-order": (text, turned_round, REQUEST),
    "asked-less": (text, asked(messages=BODY["messages"][1:]), REQUEST),
    "asked-warmer": (text, asked(temperature=0.6), REQUEST),
    "asked-without-temperature": (text, asked_without("temperature"), REQUEST),
    "asked-for-more-tokens": (text, asked(max_tokens=65), REQUEST),
    "asked-without-a-limit": (text, asked_without("max_tokens"), REQUEST),
    "asked-with-another-stop": (text, asked(stop=["FIN"]), REQUEST),
    "asked-with-the-stop-as-text": (text, asked(stop="END"), REQUEST),
    "asked-with-another-tool": (
        text,
        asked(tools=[TOOL | {"function": {"name": "pay"}}]),
        REQUEST,
    ),
    "asked-without-tools": (text, asked_without("tools"), REQUEST),
    "asked-for-another-format": (text, asked(response_format={"type": "text"}), REQUEST),
    "request-hash-upper-case": (text, upper("tee_request_hash"), REQUEST),
    "request-hash-empty": (text, member("tee_request_hash", ""), REQUEST),
    "request-hash-zeros": (text, member("tee_request_hash", "00" * 32), REQUEST),
    # the output
    "another-text": (text, message(content="Hello there?"), OUTPUT),
    "a-newline-more": (text, message(content="Hello there!\n"), OUTPUT),
    "no-text": (text, message(content=None), OUTPUT),
    "text-in-parts": (text, message(content=[{"text": "Hello"}, {"text": "there!"}]), OUTPUT),
    "half-a-character": (text, message(content="\ud83d"), (*OUTPUT[:2], "lone surrogate")),
    "calls-in-another-order": (calls, calls_reversed, OUTPUT),
    "call-of-another-tool": (calls, tool_call(0, name="pay"), OUTPUT),
    "other-arguments": (calls, tool_call(1, arguments='{"at": 3}'), OUTPUT),
    "arguments-spaced-otherwise": (calls, tool_call(0, arguments='{"at":1}'), OUTPUT),
    "a-call-dropped": (calls, message(tool_calls=[call("c1", "look", '{"at": 1}')]), OUTPUT),
    "output-hash-upper-case": (text, upper("tee_output_hash"), OUTPUT),
    "output-hash-cut": (
        text,
        member("tee_output_hash", honest_text()["tee_output_hash"][:-2]),
        OUTPUT,
    ),
    # the signature
    "first-bit": (text, flipped(0), SIGNATURE),
    "last-bit": (text, flipped(-1), SIGNATURE),
    "empty": (text, member("tee_signature", ""), SIGNATURE),
    "short": (text, resized(-1), SIGNATURE),
    "long": (text, resized(1), SIGNATURE),
    "no-salt": (text, signed_with(pss(0), SHA256()), SIGNATURE),
    "salt-of-20": (text, signed_with(pss(20), SHA256()), SIGNATURE),
    "longest-salt": (text, signed_with(pss(222), SHA256()), SIGNATURE),
    "mask-of-sha1": (text, signed_with(pss(32, SHA1()), SHA256()), SIGNATURE),
    "sha384": (text, signed_with(pss(32), SHA384()), SIGNATURE),
    "pkcs1": (text, signed_with(PKCS1v15(), SHA256()), SIGNATURE),
    "by-another-key": (text, signed_with(pss(32), SHA256(), by="key2"), SIGNATURE),
    "hashes-swapped": (text, signed_over(hashes_swapped), SIGNATURE),
    "another-second": (text, member("tee_timestamp", NOW - 1), SIGNATURE),
    "hashes-only": (
        text,
        signed_over(lambda answer: bytes.fromhex(answer["tee_output_hash"])),
        SIGNATURE,
    ),
    "folded": (text, signature(lambda encoded: encoded[:76] + "\n" + encoded[76:]), ENCODING),
    "unpadded": (text, signature(lambda encoded: encoded.rstrip("=")), ENCODING),
    "url-alphabet": (text, signature(lambda encoded: "-_" + encoded[2:]), ENCODING),
    "spare-bits": (text, signature(with_spare_bits), ENCODING),
    # when
    "old": (text, dated(NOW - 301), (*FRESHNESS, "signed 301 s ago")),
    "future": (text, dated(NOW + 301), (*FRESHNESS, "301 s in the future")),
    "milliseconds": (text, dated(NOW * 1000), (*FRESHNESS, "in the future")),
    "replayed-tomorrow": (text, arrived(NOW + 86_400), (*FRESHNESS, "86400 s ago")),
    "at-no-time": (text, arrived(float("nan")), (*FRESHNESS, "nan s ago")),
}


@pytest.mark.parametrize("honest", [text, calls])
def test_the_honest_answers_are_proven(honest: Callable[[], Exchange]) -> None:
    evidence = verify(honest())
    assert evidence.assurance is Assurance.SIGNED
    assert tuple(check.name for check in evidence.checks) == ORDER
    assert all(check.source for check in evidence.checks)


@pytest.mark.parametrize("name", CASES)
def test_golden_corruption(name: str) -> None:
    honest, spoil, (error, check, words) = CASES[name]
    with pytest.raises(VerificationError) as caught:
        verify(spoil(honest()))
    assert type(caught.value) is error
    evidence = caught.value.evidence
    assert isinstance(evidence, Evidence)
    assert evidence.assurance is Assurance.UNVERIFIED
    *before, failed = evidence.checks
    assert failed.name == check
    assert failed.status is CheckStatus.FAILED
    assert words in failed.reason
    assert failed.source
    assert failed.reason in caught.value.short_message
    expected = () if check == "coverage" else ORDER[: ORDER.index(check)]
    assert tuple(one.name for one in before) == expected
    assert {one.status for one in before} <= {CheckStatus.PASSED}


def test_every_check_of_an_answer_is_spoilt_at_least_three_times() -> None:
    spoilt = [check for _, _, (_, check, _) in CASES.values()]
    assert {check for check in spoilt if spoilt.count(check) >= 3} == {*ORDER, "coverage"}


def test_evidence_repeats_nothing_that_can_be_forgotten() -> None:
    """Of an unsalted hash or a signature, a short question could be guessed."""
    for honest in (text, calls):
        exchange = honest()
        written = str(verify(exchange).to_json())
        for secret in ("tee_request_hash", "tee_output_hash", "tee_signature"):
            assert exchange.answer[secret] not in written
        assert "Hello" not in written


def test_a_search_that_was_not_asked_for_is_another_request() -> None:
    """The form of April leaves ``web_search`` out, so that only adding it can be told there."""
    exchange = asked_without("web_search")(text())
    with pytest.raises(RequestHashError):
        verify(exchange)


def rsa_key(bits: int) -> bytes:
    """A key of that size that nobody has: only its form is looked at."""
    public = RSAPublicNumbers(65537, (1 << (bits - 1)) | 1).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (2047, "not an RSA key of 2048–8192 bits"),
        (2048, "not one of this key"),
        (8192, "not one of this key"),
        (8193, "not an RSA key of 2048–8192 bits"),
    ],
)
def test_the_bounds_of_a_key(bits: int, words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        verify_rsa_pss(rsa_key(bits), bytes(32), bytes(bits // 8))


def read_stream(frames: list[dict[str, Any]]) -> SignedFields:
    stream = StreamedAnswer()
    for frame in frames:
        stream.add(frame)
    stream.output()
    return SignedFields.from_json(stream.signed_frame)


@pytest.mark.parametrize(
    ("frames", "check", "words"),
    [
        ([{"choices": [{"delta": {"content": "Hi"}}]}], "fields", "not a JSON object"),
        ([{"choices": [{"delta": {}}, {"delta": {}}]}], "coverage", "other than the first"),
        ([{"choices": [{"index": 1, "delta": {}}]}], "coverage", "other than the first"),
        ([{"choices": [{"finish_reason": 5}]}], "coverage", "finish_reason is not text"),
        ([{"choices": [{"delta": {"tool_calls": ["x"]}}]}], "coverage", "not an object"),
        (
            [{"choices": [{"delta": {"tool_calls": [call("c", "pay", "{}")]}}]}],
            "coverage",
            "not signed",
        ),
    ],
    ids=["unsigned", "two-choices", "second-only", "reason", "call", "unsigned-calls"],
)
def test_golden_corruption_of_a_stream(
    frames: list[dict[str, Any]], check: str, words: str
) -> None:
    with pytest.raises(VerificationError) as caught:
        read_stream(frames)
    assert isinstance(caught.value.evidence, Evidence)
    (failed,) = caught.value.evidence.checks
    assert (failed.name, failed.status) == (check, CheckStatus.FAILED)
    assert words in failed.reason


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"choices": [{"text": "a"}, {"text": "b"}]}, "2 choices"),
        ({"choices": [{"text": None}]}, "no text"),
    ],
    ids=["two-choices", "no-text"],
)
def test_golden_corruption_of_a_completion(answer: dict[str, Any], words: str) -> None:
    with pytest.raises(VerificationError) as caught:
        read_completion_answer(answer)
    assert isinstance(caught.value.evidence, Evidence)
    (failed,) = caught.value.evidence.checks
    assert (failed.name, failed.status) == ("coverage", CheckStatus.FAILED)
    assert words in failed.reason

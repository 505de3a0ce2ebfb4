"""The 402 answer: what is understood, what is refused, and where we differ on purpose."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.errors import InvalidChallengeError, Spent
from opengradient_sdk.payments.challenge import BareRefusal, PaymentRequired, parse_402
from opengradient_sdk.payments.schemes import payable_offers, payment_header, typed_data_for
from opengradient_sdk.profiles import MAINNET
from opengradient_sdk.types import Address

VECTORS = json.loads(
    (Path(__file__).parents[2] / "assets" / "vectors" / "payment_required.json").read_text()
)
OWNER = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
FACILITATOR = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def encode(document: object, **options: Any) -> str:
    return base64.b64encode(json.dumps(document, **options).encode()).decode()


def valid() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(VECTORS["challenges"][0]["payment_required_json"])
    return document


def parse(document: object) -> PaymentRequired:
    challenge = parse_402({"PAYMENT-REQUIRED": encode(document)}, b"{}")
    assert isinstance(challenge, PaymentRequired)
    return challenge


def outcome(headers: dict[str, str], body: bytes) -> str:
    """Say what becomes of a 402: bare, invalid (not understood), unpayable, or payable."""
    try:
        challenge = parse_402(headers, body)
    except InvalidChallengeError:
        return "invalid"
    if isinstance(challenge, BareRefusal):
        return "bare"
    try:
        typed_data_for(payable_offers(challenge)[0], owner=OWNER, profile=MAINNET, now=1)
    except InvalidChallengeError:
        return "unpayable"
    return "payable"


@pytest.mark.parametrize("case", VECTORS["challenges"], ids=lambda case: case["name"])
def test_every_observed_answer_is_understood(case: dict[str, Any]) -> None:
    headers = dict(case["headers"])
    answer = parse_402(headers, case["body"].encode())
    if "payment_required_json" not in case:
        assert isinstance(answer, BareRefusal)  # the HTML page, and an answer that is no 402
        return
    assert isinstance(answer, PaymentRequired)
    document = json.loads(case["payment_required_json"])
    (offer,) = answer.offers
    assert answer.x402_version == 2
    assert answer.error == document["error"]
    assert answer.resource == document["resource"]
    assert answer.extensions == document["extensions"]
    assert offer.raw == document["accepts"][0]
    assert (offer.scheme, offer.network, offer.amount) == ("upto", "eip155:8453", 10**17)
    assert (offer.asset, offer.max_timeout_seconds) == (MAINNET.opg, 300)
    assert offer.extra["facilitatorAddress"] == FACILITATOR


# The reference client "created" a payment, or failed while parsing or while paying. Where we
# answer otherwise, the reason stands here; everything else follows from its answer.
OURS_DIFFERS = {
    # A 402 without the header is no challenge: ask again without session and payment headers.
    "missing-header-empty-body": "bare",
    "missing-header-v2-in-body": "bare",
    "empty-header": "bare",
    # The reference client pays version 1: at once and for good, on about 19 networks.
    "missing-header-v1-body": "invalid",
    # Amounts are read with the challenge, not when it is paid: earlier, the same refusal.
    "amount-decimal-string": "invalid",
    "amount-negative": "invalid",
    "amount-hex": "invalid",
    "amount-overflow-uint256": "invalid",
}


def reference_outcome(case: dict[str, Any]) -> str:
    if "parse_error" in case:
        return "invalid"
    return "payable" if case.get("payment") == "created" else "unpayable"


@pytest.mark.parametrize("case", VECTORS["malformed"], ids=lambda case: case["name"])
def test_every_malformed_challenge_ends_in_an_answer_of_its_own(case: dict[str, Any]) -> None:
    headers = {} if case["header"] is None else {"PAYMENT-REQUIRED": case["header"]}
    expected = OURS_DIFFERS.get(case["name"], reference_outcome(case))
    assert outcome(headers, json.dumps(case["body"]).encode()) == expected


def test_the_table_of_differences_is_not_out_of_date() -> None:
    reference = {case["name"]: reference_outcome(case) for case in VECTORS["malformed"]}
    assert OURS_DIFFERS.keys() <= reference.keys()
    assert all(reference[name] != ours for name, ours in OURS_DIFFERS.items())


# The reference client rebuilds what it echoes from the members it knows.
ECHO_DIFFERS = {"unknown-fields-kept-out", "timeout-string"}


@pytest.mark.parametrize(
    "case",
    [c for c in VECTORS["malformed"] if c.get("payment") == "created" and c.get("accepted")],
    ids=lambda case: case["name"],
)
def test_the_accepted_offer_is_echoed_unchanged(case: dict[str, Any]) -> None:
    """Ours keeps unknown members and text for numbers: a node may compare more than we know."""
    challenge = parse_402({"PAYMENT-REQUIRED": case["header"]}, b"{}")
    assert isinstance(challenge, PaymentRequired)
    offer = payable_offers(challenge)[0]
    sent = json.loads(base64.b64decode(payment_header(offer, challenge, {})))
    assert sent["accepted"] in json.loads(base64.b64decode(case["header"]))["accepts"]
    assert (sent["accepted"] == case["accepted"]) is (case["name"] not in ECHO_DIFFERS)
    assert ("resource" in sent, "extensions" in sent) == (
        case["name"] != "resource-missing",
        bool(challenge.extensions),
    )


def test_a_session_that_ended_is_told_from_other_bare_refusals() -> None:
    ended = parse_402({}, b'{"error": "Session expired or exhausted"}')
    other = parse_402({}, b'{"error": "go away"}')
    assert ended == BareRefusal("Session expired or exhausted")
    assert isinstance(ended, BareRefusal)
    assert isinstance(other, BareRefusal)
    assert (ended.session_ended, other.session_ended) == (True, False)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff", b"[1]", b'{"error": 5}', b"[" * 60_000, b" " * 70_000 + b"{}"]
)
def test_a_body_without_meaning_is_a_bare_refusal(body: bytes) -> None:
    assert parse_402({}, body) == BareRefusal("")


def test_header_names_are_case_insensitive() -> None:
    assert isinstance(parse_402({"payment-Required": encode(valid())}, ""), PaymentRequired)


def test_two_different_challenges_are_refused() -> None:
    other = valid() | {"error": "x"}
    headers = {"PAYMENT-REQUIRED": encode(valid()), "payment-required": encode(other)}
    with pytest.raises(InvalidChallengeError, match="2 different"):
        parse_402(headers, b"")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("amount", "+5"),
        ("amount", " 5"),
        ("amount", "5\n"),
        ("amount", "1_000"),
        ("amount", "1e18"),
        ("amount", "0100"),
        ("amount", "٣"),
        ("amount", ""),
        ("amount", "9" * 5000),
        ("amount", 1.5),
        ("amount", None),
        ("asset", 5),
        ("payTo", None),
        ("scheme", ""),
        ("network", 8453),
        ("maxTimeoutSeconds", -1),
        ("maxTimeoutSeconds", True),
        ("maxTimeoutSeconds", 300.0),
        ("maxTimeoutSeconds", "300s"),
        ("maxTimeoutSeconds", 2**32),
        ("maxTimeoutSeconds", None),
        ("extra", []),
        ("extra", "x"),
    ],
)
def test_a_member_of_another_kind_is_named(member: str, value: object) -> None:
    document = valid()
    document["accepts"][0][member] = value
    with pytest.raises(InvalidChallengeError, match=rf"accepts\[0\]\.{member}") as caught:
        parse(document)
    assert caught.value.spent is Spent.NO
    assert caught.value.hint


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("x402Version", "two"),
        ("x402Version", -2),
        ("x402Version", 2.5),
        ("x402Version", []),
        ("accepts", {}),
        ("accepts", "x"),
        ("error", 5),
        ("resource", "http://x"),
        ("extensions", []),
    ],
)
def test_a_top_member_of_another_kind_is_named(member: str, value: object) -> None:
    with pytest.raises(InvalidChallengeError, match=member):
        parse(valid() | {member: value})


@pytest.mark.parametrize("version", [1, True])
def test_version_1_is_refused_in_the_header_too(version: object) -> None:
    with pytest.raises(InvalidChallengeError, match="version 1"):
        parse(valid() | {"x402Version": version})


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("A" * 70_000, "more than 65536"),
        (base64.b64encode(b"[" * 40_000).decode(), "more than 500 objects"),
        (base64.b64encode(b'{"a":' * 8_000).decode(), "more than 500 objects"),
        (base64.b64encode(b'{"a": NaN}').decode(), "NaN"),
        (base64.b64encode(b'{"a": -Infinity}').decode(), "Infinity"),
        (base64.b64encode(b'{"a": 1e999}').decode(), "no number is that large"),
        (base64.b64encode(b'{"a": ' + b"9" * 5000 + b"}").decode(), "4300 digits"),
        (base64.b64encode(b'{"a": "\\ud800"}').decode(), "surrogate"),
        (base64.b64encode(b'"text"').decode(), "not str"),
    ],
)
def test_a_header_that_could_not_be_echoed_is_refused(header: str, why: str) -> None:
    with pytest.raises(InvalidChallengeError, match=why):
        parse_402({"PAYMENT-REQUIRED": header}, b"")


def test_escaped_text_outside_ascii_is_understood() -> None:
    challenge = parse_402(
        {"PAYMENT-REQUIRED": encode(valid() | {"error": "Zahlung nötig 🪙"})}, b""
    )
    assert isinstance(challenge, PaymentRequired)
    assert challenge.error == "Zahlung nötig 🪙"


def test_null_members_count_as_absent() -> None:
    document = valid() | {"resource": None, "extensions": None, "error": None}
    challenge = parse(document)
    assert (challenge.resource, challenge.extensions, challenge.error) == ({}, {}, "")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from([*valid(), *valid()["accepts"][0]])


@given(st.dictionaries(MEMBERS, JSON_VALUES), st.dictionaries(MEMBERS, JSON_VALUES))
def test_no_challenge_crashes_the_client(top: dict[str, Any], in_offer: dict[str, Any]) -> None:
    document = valid()
    document["accepts"][0] |= in_offer
    headers = {"PAYMENT-REQUIRED": encode(document | top)}
    assert outcome(headers, b"{}") in {"invalid", "unpayable", "payable"}


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_client(raw: bytes) -> None:
    for header in (raw.decode("latin-1"), base64.b64encode(raw).decode()):
        assert outcome({"PAYMENT-REQUIRED": header}, raw) in {"bare", "invalid"}

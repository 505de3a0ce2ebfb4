"""Every canonical request of the vectors, in both forms, and the wire bodies that lead to them."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.types import keccak256
from opengradient_sdk.verification import (
    Mode,
    canonical_chat_request,
    canonical_completion_request,
    request_hashes,
    wire_chat_request,
    wire_completion_request,
)

from .conftest import VECTORS, load

CASES = load(VECTORS / "canonical_request.json")
CHAT = {case["name"]: case for case in CASES["chat"]}
COMPLETIONS = {case["name"]: case for case in CASES["completions"]}

# bodies that April's software turns into a text although it answers them with 400
REFUSED_BY_SCHEMA = {"missing-model", "empty-messages", "tools-not-a-list"}
# bodies that the official client sends although no node accepts them
SENT_IN_VAIN = {"content-null-user", "max_tokens-float"}


@pytest.mark.parametrize("case", CHAT.values(), ids=CHAT)
def test_july_form(case: dict[str, Any]) -> None:
    july = case["sdk_july"]
    if "error" in july:
        with pytest.raises(ConfigurationError):
            canonical_chat_request(case["body"], Mode.JULY)
        return
    text = canonical_chat_request(case["body"], Mode.JULY)
    assert text == july["canonical_json"]
    assert keccak256(text.encode()).hex() == july["keccak256"]


@pytest.mark.parametrize("case", CHAT.values(), ids=CHAT)
def test_april_form_of_the_callers_body(case: dict[str, Any]) -> None:
    expect_april(case, case["body"], case["gateway_april_direct_body"])


@pytest.mark.parametrize("case", CHAT.values(), ids=CHAT)
def test_april_form_of_the_wire_body(case: dict[str, Any]) -> None:
    if case.get("gateway_april_sdk_wire") is None:
        assert "error" in case["sdk_july"]  # never sent
        return
    expect_april(case, case["sdk_july"]["wire"], case["gateway_april_sdk_wire"])


def expect_april(case: dict[str, Any], body: dict[str, Any], april: dict[str, Any]) -> None:
    if "parse_error" in april or case["name"] in REFUSED_BY_SCHEMA:
        assert april["http_status"] != 200
        with pytest.raises(ConfigurationError):
            canonical_chat_request(body, Mode.APRIL)
        return
    text = canonical_chat_request(body, Mode.APRIL)
    assert text == april["canonical_json"]
    assert keccak256(text.encode()).hex() == april["keccak256"]
    if april["http_status"] == 200:
        assert april["http_tee_request_hash"] == april["keccak256"]


@pytest.mark.parametrize("case", CHAT.values(), ids=CHAT)
def test_wire_body(case: dict[str, Any]) -> None:
    if "error" in case["sdk_july"] or case["name"] in SENT_IN_VAIN:
        with pytest.raises(ConfigurationError):
            wire_chat_request(case["body"])
        return
    body = wire_chat_request(case["body"])
    assert body == case["sdk_july"]["wire"]
    assert list(body) == list(case["sdk_july"]["wire"])
    # the wire body is its own cause: shaping it again changes nothing
    assert wire_chat_request(body) == body
    # and hashes to the same
    assert canonical_chat_request(body, Mode.JULY) == case["sdk_july"]["canonical_json"]


@pytest.mark.parametrize("case", CHAT.values(), ids=CHAT)
def test_every_hash_a_node_returned_is_an_accepted_one(case: dict[str, Any]) -> None:
    returned = [
        (body, answer["http_tee_request_hash"])
        for body, answer in (
            (case["body"], case["gateway_april_direct_body"]),
            (case["sdk_july"].get("wire"), case.get("gateway_april_sdk_wire")),
        )
        if answer and answer["http_status"] == 200
    ]
    for body, digest in returned:
        accepted = list(request_hashes(body))
        assert digest in [accept.digest.hex() for accept in accepted]
        assert len(accepted) == (1 if case["match"] else 2)


@pytest.mark.parametrize("case", COMPLETIONS.values(), ids=COMPLETIONS)
def test_completion(case: dict[str, Any]) -> None:
    text = canonical_completion_request(case["body"])
    assert text == case["canonical_json"]
    (accepted,) = request_hashes(case["body"])
    assert accepted.digest.hex() == case["http_tee_request_hash"] == case["keccak256"]


@pytest.mark.parametrize("case", COMPLETIONS.values(), ids=COMPLETIONS)
def test_completion_wire_has_both_defaults(case: dict[str, Any]) -> None:
    body = wire_completion_request(case["body"])
    assert {"temperature", "max_tokens"} <= set(body)
    if case["body"].get("temperature", 1.0) is not None:
        assert canonical_completion_request(body) == case["canonical_json"]

"""The request hashes that nodes of both modes sign, through real HTTP, are the recorded ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from opengradient_sdk.types import keccak256

from .conftest import COMPLETIONS, VECTORS, Scene, scene

_VECTORS = json.loads((VECTORS / "canonical_request.json").read_text())
_CHAT = {case["name"]: case for case in _VECTORS["chat"]}
# the July client builds a canonical text for these and the schema refuses them all the same
_REFUSED_IN_JULY = {"content-null-user", "max_tokens-float"}
_JULY = [
    name
    for name, case in _CHAT.items()
    if "wire" in case["sdk_july"] and name not in _REFUSED_IN_JULY
]
_APRIL = [
    (name, key)
    for name, case in _CHAT.items()
    for key in ("gateway_april_direct_body", "gateway_april_sdk_wire")
    if key in case
]


# one node for all of them: each request is paid for by itself, and leaves the next one alone


@pytest.fixture(scope="module")
async def july() -> AsyncIterator[Scene]:
    async with scene() as it:
        yield it


@pytest.fixture(scope="module")
async def april() -> AsyncIterator[Scene]:
    async with scene(mode="april") as it:
        yield it


@pytest.mark.parametrize("name", _JULY)
async def test_a_july_node_hashes_what_the_july_client_hashes(july: Scene, name: str) -> None:
    case = _CHAT[name]["sdk_july"]

    reply = await july.customer.paid({**case["wire"], "stream": False})

    assert reply.status == 200, reply.text
    assert reply.json["tee_request_hash"] == case["keccak256"]


@pytest.mark.parametrize("name", sorted(_REFUSED_IN_JULY))
async def test_a_july_node_refuses_what_no_schema_allows(july: Scene, name: str) -> None:
    before = len(july.node.sessions)

    reply = await july.customer.paid(_CHAT[name]["body"])

    assert reply.status == 400
    assert [session.cost for session in july.node.sessions[before:]] == [0]


@pytest.mark.parametrize(("name", "key"), _APRIL)
async def test_an_april_node_answers_as_the_recorded_one(april: Scene, name: str, key: str) -> None:
    case = _CHAT[name]
    recorded = case[key]
    body = case["body"] if key.endswith("direct_body") else case["sdk_july"]["wire"]

    reply = await april.customer.paid({**body, "stream": False} if "stream" in body else body)

    assert reply.status == recorded["http_status"], reply.text
    if reply.status == 200:
        assert reply.json["tee_request_hash"] == recorded["http_tee_request_hash"]
    else:
        assert reply.json == recorded["http_body"]


@pytest.mark.parametrize("case", _VECTORS["completions"], ids=lambda case: case["name"])
async def test_a_completion_is_hashed_with_its_defaults(april: Scene, case: dict[str, Any]) -> None:
    reply = await april.customer.paid(case["body"], path=COMPLETIONS)

    assert reply.status == case["http_status"]
    assert reply.json["tee_request_hash"] == case["http_tee_request_hash"]
    assert keccak256(case["canonical_json"].encode()).hex() == case["http_tee_request_hash"]

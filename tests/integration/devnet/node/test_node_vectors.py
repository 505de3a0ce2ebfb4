"""What the node software answered when the vectors were recorded, this node answers too."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from .conftest import CHAT, VECTORS, Reply, ScriptedScene

_VOLATILE = ("id", "created", "tee_id", "tee_signature", "tee_timestamp")
ERRORS = json.loads((VECTORS / "errors.json").read_text())
CHALLENGES = json.loads((VECTORS / "payment_required.json").read_text())["challenges"]
_REPLAYED = [case for case in ERRORS["http"] if "request" in case]
_RECORDED_SESSION = "417990f5-6eab-4bd2-892d-41dc30881ffe"


async def _replay(scene: ScriptedScene, case: dict[str, Any], session: str = "") -> Reply:
    request = case["request"]
    scene.provider.script = dict(request.get("model_script") or {})
    scene.node.faults.price_unavailable = case["name"] == "price-unavailable"
    headers = dict(request["headers"])
    if headers.get("X-Upto-Session") == _RECORDED_SESSION:
        headers["X-Upto-Session"] = session
    reply = await scene.customer.send(
        request["method"], request["path"], data=request["body"].encode(), headers=headers
    )
    await scene.node.tick()
    return reply


def _stable(text: str) -> Any:
    """Return an answer without what differs from run to run."""
    try:
        body = json.loads(text)
    except ValueError:
        events = [event.removeprefix("data: ") for event in text.split("\n\n") if event]
        return [_stable(event) if event.startswith("{") else event for event in events]
    return {k: v for k, v in body.items() if k not in _VOLATILE}


def _layout(text: str) -> str:
    """Return the spelling of a JSON text: compact or indented, and the order of its members."""
    return "".join(c for c in text if not c.isalnum())[:12]


def _header_names(headers: list[list[str]]) -> set[str]:
    return {name for name, _ in headers} - {"Content-Length", "Connection"}


@pytest.mark.parametrize("case", _REPLAYED, ids=lambda case: case["name"])
async def test_an_error_has_the_recorded_status_body_and_headers(
    scripted: ScriptedScene, case: dict[str, Any]
) -> None:
    reply = await _replay(scripted, case)

    assert reply.status == case["status"]
    assert _stable(reply.text) == _stable(case["body"])
    assert _layout(reply.text) == _layout(case["body"])
    assert _header_names(case["headers"]) <= set(reply.headers)
    recorded = dict(map(tuple, case["headers"]))["Content-Type"].split(";")[0]
    assert reply.headers["Content-Type"].split(";")[0] == recorded
    assert scripted.node.sessions[0].cost == 0


@pytest.mark.parametrize(
    ("name", "path", "method"),
    [
        ("unknown-path", "/v1/models", "GET"),
        ("keys-already-or-empty", "/v1/keys", "POST"),
        ("get-not-protected", CHAT, "GET"),
    ],
)
async def test_a_free_route_refuses_in_the_recorded_words(
    scripted: ScriptedScene, name: str, path: str, method: str
) -> None:
    case = next(c for c in (*ERRORS["http"], *CHALLENGES) if c["name"] == name)

    reply = await scripted.customer.send(method, path, headers={})

    assert (reply.status, reply.text) == (case["status"], case["body"])


@pytest.mark.parametrize(
    "case", [c for c in CHALLENGES if "payment_required_json" in c], ids=lambda case: case["name"]
)
async def test_a_challenge_is_the_recorded_one(
    scripted: ScriptedScene, case: dict[str, Any]
) -> None:
    reply = await _replay(scripted, case)

    recorded = json.loads(case["payment_required_json"])
    host = scripted.node.endpoint.removeprefix("https://")
    recorded["resource"]["url"] = recorded["resource"]["url"].replace("localhost", host)
    assert (reply.status, reply.text) == (402, "{}")
    assert list(reply.challenge) == list(recorded)
    assert reply.challenge == recorded


async def test_a_session_lives_as_recorded(scripted: ScriptedScene) -> None:
    cases = {case["name"]: case for case in ERRORS["session"]}
    session = ""
    for name in (
        "first-paid-request-creates-session",
        "resume-with-session-header-batch",
        "resume-private-no-settle_data",
        "resume-individual-buffered",
        "resume-individual-stream-final-frame-augmented",
        "resume-stream-batch",
        "unknown-settlement-type-means-batch",
        "same-payment-header-reused-maps-to-same-session",
        "session-on-other-path-rejected",
        "unknown-session",
        "session-without-authorization-is-401-and-free",
    ):
        case = cases[name]
        scripted.facilitator.calls.clear()
        if case["request"]["path"] != CHAT:
            case["request"]["model_script"] = {}

        reply = await _replay(scripted, case, session)

        session = session or reply.session
        assert reply.status == case["status"], name
        assert _stable(reply.text) == _stable(case["body"]), name
        assert _header_names(case["headers"]) <= set(reply.headers), name
        assert reply.headers.get("X-Upto-Session", session) == session
        if name.startswith("resume"):
            _assert_same_records(scripted, case)
    assert len(scripted.node.sessions) == 1


def _assert_same_records(scene: ScriptedScene, case: dict[str, Any]) -> None:
    made = scene.facilitator.named("/settle_data")
    recorded = [c for c in case["facilitator_calls"] if c["path"] == "/settle_data"]
    assert len(made) == len(recorded)
    for call, expected in zip(made, recorded, strict=True):
        data = json.loads(base64.b64decode(expected["headers"]["x-settlement-data"]))
        assert call.headers["x-settlement-type"] == expected["headers"]["x-settlement-type"]
        assert list(call.data()) == list(data)
        for member in ("input_hash", "output_hash", "input", "eth_address"):
            assert call.data().get(member) == data.get(member)
        assert type(call.data()["timestamp"]) is type(data["timestamp"])
        assert call.body == expected["body"]


async def test_a_used_up_session_ends_as_recorded(scripted: ScriptedScene) -> None:
    cases = {case["name"]: case for case in ERRORS["session"]}
    opened = await _replay(scripted, cases["first-paid-request-creates-session"])
    session = scripted.node.sessions[0]

    over = cases["cost-over-remaining-budget-served-but-not-charged"]
    session.cost = int(over["accumulated_before"])
    assert (await _replay(scripted, over, opened.session)).status == 200
    assert session.cost == int(over["accumulated_after"])
    assert session.unbilled == 1

    session.cost = session.cap
    session.in_flight += 1  # keeps the reaper away while the refusals are looked at
    for name in (
        "exhausted-session-402-without-challenge",
        "exhausted-session-same-payment-header-402-without-challenge",
    ):
        reply = await _replay(scripted, cases[name], opened.session)
        assert (reply.status, reply.text) == (402, cases[name]["body"])
        assert "PAYMENT-REQUIRED" not in reply.headers
    session.in_flight -= 1

    settlement = cases["reaper-settles-idle-session"]["facilitator_calls"][0]
    session.cost = int(settlement["paymentRequirements"]["amount"])
    scripted.clock.advance(101)
    await scripted.node.tick()
    (call,) = scripted.facilitator.named("/settle")
    assert call.body["paymentRequirements"] == settlement["paymentRequirements"]
    assert call.body["paymentPayload"]["payload"] == settlement["paymentPayload_payload"]

    gone = await _replay(scripted, cases["settled-session-gone"], opened.session)
    assert (gone.status, gone.text) == (402, cases["settled-session-gone"]["body"])


async def test_a_permit_that_was_handed_in_pays_nothing_more(scripted: ScriptedScene) -> None:
    """The recorded node opened a second session on it, which nobody can settle."""
    cases = {case["name"]: case for case in ERRORS["session"]}
    await _replay(scripted, cases["first-paid-request-creates-session"])
    scripted.clock.advance(101)
    await scripted.node.tick()

    name = "settled-session-same-payment-header-accepted-again-until-facilitator-says-no"
    reply = await _replay(scripted, cases[name])

    assert reply.status == 402
    assert reply.challenge["error"] == "permit2_invalid_nonce"
    assert len(scripted.node.sessions) == 1

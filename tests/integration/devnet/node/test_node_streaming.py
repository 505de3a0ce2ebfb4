"""Streamed answers: frames, signatures over what was sent, and ends that are not ends."""

from __future__ import annotations

import base64
import json
from typing import Any

import aiohttp
import pytest

from .conftest import (
    BEARER,
    CHAT,
    VECTORS,
    Reply,
    Scene,
    ScriptedScene,
    payment,
    scripted_scene,
)
from .test_node_answers import WEATHER, said, verify

_STREAMS = {
    case["name"]: case
    for case in json.loads((VECTORS / "response_verify.json").read_text())["responses"]
    if case["stream"]
}
_USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
_END = {"content": "", "usage_metadata": _USAGE}


def fragment(index: int, arguments: str, **members: Any) -> dict[str, Any]:
    """Return a chunk with a part of a tool call."""
    function = {"arguments": arguments}
    if "name" in members:
        function["name"] = members.pop("name")
    call = {"index": index, "type": "function", "function": function, **members}
    return {"tool_calls": [call]}


_SCRIPTS: dict[str, list[Any]] = {
    "stream-text": [{"content": "Hel"}, {"content": "lo "}, {"content": "wörld"}, _END],
    "stream-text-no-usage": [{"content": "ab"}, {"content": "cd"}],
    "stream-empty": [],
    "stream-tools-openai-buffered": [
        fragment(0, '{"city"', id="call_9", name="get_weather"),
        fragment(0, ': "Rome"}'),
        fragment(1, "{}", id="call_10", name="get_time"),
        _END,
    ],
    "stream-tools-gemini-immediate": [
        {"content": "Sure. "},
        fragment(0, '{"city": "Oslo"}', id="g1", name="get_weather"),
        _END,
    ],
    "stream-tools-null-id-mismatch": [fragment(0, "{}", id=None, name="get_weather")],
    "stream-anthropic-structured": [{"content": '{"n": '}, {"content": '"x"}'}, _END],
    "stream-error-midway": [{"content": "partial"}, "RAISE"],
}


def _unsigned(text: str) -> list[Any]:
    """Return the events without what differs from run to run."""
    events = [event.removeprefix("data: ") for event in text.split("\n\n") if event]
    return [
        {
            name: value
            for name, value in json.loads(event).items()
            if name not in ("tee_id", "tee_signature", "tee_timestamp")
        }
        if event != "[DONE]"
        else event
        for event in events
    ]


async def _stream(scene: Scene, text: str, **members: Any) -> Reply:
    return await scene.customer.paid(said(text, stream=True, **members))


def _text(reply: Reply) -> str:
    deltas = [frame["choices"][0]["delta"] for frame in reply.frames]
    return "".join(delta.get("content", "") for delta in deltas)


@pytest.mark.parametrize("name", sorted(_SCRIPTS))
async def test_a_stream_has_the_recorded_frames(scripted: ScriptedScene, name: str) -> None:
    case = _STREAMS[name]
    scripted.provider.script = {"chunks": _SCRIPTS[name]}

    reply = await scripted.customer.paid(case["wire"])

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    recorded, made = _unsigned(case["raw_response"]), _unsigned(reply.text)
    assert made == recorded
    for one, other in zip(reply.events, case["raw_response"].split("\n\n"), strict=False):
        assert one[:20] == other.removeprefix("data: ")[:20]


async def test_the_builtin_model_streams_word_by_word(july: Scene) -> None:
    reply = await _stream(july, "one two three", model="echo")

    text = "[devnet/echo] You said: one two three"
    assert _text(reply) == text
    assert len(reply.frames) == len(text.split()) + 1
    assert reply.events[-1] == "[DONE]"
    verify(july, reply.frames[-1], text)
    assert july.node.sessions[0].cost > 0


async def test_a_stream_has_the_hash_and_the_price_of_a_plain_answer(july: Scene) -> None:
    plain = await july.customer.paid(said("hi"))
    streamed = await _stream(july, "hi")

    assert streamed.frames[-1]["tee_request_hash"] == plain.json["tee_request_hash"]
    assert streamed.frames[-1]["tee_output_hash"] == plain.json["tee_output_hash"]
    assert july.node.sessions[0].cost == july.node.sessions[1].cost


@pytest.mark.parametrize(
    ("model", "events"), [("gpt-5", 1), ("claude-haiku-4-5", 1), ("gemini-2.5-flash", 2)]
)
async def test_streamed_arguments_are_signed_as_they_were_sent(
    july: Scene, model: str, events: int
) -> None:
    reply = await _stream(july, "call get_weather", tools=[WEATHER], model=model)

    *deltas, final = reply.frames
    calls = [frame["choices"][0]["delta"]["tool_calls"][0] for frame in deltas]
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert len(calls) == events
    assert arguments == '{"city":"Zürich"}'
    assert final["choices"][0]["finish_reason"] == "tool_calls"
    whole = {
        "id": calls[0]["id"],
        "type": "function",
        "function": {"name": "get_weather", "arguments": arguments},
    }
    verify(july, final, json.dumps([whole], sort_keys=True))


async def test_a_stream_that_cannot_start_is_a_500(july: Scene) -> None:
    reply = await _stream(july, "please fail")

    assert (reply.status, reply.json) == (500, {"error": "Stream setup failed"})
    assert july.node.sessions[0].cost == 0


async def test_a_stream_that_breaks_ends_with_an_error_event_and_is_free(july: Scene) -> None:
    reply = await _stream(july, "fail midway please")

    assert reply.status == 200
    assert reply.events[-1] == '{"error": "Stream processing failed"}'
    assert len(reply.events) > 1
    assert july.node.sessions[0].cost == 0


async def test_an_individual_stream_tells_when_its_settlement_failed(july: Scene) -> None:
    july.facilitator.job = {}
    settled = await july.customer.paid(said("hi", stream=True), kind="individual")
    july.facilitator.broken_json = True
    body = said("hi", stream=True)
    failed = await july.customer.post(body, session=settled.session, kind="individual")

    assert settled.frames[-1]["data_settlement_success"] is True
    assert failed.frames[-1]["data_settlement_success"] is False
    assert failed.frames[-1]["data_settlement_error"]
    assert failed.events[-1] == "[DONE]"


async def test_an_individual_stream_says_done_even_after_an_error(july: Scene) -> None:
    reply = await july.customer.paid(said("fail midway", stream=True), kind="individual")

    assert reply.events[-2:] == ['{"error": "Stream processing failed"}', "[DONE]"]


async def test_streamed_images_are_in_the_final_frame(july: Scene) -> None:
    reply = await _stream(july, "a cat", model="gpt-image-2")

    (image,) = reply.frames[-1]["images"]
    assert base64.b64decode(image.removeprefix("data:image/png;base64,"))


async def test_a_customer_who_leaves_is_not_billed(scripted: ScriptedScene) -> None:
    scripted.provider.script = {"chunks": [{"content": "word "}] * 500 + [_END]}
    scripted.provider.gate.clear()
    headers = {"Authorization": BEARER, "PAYMENT-SIGNATURE": payment()}
    body = said("hi", stream=True)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
        http.post(scripted.node.endpoint + CHAT, json=body, headers=headers) as response,
    ):
        await response.content.readline()
        response.close()
    scripted.provider.gate.set()
    await scripted.node.stop()

    session = scripted.node.sessions[0]
    assert (session.in_flight, session.billed, session.unbilled) == (0, 0, 0)


async def test_an_unreachable_upstream_is_a_provider_error() -> None:
    async with scripted_scene() as it:
        it.provider.script = {"content": "x", "raise": "provider down"}
        plain = await it.customer.paid()
        stream = await _stream(it, "hi")

    assert (plain.status, plain.json["error"]) == (500, "Request processing failed")
    assert (stream.status, stream.json["error"]) == (500, "Stream setup failed")

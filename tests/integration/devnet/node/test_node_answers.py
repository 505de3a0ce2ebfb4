"""Plain answers: what they say, what is signed, what they cost."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from opengradient_sdk.types import keccak256

from .conftest import COMPLETIONS, HELLO, Scene, ScriptedScene, scene, scripted_scene

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "const": "Zürich"}, "days": {}},
            "required": ["city"],
        },
    },
}


def said(text: str, **members: Any) -> dict[str, Any]:
    """Return a chat request with one user message."""
    return {**HELLO, "messages": [{"role": "user", "content": text}], **members}


def atoms(*, usd: str) -> int:
    """Return what an amount of USD is in atoms, at the Devnet's price of 0.10 USD for one OPG."""
    return int(Decimal(usd) / Decimal("0.10") * 10**18)


def verify(it: Scene, fields: dict[str, Any], output_text: str, *, salt: int = 32) -> None:
    """Check the enclave's statement about an output text, from the bytes on the wire."""
    key = load_der_public_key(it.node.public_key_der)
    assert isinstance(key, rsa.RSAPublicKey)
    assert fields["tee_id"] == str(it.node.tee_id)
    assert fields["tee_output_hash"] == keccak256(output_text.encode()).hex()
    message = keccak256(
        bytes.fromhex(fields["tee_request_hash"])
        + bytes.fromhex(fields["tee_output_hash"])
        + fields["tee_timestamp"].to_bytes(32)
    )
    signature = base64.b64decode(fields["tee_signature"], validate=True)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    key.verify(signature, message, pss, hashes.SHA256())


async def test_an_answer_names_the_model_that_gave_it_and_is_signed(july: Scene) -> None:
    reply = await july.customer.paid(said("good morning"))

    text = reply.json["choices"][0]["message"]["content"]
    assert text == "[devnet/echo] You said: good morning (built in: no real gpt-5 here)"
    assert reply.json["model"] == "gpt-5"
    assert reply.json["id"].startswith("chatcmpl-")
    verify(july, reply.json, text)
    with pytest.raises(InvalidSignature):
        verify(july, reply.json, text, salt=20)


async def test_the_time_in_the_statement_is_the_clocks(july: Scene) -> None:
    july.clock.advance(10_000)

    reply = await july.customer.paid()

    assert abs(reply.json["tee_timestamp"] - july.clock.now()) < 60
    assert reply.json["created"] == reply.json["tee_timestamp"]


@pytest.mark.parametrize("name", ["devnet/echo", "echo", " Devnet/Echo "])
async def test_the_builtin_model_can_be_asked_by_its_name(july: Scene, name: str) -> None:
    reply = await july.customer.paid(said("hi", model=name))

    assert reply.json["choices"][0]["message"]["content"] == "[devnet/echo] You said: hi"
    assert reply.json["model"] == name


async def test_an_answer_costs_its_tokens_at_the_list_price_rounded_up(july: Scene) -> None:
    reply = await july.customer.paid(said("hi", model="gpt-5"))

    usage = reply.json["usage"]
    usd = usage["prompt_tokens"] * Decimal("1.25") + usage["completion_tokens"] * Decimal(10)
    assert july.node.sessions[0].cost == atoms(usd=str(usd / 10**6))


async def test_an_answer_is_never_longer_than_allowed(july: Scene) -> None:
    reply = await july.customer.paid(said("ä" * 100, max_tokens=9))

    text = reply.json["choices"][0]["message"]["content"]
    assert len(text.encode()) <= 9 * 4
    assert reply.json["usage"]["completion_tokens"] == 9
    assert reply.json["choices"][0]["finish_reason"] == "stop"


async def test_a_named_tool_is_called_and_its_call_is_signed(july: Scene) -> None:
    reply = await july.customer.paid(said("please call get_weather", tools=[WEATHER]))

    choice = reply.json["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == ""
    # plain answers spell arguments as Python does: spaces, and ASCII only
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Z\\u00fcrich"}'}
    verify(july, reply.json, json.dumps([call], sort_keys=True))


async def test_the_answer_to_a_tool_message_repeats_what_the_tool_said(july: Scene) -> None:
    first = await july.customer.paid(said("use tool", tools=[WEATHER]))
    message = first.json["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "21 °C"}
    history = [{"role": "user", "content": "use tool"}, message, result]

    reply = await july.customer.post({**HELLO, "messages": history}, session=first.session)

    assert "The tool said: 21 °C" in reply.json["choices"][0]["message"]["content"]
    assert reply.json["choices"][0]["finish_reason"] == "stop"


async def test_a_json_schema_is_answered_with_an_instance(july: Scene) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 18}},
        "required": ["name", "age"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}

    reply = await july.customer.paid(said("who?", response_format=form))

    text = reply.json["choices"][0]["message"]["content"]
    assert json.loads(text) == {"name": "name", "age": 18}
    verify(july, reply.json, text)


async def test_a_json_object_is_answered_with_an_object(july: Scene) -> None:
    reply = await july.customer.paid(said("hi", response_format={"type": "json_object"}))

    text = reply.json["choices"][0]["message"]["content"]
    assert json.loads(text) == {"model": "devnet/echo", "you_said": "hi"}


async def test_a_model_that_fails_is_a_500_and_free(july: Scene) -> None:
    reply = await july.customer.paid(said("please fail"))

    assert (reply.status, reply.json) == (500, {"error": "Request processing failed"})
    assert july.node.sessions[0].cost == 0


async def test_images_come_with_the_answer_and_cost_a_flat_price(july: Scene) -> None:
    await july.customer.paid(said("a cat", model="gpt-5.5"))
    reply = await july.customer.paid(said("a cat", model="gpt-image-2"))

    (image,) = reply.json["choices"][0]["message"]["images"]
    assert base64.b64decode(image.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    without, with_image = july.node.sessions
    # both names are listed without a price; the longer one writes one token more
    assert with_image.cost - without.cost == atoms(usd="0.005") + atoms(usd="0.00001")


async def test_a_gemini_image_is_paid_by_the_token(july: Scene) -> None:
    reply = await july.customer.paid(said("a cat", model="gemini-3.1-flash-image"))

    assert reply.json["choices"][0]["message"]["images"]
    assert reply.json["usage"]["completion_tokens"] == 1290


@pytest.mark.parametrize(("mode", "fee"), [("july", "0.002"), ("april", "0")])
async def test_a_web_search_adds_its_fee_in_july_only(mode: str, fee: str) -> None:
    async with scene(mode=mode) as it:
        first = await it.customer.paid(said("hi"))
        plain = it.node.sessions[0].cost
        await it.customer.post(said("hi", web_search=True), session=first.session)

        assert it.node.sessions[0].cost - 2 * plain == atoms(usd=fee)


async def test_a_completion_is_answered_signed_and_billed(july: Scene) -> None:
    reply = await july.customer.paid({"model": "gpt-5", "prompt": "Say"}, path=COMPLETIONS)

    (choice,) = reply.json["choices"]
    assert choice["text"].startswith("[devnet/echo] You said: Say")
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert reply.json["object"] == "text_completion"
    assert reply.json["id"].startswith("cmpl-")
    verify(july, reply.json, choice["text"])
    assert july.node.sessions[0].cost > 0


async def test_a_july_node_takes_attachments(july: Scene) -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;x"}},
    ]

    reply = await july.customer.paid(said("", messages=[{"role": "user", "content": parts}]))

    text = reply.json["choices"][0]["message"]["content"]
    assert text.startswith("[devnet/echo] You said: look (and sent 1 attachment)")


async def test_upstream_gets_what_the_mode_passes_on(scripted: ScriptedScene) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:x"}}]
    body = said("", messages=[{"role": "user", "content": parts}], stop=["x"], seed=1)
    del body["max_tokens"]
    scripted.provider.script = {"content": "ok"}
    await scripted.customer.paid(body)
    assert scripted.provider.asked[-1] == {
        "model": "gpt-5",
        "messages": [{"role": "user", "content": "a"}],
        "temperature": 0.0,
        "max_tokens": 4096,
    }
    async with scripted_scene(mode="july") as july:
        july.provider.script = {"content": "ok"}
        await july.customer.paid(body)
        assert july.provider.asked[-1]["messages"][0]["content"] == parts


async def test_upstream_answers_are_signed_and_cost_what_upstream_counted(
    scripted: ScriptedScene,
) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Zürich","n":1.0}'},
    }
    scripted.provider.script = {
        "content": "Let me check.",
        "tool_calls": [call],
        "usage": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
    }

    reply = await scripted.customer.paid(said("Hello 0", tools=[WEATHER]))

    message = reply.json["choices"][0]["message"]
    spelled = '{"city": "Z\\u00fcrich", "n": 1.0}'
    assert message["content"] == "Let me check."
    assert message["tool_calls"][0]["function"]["arguments"] == spelled
    verify(scripted, reply.json, json.dumps(message["tool_calls"], sort_keys=True))
    assert scripted.node.sessions[0].cost == 362_500_000_000_000


async def test_an_answer_without_usage_is_free(scripted: ScriptedScene) -> None:
    scripted.provider.script = {"content": "ok"}

    reply = await scripted.customer.paid()

    assert "usage" not in reply.json
    assert scripted.node.sessions[0].cost == 0


async def test_json_mode_tells_the_provider_and_not_the_hash(scripted: ScriptedScene) -> None:
    scripted.provider.script = {"content": "{}"}
    plain = await scripted.customer.paid(said("hi", response_format={"type": "json_object"}))
    told = await scripted.customer.paid(said("as json", response_format={"type": "json_object"}))

    first, second = scripted.provider.asked
    assert first["messages"][0] == {"role": "system", "content": "Respond in JSON format."}
    assert second["messages"] == [{"role": "user", "content": "as json"}]
    assert plain.json["tee_request_hash"] != told.json["tee_request_hash"]

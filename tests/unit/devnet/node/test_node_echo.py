"""The built-in model: instances of schemas, and answers that depend on nothing but the request."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk.devnet.node.echo import EchoModel
from opengradient_sdk.devnet.node.models import (
    Answer,
    ModelError,
    StreamEnd,
    ToolCall,
    ToolFragment,
)
from opengradient_sdk.devnet.node.prompting import provider_of
from opengradient_sdk.devnet.node.schema_instance import instance


def _request(said: str, **members: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": said}]
    return {"model": "echo", "messages": messages, "max_tokens": 4096, **members}


def _tool(name: str, **parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "value"),
        ({"type": "string", "minLength": 8}, "value..."),
        ({"type": "string", "maxLength": 2}, "va"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "string", "enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "integer", "default": 3}, 3),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 18}, 18),
        ({"type": "integer", "exclusiveMinimum": 18}, 19),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "integer", "exclusiveMaximum": 1}, 0),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
        ({"type": "number", "minimum": 1.5}, 2.0),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["integer", "null"]}, 1),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}]}, [1, 2]),
        ({"items": {"type": "boolean"}}, [True]),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        (
            {"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {"const": 1}}}]},
            {"a": "a", "b": 1},
        ),
        ({"allOf": [{"type": "integer"}]}, 1),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"]}, {"b": "b"}),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 1}),
        ({}, "value"),
    ],
)
def test_an_instance_satisfies_its_schema(schema: dict[str, Any], value: Any) -> None:
    assert instance(schema) == value
    assert type(instance(schema)) is type(value)


def test_references_are_followed() -> None:
    schema = {
        "$defs": {"line": {"type": "object", "properties": {"sku": {"type": "string"}}}},
        "type": "object",
        "properties": {"lines": {"type": "array", "items": {"$ref": "#/$defs/line"}}},
    }

    assert instance(schema) == {"lines": [{"sku": "sku"}]}


def test_a_schema_that_requires_itself_ends() -> None:
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}

    depth, value = 0, instance(schema)
    while value is not None:
        depth, value = depth + 1, value["next"]
    assert 0 < depth < 20


async def test_the_same_request_has_the_same_answer() -> None:
    request = _request("call lookup", tools=[_tool("lookup", type="object")])

    assert await EchoModel().answer(request) == await EchoModel().answer(request)


async def test_every_tool_that_is_named_is_called() -> None:
    tools = [_tool("a_tool"), _tool("b_tool"), _tool("c_tool")]

    answer = await EchoModel().answer(_request("call b_tool, then call c_tool", tools=tools))

    assert [call.name for call in answer.tool_calls] == ["b_tool", "c_tool"]
    assert len({call.id for call in answer.tool_calls}) == 2


async def test_tools_that_nobody_asked_for_are_left_alone() -> None:
    answer = await EchoModel().answer(_request("hello", tools=[_tool("a_tool")]))

    assert answer.tool_calls == ()
    assert answer.text == "[devnet/echo] You said: hello"


async def test_a_stream_holds_what_the_plain_answer_holds() -> None:
    request = _request("call lookup", tools=[_tool("lookup", properties={"q": {"const": "ü"}})])
    plain = await EchoModel().answer(request)

    pieces = [piece async for piece in EchoModel().stream(request)]

    fragments = [piece for piece in pieces if isinstance(piece, ToolFragment)]
    assert "".join(f.arguments for f in fragments) == plain.tool_calls[0].arguments
    assert (fragments[0].id, fragments[0].name) == (plain.tool_calls[0].id, "lookup")
    assert pieces[-1] == StreamEnd(plain.usage)


@pytest.mark.parametrize("said", ["Please FAIL now", "fail midway"])
async def test_it_fails_when_asked_to(said: str) -> None:
    with pytest.raises(ModelError):
        await EchoModel().answer(_request(said))


async def test_a_token_is_four_bytes() -> None:
    answer = await EchoModel().answer(_request("12345"))

    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 2
    assert answer.usage.completion_tokens == -(-len(answer.text) // 4)


async def test_a_conversation_without_a_user_is_answered() -> None:
    request = _request("", messages=[{"role": "system", "content": "be nice"}])

    assert (await EchoModel().answer(request)).text == "[devnet/echo] You said: "


def test_broken_arguments_are_quoted_as_they_are() -> None:
    assert ToolCall("c", "f", '{"a":').normalised().arguments == '{"a":'
    assert ToolCall("c", "f", '{"a":1}').normalised().arguments == '{"a": 1}'


def test_the_signed_text_of_tool_calls_is_pythons_json() -> None:
    answer = Answer("beside", (ToolCall("c", "f", "{}"),))

    assert answer.signed_text() == (
        '[{"function": {"arguments": "{}", "name": "f"}, "id": "c", "type": "function"}]'
    )


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-5", "openai"),
        ("O3", "openai"),
        ("claude-opus-4-8", "anthropic"),
        ("gemini-2.5-pro", "google"),
        ("grok-4", "x-ai"),
        ("hermes-4-70b", "other"),
    ],
)
def test_the_provider_is_known_by_the_models_name(model: str, provider: str) -> None:
    assert provider_of(model) == provider

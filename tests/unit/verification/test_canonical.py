"""What the vectors leave open: refusals, what is not covered, what agrees between wire and hash."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opengradient_sdk.errors import ConfigurationError, Spent
from opengradient_sdk.types import keccak256
from opengradient_sdk.verification import (
    Mode,
    canonical_chat_request,
    canonical_completion_request,
    request_hashes,
    uncovered_request,
    wire_chat_request,
    wire_completion_request,
)

USER = {"role": "user", "content": "Hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def chat(**members: Any) -> dict[str, Any]:
    return {"model": "gpt-5", "messages": [USER], **members}


def with_message(**message: Any) -> dict[str, Any]:
    return chat(messages=[USER, message])


def call(**members: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [members]}


REFUSED_ON_THE_WIRE = {
    "model": chat(model=""),
    "messages": chat(messages=""),
    "messages[0]": chat(messages=["Hi"]),
    "messages[1].role": with_message(role="critic", content="x"),
    "messages[1].content": with_message(role="user", content=3),
    "messages[1].content[1]": with_message(role="user", content=["a", 5]),
    "messages[1].content[0]": with_message(role="user", content=[{"text": "a"}]),
    "messages[1].content[0].text": with_message(role="user", content=[{"type": "text"}]),
    "messages[1].tool_call_id": with_message(role="tool", content="1"),
    "messages[1].name": with_message(role="function", content="1"),
    "messages[1].tool_calls": with_message(role="assistant", tool_calls={"a": 1}),
    "messages[1].tool_calls[0]": with_message(role="assistant", tool_calls=["f"]),
    "messages[1].tool_calls[0].function": with_message(**call(function="f")),
    "messages[1].tool_calls[0].function.arguments": with_message(
        **call(function={"name": "f", "arguments": {"a": 1}})
    ),
    "messages[1].tool_calls[0].function.name": with_message(**call(function={"name": 1})),
    "messages[1].tool_calls[0].id": with_message(**call(id=1)),
    "messages[1].tool_calls[0].type": with_message(**call(type=None)),
    "temperature": chat(temperature="hot"),
    "max_tokens": chat(max_tokens="many"),
    "stop": chat(stop=[1]),
    "tools": chat(tools={"a": 1}),
    "response_format": chat(response_format="json"),
    "web_search": chat(web_search="yes"),
}


@pytest.mark.parametrize("member", REFUSED_ON_THE_WIRE)
def test_a_callers_mistake_is_named(member: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        wire_chat_request(REFUSED_ON_THE_WIRE[member])
    assert caught.value.short_message.startswith(f"{member} must be ")
    assert member in caught.value.hint
    assert caught.value.spent is Spent.NO


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system"},
        {"role": "developer", "content": 1},
        {"role": "user", "content": []},
        {"role": "tool", "tool_call_id": "1", "content": None},
        {"role": "function", "name": "f", "content": None},
        {"role": "assistant", "content": 5},
    ],
    ids=lambda message: message["role"],
)
def test_content_of_the_wrong_kind_is_named(message: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"messages\[1\]\.content must be "):
        wire_chat_request(with_message(**message))


@pytest.mark.parametrize(
    "members",
    [
        {"temperature": True},
        {"temperature": 2.5},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": 10**400},
        {"max_tokens": True},
        {"max_tokens": -1},
        {"stop": {"a": 1}},
        {"response_format": {"name": "x"}},
        {"tools": [{"parameters": {"maximum": float("inf")}}]},
        {"tools": [{1: "one"}]},
    ],
    ids=str,
)
def test_members_that_no_node_takes_are_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        wire_chat_request(chat(**members))


def test_a_text_is_one_user_message() -> None:
    assert wire_chat_request(chat(messages="Hi"))["messages"] == [USER]


def test_bare_text_parts_become_objects_with_the_same_hash() -> None:
    bare = chat(messages=[{"role": "user", "content": ["What is this?", IMAGE]}])
    body = wire_chat_request(bare)
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]}
    ]
    assert canonical_chat_request(bare, Mode.JULY) == canonical_chat_request(body, Mode.JULY)


def test_the_callers_request_is_left_alone() -> None:
    request = chat(messages=({"role": "user", "content": ("a", IMAGE)},), stop=("x",))
    before = repr(request)
    wire_chat_request(request)
    assert repr(request) == before


def test_wire_and_hash_agree_after_the_journey() -> None:
    """What the node parses from the wire has the hashes that were computed before sending."""
    request = chat(
        messages=[
            {"role": "user", "content": ("a", IMAGE)},
            {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]},
        ],
        temperature=1,
        stop=("x", "y"),
        tools=({"type": "function", "function": {"name": "f", "parameters": {"maximum": 1.0}}},),
        web_search=True,
    )
    body = wire_chat_request(request)
    parsed = json.loads(json.dumps(body))
    assert list(request_hashes(body)) == list(request_hashes(parsed))


def test_april_prints_the_list_as_python_does() -> None:
    body = chat(messages=[{"role": "user", "content": ({"type": "text", "text": "a'b"},)}])
    text = json.loads(canonical_chat_request(body, Mode.APRIL))
    assert text["messages"][0]["content"] == """[{'type': 'text', 'text': "a'b"}]"""


def test_april_makes_texts_of_a_functions_members() -> None:
    body = with_message(role="function", content=42, name=None)
    text = json.loads(canonical_chat_request(body, Mode.APRIL))
    assert text["messages"][1] == {"role": "function", "content": "42", "name": "None"}


def test_july_makes_text_of_a_bare_part() -> None:
    body = chat(messages=[{"role": "user", "content": ["a", {"type": "text"}]}])
    text = json.loads(canonical_chat_request(body, Mode.JULY))
    assert text["messages"][0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": ""},
    ]


@pytest.mark.parametrize("content", [None, "x"])
def test_a_tools_content_by_form(content: str | None) -> None:
    body = with_message(role="tool", content=content, tool_call_id="1")
    assert "tool_call_id" in canonical_chat_request(body, Mode.JULY)
    if content is None:
        with pytest.raises(ConfigurationError, match=r"messages\[1\]\.content"):
            canonical_chat_request(body, Mode.APRIL)
    else:
        assert canonical_chat_request(body, Mode.APRIL) == canonical_chat_request(body, Mode.JULY)


def test_aprils_hash_of_what_json_cannot_say_is_refused() -> None:
    body = chat(messages=[{"role": "user", "content": [{"type": "image", "data": b"raw"}]}])
    hashes = request_hashes(body)
    assert next(hashes).mode is Mode.JULY
    with pytest.raises(ConfigurationError, match="cannot be hashed"):
        next(hashes)


@pytest.mark.parametrize(
    ("members", "modes"),
    [
        ({}, [Mode.JULY]),
        ({"web_search": True}, [Mode.JULY, Mode.APRIL]),
        ({"messages": [{"role": "user", "content": ["a"]}]}, [Mode.JULY, Mode.APRIL]),
        ({"messages": [{"role": "system", "content": ["a"]}]}, [Mode.JULY]),
    ],
)
def test_only_what_differs_has_two_hashes(members: dict[str, Any], modes: list[Mode]) -> None:
    hashes = list(request_hashes(chat(**members)))
    assert [accepted.mode for accepted in hashes] == modes
    assert len({accepted.digest for accepted in hashes}) == len(modes)


def signed(body: dict[str, Any], mode: Mode) -> str:
    return keccak256(canonical_chat_request(body, mode).encode()).hex()


def test_members_that_are_not_hashed_are_listed() -> None:
    body = chat(tool_choice="auto", n=2, seed=None, stream=True)
    assert uncovered_request(body, signed(body, Mode.JULY)) == ("tool_choice", "n")


def test_attachments_are_listed_for_july_only() -> None:
    body = chat(messages=[USER, {"role": "user", "content": ["a", IMAGE]}], tool_choice="none")
    assert uncovered_request(body, "0x" + signed(body, Mode.JULY)) == (
        "tool_choice",
        "attachment bytes of messages[1]",
    )
    assert uncovered_request(body, signed(body, Mode.APRIL)) == ("tool_choice",)


def test_web_search_is_listed_for_april_only() -> None:
    body = chat(web_search=True)
    assert uncovered_request(body, signed(body, Mode.JULY)) == ()
    assert uncovered_request(body, signed(body, Mode.APRIL)) == ("web_search",)


def test_a_completion_lists_what_is_not_hashed() -> None:
    body = {"model": "gpt-5", "prompt": "Hi", "top_p": 0.5}
    (accepted,) = request_hashes(body)
    assert uncovered_request(body, accepted.digest.hex()) == ("top_p",)


@pytest.mark.parametrize(
    "request_", [{"model": "m"}, {"model": "m", "prompt": ["a"]}, {"prompt": "a"}]
)
def test_a_completion_needs_model_and_prompt(request_: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="must be"):
        wire_completion_request(request_)


def test_a_completions_members_are_the_callers() -> None:
    request = {"model": "m", "prompt": "a", "temperature": 0, "max_tokens": 5, "stop": ["x"]}
    body = wire_completion_request(request)
    assert body == request
    assert canonical_completion_request(body) == (
        '{"max_tokens": 5, "model": "m", "prompt": "a", "stop": ["x"], "temperature": 0.0}'
    )

"""What an answer says, plain and streamed, beyond the vectors."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.errors import VerificationError
from opengradient_sdk.verification import (
    ChatOutput,
    Evidence,
    StreamedAnswer,
    ToolCall,
    read_chat_answer,
    read_completion_answer,
    tool_calls_text,
)

TOOL_CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def answer(finish_reason: object = "stop", **message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]}


def streamed(*frames: dict[str, Any]) -> ChatOutput:
    stream = StreamedAnswer()
    for frame in frames:
        stream.add(frame)
    return stream.output()


def frame(finish_reason: object = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        ("", ""),
        (None, ""),
        ([{"type": "text", "text": "a"}, "b", {"type": "x"}, {"text": None}, 5], "ab5"),
    ],
)
def test_content_becomes_text(content: object, text: str) -> None:
    assert read_chat_answer(answer(content=content)).text == text
    assert streamed(frame(content=content), frame("stop")).text == text


@pytest.mark.parametrize("finish_reason", ["stop", "tool_calls", None])
def test_without_calls_the_text_is_signed(finish_reason: str | None) -> None:
    output = read_chat_answer(answer(finish_reason, content="a"))
    assert output.signed_text == "a"
    assert output.finish_reason == finish_reason
    assert output.uncovered == ("finish_reason",)


def test_with_calls_the_calls_are_signed() -> None:
    output = read_chat_answer(answer("tool_calls", content="a", tool_calls=[TOOL_CALL]))
    assert output.signed_text == tool_calls_text([ToolCall("1", "f", "{}")])
    assert output.text == "a"


def test_arguments_are_hashed_as_received() -> None:
    plain, fragments = '{"a": "\\u00fc"}', '{"a":"ü"}'
    assert '\\"\\\\u00fc\\"' in tool_calls_text([ToolCall("1", "f", plain)])
    assert '{\\"a\\":\\"\\u00fc\\"}' in tool_calls_text([ToolCall("1", "f", fragments)])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({}, "no choices"),
        ({"choices": []}, "no choices"),
        ({"choices": "a"}, "no choices"),
        ({"choices": ["a"]}, "not an object"),
        ({"choices": [{}]}, "no message"),
        ({"choices": [{"message": {}}, {"message": {}}]}, "2 choices"),
        (answer(content=5), "neither text"),
        (answer(5, content="a"), "int"),
        (answer(content="a", tool_calls=[TOOL_CALL]), "not signed"),
        (answer(None, content="", tool_calls=[TOOL_CALL]), "not signed"),
        (answer("tool_calls", tool_calls={"a": 1}), "not a list"),
        (answer("tool_calls", tool_calls=["f"]), "no function"),
        (answer("tool_calls", tool_calls=[{"id": "1"}]), "no function"),
        (answer("tool_calls", tool_calls=[{"function": {"arguments": {}}}]), "not JSON text"),
        (
            answer("tool_calls", tool_calls=[{"id": 1, "function": {"arguments": ""}}]),
            "a text is expected where int",
        ),
    ],
    ids=str,
)
def test_an_answer_of_which_a_signature_proves_nothing(bad: dict[str, Any], reason: str) -> None:
    with pytest.raises(VerificationError, match=reason) as caught:
        read_chat_answer(bad)
    assert isinstance(caught.value.evidence, Evidence)
    assert [check.name for check in caught.value.evidence.failed] == ["coverage"]


def test_everything_unsigned_is_listed() -> None:
    full = answer("tool_calls", content="a", tool_calls=[TOOL_CALL], images=["data:,a", 5])
    full |= {
        "id": "x",
        "created": 1,
        "model": "m",
        "usage": {},
        "images": "data:,b",
        "settlement_type": "batch",
        "data_settlement_success": True,
        "tee_id": "0x",
    }
    output = read_chat_answer(full)
    assert output.images == ("data:,a",)
    assert output.uncovered == (
        "finish_reason",
        "id",
        "created",
        "model",
        "usage",
        "data_settlement_success",
        "settlement_type",
        "text beside tool calls",
        "images",
    )


def test_completion_text() -> None:
    said = read_completion_answer(
        {"choices": [{"text": "a", "index": 0, "finish_reason": "stop"}], "model": "m"}
    )
    assert (said.text, said.signed_text, said.finish_reason) == ("a", "a", "stop")
    assert said.uncovered == ("finish_reason", "model")


@pytest.mark.parametrize("choice", [{}, {"text": None}, {"message": {"content": "a"}}])
def test_a_completion_needs_text(choice: dict[str, Any]) -> None:
    with pytest.raises(VerificationError, match="no text"):
        read_completion_answer({"choices": [choice]})


def fragment(index: int, **function: Any) -> dict[str, Any]:
    return frame(tool_calls=[{"index": index, "function": function}])


def test_fragments_are_joined_by_index() -> None:
    output = streamed(
        frame(tool_calls=[{"index": 1, "id": "b", "function": {"name": "g", "arguments": "[]"}}]),
        frame(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"'}}]),
        frame(tool_calls=[{"index": 0, "id": "", "function": {"name": "", "arguments": "a"}}]),
        fragment(0, arguments='":1}'),
        frame(tool_calls=[{"index": 0, "id": "A"}]),
        frame(tool_calls=None),
        frame("tool_calls"),
    )
    assert output.tool_calls == (ToolCall("A", "f", '{"a":1}'), ToolCall("b", "g", "[]"))


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        ([None, None], None),
        (["", None], ""),
        ([None, "x"], "x"),
        (["x", None], "x"),
        (["x", ""], "x"),
    ],
)
def test_an_id_is_kept_as_the_node_had_it(ids: list[str | None], kept: str | None) -> None:
    frames = [frame(tool_calls=[{"index": 0, "id": each}]) for each in ids]
    (call,) = streamed(*frames, frame("tool_calls")).tool_calls
    assert call.id == kept


def test_calls_without_an_index_keep_their_place() -> None:
    output = streamed(frame("tool_calls", tool_calls=[TOOL_CALL, TOOL_CALL | {"id": "2"}]))
    assert [call.id for call in output.tool_calls] == ["1", "2"]


def test_odd_frames_are_tolerated() -> None:
    stream = StreamedAnswer()
    odd: list[dict[str, Any]] = [
        {},
        {"choices": []},
        {"choices": None, "usage": None},
        {"choices": [{"delta": None}]},
        {"choices": [{"message": {"content": "a"}}]},
        {"choices": [], "usage": {"prompt_tokens": 1}},
        {"choices": [{"delta": {"images": ["data:,a"]}, "finish_reason": "stop"}]},
        {"choices": [], "images": ["data:,b"], "tee_signature": "x"},
    ]
    assert [stream.add(each) for each in odd] == ["", "", "", "", "a", "", "", ""]
    assert stream.usage == {"prompt_tokens": 1}
    assert stream.signed_frame is odd[-1]
    output = stream.output()
    assert (output.text, output.finish_reason) == ("a", "stop")
    assert output.images == ("data:,a", "data:,b")
    assert set(output.uncovered) == {"finish_reason", "usage", "images"}


@pytest.mark.parametrize(
    "bad",
    [
        {"choices": [{"delta": {}}, {"delta": {}}]},
        {"choices": [{"index": 1, "delta": {}}]},
        {"choices": ["a"]},
        frame(content=5),
        frame(5),
        frame(tool_calls=["f"]),
        frame(tool_calls=[{"index": "0"}]),
        frame(tool_calls=[{"index": True}]),
        frame(tool_calls=[{"index": 0, "id": 5}]),
        fragment(0, arguments={}),
    ],
    ids=str,
)
def test_a_frame_of_which_a_signature_proves_nothing(bad: dict[str, Any]) -> None:
    with pytest.raises(VerificationError, match="refused"):
        StreamedAnswer().add(bad)


def test_streamed_calls_that_are_not_signed() -> None:
    with pytest.raises(VerificationError, match="not signed"):
        streamed(frame(tool_calls=[TOOL_CALL]), frame("stop"))


@given(st.text(), st.data())
def test_however_a_text_is_cut_it_is_the_same(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    edges = [0, *cuts, len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    assert streamed(*(frame(content=piece) for piece in pieces), frame("stop")).text == text

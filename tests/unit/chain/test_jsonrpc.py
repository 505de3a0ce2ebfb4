"""Only the answer to what was asked is an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opengradient_sdk.chain.jsonrpc import AnswerError, decode, encode
from opengradient_sdk.chain.node_errors import Fault

URL = "https://node.example"


def ok(number: Any, result: Any = 7) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": result}


def error(number: Any, message: str = "no", code: int = -32000) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


def read(answer: Any, count: int) -> Any:
    return decode(json.dumps(answer).encode(), 5, count, URL)


def test_one_call_is_no_batch() -> None:
    assert json.loads(encode([("a", (1, "x"))], 5)) == {
        "jsonrpc": "2.0",
        "id": 5,
        "method": "a",
        "params": [1, "x"],
    }
    assert [call["id"] for call in json.loads(encode([("a", ()), ("b", ())], 5))] == [5, 6]


@pytest.mark.parametrize("number", [0, 4, 6, "5", None, True, 5.0, [5]])
def test_a_single_answer_with_another_id_is_none(number: Any) -> None:
    with pytest.raises(AnswerError, match="another request"):
        read(ok(number), 1)


def test_an_error_may_come_without_the_id() -> None:
    (fault,) = read(error(None, "parse error"), 1)
    assert (fault.message, fault.url) == ("parse error", URL)
    with pytest.raises(AnswerError, match="another request"):
        read(error(4), 1)


def test_an_error_that_is_null_is_no_error() -> None:
    assert read({**ok(5), "error": None}, 1) == [7]


def test_a_batch_may_come_in_any_order() -> None:
    one, two = read([ok(6, "b"), error(5)], 2)
    assert isinstance(one, Fault)
    assert two == "b"


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([ok(5)], id="one is missing"),
        pytest.param([ok(5), ok(5)], id="one twice in place of another"),
        pytest.param([ok(5), ok(5), ok(6)], id="one twice"),
        pytest.param([ok(5), ok(6), ok(7)], id="one too many"),
        pytest.param([ok(3), ok(4)], id="those of an earlier batch"),
        pytest.param([ok(5), ok("6")], id="an id as text"),
        pytest.param([ok(5), ok(6.0)], id="an id as a float"),
        pytest.param([ok(5), ok(None)], id="no id"),
        pytest.param([ok(5), {"id": 6}], id="neither result nor error"),
        pytest.param([ok(5), "six"], id="something else"),
        pytest.param([], id="nothing"),
        pytest.param(ok(5), id="one answer"),
        pytest.param("both", id="text"),
        pytest.param(None, id="null"),
    ],
)
def test_a_batch_is_answered_by_exactly_its_answers(answers: Any) -> None:
    with pytest.raises(AnswerError):
        read(answers, 2)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(error(None, "batches are not allowed", -32600), id="one error for all"),
        pytest.param([error(5, "batch too large", -32600)], id="one in a list, as geth has it"),
        pytest.param([error(n, "Number of requests exceeds max batch size") for n in (5, 6)]),
    ],
)
def test_a_batch_may_be_refused_as_such(answer: Any) -> None:
    assert read(answer, 2) is None


def test_overloaded_is_not_unwilling() -> None:
    with pytest.raises(AnswerError, match="over rate limit") as caught:
        read(error(None, "over rate limit", -32016), 2)
    assert caught.value.fault is not None


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_no_answer(body: bytes) -> None:
    with pytest.raises(AnswerError, match="no JSON"):
        decode(body, 5, 1, URL)

"""Which request bodies a node takes: the checks that end in 400 (protocol notes 3.2, 3.6).

The node software validates against the OpenAI description and quotes the first violation; the
checks here are the ones a client can run into, in the same words.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from .models import Mode
from .responses import Refusal, problem
from .shapes import JsonObject, is_list, is_object

_ANY_OF: Final = "is not valid under any of the given schemas"
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_APRIL_PARTS: Final = frozenset({"text", "image_url", "input_audio"})
_MAX_STOPS: Final = 4


def parse_body(raw: bytes) -> JsonObject:
    """Return the JSON object of a request body.

    Raises:
        Refusal: 400, it is none.
    """
    try:
        body: Any = json.loads(raw)
    except ValueError:
        raise problem(400, "Request body is not valid JSON") from None
    if not is_object(body):
        raise problem(400, f"{body!r} is not of type 'object'")
    return body


def check_chat(body: JsonObject, mode: Mode) -> None:
    """Check a chat request.

    Raises:
        Refusal: 400 with the first violation.
    """
    _required(body, "model", "messages")
    _typed(body, "model", "string")
    _typed(body, "messages", "array")
    if not body["messages"]:
        raise _violation("[] should be non-empty", "messages")
    for index, message in enumerate(body["messages"]):
        if not _is_message(message, mode):
            raise _violation(f"{message!r} {_ANY_OF}", f"messages.{index}")
    _sampling(body)
    for member, kind in (
        ("tools", "array"),
        ("response_format", "object"),
        ("stream", "boolean"),
        ("web_search", "boolean"),
    ):
        if body.get(member) is not None:
            _typed(body, member, kind)


def check_completion(body: JsonObject) -> None:
    """Check a completion request.

    Raises:
        Refusal: 400 with the first violation.
    """
    _required(body, "model", "prompt")
    _typed(body, "model", "string")
    _typed(body, "prompt", "string")
    _sampling(body)


def _sampling(body: JsonObject) -> None:
    if body.get("temperature") is not None:
        _typed(body, "temperature", "number")
        _within(body, "temperature", 0, 2)
    if body.get("max_tokens") is not None:
        _typed(body, "max_tokens", "integer")
        _within(body, "max_tokens", 0, None)
    if body.get("stop") is not None and not _is_stop(body["stop"]):
        raise _violation(f"{body['stop']!r} {_ANY_OF}", "stop")


def _is_stop(stop: object) -> bool:
    if isinstance(stop, str):
        return True
    return is_list(stop) and 1 <= len(stop) <= _MAX_STOPS and _all_text(stop)


def _all_text(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_message(message: object, mode: Mode) -> bool:
    if not is_object(message) or message.get("role") not in _ROLES:
        return False
    return _MESSAGES[message["role"]](message, mode)


def _is_instruction(message: JsonObject, mode: Mode) -> bool:
    return _is_content(message.get("content"), mode, frozenset({"text"}))


def _is_user(message: JsonObject, mode: Mode) -> bool:
    return _is_content(message.get("content"), mode, _APRIL_PARTS)


def _is_assistant(message: JsonObject, mode: Mode) -> bool:
    content = message.get("content")
    if content is not None and not _is_content(content, mode, frozenset({"text"})):
        return False
    calls = message.get("tool_calls")
    return calls is None or (is_list(calls) and all(map(_is_tool_call, calls)))


def _is_tool(message: JsonObject, mode: Mode) -> bool:
    content, call = message.get("content"), message.get("tool_call_id")
    readable = _is_content(content, mode, frozenset({"text"}))
    return isinstance(call, str) and (readable or (content is None and mode == "july"))


def _is_function(message: JsonObject, _mode: Mode) -> bool:
    content = message.get("content")
    return isinstance(message.get("name"), str) and (content is None or isinstance(content, str))


_MESSAGES: Final[dict[str, Callable[[JsonObject, Mode], bool]]] = {
    "system": _is_instruction,
    "developer": _is_instruction,
    "user": _is_user,
    "assistant": _is_assistant,
    "tool": _is_tool,
    "function": _is_function,
}


def _is_content(content: object, mode: Mode, april_parts: frozenset[str]) -> bool:
    """Text, or a list of parts: of the described kinds in April, of any kind in July."""
    if isinstance(content, str):
        return True
    if not is_list(content) or not content:
        return False
    if mode == "july":
        return all(isinstance(part, dict | str) for part in content)
    return all(is_object(part) and part.get("type") in april_parts for part in content)


def _is_tool_call(call: object) -> bool:
    if not is_object(call):
        return False
    function = call.get("function")
    return (
        isinstance(call.get("id"), str)
        and call.get("type") == "function"
        and is_object(function)
        and isinstance(function.get("name"), str)
        and isinstance(function.get("arguments"), str)
    )


_KINDS: Final[dict[str, Callable[[object], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "array": lambda value: is_list(value),
    "object": lambda value: is_object(value),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def _required(body: JsonObject, *members: str) -> None:
    for member in members:
        if member not in body:
            raise problem(400, f"{member!r} is a required property")


def _typed(body: JsonObject, member: str, kind: str) -> None:
    if not _KINDS[kind](body[member]):
        raise _violation(f"{body[member]!r} is not of type {kind!r}", member)


def _within(body: JsonObject, member: str, minimum: int, maximum: int | None) -> None:
    value = body[member]
    if value < minimum:
        raise _violation(f"{value!r} is less than the minimum of {minimum}", member)
    if maximum is not None and value > maximum:
        raise _violation(f"{value!r} is greater than the maximum of {maximum}", member)


def _violation(what: str, where: str) -> Refusal:
    return problem(400, f"{what} - {where!r}")

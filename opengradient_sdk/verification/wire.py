"""The request body that is sent: exactly the values that are hashed, so that wire and hash agree.

A July body is the canonical request with the full user content put back, plus ``tool_choice``
(the protocol notes, section 4.3): numbers are already floats where the hash has floats, missing
members of tool calls are filled in, and members that nodes ignore are left out. A caller's mistake
is refused here, before anything is paid for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ._messages import july_message, refusal
from ._shapes import is_array, is_object
from .canonical import (
    CHAT_TEMPERATURE,
    COMPLETION_MAX_TOKENS,
    COMPLETION_TEMPERATURE,
    Mode,
    as_temperature,
    canonical_chat_request,
    canonical_completion_request,
    chat_messages,
)

_MAX_TEMPERATURE = 2.0


def wire_chat_request(request: Mapping[str, object]) -> dict[str, object]:
    """Return the chat body to send for what a caller asked: canonical, complete and hashable.

    ``request`` has the members of the node's chat route (``model``, ``messages``, …); ``messages``
    may be a text for a single user message. Members without an effect on nodes are dropped;
    ``stream`` is not one of the result, since it is the same request streamed or not.

    Raises:
        ConfigurationError: A member is missing or of the wrong kind; the message names it with its
            index (``messages[2].content``).

    Example:
        >>> wire_chat_request({"model": "gpt-5", "messages": "Hi", "temperature": 1, "n": 2})
        {'model': 'gpt-5', 'messages': [{'role': 'user', 'content': 'Hi'}], 'temperature': 1.0}
    """
    given = _as_user_message(request)
    body: dict[str, object] = {
        "model": given.get("model"),
        "messages": [
            _wire_message(message, f"messages[{index}]")
            for index, message in enumerate(chat_messages(given))
        ],
        "temperature": _temperature(given, CHAT_TEMPERATURE),
    }
    if given.get("max_tokens") is not None:
        body["max_tokens"] = _token_count(given["max_tokens"])
    body |= _stop(given)
    if given.get("tools"):
        body["tools"] = given["tools"]
    if given.get("tool_choice") is not None:
        body["tool_choice"] = given["tool_choice"]
    if given.get("response_format"):
        body["response_format"] = _response_format(given["response_format"])
    if _flag(given, "web_search"):
        body["web_search"] = True
    canonical_chat_request(body, Mode.JULY)  # what cannot be hashed must not be paid for
    return body


def wire_completion_request(request: Mapping[str, object]) -> dict[str, object]:
    """Return the completion body to send, with both of the node's defaults written out.

    Nodes assume temperature 1.0 and 16 tokens where these are absent; sending them keeps the hash
    the same whatever a node assumes.

    Raises:
        ConfigurationError: A member is missing or of the wrong kind.
    """
    prompt, max_tokens = request.get("prompt"), request.get("max_tokens")
    if not isinstance(prompt, str):
        raise refusal("prompt", "text", prompt)
    body: dict[str, object] = {
        "model": request.get("model"),
        "prompt": prompt,
        "max_tokens": COMPLETION_MAX_TOKENS if max_tokens is None else _token_count(max_tokens),
        "temperature": _temperature(request, COMPLETION_TEMPERATURE),
    }
    body |= _stop(request)
    canonical_completion_request(body)  # what cannot be hashed must not be paid for
    return body


def _as_user_message(request: Mapping[str, object]) -> Mapping[str, object]:
    text = request.get("messages")
    if isinstance(text, str) and text:
        return {**request, "messages": [{"role": "user", "content": text}]}
    return request


def _wire_message(message: Mapping[str, object], at: str) -> dict[str, object]:
    shaped = july_message(message, at)
    match shaped["role"]:
        case "user":
            shaped["content"] = _user_content(message.get("content"), f"{at}.content")
        case "system":
            _require_content(shaped["content"], f"{at}.content")
        case "assistant":
            _require_content(shaped["content"], f"{at}.content")
            _require_text_calls(shaped.get("tool_calls", ()), at)
        case "tool":
            _require_content(shaped["content"], f"{at}.content")
            _require_text(shaped["tool_call_id"], f"{at}.tool_call_id")
        case _:
            _require_text(shaped["content"], f"{at}.content")
            _require_text(shaped["name"], f"{at}.name")
    return shaped


def _user_content(content: object, at: str) -> str | list[object]:
    if isinstance(content, str):
        return content
    if not is_array(content) or not content:
        raise refusal(at, "text or a list of parts", content)
    return [_user_part(part, f"{at}[{index}]") for index, part in enumerate(content)]


def _user_part(part: object, at: str) -> Mapping[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not is_object(part) or not isinstance(part.get("type"), str):
        raise refusal(at, "text or an object with a type", part)
    if part["type"] == "text":
        _require_text(part.get("text"), f"{at}.text")
    return part


def _require_text(value: object, at: str) -> None:
    if not isinstance(value, str):
        raise refusal(at, "text", value)


def _require_content(value: object, at: str) -> None:
    if not isinstance(value, str) and not is_array(value):
        raise refusal(at, "text or a list of parts", value)


def _require_text_calls(calls: object, at: str) -> None:
    assert is_array(calls)
    for index, call in enumerate(calls):
        assert is_object(call)
        assert is_object(call["function"])
        call_at = f"{at}.tool_calls[{index}]"
        _require_text(call["id"], f"{call_at}.id")
        _require_text(call["type"], f"{call_at}.type")
        _require_text(call["function"]["name"], f"{call_at}.function.name")
        _require_text(call["function"]["arguments"], f"{call_at}.function.arguments")


def _temperature(given: Mapping[str, object], default: float) -> float:
    temperature = as_temperature(given.get("temperature"), absent=default)
    if not 0 <= temperature <= _MAX_TEMPERATURE:
        raise refusal("temperature", "a number from 0 to 2", given.get("temperature"))
    return temperature


def _token_count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise refusal("max_tokens", "a whole number of tokens, zero or more", value)
    return value


def _stop(given: Mapping[str, object]) -> dict[str, str | Sequence[object]]:
    stop = given.get("stop")
    if not stop:
        return {}
    if isinstance(stop, str):
        return {"stop": stop}
    if not is_array(stop) or not all(isinstance(word, str) for word in stop):
        raise refusal("stop", "text or a list of texts", stop)
    return {"stop": list(stop)}


def _response_format(value: object) -> Mapping[str, object]:
    if not is_object(value) or not isinstance(value.get("type"), str):
        raise refusal("response_format", "an object with a type", value)
    return value


def _flag(given: Mapping[str, object], name: str) -> bool:
    value = given.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise refusal(name, "true or false", value)
    return value

"""One message of a chat, as each form of the canonical request writes it (section 4.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Sized
from typing import NamedTuple

from ..errors import ConfigurationError
from ._shapes import is_array, is_object


def refusal(member: str, needed: str, given: object) -> ConfigurationError:
    """Return the error for a request member of the wrong kind; nothing was sent."""
    return ConfigurationError(
        f"{member} must be {needed}, not {_kind(given)}",
        hint=f"correct {member} and call again; nothing was sent or signed",
    )


def not_json(error: Exception) -> ConfigurationError:
    """Return the error for a request that has no JSON text; nothing was sent."""
    return ConfigurationError(
        f"the request cannot be hashed: {error}",
        hint="use only what JSON knows: text, finite numbers, true, false, null, lists, dicts",
    )


def july_message(message: Mapping[str, object], at: str) -> dict[str, object]:
    """Return ``message`` as nodes of July hash it; ``at`` names it in errors.

    Raises:
        ConfigurationError: An unknown role, or tool calls of the wrong kind.
    """
    role, content = message.get("role"), message.get("content")
    match role:
        case "system" | "developer":
            return {"role": "system", "content": content}
        case "user":
            shaped = [_july_part(part) for part in content] if is_array(content) else str(content)
            return {"role": "user", "content": shaped}
        case "assistant":
            return _assistant(message, at, _JULY_ABSENT)
        case "tool":
            return {"role": "tool", "content": content, "tool_call_id": message.get("tool_call_id")}
        case "function":
            return {"role": "function", "content": content, "name": message.get("name")}
        case _:
            raise _unknown_role(role, at)


def april_message(message: Mapping[str, object], at: str) -> dict[str, object]:
    """Return ``message`` as nodes of April hash it; ``at`` names it in errors.

    Raises:
        ConfigurationError: What those nodes answer with an error: an unknown role (``developer``
            among them), null content of a user or tool, tool calls of the wrong kind.
    """
    role, content = message.get("role"), message.get("content")
    match role:
        case "system":
            return {"role": "system", "content": content}
        case "user":
            if content is None:
                raise refusal(f"{at}.content", "text or a list of parts", content)
            text = _repr_as_parsed(content) if is_array(content) else str(content)
            return {"role": "user", "content": text}
        case "assistant":
            return _assistant(message, at, _APRIL_ABSENT)
        case "tool":
            if content is None and "content" in message:
                raise refusal(f"{at}.content", "the tool's result as text", content)
            return {"role": "tool", "content": content, "tool_call_id": message.get("tool_call_id")}
        case "function":
            return {"role": "function", "content": str(content), "name": str(message.get("name"))}
        case _:
            raise _unknown_role(role, at)


def has_parts(message: Mapping[str, object]) -> bool:
    """Tell whether this is a user message whose content is a list of parts."""
    return message.get("role") == "user" and is_array(message.get("content"))


def has_attachment(message: Mapping[str, object]) -> bool:
    """Tell whether this is a user message with a part that is more than text."""
    parts = message.get("content")
    return (
        message.get("role") == "user"
        and is_array(parts)
        and any(is_object(part) and part.get("type") != "text" for part in parts)
    )


class _Absent(NamedTuple):
    """What a form writes for a member that a tool call lacks."""

    id: str | None
    type: str | None
    text: str | None


_JULY_ABSENT = _Absent(id="", type="function", text="")
_APRIL_ABSENT = _Absent(id=None, type=None, text=None)


def _assistant(message: Mapping[str, object], at: str, absent: _Absent) -> dict[str, object]:
    shaped: dict[str, object] = {"role": "assistant", "content": message.get("content") or ""}
    calls = message.get("tool_calls")
    if not calls:
        return shaped
    if not is_array(calls):
        raise refusal(f"{at}.tool_calls", "a list of tool calls", calls)
    shaped["tool_calls"] = [
        _tool_call(call, f"{at}.tool_calls[{index}]", absent) for index, call in enumerate(calls)
    ]
    return shaped


def _tool_call(call: object, at: str, absent: _Absent) -> dict[str, object]:
    if not is_object(call):
        raise refusal(at, "an object with id, type and function", call)
    function = call.get("function", {})
    if not is_object(function):
        raise refusal(f"{at}.function", "an object with name and arguments", function)
    return {
        "id": call.get("id", absent.id),
        "type": call.get("type", absent.type),
        "function": {
            "name": function.get("name", absent.text),
            "arguments": function.get("arguments", absent.text),
        },
    }


def _july_part(part: object) -> dict[str, object]:
    if not is_object(part):
        return {"type": "text", "text": str(part)}
    if part.get("type") == "text":
        return {"type": "text", "text": part.get("text") or ""}
    file = part.get("file")
    filename = (file.get("filename") if is_object(file) else None) or part.get("filename")
    shaped: dict[str, object] = {"type": part.get("type")}
    if filename:
        shaped["filename"] = filename
    return shaped


def _repr_as_parsed(content: Sequence[object]) -> str:
    # the node prints what it parsed from the wire: there, tuples have become lists
    try:
        return str(json.loads(json.dumps(content, allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise not_json(error) from error


def _unknown_role(role: object, at: str) -> ConfigurationError:
    return refusal(f"{at}.role", "system, user, assistant, tool or function", role)


def _kind(value: object) -> str:
    if value is None:
        return "missing or null"
    if isinstance(value, Sized) and not len(value):
        return f"an empty {type(value).__name__}"
    if isinstance(value, str | int | float):
        return repr(value)[:60]
    return type(value).__name__

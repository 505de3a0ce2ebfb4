"""The canonical request: the text whose Keccak-256 a node signs as ``tee_request_hash``.

Two forms are in use (the protocol notes, section 4.3). They differ only in user content given as a
list of parts and in ``web_search``: nodes of April hash Python's ``repr`` of the list and leave
``web_search`` out; nodes of July hash the shape of the parts, without attachment bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, cast

from .._core.canonical_json import canonical_json
from ..types import Bytes32, keccak256
from ._messages import april_message, has_attachment, has_parts, july_message, not_json, refusal
from ._shapes import is_array, is_object

CHAT_TEMPERATURE = 0.0
"""What a chat request without a temperature is hashed with."""
COMPLETION_TEMPERATURE = 1.0
"""What a node assumes for a completion request without a temperature."""
COMPLETION_MAX_TOKENS = 16
"""What a node assumes for a completion request without ``max_tokens``."""

_HASHED_MEMBERS = frozenset(
    {"model", "messages", "prompt", "temperature", "max_tokens", "stop", "tools", "response_format"}
)
# hashed by one form only, or (stream) about how the answer travels, not what is asked for
_SPECIAL_MEMBERS = frozenset({"web_search", "stream"})


class Mode(Enum):
    """Which node software's canonical form is meant, named by the month it was observed."""

    JULY = "july"
    APRIL = "april"


class RequestHash(NamedTuple):
    """A hash that an honest node may sign for a request, and the form it belongs to."""

    mode: Mode
    digest: Bytes32


def canonical_chat_request(body: Mapping[str, object], mode: Mode) -> str:
    """Return the text that a node of ``mode`` hashes for a chat request body.

    Raises:
        ConfigurationError: The body has no such text; the message names the member.

    Example:
        >>> body = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}], "n": 1}
        >>> canonical_chat_request(body, Mode.JULY)
        '{"messages": [{"content": "Hi", "role": "user"}], "model": "gpt-5", "temperature": 0.0}'
    """
    shape = july_message if mode is Mode.JULY else april_message
    canonical: dict[str, object] = {
        "model": _model(body),
        "messages": [
            shape(message, f"messages[{index}]")
            for index, message in enumerate(chat_messages(body))
        ],
        "temperature": as_temperature(body.get("temperature"), absent=CHAT_TEMPERATURE),
    }
    if body.get("max_tokens") is not None:
        canonical["max_tokens"] = body["max_tokens"]
    if body.get("stop"):
        canonical["stop"] = body["stop"]
    if body.get("tools"):
        canonical["tools"] = _tools(body)
    if body.get("response_format"):
        canonical["response_format"] = body["response_format"]
    if mode is Mode.JULY and body.get("web_search"):
        canonical["web_search"] = True
    return _text(canonical)


def canonical_completion_request(body: Mapping[str, object]) -> str:
    """Return the text that a node hashes for a completion request body.

    An absent member has the node's default (temperature 1.0, 16 tokens); an explicit null means
    0.0 and "not hashed".

    Raises:
        ConfigurationError: The body has no such text; the message names the member.
    """
    temperature = body.get("temperature", COMPLETION_TEMPERATURE)
    max_tokens = body.get("max_tokens", COMPLETION_MAX_TOKENS)
    canonical: dict[str, object] = {
        "model": _model(body),
        "prompt": body.get("prompt"),
        "temperature": as_temperature(temperature, absent=0.0),
    }
    if max_tokens is not None:
        canonical["max_tokens"] = max_tokens
    if body.get("stop"):
        canonical["stop"] = body["stop"]
    return _text(canonical)


def request_hashes(body: Mapping[str, object]) -> Iterator[RequestHash]:
    """Yield every hash an honest node may sign for ``body``: July's first, April's if it differs.

    A body without ``messages`` is a completion request, which has one form. April's hash of a chat
    is computed only when the iterator is asked for it: it covers whole attachments and is slow.

    Raises:
        ConfigurationError: The body has no canonical text.
    """
    if "messages" not in body:
        yield RequestHash(Mode.APRIL, _digest(canonical_completion_request(body)))
        return
    yield RequestHash(Mode.JULY, _digest(canonical_chat_request(body, Mode.JULY)))
    if _depends_on_mode(body):
        yield RequestHash(Mode.APRIL, _digest(canonical_chat_request(body, Mode.APRIL)))


def uncovered_request(body: Mapping[str, object], request_hash: str) -> tuple[str, ...]:
    """Return what ``body`` asks for that the signature over ``request_hash`` does not bind.

    Args:
        body: The request as it was sent.
        request_hash: The verified ``tee_request_hash`` (hex, 0x optional); it tells the form.

    Raises:
        ConfigurationError: The body has no canonical text.
    """
    uncovered = [
        member
        for member, value in body.items()
        if value is not None and member not in _HASHED_MEMBERS and member not in _SPECIAL_MEMBERS
    ]
    if "messages" not in body or not _depends_on_mode(body):
        return tuple(uncovered)
    july = next(request_hashes(body))
    if july.digest.hex() == request_hash.removeprefix("0x"):
        uncovered += [
            f"attachment bytes of messages[{index}]"
            for index, message in enumerate(chat_messages(body))
            if has_attachment(message)
        ]
    elif body.get("web_search"):
        uncovered.append("web_search")
    return tuple(uncovered)


def chat_messages(body: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """Return the messages of a chat body.

    Raises:
        ConfigurationError: There are none, or one is not an object.
    """
    messages = body.get("messages")
    if not is_array(messages) or not messages:
        raise refusal("messages", "a list of at least one message", messages)
    for index, message in enumerate(messages):
        if not is_object(message):
            raise refusal(f"messages[{index}]", "an object with role and content", message)
    return cast(Sequence[Mapping[str, object]], messages)


def as_temperature(value: object, *, absent: float) -> float:
    """Return a temperature as the float that is hashed; null is ``absent``.

    Raises:
        ConfigurationError: Not a number.
    """
    if value is None:
        return absent
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal("temperature", "a number", value)
    try:
        return float(value)
    except OverflowError:
        raise refusal("temperature", "a number that fits a float", "a huge integer") from None


def _depends_on_mode(body: Mapping[str, object]) -> bool:
    return bool(body.get("web_search")) or any(has_parts(m) for m in chat_messages(body))


def _model(body: Mapping[str, object]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise refusal("model", "the name of a model", model)
    return model


def _tools(body: Mapping[str, object]) -> Sequence[object]:
    tools = body["tools"]
    if not is_array(tools):
        raise refusal("tools", "a list of tool descriptions", tools)
    return tools


def _text(canonical: Mapping[str, object]) -> str:
    try:
        return canonical_json(canonical)
    except ValueError as error:
        raise not_json(error) from error


def _digest(text: str) -> Bytes32:
    return Bytes32(keccak256(text.encode("ascii")))

"""What of a request reaches the model (protocol notes 3.2): less than the client sent."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from .models import Mode
from .shapes import JsonObject, as_object, is_list, is_object

Provider: TypeAlias = Literal["openai", "anthropic", "google", "x-ai", "other"]

_DEFAULT_MAX_TOKENS: Final = 4096
_SEARCHING: Final = frozenset({"openai", "anthropic", "google", "x-ai"})
_FORCED_TEMPERATURE: Final = {"o4-mini": 1.0}
_JSON_INSTRUCTION: Final = {"role": "system", "content": "Respond in JSON format."}
_PREFIXES: Final[tuple[tuple[str, Provider], ...]] = (
    ("gpt-", "openai"),
    ("o3", "openai"),
    ("o4-", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "google"),
    ("grok-", "x-ai"),
)


def provider_of(model: str) -> Provider:
    """Return whose model this is."""
    name = model.strip().lower()
    for prefix, provider in _PREFIXES:
        if name.startswith(prefix):
            return provider
    return "other"


def searches(body: JsonObject, mode: Mode) -> int:
    """Return how many web searches are billed: one where July's ``web_search`` is asked for."""
    asked = mode == "july" and body.get("web_search") is True
    return int(asked and provider_of(body["model"]) in _SEARCHING)


def chat_prompt(body: JsonObject, mode: Mode) -> JsonObject:
    """Return the provider request of a chat request.

    ``stop``, ``tool_choice`` and the sampling parameters other than the temperature have no effect.
    April passes on only the texts of user content; July passes on all of it.
    """
    prompt: JsonObject = {
        "model": body["model"],
        "messages": [_message(message, mode) for message in body["messages"]],
        "temperature": _temperature(body),
        "max_tokens": body.get("max_tokens") or _DEFAULT_MAX_TOKENS,
    }
    for member in ("tools", "response_format"):
        if body.get(member):
            prompt[member] = body[member]
    if mode == "july" and body.get("web_search"):
        prompt["web_search"] = True
    if _wants_json(prompt) and not _says_json(prompt["messages"]):
        prompt["messages"].insert(0, _JSON_INSTRUCTION)
    return prompt


def completion_prompt(body: JsonObject) -> JsonObject:
    """Return the provider request of a completion request: a chat of one message."""
    max_tokens = body.get("max_tokens", 16)
    return {
        "model": body["model"],
        "messages": [{"role": "user", "content": body["prompt"]}],
        "temperature": _temperature(body, absent=1.0),
        "max_tokens": max_tokens or _DEFAULT_MAX_TOKENS,
    }


def text_of(content: object) -> str:
    """Return the text of a message's content: itself, or its text parts one after another."""
    if isinstance(content, str):
        return content
    if not is_list(content):
        return ""
    return "".join(map(_part_text, content))


def _part_text(part: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(part, str):
        return part
    text = part.get("text") if is_object(part) else None
    return text if isinstance(text, str) else ""


def _temperature(body: JsonObject, absent: float = 0.0) -> float:
    forced = _FORCED_TEMPERATURE.get(body["model"].strip().lower())
    return forced if forced is not None else float(body.get("temperature", absent) or 0.0)


def _message(message: JsonObject, mode: Mode) -> JsonObject:
    if mode == "april" and is_list(message.get("content")):
        return {**message, "content": text_of(message["content"])}
    if message["role"] == "developer":
        return {**message, "role": "system"}
    return message


def _wants_json(prompt: JsonObject) -> bool:
    return bool(as_object(prompt.get("response_format")).get("type") == "json_object")


def _says_json(messages: list[JsonObject]) -> bool:
    return any("json" in text_of(message.get("content")).lower() for message in messages)

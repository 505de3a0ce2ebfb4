"""``devnet/echo``: the deterministic model that answers where no real one is connected.

It answers for every model on the price list and always says so. What it does is asked for in plain
words in the last user message:

- ``call get_weather``: calls the tool of that name; ``use tool``: calls the first tool;
- ``sleep 2s``: waits that long before it answers (real time, at most two minutes);
- ``please fail``: fails; ``fail midway``: fails too, in a stream after half of the words.

With a ``response_format`` it answers JSON of that form. A token is four bytes of UTF-8.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from typing import Final

from .models import Answer, ModelError, Piece, StreamEnd, ToolCall, ToolFragment, Usage
from .pricing import ECHO_MODELS, makes_images
from .prompting import text_of
from .schema_instance import instance
from .shapes import JsonObject, as_list, as_object, is_object

_NAME: Final = "devnet/echo"
_BYTES_PER_TOKEN: Final = 4
_TOKENS_PER_IMAGE: Final = 1290
_LONGEST_SLEEP: Final = 120.0
_SLEEP: Final = re.compile(r"\bsleep (\d+(?:\.\d+)?) ?s", re.IGNORECASE)
_FAIL: Final = re.compile(r"\bplease fail\b", re.IGNORECASE)
_FAIL_MIDWAY: Final = re.compile(r"\bfail midway\b", re.IGNORECASE)
_USE_TOOL: Final = re.compile(r"\buse (?:a |the )?tool", re.IGNORECASE)
_WORD: Final = re.compile(r"\s*\S+\s*")
_PIXEL: Final = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)


class EchoModel:
    """Answers with what it was told; needs no network and no state."""

    async def answer(self, request: JsonObject) -> Answer:
        """Return the answer to a provider request.

        Raises:
            ModelError: The user asked for a failure.
        """
        said = _last_user_text(request)
        await _sleep_if_told(said)
        if _FAIL.search(said) or _FAIL_MIDWAY.search(said):
            raise ModelError("the user asked for a failure")
        return _answer(request, said)

    async def stream(self, request: JsonObject) -> AsyncIterator[Piece]:
        """Yield the answer word by word, tool calls in fragments.

        Raises:
            ModelError: The user asked for a failure.
        """
        said = _last_user_text(request)
        await _sleep_if_told(said)
        if _FAIL.search(said):
            raise ModelError("the user asked for a failure")
        answer = _answer(request, said)
        words: list[str] = _WORD.findall(answer.text)
        fails = bool(_FAIL_MIDWAY.search(said))
        for word in words[: len(words) // 2] if fails else words:
            yield word
        if fails:
            raise ModelError("the user asked for a failure midway")
        for index, call in enumerate(answer.tool_calls):
            half = len(call.arguments) // 2
            yield ToolFragment(index, call.id, call.name, call.arguments[:half])
            yield ToolFragment(index, None, None, call.arguments[half:])
        yield StreamEnd(answer.usage, answer.images)


def _answer(request: JsonObject, said: str) -> Answer:
    calls = _tool_calls(request, said)
    text = "" if calls else _text(request, said)
    model: str = request["model"].strip().lower()
    images = (_PIXEL,) if makes_images(model) else ()
    written = sum(_tokens(call.arguments) for call in calls) if calls else _tokens(text)
    if images and model.startswith("gemini"):
        written = max(written, _TOKENS_PER_IMAGE)  # these pay for images by the token
    else:
        written = min(written, request["max_tokens"])
    return Answer(text, calls, Usage(_prompt_tokens(request), written), images)


def _text(request: JsonObject, said: str) -> str:
    form = as_object(request.get("response_format"))
    match form.get("type"):
        case "json_object":
            return json.dumps({"model": _NAME, "you_said": said})
        case "json_schema":
            return json.dumps(instance(as_object(as_object(form.get("json_schema")).get("schema"))))
        case _:
            return _cut(_sentence(request, said), request["max_tokens"])


def _sentence(request: JsonObject, said: str) -> str:
    last = request["messages"][-1]
    if last["role"] == "tool":
        sentence = f"[{_NAME}] The tool said: {text_of(last.get('content'))}"
    else:
        sentence = f"[{_NAME}] You said: {said}"
    attachments = _attachments(last.get("content"))
    if attachments:
        sentence += f" (and sent {attachments} attachment{'s' * (attachments > 1)})"
    asked: str = request["model"].strip()
    if asked.lower() not in ECHO_MODELS:
        sentence += f" (built in: no real {asked} here)"
    return sentence


def _attachments(content: object) -> int:
    return sum(is_object(part) and part.get("type") != "text" for part in as_list(content))


def _tool_calls(request: JsonObject, said: str) -> tuple[ToolCall, ...]:
    if request["messages"][-1]["role"] in ("tool", "function"):
        return ()
    functions = [
        as_object(as_object(tool).get("function")) for tool in as_list(request.get("tools"))
    ]
    wanted = [f for f in functions if f"call {f.get('name')}".lower() in said.lower()]
    if not wanted and _USE_TOOL.search(said):
        wanted = functions[:1]
    return tuple(_tool_call(index, function, said) for index, function in enumerate(wanted))


def _tool_call(index: int, function: JsonObject, said: str) -> ToolCall:
    name = str(function.get("name"))
    values = instance(as_object(function.get("parameters")) or {"type": "object"})
    # compact and not escaped: unlike the spelling of plain answers, so that a mix-up shows
    arguments = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(_utf8(f"{index} {name} {arguments} {said}")).hexdigest()
    return ToolCall(f"call_{digest[:12]}", name, arguments)


def _last_user_text(request: JsonObject) -> str:
    messages: list[JsonObject] = request["messages"]
    users = [m for m in messages if m["role"] == "user"]
    return text_of(users[-1].get("content")) if users else ""


async def _sleep_if_told(said: str) -> None:
    told = _SLEEP.search(said)
    if told:
        await asyncio.sleep(min(float(told[1]), _LONGEST_SLEEP))


def _prompt_tokens(request: JsonObject) -> int:
    texts = [text_of(message.get("content")) for message in request["messages"]]
    return _tokens("".join(texts))


def _tokens(text: str) -> int:
    return max(1, -(-len(_utf8(text)) // _BYTES_PER_TOKEN))


def _cut(text: str, max_tokens: int) -> str:
    return _utf8(text)[: max_tokens * _BYTES_PER_TOKEN].decode(errors="ignore")


def _utf8(text: str) -> bytes:
    return text.encode(errors="replace")  # JSON can carry halves of characters

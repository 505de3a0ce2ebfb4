"""Answers from any OpenAI-compatible server behind the enclave."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp

from .models import Answer, ModelError, Piece, StreamEnd, ToolCall, ToolFragment, Usage
from .prompting import text_of
from .shapes import JsonObject, as_list, as_object, is_object

_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=300)
_LONGEST_LINE: Final = 16 * 2**20  # an image may travel in one event
_DATA: Final = b"data:"
_DONE: Final = b"[DONE]"


class UpstreamModel:
    """Forwards provider requests to ``{url}/chat/completions``.

    A connection is opened for the first request; call ``close`` at the end.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/chat/completions"
        self._http: aiohttp.ClientSession | None = None

    async def answer(self, request: JsonObject) -> Answer:
        """Return the server's answer.

        Raises:
            ModelError: It cannot be reached, refuses, or answers something else.
        """
        try:
            async with self._session().post(self._url, json=request) as response:
                body = _object(await response.read()) if response.ok else None
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as failure:
            raise ModelError(f"upstream: {failure or type(failure).__name__}") from failure
        if body is None:
            raise ModelError(f"upstream answered {status}")
        return _answer(body)

    async def stream(self, request: JsonObject) -> AsyncIterator[Piece]:
        """Yield the server's answer as it arrives.

        Raises:
            ModelError: It cannot be reached, refuses, breaks off, or answers something else.
        """
        streamed = {**request, "stream": True, "stream_options": {"include_usage": True}}
        end = StreamEnd(None)
        try:
            async with self._session().post(self._url, json=streamed) as response:
                if not response.ok:
                    raise ModelError(f"upstream answered {response.status}")
                async for event in _events(response):
                    for piece in _pieces(event):
                        if isinstance(piece, StreamEnd):
                            end = _joined(end, piece)
                        else:
                            yield piece
        except (aiohttp.ClientError, TimeoutError) as failure:
            raise ModelError(f"upstream: {failure or type(failure).__name__}") from failure
        yield end

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=_TIMEOUT, read_bufsize=_LONGEST_LINE)
        return self._http


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[JsonObject]:
    async for line in response.content:
        if not line.startswith(_DATA):
            continue
        data = line[len(_DATA) :].strip()
        if data == _DONE:
            return
        yield _object(data)


def _object(data: bytes) -> JsonObject:
    try:
        body: Any = json.loads(data)
    except ValueError as failure:
        raise ModelError("upstream answered something that is not JSON") from failure
    if not is_object(body) or "error" in body:
        raise ModelError(f"upstream: {data[:200]!r}")
    return body


def _answer(body: JsonObject) -> Answer:
    choices = as_list(body.get("choices"))
    message = as_object(choices[0]).get("message") if choices else None
    if not is_object(message):
        raise ModelError("upstream answered without a message")
    calls = tuple(_tool_call(as_object(call)) for call in as_list(message.get("tool_calls")))
    text = text_of(message.get("content"))
    return Answer(text, calls, _usage(body), _images(message))


def _pieces(event: JsonObject) -> list[Piece]:
    pieces: list[Piece] = []
    for choice in as_list(event.get("choices")):
        delta = as_object(as_object(choice).get("delta"))
        text = text_of(delta.get("content"))
        if text:
            pieces.append(text)
        pieces.extend(_fragment(as_object(call)) for call in as_list(delta.get("tool_calls")))
        if delta.get("images"):
            pieces.append(StreamEnd(None, _images(delta)))
    if event.get("usage"):
        pieces.append(StreamEnd(_usage(event)))
    return pieces


def _tool_call(call: JsonObject) -> ToolCall:
    function = as_object(call.get("function"))
    return ToolCall(call.get("id"), function.get("name"), function.get("arguments") or "{}")


def _fragment(call: JsonObject) -> ToolFragment:
    function = as_object(call.get("function"))
    return ToolFragment(
        int(call.get("index") or 0),
        call.get("id"),
        function.get("name"),
        function.get("arguments") or "",
    )


def _joined(first: StreamEnd, second: StreamEnd) -> StreamEnd:
    return StreamEnd(second.usage or first.usage, first.images + second.images)


def _usage(body: JsonObject) -> Usage | None:
    usage = as_object(body.get("usage"))
    if not usage:
        return None
    read = usage.get("prompt_tokens") or usage.get("input_tokens") or 0
    written = usage.get("completion_tokens") or usage.get("output_tokens") or 0
    return Usage(int(read), int(written))


def _images(message: JsonObject) -> tuple[str, ...]:
    """Return the URIs of images, given as such or as ``image_url`` parts."""
    return tuple(filter(None, map(_image_url, as_list(message.get("images")))))


def _image_url(image: object) -> str | None:
    wrapped = as_object(as_object(image).get("image_url")).get("url")
    url = wrapped if is_object(image) else image
    return url if isinstance(url, str) else None

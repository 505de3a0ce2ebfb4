"""The node's reading of OpenAI-compatible servers, good and bad."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk.devnet.node.models import Answer, ModelError, StreamEnd, ToolCall, Usage
from opengradient_sdk.devnet.node.upstream import UpstreamModel

from .conftest import serving

_REQUEST = {"model": "m", "messages": []}


@dataclass
class FixedServer:
    """A double: answers every request with the same bytes."""

    body: bytes = b""
    content_type: str = "application/json"
    url: str = ""

    async def answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=self.body, content_type=self.content_type)


@pytest.fixture
async def server() -> AsyncIterator[FixedServer]:
    async with serving(FixedServer()) as it:
        yield it


@pytest.fixture
async def model(server: FixedServer) -> AsyncIterator[UpstreamModel]:
    it = UpstreamModel(server.url + "/v1/")
    yield it
    await it.close()


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b'{"choices": [{"message": {"content": null}}]}', Answer("")),
        (b'{"choices": [{"message": {"content": "x"}}], "usage": null}', Answer("x")),
        (
            b'{"choices": [{"message": {"content": [{"type": "text", "text": "a"}, "b", {}]}}],'
            b' "usage": {"input_tokens": 3, "output_tokens": 4}}',
            Answer("ab", usage=Usage(3, 4)),
        ),
        (
            b'{"choices": [{"message": {"tool_calls": [{"id": "c", "function": {"name": "f"}}]}}]}',
            Answer("", (ToolCall("c", "f", "{}"),)),
        ),
        (
            b'{"choices": [{"message": '
            b'{"images": ["data:a", {"image_url": {"url": "data:b"}}, 1]}}]}',
            Answer("", images=("data:a", "data:b")),
        ),
    ],
)
async def test_an_answer_is_read(
    server: FixedServer, model: UpstreamModel, body: bytes, answer: Answer
) -> None:
    server.body = body

    assert await model.answer(_REQUEST) == answer


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"error": {"message": "no"}}']
)
async def test_what_is_no_answer_is_a_model_error(
    server: FixedServer, model: UpstreamModel, body: bytes
) -> None:
    server.body = body

    with pytest.raises(ModelError):
        await model.answer(_REQUEST)


async def _pieces(model: UpstreamModel) -> list[Any]:
    return [piece async for piece in model.stream(_REQUEST)]


async def test_a_stream_is_read_to_its_end(server: FixedServer, model: UpstreamModel) -> None:
    server.body = (
        b": comment\n\n"
        b'data: {"choices": [{"delta": {"content": "a", "images": ["data:i"]}}]}\n\n'
        b'data: {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}\n\n'
        b"data: [DONE]\n\n"
        b"data: not read\n\n"
    )

    assert await _pieces(model) == ["a", StreamEnd(Usage(1, 2), ("data:i",))]


@pytest.mark.parametrize("body", [b"data: {broken\n\n", b'data: {"error": "x"}\n\n'])
async def test_a_stream_with_nonsense_is_a_model_error(
    server: FixedServer, model: UpstreamModel, body: bytes
) -> None:
    server.body = body

    with pytest.raises(ModelError):
        await _pieces(model)


async def test_nobody_there_is_a_model_error() -> None:
    model = UpstreamModel("http://127.0.0.1:9/v1")
    try:
        with pytest.raises(ModelError):
            await model.answer(_REQUEST)
        with pytest.raises(ModelError):
            await _pieces(model)
    finally:
        await model.close()

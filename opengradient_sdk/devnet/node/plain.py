"""Answers in one piece: chat and completions (protocol notes 3.3, 3.5)."""

from __future__ import annotations

import uuid

from aiohttp import web

from .exchange import Exchange
from .models import Answer, ModelError, ToolCall
from .prompting import searches
from .responses import SESSION_HEADER, failure, hang_up, pretty_response
from .shapes import JsonObject


async def answer_chat(
    exchange: Exchange, request_text: str, prompt: JsonObject
) -> web.StreamResponse:
    """Answer a chat request.

    Raises:
        Refusal: 500, the model failed.
    """
    answer = await _ask(exchange, prompt)
    mode = exchange.services.mode
    message: JsonObject = {"role": "assistant", "content": answer.text}
    if answer.tool_calls:
        message["tool_calls"] = [call.to_json() for call in answer.tool_calls]
    if answer.images and mode == "july":
        message["images"] = list(answer.images)
    document = {
        "id": f"chatcmpl-{uuid.uuid4()}",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
    }
    response = await _respond(exchange, request_text, answer, document)
    searched = searches(exchange.body, mode)
    exchange.charge(answer.usage, images=len(answer.images), searches=searched)
    return response


async def answer_completion(
    exchange: Exchange, request_text: str, prompt: JsonObject
) -> web.StreamResponse:
    """Answer a completion request.

    Raises:
        Refusal: 500, the model failed.
    """
    answer = await _ask(exchange, prompt)
    document = {
        "id": f"cmpl-{uuid.uuid4()}",
        "object": "text_completion",
        "choices": [{"index": 0, "text": answer.text, "finish_reason": "stop"}],
    }
    response = await _respond(exchange, request_text, answer, document)
    exchange.charge(answer.usage)
    return response


async def _ask(exchange: Exchange, prompt: JsonObject) -> Answer:
    try:
        answer = await exchange.services.model.answer(prompt)
    except ModelError:
        raise failure("Request processing failed") from None
    calls = tuple(map(ToolCall.normalised, answer.tool_calls))
    return Answer(answer.text, calls, answer.usage, answer.images)


async def _respond(
    exchange: Exchange, request_text: str, answer: Answer, document: JsonObject
) -> web.StreamResponse:
    """Complete a document, have it signed and settled, and return it as a response."""
    faults = exchange.services.faults
    statement = await exchange.sign(request_text, answer.signed_text())
    document["created"] = int(exchange.services.clock.now())
    document["model"] = exchange.body["model"]
    document |= exchange.signed_members(statement)
    if answer.usage is not None:
        document["usage"] = answer.usage.to_json()
    if faults.second_choice:
        document["choices"].append({**document["choices"][0], "index": 1})
    headers = await exchange.record(statement, document)
    headers[SESSION_HEADER] = exchange.session.id
    if faults.drop_after_work:
        return hang_up(exchange.request)
    if faults.garbage_body:
        return web.Response(text="<garbage>", content_type="application/json", headers=headers)
    return pretty_response(document, headers=headers)

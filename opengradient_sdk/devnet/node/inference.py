"""The paid routes: gates, schema, and plain answers (protocol notes 3.2, 3.3, 3.5)."""

from __future__ import annotations

import asyncio
import uuid

from aiohttp import web

from ...errors import ConfigurationError
from ...verification.canonical import canonical_chat_request, canonical_completion_request
from .data_settlement import settlement_kind
from .exchange import Exchange, Services
from .models import Answer, ModelError, ToolCall
from .pricing import Rate
from .prompting import chat_prompt, completion_prompt, provider_of, searches
from .responses import (
    SESSION_HEADER,
    Refusal,
    compact,
    error,
    failure,
    internal_error,
    pretty_response,
    problem,
)
from .schema import check_chat, check_completion, parse_body
from .sessions import Session
from .shapes import JsonObject, as_object
from .streaming import stream_chat

_CHAT = "/v1/chat/completions"


class Inference:
    """Answers requests that the paywall has admitted."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def answer(
        self, request: web.BaseRequest, path: str, session: Session
    ) -> web.StreamResponse:
        """Return the answer to a request on ``path``, or its error; only a 2xx is billed."""
        with session.serving(self._services.clock):
            try:
                return await self._answer(request, path, session)
            except Refusal as refusal:
                response = refusal.response()
                response.headers[SESSION_HEADER] = session.id
                return response

    async def _answer(
        self, request: web.BaseRequest, path: str, session: Session
    ) -> web.StreamResponse:
        faults = self._services.faults
        if faults.drop_before_work:
            return _hang_up(request)
        if faults.delay:
            await asyncio.sleep(faults.delay)
        if faults.status is not None:
            raise error(faults.status, "The node was told to answer with this status")
        body, unreadable = _parsed(await request.read())
        rate = self._price(request, body)
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            raise problem(401, "No authorization token provided")
        if unreadable is not None:
            raise unreadable
        if path == _CHAT:
            check_chat(body, self._services.mode)
        else:
            check_completion(body)
        assert rate is not None, "a body without a model has passed the schema"
        kind = settlement_kind(request.headers.get("X-SETTLEMENT-TYPE"))
        exchange = Exchange(self._services, request, body, session, rate, kind)
        if path == _CHAT:
            return await self._chat(exchange)
        return await self._completion(exchange)

    def _price(self, request: web.BaseRequest, body: JsonObject) -> Rate | None:
        """Return the rate of the model asked for; ``None`` where the schema check will refuse.

        Raises:
            Refusal: 415 not JSON, 400 unknown model, 503 no OPG price.
        """
        if not request.content_type.endswith("json"):
            raise Refusal(
                415,
                compact(
                    {
                        "error": "Unsupported Media Type",
                        "message": "Content-Type must be application/json",
                    }
                ),
            )
        model: object = body.get("model")
        if not isinstance(model, str):
            return None
        rate = self._services.prices.rate(model)
        if rate is None:
            raise error(400, f"Model {model!r} is not supported")
        if self._services.faults.price_unavailable:
            raise error(
                503,
                "Pricing unavailable: OPG price not yet available — price feed has not completed "
                "a successful fetch",
            )
        return rate

    async def _chat(self, exchange: Exchange) -> web.StreamResponse:
        body, mode = exchange.body, self._services.mode
        if mode == "april" and any(m["role"] == "developer" for m in body["messages"]):
            raise internal_error()  # the April software knows the role in its schema only
        request_text = _canonical_chat(exchange)
        prompt = chat_prompt(body, mode)
        unsupported = _refused_by_provider(body)
        if body.get("stream"):
            if unsupported:
                raise failure("Stream setup failed")
            return await stream_chat(exchange, request_text, prompt)
        if unsupported:
            raise failure("Request processing failed")
        answer = await self._ask(prompt)
        message: JsonObject = {"role": "assistant", "content": answer.text}
        if answer.tool_calls:
            message["tool_calls"] = [call.to_json() for call in answer.tool_calls]
        if answer.images and mode == "july":
            message["images"] = list(answer.images)
        choice = {"message": message, "finish_reason": answer.finish_reason}
        exchange.charge(answer.usage, images=len(answer.images), searches=searches(body, mode))
        return await self._signed(exchange, request_text, answer, "chat.completion", choice)

    async def _completion(self, exchange: Exchange) -> web.StreamResponse:
        request_text = canonical_completion_request(exchange.body)
        answer = await self._ask(completion_prompt(exchange.body))
        exchange.charge(answer.usage)
        choice = {"text": answer.text, "finish_reason": "stop"}
        return await self._signed(exchange, request_text, answer, "text_completion", choice)

    async def _ask(self, prompt: JsonObject) -> Answer:
        try:
            answer = await self._services.model.answer(prompt)
        except ModelError:
            raise failure("Request processing failed") from None
        calls = tuple(map(ToolCall.normalised, answer.tool_calls))
        return Answer(answer.text, calls, answer.usage, answer.images)

    async def _signed(
        self, exchange: Exchange, request_text: str, answer: Answer, kind: str, choice: JsonObject
    ) -> web.StreamResponse:
        statement = await exchange.sign(request_text, answer.signed_text())
        faults = self._services.faults
        prefix = "chatcmpl" if kind == "chat.completion" else "cmpl"
        choices = [{"index": 0, **choice}]
        if faults.second_choice:
            choices.append({"index": 1, **choice})
        document: JsonObject = {
            "id": f"{prefix}-{uuid.uuid4()}",
            "object": kind,
            "created": int(self._services.clock.now()),
            "model": exchange.body["model"],
            "choices": choices,
            **exchange.signed_members(statement),
        }
        if answer.usage is not None:
            document["usage"] = answer.usage.to_json()
        headers = await exchange.record(statement, document)
        headers[SESSION_HEADER] = exchange.session.id
        if faults.drop_after_work:
            return _hang_up(exchange.request)
        if faults.garbage_body:
            return web.Response(text="<garbage>", content_type="application/json", headers=headers)
        return pretty_response(document, headers=headers)


def _parsed(raw: bytes) -> tuple[JsonObject, Refusal | None]:
    """Return a body, or an empty one and why: the gates look at it before that is an error."""
    try:
        return parse_body(raw), None
    except Refusal as refusal:
        return {}, refusal


def _canonical_chat(exchange: Exchange) -> str:
    try:
        return canonical_chat_request(exchange.body, exchange.services.canonical_mode)
    except ConfigurationError as reason:
        raise problem(400, reason.short_message) from reason


def _refused_by_provider(body: JsonObject) -> bool:
    form = as_object(body.get("response_format"))
    return form.get("type") == "json_object" and provider_of(body["model"]) == "anthropic"


def _hang_up(request: web.BaseRequest) -> web.Response:
    """Close the connection; the response returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()

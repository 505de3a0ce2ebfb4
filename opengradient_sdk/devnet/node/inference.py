"""The paid routes: from an admitted request to its answer (protocol notes 3.2–3.5)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import ConfigurationError
from ...verification.canonical import Mode, canonical_chat_request, canonical_completion_request
from .data_settlement import settlement_kind
from .exchange import Exchange, Services
from .faults import Faults
from .gates import pass_gates
from .offers import CHAT
from .plain import answer_chat, answer_completion
from .prompting import chat_prompt, completion_prompt, provider_of
from .responses import SESSION_HEADER, Refusal, error, failure, hang_up, internal_error, problem
from .sessions import Session
from .shapes import JsonObject, as_object
from .streaming import stream_chat

if TYPE_CHECKING:
    from aiohttp import web


class Inference:
    """Answers requests that the paywall has admitted."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def answer(
        self, request: web.BaseRequest, path: str, session: Session, faults: Faults
    ) -> web.StreamResponse:
        """Return the answer to a request on ``path``, or its error; only a 2xx is billed.

        ``faults`` are those that this request meets.

        The cost is added just before the answer's last byte is handed over, so that whoever has
        read an answer finds it in the session.
        """
        with session.serving(self._services.clock):
            try:
                services = replace(self._services, faults=faults)
                return await _answer(services, request, path, session)
            except Refusal as refusal:
                response = refusal.response()
                response.headers[SESSION_HEADER] = session.id
                return response


async def _answer(
    services: Services, request: web.BaseRequest, path: str, session: Session
) -> web.StreamResponse:
    faults = services.faults
    if faults.drop_before_work:
        return hang_up(request)
    if faults.delay:
        await asyncio.sleep(faults.delay)
    if faults.status is not None:
        raise error(faults.status, "The node was told to answer with this status")
    body, rate = await pass_gates(services, request, path)
    if faults.answers_another is not None and path == CHAT:
        body = {**body, "messages": [{"role": "user", "content": faults.answers_another}]}
    kind = settlement_kind(request.headers.get("X-SETTLEMENT-TYPE"))
    exchange = Exchange(services, request, body, session, rate, kind)
    request_text = _canonical(exchange, path)
    if path == CHAT:
        return await _chat(exchange, request_text)
    return await answer_completion(exchange, request_text, completion_prompt(body))


async def _chat(exchange: Exchange, request_text: str) -> web.StreamResponse:
    body = exchange.body
    streamed = bool(body.get("stream"))
    if _refused_by_provider(body):
        raise failure("Stream setup failed" if streamed else "Request processing failed")
    answer = stream_chat if streamed else answer_chat
    return await answer(exchange, request_text, chat_prompt(body, exchange.services.mode))


def _canonical(exchange: Exchange, path: str) -> str:
    """Return the text of the request whose hash is signed."""
    body, mode = exchange.body, exchange.services.canonical_mode
    try:
        if path != CHAT:
            return canonical_completion_request(body)
        if mode is Mode.APRIL and any(m["role"] == "developer" for m in body["messages"]):
            raise internal_error()  # the April software knows the role in its schema only
        return canonical_chat_request(body, mode)
    except ConfigurationError as reason:
        raise problem(400, reason.short_message) from reason


def _refused_by_provider(body: JsonObject) -> bool:
    form = as_object(body.get("response_format"))
    return form.get("type") == "json_object" and provider_of(body["model"]) == "anthropic"

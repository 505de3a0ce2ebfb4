"""Chat answers as server-sent events (protocol notes 3.4)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from .data_settlement import SettlementKind
from .exchange import Exchange
from .facilitator_client import FacilitatorError
from .models import Answer, ModelError, Piece, StreamEnd, ToolCall, ToolFragment
from .prompting import provider_of, searches
from .responses import SESSION_HEADER, failure, hang_up
from .shapes import JsonObject, as_object
from .signing import Statement

_DONE: Final = b"data: [DONE]\n\n"
_FAILED: Final = b'data: {"error": "Stream processing failed"}\n\n'
_FRAGMENTING: Final = frozenset({"google", "x-ai"})
_JOB_MEMBERS: Final = {
    "settlementType": "settlement_type",
    "txHash": "data_settlement_transaction_hash",
    "walrusBlobId": "data_settlement_blob_id",
    "jobId": "settlement_job_id",
    "queueNonce": "settlement_queue_nonce",
}


async def stream_chat(
    exchange: Exchange, request_text: str, prompt: JsonObject
) -> web.StreamResponse:
    """Stream the answer to a chat request.

    Raises:
        Refusal: 500, the model failed before its first piece.
    """
    pieces = exchange.services.model.stream(prompt)
    try:
        first = await anext(pieces)
    except ModelError:
        raise failure("Stream setup failed") from None
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache",
            SESSION_HEADER: exchange.session.id,
        }
    )
    stream = _Stream(exchange, response, request_text)
    try:
        await response.prepare(exchange.request)
        await stream.run(first, pieces)
        await response.write_eof()
    except ConnectionError:
        pass  # the client has gone; without a final frame nothing is billed
    except BaseException:
        hang_up(exchange.request)  # a half-sent stream cannot be followed by an error answer
        raise
    return response


@dataclass(slots=True)
class _PartialCall:
    id: str | None = None
    name: str | None = None
    arguments: str = ""

    def add(self, fragment: ToolFragment) -> None:
        self.id = fragment.id or self.id
        self.name = fragment.name or self.name
        self.arguments += fragment.arguments

    def whole(self) -> ToolCall:
        return ToolCall(self.id, self.name, self.arguments)


@dataclass(slots=True)
class _Stream:
    """One streamed answer: sends pieces on as they come, and signs what was sent."""

    exchange: Exchange
    response: web.StreamResponse
    request_text: str
    texts: list[str] = field(default_factory=list[str])
    calls: dict[int, _PartialCall] = field(default_factory=dict[int, _PartialCall])

    async def run(self, first: Piece, rest: AsyncIterator[Piece]) -> None:
        faults = self.exchange.services.faults
        try:
            end = await self._forward(first, rest)
        except ModelError:
            await self._fail()
            return
        if faults.cut_stream:
            hang_up(self.exchange.request)
            raise ConnectionResetError("the node was told to cut the stream")
        if faults.error_event_in_stream:
            await self._fail()
            return
        await self._finish(end)

    async def _forward(self, first: Piece, rest: AsyncIterator[Piece]) -> StreamEnd:
        """Send the pieces up to the end, which is returned."""
        single_event = _answers_at_once(self.exchange.body)
        fragmenting = provider_of(self.exchange.body["model"]) in _FRAGMENTING
        end = first if isinstance(first, StreamEnd) else StreamEnd(None)
        async for piece in _chained(first, rest):
            match piece:
                case StreamEnd():
                    end = piece
                case ToolFragment():
                    self.calls.setdefault(piece.index, _PartialCall()).add(piece)
                    if fragmenting:
                        call = ToolCall(piece.id, piece.name, piece.arguments)
                        await self._send_call(piece.index, call)
                case str():
                    self.texts.append(piece)
                    if not single_event:
                        await self._send_delta({"content": piece, "role": "assistant"})
        if single_event and self.texts:
            await self._send_delta({"content": "".join(self.texts), "role": "assistant"})
        if not fragmenting:
            for index, partial in sorted(self.calls.items()):
                await self._send_call(index, partial.whole())
        return end

    async def _finish(self, end: StreamEnd) -> None:
        exchange, services = self.exchange, self.exchange.services
        calls = tuple(call.whole() for _, call in sorted(self.calls.items()))
        answer = Answer("".join(self.texts), calls, end.usage, end.images)
        statement = await exchange.sign(self.request_text, answer.signed_text())
        frame: JsonObject = {
            "choices": [{"delta": {}, "index": 0, "finish_reason": answer.finish_reason}],
            "model": exchange.body["model"],
            **exchange.signed_members(statement),
        }
        if answer.usage is not None:
            frame["usage"] = answer.usage.to_json()
        if answer.images and services.mode == "july":
            frame["images"] = list(answer.images)
        exchange.charge(
            answer.usage,
            images=len(answer.images),
            searches=searches(exchange.body, services.mode),
        )
        if exchange.kind is SettlementKind.INDIVIDUAL:
            frame |= await self._settled(statement, frame)
            await self._send(json.dumps(frame, separators=(",", ":")))
        else:
            await exchange.record(statement, frame)
            await self._send(json.dumps(frame))
        await self.response.write(_DONE)

    async def _settled(self, statement: Statement, frame: JsonObject) -> JsonObject:
        """Settle the final frame on its own; return the members that tell how that went."""
        try:
            job = await self.exchange.individual(statement, frame)
        except FacilitatorError as reason:
            return {"data_settlement_success": False, "data_settlement_error": str(reason)}
        told = {name: job[member] for member, name in _JOB_MEMBERS.items() if member in job}
        if told.get("settlement_queue_nonce") is not None:
            told["settlement_queue_nonce"] = str(told["settlement_queue_nonce"])
        return {"data_settlement_success": True, **told}

    async def _fail(self) -> None:
        """End without a signed frame; only mode ``individual`` still says that it is done."""
        await self.response.write(_FAILED)
        if self.exchange.kind is SettlementKind.INDIVIDUAL:
            await self.response.write(_DONE)

    async def _send_call(self, index: int, call: ToolCall) -> None:
        delta = {"role": "assistant", "tool_calls": [{"index": index, **call.to_json()}]}
        await self._send_delta(delta)

    async def _send_delta(self, delta: JsonObject) -> None:
        choice = {"delta": delta, "index": 0, "finish_reason": None}
        await self._send(json.dumps({"choices": [choice], "model": self.exchange.body["model"]}))

    async def _send(self, text: str) -> None:
        await self.response.write(b"data: " + text.encode() + b"\n\n")


async def _chained(first: Piece, rest: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    yield first
    async for piece in rest:
        yield piece


def _answers_at_once(body: JsonObject) -> bool:
    form = as_object(body.get("response_format"))
    return form.get("type") == "json_schema" and provider_of(body["model"]) == "anthropic"

"""The two ways of sending a request: whole, and streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

from .._core.http import HttpResponse, HttpStream
from ..network.connection import NodeConnection
from .call import Call


class WholeTransmission:
    """Sends a request and waits for the whole answer."""

    def __init__(self, connection: NodeConnection, call: Call) -> None:
        self._connection = connection
        self._call = call
        self._answer: HttpResponse | None = None

    async def send(self, headers: Mapping[str, str]) -> int:
        """Send the request with these headers; return the status of the answer."""
        call = self._call
        self._answer = await self._connection.post(
            call.route, call.payload, headers, timeout=call.timeout
        )
        return self._answer.status

    @property
    def answer(self) -> HttpResponse:
        """The last answer."""
        assert self._answer is not None  # send came before
        return self._answer

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the last answer."""
        return self.answer.headers

    async def body(self) -> bytes:
        """The body of the last answer."""
        return self.answer.body


class StreamTransmission:
    """Sends a request and hands over the body of a 200 while it arrives; closed by its owner."""

    def __init__(self, connection: NodeConnection, call: Call) -> None:
        self._connection = connection
        self._call = call
        self._open = AsyncExitStack()
        self._answer: HttpStream | None = None

    async def send(self, headers: Mapping[str, str]) -> int:
        """Send the request with these headers; return the status of the answer."""
        await self.aclose()
        call = self._call
        self._answer = await self._open.enter_async_context(
            self._connection.stream(call.route, call.payload, headers, timeout=call.timeout)
        )
        return self._answer.status

    @property
    def answer(self) -> HttpStream:
        """The last answer."""
        assert self._answer is not None  # send came before
        return self._answer

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the last answer."""
        return self.answer.headers

    async def body(self) -> bytes:
        """The whole body of the last answer; for refusals and errors."""
        return await self.answer.read()

    def chunks(self) -> AsyncIterator[bytes]:
        """The body of the last answer, as it arrives."""
        return self.answer.chunks()

    async def aclose(self) -> None:
        """Close the answer; what was not read is dropped with its connection."""
        await self._open.aclose()

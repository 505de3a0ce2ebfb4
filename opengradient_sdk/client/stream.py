"""A streamed chat answer: provisional pieces, then a verified reply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .._core.json_in import parse_json
from .._core.sse import EventDecoder
from ..errors import (
    ConfigurationError,
    NetworkError,
    OpenGradientError,
    Spent,
    StreamInterruptedError,
    VerificationError,
)
from ..types import Amount
from ..verification import StreamedAnswer
from .call import Call
from .pipeline import Served
from .reply import Reply, chat_reply, is_json_object, usage_of
from .status import quoted
from .transmission import StreamTransmission
from .verdict import Answered

if TYPE_CHECKING:
    from .work import CallWork

_DONE = "[DONE]"


class ChatStream:
    """One streamed answer; use it with ``async with``.

    ``text_stream`` yields text as it arrives: provisional, proven by nothing. ``get_final_reply``
    reads to the end and returns the verified whole.
    """

    def __init__(self, work: CallWork, call: Call) -> None:
        self._work = work
        self._call = call
        self._answer = StreamedAnswer()
        self._open: AsyncExitStack | None = None
        self._served: Served[StreamTransmission] | None = None
        self._texts: AsyncIterator[str] | None = None
        self._reply: Reply | None = None
        self._refused: OpenGradientError | None = None
        self._entered = self._counted = False

    async def __aenter__(self) -> Self:
        """Send the request; the answer has begun when this returns.

        Raises:
            The errors of ``chat.create``, as far as the answer's body is not needed for them.
        """
        if self._entered:
            raise ConfigurationError("a stream is used once", hint="Ask client.chat.stream again.")
        self._entered = True
        async with AsyncExitStack() as stack:
            entry = await stack.enter_async_context(self._work.entered(self._call))
            if isinstance(entry, Reply):  # the key has an answer: nothing is sent
                self._reply = entry
                self._texts = _whole(entry.text)
            else:
                self._served = await stack.enter_async_context(
                    self._work.pipeline.serve(self._call, StreamTransmission, entry)
                )
                stack.push_async_callback(self._served.transmission.aclose)
                self._texts = self._read(self._served)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the answer; what was not read is dropped, and never verified."""
        self._texts = None
        if self._served is not None and not self._counted:
            # what the node produced before the end is billed; how much is not known here
            self._served.delivery.authorization.answered(None)
        if self._open is not None:
            await self._open.aclose()

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """The pieces of text as they arrive: provisional until ``get_final_reply`` returns.

        Raises:
            StreamInterruptedError: The stream broke off, or the node reported an error in it.
            ConfigurationError: The stream is not open.
        """
        if self._texts is None:
            raise ConfigurationError(
                "the stream is not open", hint="Use `async with client.chat.stream(…) as stream`."
            )
        return self._texts

    async def get_final_reply(self) -> Reply:
        """Read to the end and return the verified answer.

        **Trust**: what this returns has the assurance that the client requires.

        Raises:
            StreamInterruptedError: There was no signed final frame.
            VerificationError: The whole is not what the node signed.
        """
        if self._refused is not None:
            raise self._refused  # it has been counted, and has its receipt
        if self._reply is None:
            async for _ in self.text_stream:
                pass  # the pieces are kept in the answer
            self._reply = self._verified()
            errand = self._served.errand if self._served is not None else None
            if errand is not None and errand.record.key is not None:
                errand.reply = self._reply
                await self._work.core.once.keep(errand)
        return self._reply

    def _verified(self) -> Reply:
        answer, served = self._answer, self._served
        if served is None or answer.signed_frame is None:
            raise self._interrupted("the stream ended without its signed final frame")
        usage = usage_of(answer.usage)
        self._counted = True
        try:
            output, receipt = served.verified(
                Answered(answer.signed_frame, answer.output, usage, answer.usage)
            )
        except OpenGradientError as error:
            self._refused = error
            raise
        return chat_reply(self._call.model, output, usage, receipt)

    async def _read(self, served: Served[StreamTransmission]) -> AsyncIterator[str]:
        decoder = EventDecoder()
        try:
            async for chunk in served.transmission.chunks():
                for event in decoder.feed(chunk):
                    if text := self._take(event):
                        yield text
        except NetworkError as error:
            raise self._interrupted(f"the stream broke off: {error.short_message}") from error
        except ValueError as error:  # a line without end
            raise self._interrupted(f"the stream makes no sense: {error}") from error
        for event in decoder.end():
            if text := self._take(event):
                yield text

    def _take(self, event: str) -> str:
        if event == _DONE:
            return ""
        try:
            frame = parse_json(event)
        except ValueError:
            return ""  # nodes' proxies add lines of their own; the signature covers what counts
        if not is_json_object(frame):
            return ""
        if frame.get("error") is not None:
            raise self._interrupted(f"the node reported an error: {quoted(frame['error'])}")
        try:
            return self._answer.add(frame)
        except VerificationError as error:
            error.spent, error.amount = Spent.MAYBE, self._cap
            raise

    def _interrupted(self, message: str) -> StreamInterruptedError:
        return StreamInterruptedError(
            message,
            partial_text=self._answer.text,
            hint="What had arrived is in error.partial_text; it is proven by nothing. The node may "
            "bill what it produced, within the session's cap.",
            amount=self._cap,
            spent=Spent.MAYBE,
        )

    @property
    def _cap(self) -> Amount | None:
        return Amount(self._served.delivery.authorization.cap) if self._served else None


async def _whole(text: str) -> AsyncIterator[str]:
    if text:
        yield text

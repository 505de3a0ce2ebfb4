"""What leaves a customer and comes back: seen at the client's one door to HTTP, and its wallet."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import urlsplit

from opengradient_sdk._core.http import HttpClient, HttpResponse, HttpStream
from opengradient_sdk.errors import NetworkError, PinMismatchError, TransportError
from opengradient_sdk.signers import Signer
from opengradient_sdk.types import Address, PreparedTx, SignedTx, TypedData

from .recording import Recorder, fingerprint

recorder: Final[ContextVar[Recorder | None]] = ContextVar("recorder", default=None)
"""Who writes down what the current task's client sends."""

_PAID_ROUTES: Final = "/v1/"
_UNSENT: Final = (PinMismatchError,)


class RecordedWallet:
    """A wallet that says what it is about to sign, and what it has signed."""

    def __init__(self, signer: Signer, record: Recorder) -> None:
        self._signer = signer
        self._record = record

    @property
    def address(self) -> Address:
        return self._signer.address

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        self._record.write("signing a transaction")
        signed = await self._signer.sign_transaction(tx)
        self._record.write("signed a transaction")
        return signed

    async def sign_typed_data(self, data: TypedData) -> bytes:
        nonce, cap = str(data.message["nonce"]), int(data.message["permitted"]["amount"])
        self._record.write("signing", nonce=nonce, cap=cap)
        signature = await self._signer.sign_typed_data(data)
        self._record.write("signed", nonce=nonce, cap=cap)
        return signature


@contextmanager
def tapped() -> Iterator[None]:
    """Write down what every client sends whose task has a recorder."""
    request, stream = HttpClient.request, HttpClient.stream

    async def seen_request(self: HttpClient, method: str, url: str, **options: Any) -> HttpResponse:
        sent = _Sent.begin(url, options.get("headers"))
        if sent is None:
            return await request(self, method, url, **options)
        with sent.watched():
            answer = await request(self, method, url, **options)
            sent.answered(answer.status)
            return answer

    @asynccontextmanager
    async def seen_stream(
        self: HttpClient, method: str, url: str, **options: Any
    ) -> AsyncGenerator[HttpStream, None]:
        sent = _Sent.begin(url, options.get("headers"))
        if sent is None:
            async with stream(self, method, url, **options) as answer:
                yield answer
            return
        with sent.watched():
            async with stream(self, method, url, **options) as answer:
                yield _WatchedStream(answer, sent)

    HttpClient.request, HttpClient.stream = seen_request, seen_stream  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        HttpClient.request, HttpClient.stream = request, stream  # type: ignore[method-assign]


class _Sent:
    """One request on its way: it ends as ``answered`` or as ``lost``, unless its process dies."""

    def __init__(self, record: Recorder, name: str, *, paid: bool) -> None:
        self._record = record
        self._paid = paid
        self._name = name
        self._ended = False

    @classmethod
    def begin(cls, url: str, headers: Mapping[str, str] | None) -> _Sent | None:
        record = recorder.get()
        if record is None or _PAID_ROUTES not in url:
            return None
        name, payment = record.next_request(), _paid_with(headers or {})
        what = "sending" if payment else "asking the price"
        record.write(what, node=urlsplit(url).netloc, request=name, **payment)
        return cls(record, name, paid=bool(payment))

    @contextmanager
    def watched(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.lost(error)
            raise
        finally:
            if not self._ended:
                self.lost(None)

    def answered(self, status: int) -> None:
        """The whole answer is here."""
        self._end("answered" if self._paid else "priced", status=status)

    def lost(self, error: BaseException | None) -> None:
        """No whole answer came; ``sent`` says whether the node may have seen the request."""
        unsent = (isinstance(error, TransportError) and not error.sent) or isinstance(
            error, _UNSENT
        )
        why = error.short_message if isinstance(error, NetworkError) else type(error).__name__
        self._end("lost", sent=not unsent, why=why)

    def _end(self, what: str, **facts: Any) -> None:
        if not self._ended:
            self._ended = True
            self._record.write(what, request=self._name, **facts)


class _WatchedStream(HttpStream):
    """A streamed answer that says when its last byte is here."""

    __slots__ = ("_sent",)

    def __init__(self, answer: HttpStream, sent: _Sent) -> None:
        super().__init__(answer._response)
        self._sent = sent

    async def read(self) -> bytes:
        body = await super().read()
        self._sent.answered(self.status)
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in super().chunks():
            yield chunk
        self._sent.answered(self.status)


def _paid_with(headers: Mapping[str, str]) -> dict[str, Any]:
    if session := headers.get("X-Upto-Session"):
        return {"session": fingerprint(session)}
    header = headers.get("PAYMENT-SIGNATURE")
    if header is None:
        return {}
    try:
        nonce = json.loads(base64.b64decode(header))["payload"]["permit2Authorization"]["nonce"]
    except ValueError:
        nonce = "nothing"  # a header that pays nothing is a payment that nobody signed
    return {"nonce": nonce, "header": fingerprint(header)}

"""HTTP over aiohttp: pinned by certificate bytes, never redirected, every failure typed.

The one distinction that money needs is kept in every error: whether any part of the request may
have reached the other side (``TransportError.sent``).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final

from ..errors import NodeTimeoutError, PinMismatchError, RedirectError, TransportError

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

MAX_BODY: Final = 64 * 1024 * 1024
"""Bytes of an answer that are read at most; images arrive as data URIs."""

_MAX_HEADER: Final = 64 * 1024
_KEEP_ALIVE: Final = 60.0
_CONNECT_TIMEOUT: Final = 10.0
_UNREACHABLE: Final = "Nothing was sent. Is the address right? Try again later, or another node."


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete answer. Header names compare without case; they may hold a session's secret."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class HttpStream:
    """An answer whose body is still arriving."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """Return the whole body (for error answers).

        Raises:
            TransportError: The connection broke.
        """
        with _translated():
            return await _bounded(self._response)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            TransportError: The connection broke before the end, or the body is larger than 64 MiB.
            NodeTimeoutError: Nothing arrived for the read time-out.
        """
        content = self._response.content
        size = 0
        while True:
            with _translated():
                chunk = await content.readany()
            if not chunk:
                return
            size += len(chunk)
            _require_bounded(size)
            yield chunk


class HttpClient:
    """One connection pool for nodes and JSON-RPC endpoints; opened by the first request.

    Connections are kept alive per (host, pinned certificate). It belongs to one event loop and is
    closed by ``aclose``.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._pins: dict[bytes, aiohttp.Fingerprint] = {}
        self._urls: dict[str, URL] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    @staticmethod
    def load() -> None:
        """Import aiohttp: some 150 ms that are better spent before the first request."""
        import_module("aiohttp")

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        pin: bytes | None = None,
        timeout: float,
    ) -> HttpResponse:
        """Send one request and return its whole answer; redirects are errors.

        ``pin`` is the DER certificate that the server must present, byte for byte; it is checked
        before the request is sent. ``timeout`` is in seconds, for the whole exchange.

        Raises:
            PinMismatchError: Another certificate; nothing was sent.
            RedirectError: A 3xx answer.
            NodeTimeoutError: No whole answer in time; the request may have arrived.
            TransportError: The exchange failed; ``sent`` says whether the request may have arrived.
        """
        session = self._opened()
        with _translated():
            response = await session.request(
                method,
                self._url(url),
                headers=headers,
                data=body,
                ssl=self._fingerprint(pin),
                timeout=self._timeout(timeout),
                allow_redirects=False,
            )
            async with response:
                _refuse_redirect(response)
                return HttpResponse(response.status, response.headers, await _bounded(response))

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        pin: bytes | None = None,
        timeout: float,
    ) -> AsyncGenerator[HttpStream, None]:
        """Send one request and hand over its answer while the body arrives.

        ``timeout`` bounds the wait for the head and for each further piece, in seconds.

        Raises:
            PinMismatchError, RedirectError, NodeTimeoutError, TransportError: As ``request``.
        """
        import aiohttp

        session = self._opened()
        with _translated():
            response = await session.request(
                method,
                self._url(url),
                headers=headers,
                data=body,
                ssl=self._fingerprint(pin),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=timeout
                ),
                allow_redirects=False,
            )
        try:
            _refuse_redirect(response)
            yield HttpStream(response)
        finally:
            # close() drops the connection unless the body was read to its end
            response.release() if response.content.at_eof() else response.close()

    async def aclose(self) -> None:
        """Close every connection, for good: a retry under way must not open another one."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise TransportError("the client has been closed", sent=False)
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                response_class=_reticent(),
                headers={"User-Agent": "opengradient-sdk"},
                skip_auto_headers=("Accept", "Accept-Encoding"),
                max_line_size=_MAX_HEADER,
                max_field_size=_MAX_HEADER,
                trust_env=False,
            )
        return self._session

    def _fingerprint(self, der: bytes | None) -> aiohttp.Fingerprint | bool:
        if der is None:
            return True
        pin = self._pins.get(der)
        if pin is None:
            import aiohttp

            # one object per certificate: the pool keys connections by it
            pin = self._pins[der] = aiohttp.Fingerprint(hashlib.sha256(der).digest())
        return pin

    def _url(self, text: str) -> URL:
        url = self._urls.get(text)
        if url is None:
            from yarl import URL

            try:
                url = self._urls[text] = URL(text)
            except ValueError as error:
                raise TransportError(f"not a usable address: {error}", sent=False) from error
        return url

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        timeout = self._timeouts.get(seconds)
        if timeout is None:
            import aiohttp

            timeout = self._timeouts[seconds] = aiohttp.ClientTimeout(
                total=seconds, sock_connect=min(seconds, _CONNECT_TIMEOUT)
            )
        return timeout


def _reticent() -> type[aiohttp.ClientResponse]:
    """Return the class of answers whose ``repr``, which tracebacks show, has no headers."""
    import aiohttp

    class Reticent(aiohttp.ClientResponse):
        def __repr__(self) -> str:
            return f"<answer {self.status}>"

    return Reticent


def _refuse_redirect(response: aiohttp.ClientResponse) -> None:
    if 300 <= response.status < 400:
        raise RedirectError(
            f"{response.url.host} answered with a redirect ({response.status}), not followed",
            hint="A payment header must not travel on; use the server's final address.",
        )


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    packed = "Content-Encoding" in response.headers  # then the length says little about the body
    if length is not None and length <= MAX_BODY and not packed:
        return await response.read()
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        _require_bounded(size)
        parts.append(part)
    return b"".join(parts)


def _require_bounded(size: int) -> None:
    if size > MAX_BODY:
        raise TransportError(f"an answer of more than {MAX_BODY} bytes was cut", sent=True)


class _translated:  # noqa: N801 - reads as a statement: with _translated()
    """Turn aiohttp's exceptions into this package's, keeping whether something was sent."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is None or isinstance(error, asyncio.CancelledError):
            return
        import aiohttp

        match error:
            case aiohttp.ServerFingerprintMismatch():
                raise PinMismatchError(
                    f"{error.host}:{error.port} presented another certificate than the registry's",
                    hint="Nothing was sent. The node was restarted, or somebody stands in between.",
                ) from None
            case aiohttp.ConnectionTimeoutError():
                raise TransportError(
                    "no connection: nobody answered", sent=False, hint=_UNREACHABLE
                ) from error
            case aiohttp.ClientConnectorError():
                reason = error.os_error.strerror or type(error.os_error).__name__
                raise TransportError(
                    f"no connection to {error.host}:{error.port}: {reason}",
                    sent=False,
                    hint=_UNREACHABLE,
                ) from error
            case TimeoutError():
                raise NodeTimeoutError(
                    "no answer in time; the request was sent",
                    hint="Pass a larger timeout=, or use another node.",
                ) from error
            case aiohttp.InvalidURL():
                raise TransportError(
                    f"not a usable address: {error}", sent=False, hint=_UNREACHABLE
                ) from error
            case aiohttp.ClientError() | OSError():
                reason = str(error) or type(error).__name__
                raise TransportError(
                    f"the connection broke: {reason}",
                    sent=True,
                    hint="What was sent may have arrived. Try again, or use another node.",
                ) from error
            case _:
                return

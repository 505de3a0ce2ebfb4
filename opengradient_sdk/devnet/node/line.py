"""One connection of a node as plaintext: where a request may be cut, and an answer held back.

TLS ends below a line and HTTP begins above it, so that a byte here is a byte of the request or of
the answer. A line knows where each request begins and how long it is. With nobody in ambush it
passes everything on as it comes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from .ambush import Mishap

_END_OF_HEAD: Final = b"\r\n\r\n"
_LONGEST_HEAD: Final = 64 * 1024
_PAYING: Final = frozenset({"payment-signature", "x-upto-session"})


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What a request's first bytes say of it. Header names are in lower case.

    ``size`` is the bytes of the whole request, with its body. The headers may hold a payment, so
    they are not in the repr.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    size: int

    @property
    def paid(self) -> bool:
        """Whether it brings a payment or a session."""
        return not _PAYING.isdisjoint(self.headers)


class Line(asyncio.Protocol):
    """Stands between a connection's transport and the protocol that answers on it.

    Args:
        inner: The HTTP protocol.
        meets: Asked for every request what goes wrong with it.
    """

    def __init__(
        self, inner: asyncio.Protocol, meets: Callable[[RequestHead], Mishap | None]
    ) -> None:
        self.lost = asyncio.Event()
        self._inner = inner
        self._meets = meets
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._left = 0
        self._cut_in: int | None = None
        self._mishaps: deque[Mishap | None] = deque()
        self._held: bytearray | None = None
        self._transparent = False
        self._answering = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is being asked or answered."""
        connected = self._transport is not None
        return connected and not (self._answering or self._unread or self._left)

    @contextmanager
    def busy(self) -> Generator[None]:
        """Count a request that is being answered."""
        self._answering += 1
        try:
            yield
        finally:
            self._answering -= 1

    # --- what a mishap does with it

    def take_mishap(self) -> Mishap | None:
        """Return what goes wrong with the request that is about to be answered."""
        return self._mishaps.popleft() if self._mishaps else None

    def hold(self) -> None:
        """Keep back what is answered from now on."""
        self._held = bytearray()

    def taken(self) -> bytes:
        """Return what was kept back, and keep nothing back any more."""
        held, self._held = self._held, None
        return bytes(held or b"")

    def send(self, data: bytes) -> None:
        """Send bytes that the HTTP protocol knows nothing of."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection once everything is sent."""
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Break the connection off; what was sent before still arrives."""
        transport = self._transport
        if transport is None:
            return
        if transport.get_write_buffer_size():
            transport.close()  # a cut would take back what the socket could not take yet
        else:
            transport.abort()

    # --- towards the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the HTTP protocol write through this line."""
        self._transport = cast("asyncio.Transport", transport)
        self._inner.connection_made(_Outgoing(self, self._transport))

    def data_received(self, data: bytes) -> None:
        """Pass on what has come, request by request, up to where one is cut."""
        self._unread += data
        while self._unread and (self._left or self._begins()):
            piece = bytes(self._unread[: self._left])
            del self._unread[: len(piece)]
            if not self._transparent:
                self._left -= len(piece)
            self._pass_on(piece)

    def eof_received(self) -> bool | None:
        """Pass the end on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the HTTP protocol, and whoever waits for this."""
        self.lost.set()
        self._transport = None
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._inner.resume_writing()

    def answer(self, data: bytes) -> None:
        """Take bytes of an answer from the HTTP protocol."""
        if self._held is not None:
            self._held += data
        else:
            self.send(data)

    def _begins(self) -> bool:
        """Read the head of the next request, if it is all there."""
        end = self._unread.find(_END_OF_HEAD)
        if end < 0:
            if len(self._unread) > _LONGEST_HEAD:
                self._become_transparent()
            return self._transparent
        length = end + len(_END_OF_HEAD)
        head = _parsed(bytes(self._unread[:end]), length)
        if head is None:
            self._become_transparent()
            return True
        mishap = self._meets(head)
        self._mishaps.append(mishap)
        read = head.size if mishap is None else mishap.reads(head.size)
        self._cut_in = read if read < head.size else None
        self._left = head.size
        return True

    def _become_transparent(self) -> None:
        """Look no further: where the next request begins cannot be told."""
        self._transparent = True
        self._left = 2**62

    def _pass_on(self, piece: bytes) -> None:
        if self._cut_in is None:
            self._inner.data_received(piece)
            return
        read = piece[: self._cut_in]
        self._cut_in -= len(read)
        if read:
            self._inner.data_received(read)
        if not self._cut_in:
            self._become_transparent()
            self._unread.clear()
            self.cut()


class _Outgoing(asyncio.Transport):
    """The transport that the HTTP protocol sees: it writes to the line."""

    def __init__(self, line: Line, transport: asyncio.Transport) -> None:
        super().__init__()
        self.line = line
        self._transport = transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.line.answer(bytes(data))

    def get_extra_info(self, name: str, default: object = None) -> object:
        found: object = self._transport.get_extra_info(name, default)
        return found

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()


def line_of(transport: asyncio.BaseTransport | None) -> Line | None:
    """Return the line that a request came on; ``None`` once its connection is gone."""
    return transport.line if isinstance(transport, _Outgoing) else None


def _parsed(text: bytes, length: int) -> RequestHead | None:
    """Read a request's head of ``length`` bytes; ``None`` if it does not say how long the body is.

    No complete check: what is not HTTP is refused by the protocol behind.
    """
    first, *lines = text.decode("latin-1").split("\r\n")
    words = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = headers.get("content-length", "0")
    if len(words) != 3 or "transfer-encoding" in headers or not body.isdecimal():
        return None
    path = words[1].partition("?")[0]
    return RequestHead(words[0], path, headers, length + int(body))

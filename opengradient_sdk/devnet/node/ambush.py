"""Where a node can be made to fail one request and serve the next: what the hostile kit hooks into.

The switches in ``Faults`` hold for every request. An ambush chooses: it is asked about each one,
and hands out a mishap for those that are to suffer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from .faults import Faults
from .line import Line, RequestHead

Serve = Callable[[], Awaitable[web.StreamResponse]]
"""Answers a request as the switches say, and returns when the last byte is handed over."""


class Mishap:
    """What goes wrong with one request. This one is the control: nothing does."""

    def reads(self, size: int) -> int:
        """Return how many of the request's ``size`` bytes are read; after fewer the line is cut."""
        return size

    def bend(self, faults: Faults) -> Faults:
        """Return the switches that this request meets."""
        return faults

    async def answer(self, line: Line, serve: Serve) -> web.StreamResponse:
        """Answer the request; ``serve`` does so as the switches say, up to the last byte."""
        del line
        return await serve()


class Ambush(Protocol):
    """Decides which connections and requests are struck."""

    def refuses(self) -> bool:
        """Say whether the connection that is being made is refused."""
        ...

    def meets(self, head: RequestHead) -> Mishap | None:
        """Return what goes wrong with a request, ``None`` for one that is spared."""
        ...

"""What happens to a request that is struck: on its way in, while it is served, on the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from aiohttp import web

from ..evm import PyEvm
from ..node import Node
from ..node.ambush import Mishap, Serve
from ..node.faults import Faults
from ..node.line import Line
from .answers import Answer, closing, garbled, stream_cut
from .lies import Bend

_STATUSES: Final = (500, 502, 503, 504)
_PIECES: Final = 20
_SLOW_SECONDS: Final = 1.0


@dataclass(slots=True)
class Stage:
    """Where a fault is played: one node, one seed, and the lines that are kept waiting.

    ``is_over``: the fault has ended; a line that would wait from now on is cut.
    """

    node: Node
    seed: int
    waiting: set[Line] = field(default_factory=set[Line])
    is_over: bool = False

    @property
    def status(self) -> int:
        """The seed's server error."""
        return _STATUSES[self.seed % len(_STATUSES)]

    def release(self) -> None:
        """Let nobody wait any longer: their connections are cut."""
        self.is_over = True
        for line in tuple(self.waiting):
            line.cut()


Deliver = Callable[[Stage, Line, bytes], Awaitable[None]]
"""Sends what is left of an answer, which comes whole, as the bytes that the node wrote."""


@dataclass(slots=True)
class Bent(Mishap):
    """The node serves under other switches."""

    change: Bend

    def bend(self, faults: Faults) -> Faults:
        """Return the changed switches."""
        return self.change(faults)


@dataclass(slots=True)
class CutRequest(Mishap):
    """The connection ends inside the request: seed n after n bytes, counted round and round."""

    stage: Stage

    def reads(self, size: int) -> int:
        """Return the offset of the seed."""
        return self.stage.seed % size


@dataclass(slots=True)
class Held(Mishap):
    """The node does everything, bills it, and its answer is handed to ``deliver``."""

    stage: Stage
    deliver: Deliver

    async def answer(self, line: Line, serve: Serve) -> web.StreamResponse:
        """Keep the answer back until it is whole."""
        line.hold()
        response = await serve()
        if answer := line.taken():  # there is none when the client has gone before its head
            await self.deliver(self.stage, line, answer)
        return response


@dataclass(slots=True)
class ErrorBeforeWork(Mishap):
    """A 5xx, of a node that opened the session or of a gateway that has not asked any node."""

    stage: Stage

    def bend(self, faults: Faults) -> Faults:
        """Let the node answer with the error."""
        return replace(faults, status=self.stage.status)

    async def answer(self, line: Line, serve: Serve) -> web.StreamResponse:
        """Ask the node, or be the gateway."""
        if self.stage.seed // len(_STATUSES) % 2 == 0:
            return await serve()
        return web.Response(status=self.stage.status, text="<h1>The gateway failed</h1>")


@dataclass(slots=True)
class Forgetting(Mishap):
    """The node has been restarted just before the request."""

    stage: Stage

    async def answer(self, line: Line, serve: Serve) -> web.StreamResponse:
        """Forget, then serve."""
        self.stage.node.forget_sessions()
        return await serve()


@dataclass(slots=True)
class FacilitatorDown(Mishap):
    """The node serves without its facilitator."""

    stage: Stage
    under_way: int = 0

    async def answer(self, line: Line, serve: Serve) -> web.StreamResponse:
        """Serve while the facilitator is out of reach."""
        self._count(+1)
        try:
            return await serve()
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self.under_way += change
        self.stage.node.faults.facilitator_down = self.under_way > 0


async def say_nothing(stage: Stage, line: Line, _answer: bytes) -> None:
    """Wait until the client gives up, or the fault ends."""
    if stage.is_over:  # while the node was still at work
        line.cut()
        return
    stage.waiting.add(line)
    try:
        await line.lost.wait()
    finally:
        stage.waiting.discard(line)


async def trickle(_stage: Stage, line: Line, answer: bytes) -> None:
    """Send the answer in small pieces."""
    step = -(-len(answer) // _PIECES)
    for at in range(0, len(answer), step):
        await asyncio.sleep(_SLOW_SECONDS / _PIECES)
        line.send(answer[at : at + step])


async def cut_response(stage: Stage, line: Line, answer: bytes) -> None:
    """Send as many bytes as the seed says, counted round and round, and cut."""
    line.send(answer[: stage.seed % len(answer)])
    line.cut()


async def cut_stream(stage: Stage, line: Line, answer: bytes) -> None:
    """Send up to the end of a frame, or into one, and cut."""
    line.send(answer[: stream_cut(answer, stage.seed)])
    line.cut()


async def answer_twice(_stage: Stage, line: Line, answer: bytes) -> None:
    """Send the answer, and send it again."""
    line.send(answer + answer)


async def garble(stage: Stage, line: Line, answer: bytes) -> None:
    """Send a broken body."""
    line.send(garbled(answer, stage.seed))


async def settle_and_fail(stage: Stage, line: Line, answer: bytes) -> None:
    """Hand the session in, and tell the client that the node failed."""
    named = Answer.of(answer).session
    for session in stage.node.sessions:
        if session.id == named:
            await stage.node.settle(session)
    head = (b"HTTP/1.1 %d Failed" % stage.status, b"Content-Type: application/json")
    line.send(Answer(head, b'{"error": "Request processing failed"}\n').wire())


def lose_with(chain: PyEvm) -> Deliver:
    """Return what loses an answer and then leaves nobody to ask what it cost."""

    async def lose(_stage: Stage, line: Line, _answer: bytes) -> None:
        chain.unavailable = True
        line.cut()

    return lose


def last_before(refuse: Callable[[], None]) -> Deliver:
    """Return what makes an answer the last one of its connection, after which ``refuse`` holds."""

    async def send_and_close(stage: Stage, line: Line, answer: bytes) -> None:
        refuse()
        line.send(closing(answer))
        line.close()
        await stage.node.hang_up_idle()

    return send_and_close

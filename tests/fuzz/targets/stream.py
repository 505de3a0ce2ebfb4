"""Streamed answers: server-sent events in pieces, and the answer that is put together of them."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import AsyncIterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from opengradient_sdk._core.sse import EventDecoder
from opengradient_sdk.client.stream import ChatStream
from opengradient_sdk.errors import OpenGradientError, VerificationError

from ._checks import check_error, finished
from .answer import check_output, check_usage
from .conclusion import check_conclusion

_FEW_BYTES = 300
"""A body of up to this is cut after every byte, too; for larger ones that is slow."""
_LINE_END = re.compile(rb"\r\n|\r|\n")


def run(data: bytes) -> None:
    """Read ``data`` as the body of a streamed answer, in pieces of many sizes."""
    pieces = _pieces(data)
    whole = _reference(data)
    assert _decoded([data]) == whole, "events differ from the standard's"
    assert _decoded(pieces) == whole, "events depend on where the body is cut"
    if len(data) <= _FEW_BYTES:
        assert _decoded([data[i : i + 1] for i in range(len(data))]) == whole
    _check_answer(pieces)


def _pieces(data: bytes) -> list[bytes]:
    """Cut ``data`` where nothing but itself decides, so that an input always means the same."""
    chance = random.Random(zlib.crc32(data))
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(12)))
    edges = [0, *cuts, len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def _decoded(pieces: list[bytes]) -> list[str]:
    decoder = EventDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.end()]


def _reference(body: bytes) -> list[str]:
    """Return the events as the standard's own words have them (WHATWG, 9.2.6), but for the end.

    Where the standard drops an event that the end of the body cuts, the decoder keeps it: what is
    in it may be the answer's last frame, and is proven or refused like any other.
    """
    events: list[str] = []
    data: list[str] = []
    for line in [*_LINE_END.split(body.removeprefix(b"\xef\xbb\xbf")), b""]:
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif not line and data:
            events.append("\n".join(data))
            data = []
    return events


def _check_answer(pieces: list[bytes]) -> None:
    stream = ChatStream(*_NOBODY)
    try:
        said = finished(_read(stream, pieces))
    except OpenGradientError as error:
        check_error(error)
        return
    answer = stream._answer
    assert answer.text == said, "the pieces of text are not the text"
    check_usage(answer.usage)
    try:
        output = answer.output()
    except VerificationError as error:
        check_error(error)
    else:
        check_output(output, answer.signed_frame)
        check_conclusion(answer.signed_frame or {}, output, answer.usage)


_NOBODY: Any = (None, None)  # a stream asks its pipeline and call nothing while it reads


async def _read(stream: ChatStream, pieces: list[bytes]) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    served: Any = SimpleNamespace(transmission=SimpleNamespace(chunks=chunks))
    return "".join([text async for text in stream._read(served)])

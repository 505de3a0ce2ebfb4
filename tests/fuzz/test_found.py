"""What fuzzing has found, each with its smallest input."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from fuzz.targets import TARGETS
from opengradient_sdk._core import http, sse
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk._core.sse import EventDecoder
from opengradient_sdk.errors import TransportError


def events_of(pieces: Sequence[bytes]) -> list[str]:
    decoder = EventDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


# --- server-sent events ---------------------------------------------------------------------------


def test_a_line_end_stays_one_when_an_empty_piece_cuts_it() -> None:
    assert events_of([b"data: a\r", b"", b"\ndata: b\r\n\r\n"]) == ["a\nb"]


def test_a_byte_order_mark_hides_no_event() -> None:
    assert events_of([b"\xef", b"\xbb\xbfdata: x\n\n"]) == ["x"]
    assert events_of([b"\n\xef\xbb\xbfdata: x\n\n"]) == []  # only the first one is a mark


def test_a_field_without_a_colon_is_an_empty_one() -> None:
    assert events_of([b"data\ndata: x\n\n", b"data\n\n", b"database: y\n\n"]) == ["\nx", ""]


def test_a_line_in_many_pieces_is_read_in_one_go() -> None:
    """Each piece once cost a copy of the whole line: this took minutes, on the event loop."""
    pieces = [b"data: ", *[b"x" * 64] * 250_000, b"\n\n"]
    assert events_of(pieces) == ["x" * 16_000_000]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: 90123456789"],
        [b"data: 9\n"] * 3,
        [b"data: 90123456789\n\n"],
        [b"data:\n"] * 4,
        [b": comment", b" and more"],
    ],
)
def test_an_event_without_end_is_refused(
    pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line was bounded, but not the number of lines of one event."""
    monkeypatch.setattr(sse, "_LARGEST", 16)
    with pytest.raises(ValueError, match="more than 16 bytes"):
        events_of(pieces)


def test_only_the_event_that_is_open_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_LARGEST", 16)
    assert (
        events_of([b"data: 90123456\n\n: comment\n", b"data: 0\n\n"] * 3) == ["90123456", "0"] * 3
    )


# --- one input each -------------------------------------------------------------------------------

FOUND = [
    pytest.param(
        "node",
        b'{"price_feed":{"price_usd":"1e-999999"}}',
        id="a price so low that a cost has no number",
    ),
    pytest.param(
        "node",
        b'{"price_feed":{"price_usd":1e-300}}',
        id="a price so low that a cost is more than there can be",
    ),
    pytest.param(
        "node",
        b'"\\ud800"',
        id="half a surrogate pair in an error",
    ),
    pytest.param(
        "answer",
        b'{"usage":{"prompt_tokens":1%s,"completion_tokens":1}}' % (b"0" * 100),
        id="more tokens than there can be",
    ),
    pytest.param(
        "answer",
        b'{"choices":[{"message":{"content":"\\ud800"}}],'
        b'"usage":{"prompt_tokens":1,"completion_tokens":1}}',
        id="half a surrogate pair in a paid answer",
    ),
    pytest.param(
        "stream",
        b'data:{"error":"\\ud800"}',
        id="half a surrogate pair in a stream's error",
    ),
]


@pytest.mark.parametrize(("target", "data"), FOUND)
def test_found(target: str, data: bytes) -> None:
    TARGETS[target].run(data)


# --- bodies ---------------------------------------------------------------------------------------


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A server that gives this answer, byte for byte; its URL."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpClient]:
    monkeypatch.setattr(http, "MAX_BODY", 1_000)
    client = HttpClient()
    yield client
    await client.aclose()


async def test_a_packed_body_is_cut_where_it_unpacks_to_too_much(client: HttpClient) -> None:
    packed = gzip.compress(b"0" * 5_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with answering(head + packed) as url:
        with pytest.raises(TransportError, match="more than 1000 bytes"):
            await client.request("GET", url, timeout=5)


async def test_a_stream_without_end_is_cut(client: HttpClient) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    async with (
        answering(head + b"x" * 5_000) as url,
        client.stream("GET", url, timeout=5) as answer,
    ):
        with pytest.raises(TransportError, match="more than 1000 bytes"):
            async for _ in answer.chunks():
                pass

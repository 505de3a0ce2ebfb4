"""HTTP as money needs it: pinned, not redirected, bounded, and every failure says what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from opengradient_sdk._core import http as room
from opengradient_sdk._core.http import HttpClient, HttpResponse
from opengradient_sdk.errors import (
    NodeTimeoutError,
    PinMismatchError,
    RedirectError,
    TransportError,
)

from .servers import Identity, serving, talking


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity(tmp_path / "one")


async def echo(request: web.BaseRequest) -> web.Response:
    return web.Response(
        status=201, body=await request.read(), headers={"X-Said": request.headers.get("X-Say", "")}
    )


async def post(client: HttpClient, url: str, *, pin: bytes | None = None) -> HttpResponse:
    return await client.request("POST", url, body=b"body", pin=pin, timeout=5)


async def test_an_answer_is_whole(client: HttpClient) -> None:
    async with serving(echo) as url:
        answer = await client.request("POST", url, headers={"X-Say": "hi"}, body=b"body", timeout=5)
    assert (answer.status, answer.body) == (201, b"body")
    assert answer.headers["x-said"] == "hi"


async def test_the_pinned_certificate_is_enough(client: HttpClient, identity: Identity) -> None:
    """Nobody has signed it, and nobody is asked."""
    async with serving(echo, identity) as url:
        for _ in range(2):
            assert (await post(client, url, pin=identity.der)).body == b"body"


async def test_another_certificate_gets_nothing(
    client: HttpClient, identity: Identity, tmp_path: Path
) -> None:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.path)
        return web.Response()

    other = Identity(tmp_path / "two")
    async with serving(handler, identity) as url:
        with pytest.raises(PinMismatchError, match="another certificate") as error:
            await post(client, url, pin=other.der)
    assert seen == []
    assert "Nothing was sent" in error.value.hint


async def test_without_a_pin_a_stranger_is_no_connection(
    client: HttpClient, identity: Identity
) -> None:
    async with serving(echo, identity) as url:
        with pytest.raises(TransportError, match="no connection") as error:
            await post(client, url)
    assert error.value.sent is False


async def test_pinned_connections_are_kept(client: HttpClient, identity: Identity) -> None:
    peers: set[object] = set()

    async def handler(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response()

    async with serving(handler, identity) as url:
        for _ in range(5):
            await post(client, url, pin=identity.der)
    assert len(peers) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
async def test_redirects_are_not_followed(client: HttpClient, status: int) -> None:
    paths: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        paths.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with serving(handler) as url:
        with pytest.raises(RedirectError, match=str(status)):
            await post(client, url)
        with pytest.raises(RedirectError, match=str(status)):
            async with client.stream("POST", url, timeout=5):
                pass
    assert paths == ["/", "/"]


async def test_nobody_there_was_sent_nothing(client: HttpClient) -> None:
    async with serving(echo) as url:
        pass
    with pytest.raises(TransportError, match="no connection") as error:
        await post(client, url)
    assert error.value.sent is False


@pytest.mark.parametrize("url", ["http:///nothing", "nonsense", "http://[::1"])
async def test_an_address_that_is_none_was_sent_nothing(client: HttpClient, url: str) -> None:
    with pytest.raises(TransportError) as error:
        await post(client, url)
    assert error.value.sent is False


async def test_a_connection_cut_before_the_answer_may_have_been_sent(client: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"body")

    async with talking(talk) as url:
        with pytest.raises(TransportError, match="broke") as error:
            await post(client, url)
    assert error.value.sent is True


async def test_a_body_that_is_cut_is_no_answer(client: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"body")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()

    async with talking(talk) as url:
        with pytest.raises(TransportError) as error:
            await post(client, url)
    assert error.value.sent is True


async def test_what_is_not_http_is_no_answer(client: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"body")
        writer.write(b"220 smtp ready\r\n\r\n")
        await writer.drain()

    async with talking(talk) as url:
        with pytest.raises(TransportError) as error:
            await post(client, url)
    assert error.value.sent is True


async def test_no_answer_in_time(client: HttpClient) -> None:
    never = asyncio.Event()

    async def handler(_request: web.BaseRequest) -> web.Response:
        await never.wait()
        raise AssertionError("cancelled before")

    async with serving(handler) as url:
        with pytest.raises(NodeTimeoutError):
            await client.request("POST", url, timeout=0.05)
        with pytest.raises(NodeTimeoutError):
            async with client.stream("POST", url, timeout=0.05):
                pass


async def test_cancelling_is_no_failure_of_the_network(client: HttpClient) -> None:
    arrived = asyncio.Event()

    async def handler(_request: web.BaseRequest) -> web.Response:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError("cancelled before")

    async with serving(handler) as url:
        asking = asyncio.create_task(post(client, url))
        await arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_endless_answer_is_cut(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, *, chunked: bool
) -> None:
    monkeypatch.setattr(room, "MAX_BODY", 1000)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = 5000
        await response.prepare(request)
        try:
            await response.write(b"x" * 5000)
        except ConnectionError:
            pass  # the client has hung up, as it should
        return response

    async with serving(handler) as url:
        with pytest.raises(TransportError, match="more than 1000 bytes") as error:
            await post(client, url)
    assert error.value.sent is True


async def test_a_chunked_answer_within_bounds_is_whole(client: HttpClient) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for part in (b"one ", b"two"):
            await response.write(part)
        return response

    async with serving(handler) as url:
        assert (await post(client, url)).body == b"one two"


async def test_a_stream_hands_over_what_has_arrived(client: HttpClient) -> None:
    more = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"X-Kind": "stream"})
        await response.prepare(request)
        await response.write(b"first")
        await more.wait()
        await response.write(b"second")
        return response

    async with serving(handler) as url, client.stream("POST", url, timeout=5) as stream:
        assert (stream.status, stream.headers["x-kind"]) == (200, "stream")
        chunks = stream.chunks()
        assert await anext(chunks) == b"first"
        more.set()
        assert [chunk async for chunk in chunks] == [b"second"]


async def test_an_error_can_be_read_from_a_stream(client: HttpClient) -> None:
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=500, text="why")

    async with serving(handler) as url, client.stream("POST", url, timeout=5) as stream:
        assert (stream.status, await stream.read()) == (500, b"why")


async def test_a_stream_that_is_cut_says_so(client: HttpClient) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await writer.drain()

    async with talking(talk) as url, client.stream("POST", url, timeout=5) as stream:
        chunks = stream.chunks()
        assert await anext(chunks) == b"first"
        with pytest.raises(TransportError) as error:
            await anext(chunks)
    assert error.value.sent is True


async def test_a_stream_that_pauses_too_long_says_so(client: HttpClient) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await asyncio.Event().wait()
        return response

    async with serving(handler) as url, client.stream("POST", url, timeout=1.0) as stream:
        chunks = stream.chunks()
        assert await anext(chunks) == b"first"
        with pytest.raises(NodeTimeoutError):
            await anext(chunks)


async def test_an_abandoned_stream_closes_its_connection(client: HttpClient) -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await writer.drain()
        assert await reader.read() == b""
        gone.set()

    async with talking(talk) as url:
        async with client.stream("POST", url, timeout=5) as stream:
            assert await anext(stream.chunks()) == b"first"
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_closed_client_sends_nothing_more(client: HttpClient) -> None:
    async with serving(echo) as url:
        await post(client, url)
        await client.aclose()
        await client.aclose()
        with pytest.raises(TransportError, match="closed") as error:
            await post(client, url)
        assert error.value.sent is False


async def test_closing_ends_what_is_under_way(client: HttpClient) -> None:
    arrived = asyncio.Event()

    async def handler(_request: web.BaseRequest) -> web.Response:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError("cancelled before")

    async with serving(handler) as url:
        asking = asyncio.create_task(post(client, url))
        await arrived.wait()
        await client.aclose()
        with pytest.raises(TransportError) as error:
            await asking
    assert error.value.sent is True


async def test_nothing_of_the_environment_is_taken(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would see the payment header."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with serving(echo) as url:
        assert (await post(client, url)).body == b"body"


async def test_cookies_are_not_kept(client: HttpClient) -> None:
    seen: list[str | None] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "who=you"})

    async with serving(handler) as url:
        await post(client, url)
        await post(client, url)
    assert seen == [None, None]

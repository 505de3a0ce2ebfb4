"""Blob stores: asked in order, bounded, and never believed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.devnet.facilitator.blobs import blob_id_of
from opengradient_sdk.errors import ConfigurationError, SettlementError
from opengradient_sdk.ledger.data.blobs import BlobReader, Lack, Unreadable
from opengradient_sdk.verification.merkle import MAX_BLOB_BYTES

from .conftest import Handler, MockBlobStore

Serve = Callable[[Handler], Awaitable[str]]
BLOB = b"what was stored"
ID = blob_id_of(BLOB)


def exactly(blob: bytes) -> bytes:
    if blob != BLOB:
        raise SettlementError("that is not it")
    return blob


@pytest.fixture
def store() -> MockBlobStore:
    store = MockBlobStore()
    store.blobs.put(BLOB)
    return store


async def test_a_blob_is_read_by_its_id(
    store: MockBlobStore, serve: Serve, http: HttpClient
) -> None:
    reader = BlobReader(http, [await serve(store.handle) + "/"])
    assert await reader.read(ID, exactly) == BLOB
    assert store.asked == [ID]


async def test_the_next_store_is_asked(
    store: MockBlobStore, serve: Serve, http: HttpClient
) -> None:
    liar, empty, away = MockBlobStore(gives=b"another"), MockBlobStore(), MockBlobStore(status=503)
    urls = [await serve(one.handle) for one in (liar, empty, away, store)]
    assert await BlobReader(http, urls).read(ID, exactly) == BLOB
    assert [one.asked for one in (liar, empty, away, store)] == [[ID]] * 4


@pytest.mark.parametrize(
    ("status", "lack"),
    [(404, Lack.ABSENT), (400, Lack.ABSENT), (429, Lack.UNREACHABLE), (503, Lack.UNREACHABLE)],
)
async def test_a_store_without_it(serve: Serve, http: HttpClient, status: int, lack: Lack) -> None:
    found = await BlobReader(http, [await serve(MockBlobStore(status=status).handle)]).read(
        ID, exactly
    )
    assert isinstance(found, Unreadable)
    assert found.lack is lack
    assert f"answers {status}" in str(found)


async def test_what_is_worst_is_told(serve: Serve, http: HttpClient) -> None:
    liar, empty = MockBlobStore(gives=b"another"), MockBlobStore()
    urls = [await serve(one.handle) for one in (liar, empty)]
    found = await BlobReader(http, urls).read(ID, exactly)
    assert isinstance(found, Unreadable)
    assert found.lack is Lack.REFUSED
    assert "holds something else: that is not it; http" in found.reason
    assert "answers 404" in found.reason


@pytest.mark.parametrize("blob_id", ["", "../../etc/passwd", ID + "/x", ID[:-1], ID[:-1] + "?"])
async def test_what_is_no_id_is_not_asked_for(
    store: MockBlobStore, serve: Serve, http: HttpClient, blob_id: str
) -> None:
    found = await BlobReader(http, [await serve(store.handle)]).read(blob_id, exactly)
    assert found == Unreadable(Lack.ABSENT, "that is no blob's id")
    assert store.asked == []


async def test_no_store(http: HttpClient) -> None:
    found = await BlobReader(http, ()).read(ID, exactly)
    assert found == Unreadable(Lack.ABSENT, "no blob store is configured")


async def test_too_large_a_blob_is_cut_off(serve: Serve, http: HttpClient) -> None:
    large = MockBlobStore(gives=bytes(MAX_BLOB_BYTES + 1))
    found = await BlobReader(http, [await serve(large.handle)]).read(ID, lambda blob: blob)
    assert isinstance(found, Unreadable)
    assert found.lack is Lack.REFUSED
    assert f"more than {MAX_BLOB_BYTES}" in found.reason


async def test_a_redirect_is_not_followed(
    store: MockBlobStore, serve: Serve, http: HttpClient
) -> None:
    target = await serve(store.handle)

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(target + request.path)

    found = await BlobReader(http, [await serve(elsewhere)]).read(ID, exactly)
    assert isinstance(found, Unreadable)
    assert found.lack is Lack.UNREACHABLE
    assert store.asked == []


async def test_a_store_that_says_nothing_is_given_up(serve: Serve, http: HttpClient) -> None:
    ended = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        await ended.wait()
        return web.Response()

    reader = BlobReader(http, [await serve(silent)], timeout=0.05)
    found = await reader.read(ID, exactly)
    ended.set()
    assert isinstance(found, Unreadable)
    assert found.lack is Lack.UNREACHABLE


async def test_credentials_are_sent_and_not_shown(
    store: MockBlobStore, serve: Serve, http: HttpClient
) -> None:
    store.status = 404
    url = (await serve(store.handle)).replace("http://", "http://user:secret@")
    reader = BlobReader(http, [url + "/key-of-the-provider"])
    found = await reader.read(ID, exactly)
    assert store.headers[0]["Authorization"].startswith("Basic ")
    for text in (repr(reader), str(found)):
        assert "secret" not in text
        assert "provider" not in text


@pytest.mark.parametrize(
    ("urls", "timeout"), [(["ftp://store"], 1.0), (["no url"], 1.0), (["http://store"], 0.0)]
)
async def test_what_cannot_be_asked(http: HttpClient, urls: list[str], timeout: float) -> None:
    with pytest.raises(ConfigurationError):
        BlobReader(http, urls, timeout=timeout)

"""Checkpoints, and where they are kept outside the store."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opengradient_sdk._core.http import HttpClient
from opengradient_sdk._core.store import IN_MEMORY
from opengradient_sdk.errors import ConfigurationError, LedgerError
from opengradient_sdk.ledger import Checkpoint, FileAnchor, WebhookAnchor
from opengradient_sdk.ledger.anchors import anchor_request, anchored_digest
from opengradient_sdk.ledger.entries import Head

from ..payments.makers import OWNER
from .books import an_answered, open_books


@pytest.fixture
async def point() -> Checkpoint:
    async with open_books(IN_MEMORY) as books:
        books.ledger.record(an_answered())
        return await books.ledger.checkpoint()


def test_a_checkpoint_survives_its_json(point: Checkpoint) -> None:
    again = Checkpoint.from_json(json.loads(json.dumps(point.to_json())))
    assert again == point
    again.verify(point.public_key)


@pytest.mark.parametrize(
    "change",
    [
        {"at": 1.0},
        {"heads": ()},
        {"heads": (Head("w", 0, "0" * 64),)},
        {"signature": "00" * 64},
        {"signature": "00"},
        {"public_key": "00" * 32},
    ],
)
def test_a_changed_checkpoint_is_refused(point: Checkpoint, change: dict[str, object]) -> None:
    with pytest.raises(LedgerError, match="bad signature"):
        replace(point, **change).verify()  # type: ignore[arg-type]


def test_another_key_is_refused(point: Checkpoint) -> None:
    with pytest.raises(LedgerError, match="signed with the key"):
        point.verify("11" * 32)


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"at": "x"}, {"heads": [["w", "0", "00"]]}, {"heads": 1}, {"public_key": "zz"}],
)
def test_what_is_no_checkpoint_is_refused(point: Checkpoint, change: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        Checkpoint.from_json(point.to_json() | change)
    with pytest.raises(ValueError, match="an object"):
        Checkpoint.from_json([])


async def test_a_file_keeps_checkpoints(point: Checkpoint, tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "anchor")
    await anchor.write(point)
    await anchor.write(point)
    assert await anchor.read() == (point, point)


async def test_a_file_that_cannot_be_used_is_told(point: Checkpoint, tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "missing" / "anchor")
    with pytest.raises(LedgerError, match="cannot be written"):
        await anchor.write(point)
    with pytest.raises(LedgerError, match="cannot be read"):
        await anchor.read()
    (tmp_path / "cut").write_text(json.dumps(point.to_json())[:50])
    with pytest.raises(LedgerError, match="line 1 of the anchor"):
        await FileAnchor(tmp_path / "cut").read()


@pytest.fixture
def taken() -> list[object]:
    """What a server was sent."""
    return []


@pytest.fixture
async def hook(taken: list[object]) -> AsyncIterator[TestServer]:
    """A real server that takes checkpoints from whoever has its login."""

    async def take(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Basic dXNlcjpzZWNyZXQ=":
            return web.Response(status=403)
        taken.append(await request.json())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/key-of-hook", take)
    async with TestServer(app) as server:
        yield server


async def test_a_webhook_is_sent_checkpoints(
    point: Checkpoint, hook: TestServer, taken: list[object]
) -> None:
    http = HttpClient()
    good = str(hook.make_url("/key-of-hook").with_user("user").with_password("secret"))
    await WebhookAnchor(good, http).write(point)
    assert [Checkpoint.from_json(each) for each in taken] == [point]
    bare = WebhookAnchor(str(hook.make_url("/key-of-hook")), http)
    with pytest.raises(LedgerError, match="it answered 403") as refused:
        await bare.write(point)
    assert "key-of-hook" not in f"{refused.value}{bare!r}"
    await hook.close()
    with pytest.raises(LedgerError, match="did not take") as lost:
        await bare.write(point)
    assert "key-of-hook" not in str(lost.value)
    await http.aclose()


def test_a_webhook_has_a_url() -> None:
    with pytest.raises(ConfigurationError, match="webhook cannot be read"):
        WebhookAnchor("nonsense", HttpClient())


def test_a_transaction_holds_a_digest(point: Checkpoint) -> None:
    request = anchor_request(point, OWNER)
    assert (request.to, request.value) == (OWNER, 0)
    assert anchored_digest(request.data) == point.digest
    assert anchored_digest(request.data + b"\0") is None
    assert anchored_digest(b"other") is None

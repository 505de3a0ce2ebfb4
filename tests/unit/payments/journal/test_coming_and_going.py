"""A client joins, shows that it is alive, and leaves; also when its store does not play along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk._core.store import SqliteStore
from opengradient_sdk.errors import ConfigurationError, LedgerError
from opengradient_sdk.payments.journal import SCHEMA, book, holders

from ..makers import CAP, OWNER, TEE, a_life
from .clients import Client, a_call, a_client, a_reservation


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


@pytest.fixture
async def client(place: str) -> AsyncIterator[Client]:
    async with a_client(place) as client:
        yield client


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def living(client: Client) -> set[str]:
    return {id_ for (id_,) in await client.sql("SELECT id FROM payment_client")}


def test_a_constructor_touches_nothing(tmp_path: Path) -> None:
    client = Client(str(tmp_path / "state" / "store.sqlite"))
    assert files_in(tmp_path) == []
    assert client.journal.holder not in repr(client.journal)
    assert OWNER in repr(client.journal)


async def test_who_joins_is_alive_and_who_leaves_is_not(place: str, client: Client) -> None:
    async with a_client(place) as other:
        await asyncio.gather(*(other.journal.join() for _ in range(3)))
        await client.journal.join()
        assert await living(client) == {client.journal.holder, other.journal.holder}
    assert await living(client) == {client.journal.holder}


async def test_a_cancelled_join_is_nobody_elses(client: Client) -> None:
    first = asyncio.ensure_future(client.journal.join())
    await asyncio.sleep(0)
    second = asyncio.ensure_future(client.journal.join())
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert await living(client) == {client.journal.holder}
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_leaving_without_joining_makes_no_file(tmp_path: Path) -> None:
    client = Client(str(tmp_path / "store.sqlite"))
    await client.aclose()
    assert files_in(tmp_path) == []


async def test_who_left_does_not_come_again(client: Client) -> None:
    # a call that ends after its client was closed must not open the store anew
    await client.signed(1)
    await client.journal.leave()
    await client.journal.leave()
    client.journal.change(a_call())
    for late in (client.journal.inherit(), client.journal.flushed()):
        with pytest.raises(LedgerError, match="journal is closed"):
            await late


class Beats:
    """Stands in for the seconds between two heartbeats, and tells when one is over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._waiting = asyncio.Semaphore(0)
        self._go = asyncio.Semaphore(0)
        monkeypatch.setattr(book, "pause", self.pause)

    async def pause(self, seconds: float) -> None:
        assert seconds == holders.BEAT
        self._waiting.release()
        await self._go.acquire()

    async def next(self) -> None:
        """Have one beat done."""
        await self._waiting.acquire()
        self._go.release()
        await self._waiting.acquire()
        self._waiting.release()


async def test_a_heart_beats_also_after_a_failure(
    place: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    beats = Beats(monkeypatch)
    async with a_client(place) as client:
        await client.journal.join()
        await client.sql("ALTER TABLE payment_client RENAME TO hidden")
        await beats.next()
        assert "could not be renewed" in caplog.text
        await client.sql("ALTER TABLE hidden RENAME TO payment_client")
        await client.sql("UPDATE payment_client SET alive_until = 0")
        await beats.next()
        ((alive_until,),) = await client.sql("SELECT alive_until FROM payment_client")
        assert alive_until > 0
        await client.sql("DELETE FROM payment_client")
        await beats.next()
        assert await living(client) == {client.journal.holder}


async def test_the_first_key_is_the_stores(place: str, client: Client, tmp_path: Path) -> None:
    await client.journal.join()
    async with a_client(place, key=str(tmp_path / "another.key")) as other:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="sealed with the key") as caught:
                await other.journal.reserve(a_reservation(1))
        assert "store_key=" in caught.value.hint


async def test_nothing_is_paid_while_the_journal_cannot_be_written(client: Client) -> None:
    await client.journal.join()
    await client.sql("ALTER TABLE payment_call RENAME TO hidden")
    client.journal.begin(a_call("call-1", nonce=5))
    with pytest.raises(LedgerError):
        await client.journal.flushed()
    with pytest.raises(LedgerError):
        client.journal.begin(a_call("call-2", nonce=5))
    with pytest.raises(LedgerError):
        await client.journal.admit(a_call("call-3", key="k"))
    client.journal.change(a_call("call-4", nonce=5))  # an answer in hand is never lost
    await client.sql("ALTER TABLE hidden RENAME TO payment_call")
    await client.journal.flushed()
    client.journal.begin(a_call("call-5", nonce=5))
    await client.journal.flushed()
    kept = [record.id for record in await client.journal.calls(5)]
    assert kept == ["call-1", "call-4", "call-5"]


async def test_a_read_only_file_stops_payments_and_leaves_what_was_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "store.sqlite"
    client = Client(str(path))
    await client.signed(1)
    await client.sql("PRAGMA query_only = 1")
    with pytest.raises(LedgerError):
        await client.journal.reserve(a_reservation(2))
    await client.journal.withdraw(1)
    client.journal.begin(a_call("call-1"))
    await client.aclose()
    assert "could not be given back" in caplog.text
    assert "could not be closed in order" in caplog.text
    store = SqliteStore(path, SCHEMA)
    rows = await store.run(lambda db: db.execute('SELECT nonce, life FROM "authorization"'))
    await store.aclose()
    assert rows == [("1", "authorized")]


async def test_cancelling_who_waits_tears_nothing(client: Client) -> None:
    life = a_life(1)
    for step in (client.journal.reserve(a_reservation(1)), client.journal.write(life)):
        waiting = asyncio.ensure_future(step)
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    await client.journal.withdraw(1)
    assert await client.journal.entries() == []


async def test_refusals_are_kept_and_cut(client: Client) -> None:
    client.journal.refuse("payTo", "0xbb", "0xaa", TEE)
    client.journal.refuse("amount", "9" * 5000 + "\0", CAP, None)
    first, second = sorted(await client.journal.refusals(), key=lambda refusal: refusal.field)
    assert (first.field, len(first.asked), first.allowed) == ("amount", 1000, str(CAP))
    assert (first.tee_id, second.tee_id) == (None, TEE)
    assert (second.field, second.asked, second.allowed) == ("payTo", "0xbb", "0xaa")
    assert second.at == client.clock.now()


async def test_there_is_no_secret_in_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with a_client(str(folder / "store.sqlite")) as client:
        life = await client.signed(1)
        life.session_id = "a-session-id-worth-its-cap"
        client.journal.note(life)
        await client.journal.flushed()
        written = b"".join(file.read_bytes() for file in files_in(folder))
    signed = life.authorization
    assert life.authorization.recipient.encode() in written
    for secret in (signed.header, "a-session-id-worth-its-cap", signed.signature.hex()):
        assert secret.encode() not in written
        assert secret[-40:].encode() not in written
    assert signed.signature not in written

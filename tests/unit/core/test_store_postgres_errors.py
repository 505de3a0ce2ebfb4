"""A PostgreSQL store that cannot be opened: what is wrong, what to do, and never the password."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from opengradient_sdk._core.store import Db, PostgresStore, Schema
from opengradient_sdk.errors import ConfigurationError, LedgerError

if TYPE_CHECKING:
    from support.postgres import PostgresServer

SCHEMA = Schema("test", ("CREATE TABLE item (name TEXT PRIMARY KEY, size BIGINT NOT NULL)",))


def sizes(db: Db) -> dict[str, int]:
    return dict(db.execute("SELECT name, size FROM item"))


async def test_a_server_that_is_not_there(postgres: PostgresServer) -> None:
    store = PostgresStore(f"postgresql://me:{postgres.password}@127.0.0.1:1/db")
    with pytest.raises(LedgerError, match="cannot be opened") as error:
        await store.run(sizes)
    assert "Is PostgreSQL running there" in error.value.hint
    assert postgres.password not in f"{error.value}{error.value.__cause__}"
    await store.aclose()


async def test_a_wrong_password(postgres: PostgresServer) -> None:
    store = PostgresStore(postgres.url_of("postgres", password="wrong-and-secret"))
    with pytest.raises(LedgerError, match="password authentication failed") as error:
        await store.run(sizes)
    assert ":***@" in str(error.value)
    assert "wrong-and-secret" not in f"{error.value}{error.value.__cause__}{store!r}"
    await store.aclose()


async def test_a_database_that_does_not_exist(postgres: PostgresServer) -> None:
    store = PostgresStore(postgres.url_of("nowhere"))
    with pytest.raises(LedgerError, match='database "nowhere" does not exist'):
        await store.run(sizes)
    await store.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:se%ZZcret@host/db",
        "postgresql://me:se@cret@host/db",
        "postgresql://me:se/cret@host/db",
        "postgresql://me:secret",
        "postgresql://me:secret@host/db?sslmod=require",
    ],
)
async def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    store = PostgresStore(url)
    with pytest.raises(ConfigurationError, match="cannot be read") as error:
        await store.run(sizes)
    assert "cret" not in f"{error.value}{error.value.__cause__}{error.value.__context__}"
    await store.aclose()


async def test_a_user_who_may_not_write(postgres: PostgresServer, fresh_database: str) -> None:
    name = fresh_database.rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    store = PostgresStore(fresh_database, SCHEMA)
    with pytest.raises(LedgerError, match="read-only transaction") as error:
        await store.run(sizes)
    assert "standby" in error.value.hint
    await store.aclose()


async def test_without_psycopg_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    store = PostgresStore("postgresql://host/db")
    with pytest.raises(ConfigurationError, match="psycopg") as error:
        await store.run(sizes)
    assert "opengradient-sdk[postgres]" in error.value.hint
    await store.aclose()

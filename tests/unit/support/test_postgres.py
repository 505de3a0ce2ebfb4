"""Databases that tests get one after the other: nothing of the one is left in the next."""

import psycopg
import pytest
from support.postgres import PostgresServer


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def test_what_was_taken_back_comes_empty_under_another_name(postgres: PostgresServer) -> None:
    first = postgres.new_database()
    with psycopg.connect(first, autocommit=True) as left_open:
        left_open.execute("CREATE TABLE kept (a int)")
        postgres.execute(f"ALTER DATABASE {name_of(first)} SET default_transaction_read_only = on")
        postgres.take_back(first)
        with pytest.raises(psycopg.OperationalError):
            left_open.execute("SELECT 1")
    second = postgres.new_database()
    try:
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(first)
        with psycopg.connect(second, autocommit=True) as connection:
            assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)
            connection.execute("CREATE TABLE kept (a int)")
    finally:
        postgres.take_back(second)
    assert name_of(second) != name_of(first)


def test_two_databases_at_once_are_two(postgres: PostgresServer) -> None:
    urls = [postgres.new_database() for _ in range(2)]
    try:
        assert len(set(urls)) == 2
    finally:
        for url in urls:
            postgres.take_back(url)

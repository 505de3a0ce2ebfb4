"""What all tests share: how thoroughly properties are searched, and a PostgreSQL server."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from support.postgres import PostgresServer, what_is_missing

# a shared machine is slow at times; benchmarks measure, tests do not
_SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("everyday", **_SLOW)
# `make nightly` looks at many more examples
settings.register_profile("nightly", **_SLOW, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; see ``support/postgres.py``."""
    missing = what_is_missing()
    if missing and os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    with PostgresServer(fsync=False) as server:
        yield server


@pytest.fixture
def fresh_database(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, for one test."""
    url = postgres.new_database()
    yield url
    postgres.take_back(url)

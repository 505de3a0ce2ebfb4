"""An empty ledger on each kind of store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk._core.store import Store, open_store
from opengradient_sdk.ledger.schema import SCHEMA


@pytest.fixture(params=DURABLE)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(location(request.param, request, tmp_path), SCHEMA)
    yield store
    await store.aclose()

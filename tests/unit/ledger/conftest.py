"""Stores to keep a ledger in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from .books import Books, open_books


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for this test's keys; processes that it starts have it too."""
    folder = tmp_path / "keys"
    monkeypatch.setenv("OG_STATE_DIR", str(folder))
    return folder


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new store is, on each kind of database."""
    return location(request.param, request, tmp_path)


@pytest.fixture
async def books(place: str) -> AsyncIterator[Books]:
    """A ledger in a new store."""
    async with open_books(place) as opened:
        yield opened

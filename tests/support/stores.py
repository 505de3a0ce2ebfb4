"""The kinds of store that a test is run on: parametrize over ``ALL`` or ``DURABLE``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FILE = "file"
MEMORY = "memory"
POSTGRES = "postgresql"
ALL = (FILE, MEMORY, POSTGRES)
DURABLE = (FILE, POSTGRES)


def location(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Return where a new, empty store of this kind is."""
    if kind == MEMORY:
        return ":memory:"
    if kind == POSTGRES:
        url: str = request.getfixturevalue("fresh_database")
        return url
    return str(folder / "state" / "store.sqlite")

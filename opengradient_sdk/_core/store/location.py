"""Where a store is: a file, memory, or a PostgreSQL database."""

from __future__ import annotations

import os
from pathlib import Path

from .db import Schema, Store
from .postgres import PostgresStore
from .postgres_url import is_postgres_url
from .sqlite import SqliteStore


def open_store(location: str | os.PathLike[str], *schemas: Schema) -> Store:
    """Return the store at ``location``. It is opened by its first ``run``, not here.

    Args:
        location: ``postgresql://user:password@host/database``, which many hosts share; or the
            path of a SQLite file; or ``":memory:"``.
        schemas: The tables of the rooms that will use it.
    """
    place = os.fspath(location)
    if is_postgres_url(place):
        return PostgresStore(place, *schemas)
    return SqliteStore(place, *schemas)


def default_folder() -> Path:
    """Return the folder for this user's state: ``OG_STATE_DIR``, else the XDG state folder."""
    chosen = os.environ.get("OG_STATE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "opengradient"

"""Where a store is: a file, memory, or a PostgreSQL database."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from ...errors import ConfigurationError
from .db import Schema, Store
from .postgres import PostgresStore
from .postgres_url import is_postgres_url
from .sqlite import SqliteStore

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def open_store(location: str | os.PathLike[str], *schemas: Schema) -> Store:
    """Return the store at ``location``. It is opened by its first ``run``, not here.

    Args:
        location: ``postgresql://user:password@host/database``, which many hosts share; or the
            path of a SQLite file; or ``":memory:"``.
        schemas: The tables of the rooms that will use it.

    Raises:
        ConfigurationError: The URL of another kind of database.
    """
    place = check_location(os.fspath(location))
    if is_postgres_url(place):
        return PostgresStore(place, *schemas)
    return SqliteStore(place, *schemas)


def check_location(location: str) -> str:
    """Return ``location`` if it is a place that a store can be opened at.

    Raises:
        ConfigurationError: The URL of another kind of database. The error names the kind only:
            there may be a password in the rest.
    """
    url = None if is_postgres_url(location) else _URL.match(location)
    if url is not None:
        raise ConfigurationError(
            f"no store can be kept at {url[0]}…",
            hint="Pass store= the path of a file, or postgresql://user:password@host/database.",
        )
    return location


def default_folder() -> Path:
    """Return the folder for this user's state: ``OG_STATE_DIR``, else the XDG state folder."""
    chosen = os.environ.get("OG_STATE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "opengradient"

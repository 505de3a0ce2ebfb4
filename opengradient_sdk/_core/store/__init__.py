"""A durable store: one SQLite file, or a PostgreSQL database that many hosts share."""

from __future__ import annotations

from .db import Db, Row, Schema, Store, Value
from .location import check_location, default_folder, open_store
from .postgres import PostgresStore
from .postgres_url import without_secrets
from .sqlite import IN_MEMORY, SqliteStore

__all__ = [
    "IN_MEMORY",
    "Db",
    "PostgresStore",
    "Row",
    "Schema",
    "SqliteStore",
    "Store",
    "Value",
    "check_location",
    "default_folder",
    "open_store",
    "without_secrets",
]

"""Bringing a store's tables up to date, whatever version wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...errors import LedgerError
from .db import Db, Schema

_VERSIONS: Final = (
    "CREATE TABLE IF NOT EXISTS opengradient_schema"
    " (room TEXT NOT NULL PRIMARY KEY, version BIGINT NOT NULL)"
)
_LOCK: Final = "opengradient schema"


def migrate(db: Db, schemas: Sequence[Schema]) -> None:
    """Run the steps that this store has not seen, inside the caller's transaction.

    Processes that open a store at once do this one after the other.

    Raises:
        LedgerError: A newer version of this package wrote the store. Nothing was changed.
    """
    db.lock(_LOCK)
    db.execute(_VERSIONS)
    found: dict[str, int] = dict(db.execute("SELECT room, version FROM opengradient_schema"))
    for schema in schemas:
        _refuse_newer(schema, found.get(schema.room, 0))
    for schema in schemas:
        _advance(db, schema, found.get(schema.room, 0))


def _refuse_newer(schema: Schema, version: int) -> None:
    if version > len(schema.steps):
        raise LedgerError(
            f"the store was written by a newer version of opengradient-sdk: its {schema.room!r}"
            f" tables have version {version}, and this one knows {len(schema.steps)}",
            hint="Upgrade opengradient-sdk, or pass store= another place.",
        )


def _advance(db: Db, schema: Schema, version: int) -> None:
    steps = schema.steps[version:]
    for step in steps:
        db.execute(step)
    if steps:
        db.execute(
            "INSERT INTO opengradient_schema (room, version) VALUES (?, ?)"
            " ON CONFLICT (room) DO UPDATE SET version = excluded.version",
            (schema.room, len(schema.steps)),
        )

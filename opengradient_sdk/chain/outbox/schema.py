"""The tables of the book, and how their rows are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from ..._core.store import Db, Row, Schema, Value
from ...signers.envelope import read_signed
from ...types import Bytes32, hex_to_bytes
from .slots import Attempt, AttemptKind, Inclusion, Slot, SlotState

SCHEMA: Final = Schema(
    "outbox",
    (
        # All nonces from start_at to below absent_at have a row in nonce_slot; none below start_at
        # may be leased.
        """
CREATE TABLE nonce_account (
    account TEXT NOT NULL PRIMARY KEY,
    start_at BIGINT NOT NULL,
    absent_at BIGINT NOT NULL
)""",
        """
CREATE TABLE nonce_slot (
    account TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    state TEXT NOT NULL,
    holder TEXT,
    expires DOUBLE PRECISION,
    sponsored BIGINT NOT NULL,
    request_id TEXT,
    mined_hash TEXT,
    block_number BIGINT,
    block_hash TEXT,
    PRIMARY KEY (account, nonce)
)""",
        "CREATE INDEX nonce_slot_free ON nonce_slot (account, nonce) WHERE state = 'FREE'",
        "CREATE INDEX nonce_slot_signed ON nonce_slot (account, nonce) WHERE state = 'SIGNED'",
        "CREATE INDEX nonce_slot_expires ON nonce_slot (account, expires)"
        " WHERE expires IS NOT NULL",
        "CREATE INDEX nonce_slot_holder ON nonce_slot (holder, account) WHERE holder IS NOT NULL",
        # fate: LIVE (ours to send), REFUSED (by the chain), DISCARDED (by its owner)
        """
CREATE TABLE nonce_attempt (
    account TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    place BIGINT NOT NULL,
    hash TEXT NOT NULL,
    raw TEXT NOT NULL,
    kind TEXT NOT NULL,
    fate TEXT NOT NULL,
    allow_spend BIGINT NOT NULL,
    l1_fee TEXT NOT NULL,
    fee_cap TEXT,
    request_id TEXT,
    PRIMARY KEY (account, nonce, place)
)""",
        "CREATE UNIQUE INDEX nonce_attempt_hash ON nonce_attempt (hash, account)",
        """
CREATE TABLE nonce_request (
    account TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    PRIMARY KEY (account, request_id)
)""",
        # a row stays for as long as any slot names its holder
        """
CREATE TABLE nonce_holder (
    id TEXT NOT NULL PRIMARY KEY,
    alive_until DOUBLE PRECISION NOT NULL
)""",
    ),
)

MOST_VALUES: Final = 500
"""How many nonces are named in one statement at most; databases bound its placeholders."""

_SLOTS: Final = (
    "SELECT s.nonce, s.state, s.holder, s.sponsored, s.request_id, s.mined_hash, s.block_number,"
    " s.block_hash, a.raw, a.kind, a.fate, a.allow_spend, a.l1_fee, a.fee_cap"
    " FROM nonce_slot s LEFT JOIN nonce_attempt a ON a.account = s.account AND a.nonce = s.nonce"
    " WHERE s.account = ? AND "
)


def read_slots(db: Db, account: str, condition: str, values: Sequence[Value] = ()) -> list[Slot]:
    """Return the slots ``s`` that meet ``condition``, in the order of their nonces.

    One statement, so that a slot and its attempts are of the same moment; ``condition`` is a
    literal of this package.
    """
    rows = db.execute(f"{_SLOTS}{condition} ORDER BY s.nonce, a.place", (account, *values))
    return [_slot(list(of_slot)) for _, of_slot in groupby(rows, key=lambda row: row[0])]


def read_slot(db: Db, account: str, nonce: int) -> Slot | None:
    """Return the slot of a nonce, ``None`` where the book has none."""
    return next(iter(read_slots(db, account, "s.nonce = ?", (nonce,))), None)


def in_chunks(nonces: Sequence[int]) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield the nonces in parts, each with the placeholders of an ``IN (…)``."""
    for start in range(0, len(nonces), MOST_VALUES):
        part = nonces[start : start + MOST_VALUES]
        yield f"({', '.join('?' * len(part))})", part


def _slot(rows: list[Row]) -> Slot:
    nonce, state, holder, sponsored, request_id, mined_hash, number, block_hash = rows[0][:8]
    inclusion = None
    if mined_hash is not None:
        inclusion = Inclusion(int(nonce), Bytes32(mined_hash), int(number), Bytes32(block_hash))
    return Slot(
        nonce=int(nonce),
        state=SlotState(state),
        holder=holder,
        sponsored=bool(sponsored),
        request_id=request_id,
        attempts=tuple(_attempt(row[8:]) for row in rows if row[8] is not None),
        inclusion=inclusion,
    )


def _attempt(row: Row) -> Attempt:
    raw, kind, fate, allow_spend, l1_fee, fee_cap = row
    return Attempt(
        signed=read_signed(
            hex_to_bytes(raw),
            allow_spend=bool(allow_spend),
            l1_fee=int(l1_fee),
            fee_cap=None if fee_cap is None else int(fee_cap),
        ),
        kind=AttemptKind(kind),
        refused=fate == "REFUSED",
        discarded=fate == "DISCARDED",
    )

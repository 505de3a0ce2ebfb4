"""The tables of the registry's history."""

from __future__ import annotations

from typing import Final

from ..._core.store import Schema

# several networks and registries share one store: every table begins with which one it is about.
# Times are Unix seconds: *_time of the registry's chain, *_at of the clients' clock.
SCHEMA: Final = Schema(
    "timeline",
    (
        # final: in a block that every endpoint calls finalized and shows alike. taken_back_at: a
        # reorg removed it; the row stays, so that the history can say so. subject is a tee id or a
        # PCR hash, label the version of a build or a node's address.
        """
CREATE TABLE timeline_event (
    chain_id BIGINT NOT NULL,
    registry TEXT NOT NULL,
    block_hash TEXT NOT NULL,
    log_index BIGINT NOT NULL,
    block_number BIGINT NOT NULL,
    block_time BIGINT NOT NULL,
    tx TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    tee_type BIGINT,
    pcr_hash TEXT,
    label TEXT,
    final BIGINT NOT NULL,
    taken_back_at DOUBLE PRECISION,
    PRIMARY KEY (chain_id, registry, block_hash, log_index)
)""",
        "CREATE INDEX timeline_event_block ON timeline_event (chain_id, registry, block_number)",
        # heartbeats in final blocks, as the spans in which none was late
        """
CREATE TABLE timeline_pulse (
    chain_id BIGINT NOT NULL,
    registry TEXT NOT NULL,
    tee_id TEXT NOT NULL,
    first_time BIGINT NOT NULL,
    last_time BIGINT NOT NULL,
    PRIMARY KEY (chain_id, registry, tee_id, first_time)
)""",
        # how far it was read: all final events up to final_number, all others up to head_number.
        # revision grows with every change, so that two processes do not undo each other's work
        """
CREATE TABLE timeline_progress (
    chain_id BIGINT NOT NULL,
    registry TEXT NOT NULL,
    revision BIGINT NOT NULL,
    final_number BIGINT,
    final_hash TEXT,
    final_time BIGINT,
    head_number BIGINT,
    head_hash TEXT,
    head_time BIGINT,
    max_age BIGINT,
    endpoints TEXT,
    PRIMARY KEY (chain_id, registry)
)""",
        # which block was the newest at which time of our clock: what comes between two of these
        # happened between their blocks, whatever any clock says
        """
CREATE TABLE timeline_sighting (
    chain_id BIGINT NOT NULL,
    registry TEXT NOT NULL,
    asked_at DOUBLE PRECISION NOT NULL,
    seen_at DOUBLE PRECISION NOT NULL,
    block_number BIGINT NOT NULL,
    block_hash TEXT NOT NULL,
    block_time BIGINT NOT NULL,
    PRIMARY KEY (chain_id, registry, asked_at, block_hash)
)""",
        # the first block that was read; nothing means the first of the chain
        "ALTER TABLE timeline_progress ADD COLUMN first_number BIGINT",
    ),
)

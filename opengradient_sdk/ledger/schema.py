"""The tables of the ledger."""

from __future__ import annotations

from typing import Final

from .._core.store import Schema

SCHEMA: Final = Schema(
    "ledger",
    (
        # a writer is one client; its entries are one hash chain
        """
CREATE TABLE ledger_writer (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    began_at DOUBLE PRECISION NOT NULL
)""",
        # body is canonical JSON and the truth; kind, at and subject repeat what it says. subject is
        # a receipt's id, or "payment <network> <owner> <nonce>".
        """
CREATE TABLE ledger_entry (
    writer TEXT NOT NULL,
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (writer, seq)
)""",
        # receipts are found in ledger_receipt. SQLite takes this index only for a statement that
        # says `kind <> 'receipt'`, too, whatever else it says of the kind.
        "CREATE INDEX ledger_entry_subject ON ledger_entry (subject) WHERE kind <> 'receipt'",
        # what receipts are looked for by; made from the entries, and checked against them
        """
CREATE TABLE ledger_receipt (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    writer TEXT NOT NULL,
    seq BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    route TEXT NOT NULL,
    model TEXT NOT NULL,
    tag TEXT,
    run TEXT,
    tee_id TEXT NOT NULL,
    pcr_hash TEXT NOT NULL,
    nonce TEXT NOT NULL,
    cost TEXT
)""",
        "CREATE INDEX ledger_receipt_time ON ledger_receipt (created_at)",
        "CREATE INDEX ledger_receipt_model ON ledger_receipt (model, created_at)",
        "CREATE INDEX ledger_receipt_pcr ON ledger_receipt (pcr_hash, created_at)",
        "CREATE INDEX ledger_receipt_tee ON ledger_receipt (tee_id, created_at)",
        "CREATE INDEX ledger_receipt_tag ON ledger_receipt (tag, created_at) WHERE tag IS NOT NULL",
        "CREATE INDEX ledger_receipt_run ON ledger_receipt (run, created_at) WHERE run IS NOT NULL",
        # which output became part of which question
        """
CREATE TABLE ledger_parent (
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    PRIMARY KEY (parent, child)
)""",
        "CREATE INDEX ledger_parent_child ON ledger_parent (child)",
        # documents that many receipts refer to, by their SHA-256: registry records, attestations
        """
CREATE TABLE ledger_document (
    hash TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
)""",
        # question, answer and the node's statement: what can be forgotten. form: plain or sealed.
        # They are found by their entry: an index on random ids dirties a page for each receipt.
        """
CREATE TABLE ledger_content (
    writer TEXT NOT NULL,
    seq BIGINT NOT NULL,
    receipt TEXT NOT NULL,
    form TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (writer, seq)
)""",
        # payment signatures, sealed: bearer secrets until their deadline, evidence afterwards
        """
CREATE TABLE ledger_secret (
    subject TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL
)""",
        """
CREATE TABLE ledger_key (
    public TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL
)""",
        """
CREATE TABLE ledger_checkpoint (
    id TEXT NOT NULL PRIMARY KEY,
    at DOUBLE PRECISION NOT NULL,
    body TEXT NOT NULL
)""",
        # few calls are no chats; among many, they would not be found. SQLite takes this index only
        # for a statement that says `route <> '/v1/chat/completions'`, too.
        "CREATE INDEX ledger_receipt_route ON ledger_receipt (route, created_at)"
        " WHERE route <> '/v1/chat/completions'",
    ),
)

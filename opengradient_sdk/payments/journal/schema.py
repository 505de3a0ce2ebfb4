"""The tables of the journal: clients, authorizations, calls, refusals, and what budgets counted."""

from __future__ import annotations

from typing import Final

from ..._core.store import Schema

# "authorization" is quoted everywhere: PostgreSQL has a word of its own by that name.
# Amounts are atoms as text: they do not fit into 63 bits.
SCHEMA: Final = Schema(
    "payments",
    (
        """
CREATE TABLE IF NOT EXISTS "authorization" (
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    nonce TEXT NOT NULL,
    asset TEXT NOT NULL,
    cap TEXT NOT NULL,
    recipient TEXT NOT NULL,
    facilitator TEXT,
    spender TEXT NOT NULL,
    deadline BIGINT NOT NULL,
    tee_id TEXT NOT NULL,
    route TEXT NOT NULL,
    signed_at DOUBLE PRECISION NOT NULL,
    from_block BIGINT NOT NULL,
    state TEXT NOT NULL,
    charged TEXT,
    tx TEXT,
    PRIMARY KEY (owner, network, nonce)
)""",
        # life is an AuthorizationState; state stays what the chain says. holder is the client that
        # sends calls on it, NULL when that one has left. secret is the sealed header, gone once
        # the chain has spoken for good. pool and run say which budget it counts against.
        "ALTER TABLE \"authorization\" ADD COLUMN life TEXT NOT NULL DEFAULT 'retired'",
        'ALTER TABLE "authorization" ADD COLUMN holder TEXT',
        'ALTER TABLE "authorization" ADD COLUMN secret TEXT',
        "ALTER TABLE \"authorization\" ADD COLUMN pool TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE \"authorization\" ADD COLUMN run TEXT NOT NULL DEFAULT ''",
        'ALTER TABLE "authorization" ADD COLUMN ended_by_node BIGINT NOT NULL DEFAULT 0',
        # a holder died with it in its hands: calls may have been sent that no row tells of
        'ALTER TABLE "authorization" ADD COLUMN interrupted BIGINT NOT NULL DEFAULT 0',
        'CREATE INDEX authorization_open ON "authorization" (owner, network, holder)'
        " WHERE state IN ('open', 'unknown')",
        'CREATE INDEX authorization_pool ON "authorization" (owner, network, pool, signed_at)',
        """
CREATE TABLE payment_client (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    pool TEXT NOT NULL,
    run TEXT NOT NULL,
    process TEXT,
    alive_until DOUBLE PRECISION NOT NULL
)""",
        # what the chain has charged in one run of a budget, so that it need not be summed up
        """
CREATE TABLE budget_run (
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    pool TEXT NOT NULL,
    run TEXT NOT NULL,
    began_at DOUBLE PRECISION NOT NULL,
    charged TEXT NOT NULL,
    PRIMARY KEY (owner, network, pool, run)
)""",
        # computed costs by tag: estimates, reserved when a call begins, corrected when it ends
        """
CREATE TABLE budget_tag (
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    pool TEXT NOT NULL,
    run TEXT NOT NULL,
    tag TEXT NOT NULL,
    estimated TEXT NOT NULL,
    PRIMARY KEY (owner, network, pool, run, tag)
)""",
        """
CREATE TABLE payment_call (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    idempotency_key TEXT,
    fingerprint TEXT NOT NULL,
    route TEXT NOT NULL,
    model TEXT NOT NULL,
    tag TEXT,
    nonce TEXT,
    holder TEXT,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    maybe_billed TEXT NOT NULL,
    estimate TEXT,
    cost TEXT,
    started_at DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION,
    reason TEXT NOT NULL,
    reply TEXT
)""",
        "CREATE UNIQUE INDEX payment_call_key ON payment_call (owner, network, idempotency_key)"
        " WHERE idempotency_key IS NOT NULL",
        "CREATE INDEX payment_call_nonce ON payment_call (owner, network, nonce)",
        "CREATE INDEX payment_call_pending ON payment_call (holder) WHERE state = 'pending'",
        """
CREATE TABLE payment_refusal (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    tee_id TEXT,
    field TEXT NOT NULL,
    asked TEXT NOT NULL,
    allowed TEXT NOT NULL
)""",
        # which key sealed the secrets of this store: another one could not open them
        """
CREATE TABLE payment_vault (
    key_id TEXT NOT NULL PRIMARY KEY
)""",
    ),
)

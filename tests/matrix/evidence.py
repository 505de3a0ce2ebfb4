"""What is known of a run from outside of the client: wire, books of the network, chain, store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.contracts import addresses
from opengradient_sdk.devnet.facilitator.evm import ChainReader, Rpc
from opengradient_sdk.devnet.node import SessionState
from opengradient_sdk.types import Address

from .cells import Cell
from .customer import Wish
from .recording import Line, fingerprint


@dataclass(frozen=True, slots=True)
class Journalled:
    """A row of the client's journal, read without the client. Amounts are atoms."""

    nonce: str
    cap: int
    state: str
    charged: int

    @property
    def open(self) -> bool:
        """Whether the journal still reserves the whole cap."""
        return self.state in ("open", "unknown")


@dataclass(frozen=True, slots=True)
class Settled:
    """A charge on chain: atoms, and when (Unix seconds of the Devnet)."""

    amount: int
    at: float


@dataclass(frozen=True, slots=True)
class Network:
    """What the network knows of one payer, in atoms.

    ``owed`` is what was served on sessions that their nodes have not forgotten.
    """

    charged: int
    owed: int
    settled: dict[str, Settled]
    verified: frozenset[str]
    billed: int
    sessions: dict[str, str]
    """Nonce by the fingerprint of the session id."""


@dataclass(slots=True)
class Evidence:
    """Everything that is judged of one run."""

    cell: Cell
    wishes: dict[str, Wish]
    offset: float
    lines: list[Line] = field(default_factory=list[Line])
    hits: int = 0
    died: bool = False
    standing: dict[str, int] = field(default_factory=dict[str, int])
    journal: Sequence[Journalled] = ()
    exposures: list[int] = field(default_factory=list[int])
    network: Network | None = None


def network_of(net: Devnet, payer: Address, paid: int) -> Network:
    """Return what nodes, facilitator and chain know of a payer, who has paid ``paid`` atoms."""
    sessions = [s for node in net.nodes for s in node.sessions if s.payer == payer.lower()]
    records = net.facilitator.records
    return Network(
        charged=paid,
        owed=sum(s.cost for s in sessions if s.state is not SessionState.FORGOTTEN),
        settled={
            str(e.nonce): Settled(e.amount, e.at) for e in records.settled if e.payer == payer
        },
        verified=frozenset(str(e.nonce) for e in records.verified if e.payer == payer),
        billed=sum(s.billed for s in sessions),
        sessions={fingerprint(s.id): str(s.nonce) for s in sessions},
    )


async def balance_of(net: Devnet, payer: Address) -> int:
    """Return the OPG that the chain says a wallet has, in atoms."""
    return await ChainReader(Rpc(net.chain)).token_balance(addresses.OPG, payer)


def read_journal(store: Path) -> list[Journalled]:
    """Return the authorizations of a store's file, whatever its client says of them."""
    if not store.exists():
        return []
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        rows = db.execute('SELECT nonce, cap, state, charged FROM "authorization"').fetchall()
    return [
        Journalled(str(n), int(cap), state, int(charged or 0)) for n, cap, state, charged in rows
    ]

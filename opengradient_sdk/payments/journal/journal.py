"""Authorizations, written down before they are sent.

The journal holds what is needed to ask the chain about every cap that was ever signed. It holds
no secret: neither the payment header nor the session id can be made from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..._core.store import Db, Row, Store
from ...types import Address, Amount, Bytes32
from ..state import OpenAuthorization
from ..status import PaymentState, PaymentStatus


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One authorization as it was written down. ``cap`` and ``charged`` are atoms of OPG."""

    owner: Address
    network: str
    nonce: int
    cap: int
    recipient: Address
    deadline: int
    tee_id: Bytes32
    route: str
    signed_at: float
    from_block: int
    state: PaymentState
    charged: Amount | None
    transaction: Bytes32 | None


class Journal:
    """The durable list of authorizations of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, entry: OpenAuthorization) -> None:
        """Write an authorization down; when this returns, it survives a crash.

        Raises:
            LedgerError: It could not be written: the authorization must not be sent.
        """
        signed = entry.authorization
        row = (
            signed.owner,
            signed.network,
            str(signed.nonce),
            signed.asset,
            str(signed.max_amount),
            signed.recipient,
            signed.facilitator,
            signed.spender,
            signed.deadline,
            str(entry.tee_id),
            entry.route,
            entry.signed_at,
            entry.from_block,
            PaymentState.OPEN.value,
        )
        statement = (
            'INSERT INTO "authorization" (owner, network, nonce, asset, cap, recipient,'
            " facilitator, spender, deadline, tee_id, route, signed_at, from_block, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        await self._store.run(lambda db: db.execute(statement, row))

    async def resolve(self, entry: OpenAuthorization, status: PaymentStatus) -> None:
        """Write down what the chain says.

        Raises:
            LedgerError: It could not be written.
        """
        signed = entry.authorization
        row = (
            status.state.value,
            None if status.amount is None else str(status.amount.atoms),
            None if status.transaction is None else str(status.transaction),
            signed.owner,
            signed.network,
            str(signed.nonce),
        )
        statement = (
            'UPDATE "authorization" SET state = ?, charged = ?, tx = ?'
            " WHERE owner = ? AND network = ? AND nonce = ?"
        )
        await self._store.run(lambda db: db.execute(statement, row))

    async def entries(self, owner: Address, network: str) -> list[JournalEntry]:
        """Return every authorization of ``owner`` on ``network``, oldest first.

        Raises:
            LedgerError: The store could not be read.
        """

        def read(db: Db) -> list[JournalEntry]:
            rows = db.execute(
                "SELECT nonce, cap, recipient, deadline, tee_id, route, signed_at, from_block,"
                ' state, charged, tx FROM "authorization" WHERE owner = ? AND network = ?'
                " ORDER BY signed_at",
                (owner, network),
            )
            return [_entry(owner, network, row) for row in rows]

        return await self._store.run(read)


def _entry(owner: Address, network: str, row: Row) -> JournalEntry:
    nonce, cap, recipient, deadline, tee_id, route, signed_at, block, state, charged, tx = row
    return JournalEntry(
        owner=owner,
        network=network,
        nonce=int(nonce),
        cap=int(cap),
        recipient=Address(recipient),
        deadline=int(deadline),
        tee_id=Bytes32(tee_id),
        route=route,
        signed_at=float(signed_at),
        from_block=int(block),
        state=PaymentState(state),
        charged=Amount(int(charged)) if charged else None,
        transaction=Bytes32(tx) if tx else None,
    )

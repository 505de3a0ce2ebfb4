"""Accounts, signed transactions and blocks for tests of the book."""

from __future__ import annotations

from functools import cache

from coincurve import PrivateKey

from opengradient_sdk._core.store import Db, Store
from opengradient_sdk.chain.outbox.page import name_of
from opengradient_sdk.chain.outbox.slots import Account, Inclusion
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.signers.envelope import seal, unsigned_bytes
from opengradient_sdk.types import Address, Bytes32, PreparedTx, SignedTx, keccak256

KEY = bytes([7]) * 32
OWNER = LocalSigner(KEY).address
ACCOUNT = Account("31337-1f2e3d4c", OWNER)
FRIEND = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")


@cache
def signed(nonce: int, value: int = 0) -> SignedTx:
    """Return the account's transaction of ``value`` wei with ``nonce``."""
    tx = PreparedTx(
        chain_id=31337,
        sender=OWNER,
        nonce=nonce,
        to=FRIEND,
        data=b"",
        value=value,
        gas=21_000,
        max_fee_per_gas=10**9,
        max_priority_fee_per_gas=10**6,
    )
    signature = PrivateKey(KEY).sign_recoverable(keccak256(unsigned_bytes(tx)), hasher=None)
    return seal(tx, signature[:64] + bytes([signature[64] + 27]))


def included(one: SignedTx, block: int = 100) -> Inclusion:
    """Return where ``one`` was mined."""
    return Inclusion(one.tx.nonce, one.hash, block, Bytes32(keccak256(b"block %d" % block)))


async def kill(store: Store, holder: str) -> None:
    """Let a holder's last sign of life be too long ago, as if its process had been killed."""
    statement = "UPDATE nonce_holder SET alive_until = 0 WHERE id = ?"
    await store.run(lambda db: db.execute(statement, (holder,)))


async def expire(store: Store, account: Account, nonce: int) -> None:
    """Let a lease's time be over, as if its process had hung."""

    def work(db: Db) -> None:
        db.execute(
            "UPDATE nonce_slot SET expires = 0 WHERE account = ? AND nonce = ?",
            (name_of(account), nonce),
        )

    await store.run(work)

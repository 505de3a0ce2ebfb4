"""An outbox with everything it needs, for tests that send and follow transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from opengradient_sdk._core.store import IN_MEMORY, Store, open_store
from opengradient_sdk._core.tasks import Supervisor
from opengradient_sdk.chain.fees import FeeQuote
from opengradient_sdk.chain.outbox.events import ChainEvent
from opengradient_sdk.chain.outbox.journal import TxJournal
from opengradient_sdk.chain.outbox.nonces import NonceLeases
from opengradient_sdk.chain.outbox.outbox import Outbox
from opengradient_sdk.chain.outbox.replacing import BumpPolicy
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.chain.outbox.slots import Slot
from opengradient_sdk.chain.pending import PendingTx
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.profiles import ChainProfile
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, PreparedTx, SignedTx

CHAIN_ID = 31337
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
GWEI = 10**9
KEY = bytes([7]) * 32


@dataclass
class Quoted:
    """A source of fees that says what a test tells it to."""

    quoted: FeeQuote = field(default_factory=lambda: FeeQuote(GWEI, 2 * GWEI, 10**6))

    async def quote(self, rpc: Rpc) -> FeeQuote:
        return self.quoted

    def at(self, max_fee: int, tip: int = 10**6) -> None:
        self.quoted = FeeQuote(max_fee // 2, max_fee, tip)


@dataclass
class Desk:
    """One holder's outbox, and short words for what tests do with it."""

    rpc: Rpc
    store: Store
    journal: TxJournal
    nonces: NonceLeases
    outbox: Outbox
    signer: Any
    fees: Quoted
    events: list[ChainEvent]

    @property
    def owner(self) -> Address:
        return self.signer.address

    async def prepared(self, *, nonce: int | None = None, **fields: Any) -> PreparedTx:
        """Return a transfer of 1 wei with a leased nonce, and other fields as given."""
        if nonce is None:
            (nonce,) = (await self.nonces.lease(self.owner)).nonces
        quote = self.fees.quoted
        asked = {
            "to": BOB,
            "data": b"",
            "value": 1,
            "gas": 21_000,
            "max_fee_per_gas": quote.max_fee_per_gas,
            "max_priority_fee_per_gas": quote.max_priority_fee_per_gas,
        }
        return PreparedTx(chain_id=CHAIN_ID, sender=self.owner, nonce=nonce, **asked | fields)

    async def signed(self, **fields: Any) -> SignedTx:
        """Return a transaction that the journal has as on its way."""
        signed = await self.signer.sign_transaction(await self.prepared(**fields))
        await self.journal.sign(await self.account(), [signed], sending=True)
        return signed

    async def post(self, signed: SignedTx) -> PendingTx:
        """Send it; raise where it was refused."""
        (outcome,) = await self.outbox.post([signed])
        if isinstance(outcome, PendingTx):
            return outcome
        raise outcome

    async def sent(self, **fields: Any) -> PendingTx:
        """Return a transaction that was journalled and sent."""
        return await self.post(await self.signed(**fields))

    async def account(self) -> Any:
        return await self.nonces.account(self.owner)

    async def slot(self, nonce: int) -> Slot:
        slot = await self.journal.slot(await self.account(), nonce)
        assert slot is not None
        return slot

    def named(self, kind: type[Any]) -> list[Any]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def open_desk(
    rpc: Rpc,
    *,
    signer: Any = None,
    store: Store | None = None,
    block_time: float = 0.01,
    bump: BumpPolicy | None = None,
    fees: Quoted | None = None,
) -> AsyncIterator[Desk]:
    """Open an outbox on a store of its own, or on one that is shared."""
    own = store or open_store(IN_MEMORY, SCHEMA)
    signer = signer or LocalSigner(KEY)
    fees = fees or Quoted()
    journal = TxJournal(own)
    nonces = NonceLeases(rpc, journal)
    supervisor = Supervisor()
    events: list[ChainEvent] = []
    outbox = Outbox(
        rpc,
        journal,
        nonces,
        profile=ChainProfile("test", CHAIN_ID, (), block_time=block_time),
        signer=signer,
        fees=fees,
        supervisor=supervisor,
        emit=events.append,
        bump=bump or BumpPolicy(enabled=False),
    )
    try:
        yield Desk(rpc, own, journal, nonces, outbox, signer, fees, events)
    finally:
        await outbox.aclose()
        await supervisor.aclose()
        await journal.leave()
        if store is None:
            await own.aclose()

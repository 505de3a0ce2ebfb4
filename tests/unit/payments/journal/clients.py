"""Clients that share a store: they come, leave, and die."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from opengradient_sdk._core.gathering import Gathering
from opengradient_sdk._core.store import Store, Value, open_store
from opengradient_sdk._core.tasks import Supervisor
from opengradient_sdk._core.vault import Vault
from opengradient_sdk.payments.budget.pools import Limits, Pool
from opengradient_sdk.payments.journal import SCHEMA, CallRecord, PaymentJournal, Reservation
from opengradient_sdk.payments.state import OpenAuthorization
from opengradient_sdk.profiles import DEVNET

from ..makers import CAP, CHAT, NOW, OWNER, PAYEE, TEE, SteppedClock, a_life

NETWORK = DEVNET.payments.caip2


class Client:
    """A journal with a store, a vault and tasks of its own, as a client has them."""

    def __init__(
        self,
        place: str,
        *,
        total: int | None = None,
        name: str = "",
        tags: dict[str, int] | None = None,
        clock: SteppedClock | None = None,
        key: str | None = None,
        store: Store | None = None,
    ) -> None:
        self.clock = clock or SteppedClock()
        self.store = store or open_store(place, SCHEMA)
        self.supervisor = Supervisor()
        self.journal = PaymentJournal(
            self.store,
            Vault.at(place, key),
            owner=OWNER,
            network=NETWORK,
            pool=Pool(OWNER, NETWORK, name),
            limits=Limits(total, None, tags or {}),
            clock=self.clock,
            supervisor=self.supervisor,
            gathering=Gathering(self.store, self.supervisor),
        )

    async def signed(self, nonce: int, **changes: Any) -> OpenAuthorization:
        """Reserve a cap and write down what was signed for it."""
        life = a_life(nonce, **changes)
        await self.journal.reserve(a_reservation(nonce, life.cap))
        await self.journal.write(life)
        return life

    async def die(self) -> None:
        """End as a killed process does, as far as the others see: nothing is handed over."""
        await self.supervisor.aclose()
        await self.sql(
            "UPDATE payment_client SET alive_until = 0 WHERE id = ?", self.journal.holder
        )
        await self.store.aclose()

    async def sql(self, statement: str, *values: Value) -> Sequence[tuple[Any, ...]]:
        """Run one statement, past the journal."""
        return await self.store.run(lambda db: db.execute(statement, values))

    async def aclose(self) -> None:
        """Leave and close, as a client does."""
        await self.journal.leave()
        await self.supervisor.aclose()
        await self.store.aclose()


@asynccontextmanager
async def a_client(place: str, **options: Any) -> AsyncIterator[Client]:
    """A client that leaves in order."""
    client = Client(place, **options)
    try:
        yield client
    finally:
        await client.aclose()


def a_reservation(nonce: int, cap: int = CAP, **changes: Any) -> Reservation:
    """A cap that is about to be signed."""
    values: dict[str, Any] = {
        "nonce": nonce,
        "cap": cap,
        "asset": DEVNET.opg,
        "recipient": PAYEE,
        "deadline": int(NOW) + 300,
        "tee_id": TEE,
        "route": CHAT,
        "at": NOW,
    }
    return Reservation(**{**values, **changes})


def a_call(id_: str = "call-1", **changes: Any) -> CallRecord:
    """A call that begins."""
    values: dict[str, Any] = {
        "id": id_,
        "fingerprint": "what was asked",
        "route": CHAT,
        "model": "gpt-5",
        "started_at": NOW,
        "estimate": 1000,
    }
    return CallRecord(**{**values, **changes})

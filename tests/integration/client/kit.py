"""What the tests of a whole client share: customers with wallets, and what errors must be."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import pytest

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.client.events import Event
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.devnet.books import PayerBook
from opengradient_sdk.errors import OpenGradientError, Spent
from opengradient_sdk.payments.journal import JournalEntry
from opengradient_sdk.payments.state import OpenAuthorization
from opengradient_sdk.signers import LocalSigner, Signer
from opengradient_sdk.types import Address, PreparedTx, SignedTx, TypedData

CAP: Final = 10**17
CHAT: Final = "/v1/chat/completions"
MODEL: Final = "openai/gpt-5"
PAYMENT: Final = "PAYMENT-SIGNATURE"
SESSION: Final = "X-Upto-Session"


class CountingSigner:
    """A wallet that counts what it signs."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.typed_data: list[TypedData] = []
        self.transactions: list[PreparedTx] = []

    @property
    def address(self) -> Address:
        return self._signer.address

    @property
    def count(self) -> int:
        return len(self.typed_data) + len(self.transactions)

    @property
    def key(self) -> str:
        assert isinstance(self._signer, LocalSigner)
        return self._signer._key.secret.hex()

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        self.transactions.append(tx)
        return await self._signer.sign_transaction(tx)

    async def sign_typed_data(self, data: TypedData) -> bytes:
        self.typed_data.append(data)
        return await self._signer.sign_typed_data(data)


@dataclass(slots=True)
class Customer:
    """An open client with a wallet of its own, and what can be seen of both."""

    net: Devnet
    client: AsyncOpenGradient
    signer: CountingSigner
    events: list[Event] = field(default_factory=list[Event])

    async def ask(self, **changes: Any) -> Reply:
        """Ask the usual question."""
        return await self.client.chat.create(**self.question(**changes))

    @staticmethod
    def question(**changes: Any) -> dict[str, Any]:
        return {"model": MODEL, "messages": "hi", "max_tokens": 64} | changes

    @property
    def lives(self) -> list[OpenAuthorization]:
        """Every authorization that was signed, oldest first."""
        return list(self.client._work.core.lives._known.values())

    @property
    def secrets(self) -> list[str]:
        """What nobody else may read: the key, payment headers, session ids, signatures."""
        lives = self.lives
        headers = [life.authorization.header for life in lives]
        sessions = [
            session.id
            for node in self.net.nodes
            for session in node.sessions
            if session.payer == self.signer.address.lower()
        ]
        return [self.signer.key, *headers, *sessions]

    async def exposed(self) -> int:
        """Atoms of the budget that are reserved by open authorizations."""
        return (await self.client.budget.standing()).exposed.atoms

    async def settled(self) -> int:
        """Atoms that the chain has charged, as the budget counts them."""
        return (await self.client.budget.standing()).settled.atoms

    async def journal(self) -> list[JournalEntry]:
        """What is written down of this wallet's authorizations."""
        return list(await self.client.payments.journal())

    @property
    def book(self) -> PayerBook | None:
        """What the network knows of this wallet; ``None`` where it never saw it."""
        return self.net.books().get(self.signer.address)

    @property
    def served(self) -> int:
        """Atoms that nodes count for this wallet's answers."""
        return self.book.served if self.book else 0

    async def working(self, count: int) -> None:
        """Wait until nodes work on so many of this wallet's calls; they have no event for that."""
        while self._in_flight() < count:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def _in_flight(self) -> int:
        payer = self.signer.address.lower()
        sessions = (session for node in self.net.nodes for session in node.sessions)
        return sum(session.in_flight for session in sessions if session.payer == payer)

    def events_of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def assert_nothing_happened(self) -> None:
        """Nothing signed, reserved, written down, or known to the network."""
        assert self.signer.count == 0
        assert await self.exposed() == 0
        assert await self.journal() == []
        assert self.client.payments.unresolved == ()
        assert self.book is None

    async def assert_exposed(self, caps: int) -> None:
        """Exactly so many caps are signed, reserved, and written down; no call is in flight."""
        assert len(self.signer.typed_data) == caps
        assert await self.exposed() == caps * CAP
        assert len(await self.journal()) == caps
        assert all(life.in_flight == 0 for life in self.lives)


class CustomerFactory(Protocol):
    """Makes customers; their clients are closed when the test ends."""

    def __call__(
        self, *, opg: str = "10", eth: str = "0", **arguments: Any
    ) -> Awaitable[Customer]: ...


@asynccontextmanager
async def new_customer(
    net: Devnet, *, opg: str = "10", eth: str = "0", **arguments: Any
) -> AsyncIterator[Customer]:
    """An open client of ``net`` with a fresh wallet; its journal is forgotten at the end."""
    signer = CountingSigner(await net.new_account(opg=opg, eth=eth))
    events: list[Event] = []
    defaults: dict[str, Any] = {"network": net.profile, "budget": "2 OPG", "store": ":memory:"}
    arguments = defaults | {"signer": signer, "on_event": events.append} | arguments
    async with AsyncOpenGradient(**arguments) as client:
        yield Customer(net, client, signer, events)


async def beside(customer: CustomerFactory, one: Customer, **arguments: Any) -> Customer:
    """Another client of the same wallet, while the first one is open."""
    other = await customer(**{"signer": one.signer, **arguments})
    other.signer = one.signer
    return other


async def after(customer: CustomerFactory, one: Customer, **arguments: Any) -> Customer:
    """Another client of the same wallet, when the first one has been closed."""
    await one.client.aclose()
    return await beside(customer, one, **arguments)


class Caught:
    """Holds the error that a ``with`` block has raised."""

    error: Any = None


@contextmanager
def refused(
    kind: type[OpenGradientError],
    *words: str,
    spent: Spent = Spent.NO,
    hint: str,
    secrets: Callable[[], list[str]] = list,
) -> Iterator[Caught]:
    """The block raises exactly ``kind``, which says ``words``, a useful hint, and no secret."""
    caught = Caught()
    with pytest.raises(OpenGradientError) as info:
        yield caught
    error = caught.error = info.value
    assert type(error) is kind, "".join(traceback.format_exception(error))
    for word in words:
        assert word in error.short_message
    assert hint in error.hint, error.hint
    assert error.spent is spent
    assert error.docs_url == f"docs/errors.md#{kind.__name__.lower()}"
    assert_keeps_secrets(error, secrets())


def assert_keeps_secrets(error: BaseException, secrets: list[str]) -> None:
    """No secret is in the error's text, its causes', or its traceback's."""
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    for secret in secrets:
        assert secret not in told


@contextmanager
def closed_port() -> Iterator[str]:
    """The address of a port that is taken and refuses every connection."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"

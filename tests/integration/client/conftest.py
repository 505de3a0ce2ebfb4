"""A Devnet per module, and clients with wallets of their own on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk._core.http import HttpResponse
from opengradient_sdk.client.refreshing import Refreshing
from opengradient_sdk.devnet.facilitator.faults import Faults as FacilitatorFaults
from opengradient_sdk.devnet.node.faults import Faults as NodeFaults
from opengradient_sdk.ledger.receipt import Receipt
from opengradient_sdk.network.connection import NodeConnection

from .kit import PAYMENT, SESSION, Customer, CustomerFactory, new_customer


@pytest.fixture(scope="module")
async def net() -> AsyncIterator[Devnet]:
    """A network with one node, shared by the tests of a module."""
    async with Devnet(accounts=1) as network:
        yield network


@pytest.fixture
async def customer(net: Devnet) -> AsyncIterator[CustomerFactory]:
    """Makes clients with fresh wallets; afterwards they are closed and everybody is honest."""
    async with AsyncExitStack() as stack:

        async def make(*, opg: str = "10", eth: str = "0", **arguments: Any) -> Customer:
            one = new_customer(net, opg=opg, eth=eth, **arguments)
            return await stack.enter_async_context(one)

        yield make
    make_honest(net)


@pytest.fixture
def client(customer: CustomerFactory) -> Callable[..., Awaitable[AsyncOpenGradient]]:
    """Makes open clients with fresh wallets: ``await client(budget="1 OPG", opg="5")``."""

    async def make(**arguments: Any) -> AsyncOpenGradient:
        return (await customer(**arguments)).client

    return make


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A store that several clients share, at once or one after the other."""
    return str(tmp_path / "store.sqlite")


@dataclass(frozen=True)
class HeldRefreshes:
    """Refreshes stop where they have read the ledger, say ``begun``, and wait for ``go_on``."""

    begun: asyncio.Event
    go_on: asyncio.Event


@pytest.fixture
def refreshes(monkeypatch: pytest.MonkeyPatch) -> HeldRefreshes:
    """Holds every refresh of a receipt that is under way, until the test lets it go on."""
    held = HeldRefreshes(asyncio.Event(), asyncio.Event())
    data = Refreshing.data

    async def waits(refreshing: Refreshing, receipt: Receipt) -> Receipt:
        held.begun.set()
        await held.go_on.wait()
        return await data(refreshing, receipt)

    monkeypatch.setattr(Refreshing, "data", waits)
    return held


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every request is paid with: a header's name, ``nothing`` for an unpaid one."""
    names: list[str] = []
    post = NodeConnection.post

    async def seen(
        connection: NodeConnection,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout: float,
    ) -> HttpResponse:
        names.append(next((n for n in (PAYMENT, SESSION) if n in headers), "nothing"))
        return await post(connection, path, body, headers, timeout=timeout)

    monkeypatch.setattr(NodeConnection, "post", seen)
    return names


def make_honest(net: Devnet) -> None:
    """Switch every fault of a network off."""
    for node in net.nodes:
        _reset(node.faults, NodeFaults())
    _reset(net.facilitator.faults, FacilitatorFaults())


def _reset(faults: object, honest: object) -> None:
    for name in type(honest).__dataclass_fields__:  # type: ignore[attr-defined]
        setattr(faults, name, getattr(honest, name))

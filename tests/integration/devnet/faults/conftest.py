"""A Devnet of two nodes per module, and a fresh payer per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from opengradient_sdk import Devnet

from .raw import Payer, new_payer


@pytest.fixture(scope="module")
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(accounts=1, nodes=2) as network:
        yield network


@pytest.fixture
async def payer(net: Devnet) -> AsyncIterator[Payer]:
    async with new_payer(net) as one:
        yield one
    assert net.nodes[0].faults.ambushes == ()

"""Real chains: anvil, and the Devnet's own py-evm, with the Devnet's contracts in place."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from opengradient_sdk._core.clock import SystemClock
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain import Chain, Rpc
from opengradient_sdk.devnet.contracts import genesis_alloc
from opengradient_sdk.devnet.evm import Anvil, PyEvm
from opengradient_sdk.profiles import ChainProfile
from opengradient_sdk.signers import LocalSigner

CHAIN_ID = 31337
ETHER = 10**18
PROFILE = ChainProfile("test", CHAIN_ID, (), block_time=0.2)


@pytest.fixture
def accounts() -> list[LocalSigner]:
    """Three with ether, the first with 10 OPG, and one with nothing."""
    return [LocalSigner.from_key(f"0x{number:064x}") for number in range(1001, 1005)]


@asynccontextmanager
async def running(kind: type[Anvil | PyEvm], accounts: list[LocalSigner]) -> AsyncIterator[str]:
    alloc = genesis_alloc(
        admin=accounts[0].address,
        opg_balances={accounts[0].address: 10 * ETHER},
        eth_balances={account.address: 100 * ETHER for account in accounts[:3]},
        timestamp=int(time.time()),
    )
    evm = kind(chain_id=CHAIN_ID, alloc=alloc, clock=SystemClock())
    await evm.start()
    try:
        yield evm.rpc_url
    finally:
        await evm.stop()


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture(params=[pytest.param(Anvil, marks=pytest.mark.anvil), PyEvm])
async def chain_url(
    request: pytest.FixtureRequest, accounts: list[LocalSigner]
) -> AsyncIterator[str]:
    async with running(request.param, accounts) as url:
        yield url


def chain_at(url: str, http: HttpClient, signer: LocalSigner) -> Chain:
    return Chain(Rpc([url], http, chain_id=CHAIN_ID), profile=PROFILE, signer=signer)


@pytest.fixture
async def chain(
    chain_url: str, http: HttpClient, accounts: list[LocalSigner]
) -> AsyncIterator[Chain]:
    async with chain_at(chain_url, http, accounts[0]) as chain:
        yield chain


@pytest.fixture
async def anvil(http: HttpClient, accounts: list[LocalSigner]) -> AsyncIterator[Chain]:
    async with running(Anvil, accounts) as url, chain_at(url, http, accounts[0]) as chain:
        yield chain
